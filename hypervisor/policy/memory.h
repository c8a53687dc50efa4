/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much host memory VMs need. One formula for L0, which takes so much, and for the host
 * tool, which gives the machine so much. Pure.
 */
#ifndef NESTOR_POLICY_MEMORY_H
#define NESTOR_POLICY_MEMORY_H

#include <stdint.h>

#include "policy/vm_config.h"

/* Regions of a VM are multiples of this, and lie at multiples of it. */
#define MEMORY_UNIT (2ull << 20)

/*
 * A VM with VT-x has a table for its EPT02 for each MEMORY_UNIT of its RAM, and a quarter more.
 */
#define MEMORY_EPT02_TABLE   8448u         /* bytes at most, with its book-keeping */
#define MEMORY_MOST          (64ull << 40) /* of a machine: mm/layout.h has no place for more */
#define MEMORY_VMCS_PAGES    39u           /* for each virtual CPU */
#define MEMORY_FIGURES_PAGES 24u           /* likewise, with and without VT-x */
#define MEMORY_TRACE_PAGES   32u           /* likewise: the ring of its trace */
#define MEMORY_VCPU_PAGES    32u           /* likewise: all else, of those above 8 */
#define MEMORY_NODE          144u  /* bytes: of each vCPU that there may be, in queues */
#define MEMORY_NODES         8191u /* of all VMs together, at most */
#define MEMORY_PAGE          4096u
#define MEMORY_NET_QUEUE \
	(512u << 10) /* frames that wait for a pair of queues of a network device */
#define MEMORY_STREAM_RING (256u << 10) /* bytes under way in one direction of a stream */
#define MEMORY_REMOTE_DISK (32u << 10)  /* of a disk that another VM serves: requests */
#define MEMORY_VF          (16u << 10)  /* of a virtual function of a network device */
/* RAM that moves: what L0 knows of it, and of each MEMORY_UNIT. */
#define MEMORY_RAM_BOOKS   (8u << 10)
#define MEMORY_RAM_CHUNK   8u
#define MEMORY_RAM_BALLOON 64u /* a bit for each page */
#define MEMORY_L0 \
	(16ull << 20) /* for L0 itself: page tables, and what is lost between regions */
/* For as many VMs as there may be (vm/places.c): of each, and once. */
#define MEMORY_PLACE  (48u << 10)
#define MEMORY_PLACES (192u << 10)
#define MEMORY_HOLE_START \
	UINT64_C(0xc0000000) /* the machines of the tool have none from here */
#define MEMORY_HOLE_END     UINT64_C(0x100000000) /* to here */
#define MEMORY_WITHOUT_HOLE UINT64_C(0xe0000000)  /* with less than this they have no hole */

/* The size of the hole in a machine of the tool's with so much memory. */
static inline uint64_t memory_hole(uint64_t memory)
{
	return memory < MEMORY_WITHOUT_HOLE ? 0 : MEMORY_HOLE_END - MEMORY_HOLE_START;
}

/* What of so much memory lies below the hole: as QEMU's "pc" machine and Bochs split it. */
static inline uint64_t memory_below_hole(uint64_t memory)
{
	return memory < MEMORY_WITHOUT_HOLE ? memory : MEMORY_HOLE_START;
}

/* Tables of EPT02 for a VM. */
uint32_t memory_ept02_tables(const struct vm_config *c);

/* The end of the pool that outlives a restart: disks, and variables of firmware. */
uint64_t memory_kept_size(const struct vm_config *c);

/* Bytes of the VM's pool: all that it needs beside its RAM. */
uint64_t memory_pool_size(const struct vm_config *c);

/*
 * Pages of it that the VM may need once it runs, at most: EPT01 in pages of 4 KiB, with those
 * that are watched; rings of traces; what its devices reach; what a vCPU's first use of a
 * register takes. The rest is nobody's.
 */
uint64_t memory_pool_later(const struct vm_config *c);

/* How many tables a unit of the machine may need for what a VM's device reaches. */
unsigned memory_iommu_tables(const struct vm_config *c);

/* What of its RAM a VM has from the start: all of it, or its reserve. */
uint64_t memory_ram_size(const struct vm_config *c);
/* Of its reserve, in units: what is for accesses that L0 makes for it and cannot put off. */
uint32_t memory_spare(const struct vm_config *c);
/* Bytes of what L0 knows of RAM that moves; 0: it does not. */
uint64_t memory_books_size(const struct vm_config *c);
/* Guest-physical addresses that the balloon knows of, and the size of its bits for so many. */
uint64_t memory_balloon_bytes(const struct vm_config *c);
uint64_t memory_balloon_size(uint64_t bytes);

/* Bytes of what L0 keeps beside pools of as many VMs as there may be. */
uint64_t memory_places_size(unsigned places);

/*
 * Pairs of queues that the network devices of the VM in a place may have: of those that are
 * there from the start, their own, or where more may come, as many as any of them has. And the
 * bytes for those of all places, beside pools.
 */
unsigned memory_nets_queues(
	const struct vm_config *const *vms, unsigned count, unsigned places, unsigned place);
uint64_t memory_nets_size(const struct vm_config *const *vms, unsigned count, unsigned places);

/* The same for the streams to the servers of their disks. */
uint64_t memory_streams_size(const struct vm_config *const *vms, unsigned count);

/*
 * The least memory of a machine of the tool's on which L0, with its images in the first
 * `images` bytes, can take all VMs, and in the other places up to `places` VMs as large as the
 * largest; a multiple of MEMORY_UNIT.
 */
uint64_t memory_of_machine(
	uint64_t images, const struct vm_config *const *vms, unsigned count, unsigned places);

#endif
