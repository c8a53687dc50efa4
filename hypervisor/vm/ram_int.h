/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of RAM that moves; nobody else includes it.
 */
#ifndef NESTOR_VM_RAM_INT_H
#define NESTOR_VM_RAM_INT_H

#include "policy/chunks.h"
#include "vm/ram.h"
#include "vm/vm_int.h"

/*
 * A chunk that goes: asked, until EPT01 and EPT02 do not map it; going, until every vCPU has
 * dropped translations of guests and pointers of L0; left, until every vCPU has dropped L0's
 * translations of the window. Then it is absent, and its memory is somebody else's when it is
 * wiped.
 */
enum ram_state {
	RAM_ABSENT,
	RAM_THERE,
	RAM_ASKED,
	RAM_GOING,
	RAM_LEFT
};

enum ram_flag {
	RAM_KEEP = 1,     /* it was asked to go and is used: it stays */
	RAM_PINNED = 2,   /* hardware has an address in it */
	RAM_TABLES = 4,   /* it has had tables of EPT12 */
	RAM_IN_EPT02 = 8, /* EPT02 may map it */
};

/* The guest-physical address of a chunk. */
uint64_t ram_gpa(const struct vm_ram *r, uint32_t i);
uint8_t ram_state(const struct vm_ram *r, uint32_t i);
/* With the lock. */
void ram_set_state(struct vm_ram *r, uint32_t i, enum ram_state s);

/* ---- ram_host.c: what all VMs share ---- */

/* A clean chunk for a VM, of this node if it has one, or CHUNK_NONE; spare: of its spare, too.
 */
uint32_t ram_host_take(unsigned vm, uint32_t node, bool spare);
/* The VM has no use for it any more. */
void ram_host_give(unsigned vm, uint32_t frame);
/* Can the vCPU go on, whose VM has its spare whole, and a chunk if it wants one? False: it gets
 * EVENT_MEMORY when there are more. */
bool ram_host_can_go_on(unsigned vm, unsigned vcpu, bool chunk);
/* A chunk of zeros, to be read. */
const uint8_t *ram_zeros(void);

#endif
