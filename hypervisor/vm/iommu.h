/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's remapping units, for devices that VMs own: which unit a function is behind, the
 * memory that it reaches, its messages, what was blocked. The driver of a unit is vtd/.
 *
 * A function that nobody owns reaches nothing while its unit is on, but what firmware has for
 * it (RMRR).
 */
#ifndef NESTOR_VM_IOMMU_H
#define NESTOR_VM_IOMMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/vm.h"
#include "vtd/judge.h"
#include "vtd/tables.h"

struct vm;

#define IOMMU_NO_UNIT UINT8_MAX

/* How a function reaches memory. */
struct iommu_place {
	uint8_t unit; /* IOMMU_NO_UNIT: none, or it is not on */
	bool through; /* as if there were none */
};

/* Domains: what firmware's devices reach; VMs, by their numbers; behind those, functions with
 * tables of their own. */
#define IOMMU_DOMAIN_FIRMWARE 1u
#define IOMMU_DOMAIN_VMS      2u

/* What firmware's tables say. Boot page tables, before any memory is given away. */
void iommu_read(const uint8_t *rsdp, size_t size);
/* Does firmware ask L0 to leave local APICs in xAPIC mode? After iommu_read. */
bool iommu_prefers_xapic(void);
/*
 * All units that L0 can use are on, with everything blocked. Boot CPU and address space, while
 * ECAM is open.
 */
void iommu_start(void);
/* What firmware has left on is off: devices reach all memory. Likewise, in place of it. */
void iommu_stop(void);
/* Their registers, in another address space: all of those that L0 runs in have them. */
bool iommu_map(uint64_t cr3);

/* Does firmware say that registers of a unit begin in that memory? After iommu_read. */
bool iommu_is_at(uint64_t start, uint64_t size);
/* Are registers of a unit that is used there, or memory that firmware's devices reach? */
bool iommu_meets(uint64_t start, uint64_t size);

/*
 * Is the function, PCI_SBDF, kept from memory that nobody has given it, and (*messages) from
 * interrupts, too? Are all functions of the segment, from both?
 */
bool iommu_holds(uint32_t sbdf, bool *messages);
bool iommu_holds_segment(uint16_t segment);
/* Segments that firmware has units for: number i; false: there are not so many. */
bool iommu_segment(unsigned i, uint16_t *segment);
/* A VM owns it, of segment 0: it does not reach any more what firmware has for it. */
void iommu_regions_release(uint16_t bdf);

/*
 * Where the function, of segment 0, is. NULL, or why it cannot be given to a VM so. After
 * iommu_start.
 */
const char *iommu_find(uint16_t bdf, const struct vtd_wish *wish, struct iommu_place *place);

/*
 * Tables of a unit for all RAM of the VM, out of its pool, if it has none. NULL, or why not.
 */
const char *iommu_create(struct vm *vm, const struct iommu_place *place);
/* The function reaches its VM's memory; and no more. NULL, or why that is not sure. */
const char *iommu_attach(const struct iommu_place *place, uint16_t bdf, unsigned vm);
const char *iommu_detach(const struct iommu_place *place, uint16_t bdf, unsigned vm);

/*
 * The same with tables of the caller's, for one function in a domain of its own: `domain` from
 * IOMMU_DOMAIN_VMS + life_places() up, behind those of VMs: some units have few. What the unit
 * can do is what they must be made for.
 */
const struct vtd_caps *iommu_caps(const struct iommu_place *place);
const char *iommu_attach_tables(const struct iommu_place *place, uint16_t bdf,
	const struct vtd_tables *t, uint16_t domain);
const char *iommu_detach_tables(const struct iommu_place *place, uint16_t bdf, uint16_t domain);
/* These tables changed: nothing of before is used any more when it returns. */
const char *iommu_flush(
	const struct iommu_place *place, uint16_t domain, uint64_t at, uint64_t size);

/* Functions do not reach RAM of their VM that is wrong any more (cpu/bad_memory.h), where a
 * unit says what they reach. The VM's address space. NULL, or why they may. */
const char *iommu_leave_bad(struct vm *vm);

/*
 * All functions of the VM are detached: its tables go with its memory. Also before
 * iommu_create, since a VM may have come to nothing after it.
 */
void iommu_forget(unsigned vm);

/*
 * Messages number `first` on (of MESSAGE_VECTORS) are this function's, to a local APIC. False:
 * its unit remaps none; else the address, to which data 0 and on belongs.
 */
struct iommu_messages {
	unsigned first, count;
	uint32_t target;
};
/* Can its messages go to any local APIC, whose identifiers have 32 bits? */
bool iommu_reaches_all(const struct iommu_place *place);
bool iommu_set_messages(const struct iommu_place *place, uint16_t bdf,
	const struct iommu_messages *m, uint32_t *address);
/*
 * Whether its unit can post messages. Then message `index`, of those above, makes a request for
 * this vector in the descriptor there.
 */
bool iommu_posts(const struct iommu_place *place);
/* False: its unit does not do what it is told; the message goes where it went. */
bool iommu_post_message(const struct iommu_place *place, uint16_t bdf, unsigned index,
	struct hpa descriptor, uint8_t vector);
/* They are nobody's. */
void iommu_clear_messages(const struct iommu_place *place, const struct iommu_messages *m);

/* Like ioapic_set. */
void iommu_set_pin(unsigned pin, uint32_t low, uint32_t apic_id);

/* Is a unit on? Then iommu_poll is called from time to time. */
bool iommu_is_on(void);
/* Are faults told by iommu_poll alone, since too many came at once? */
bool iommu_waits_for_poll(void);
/* Tells and counts what was blocked, if it was not asked just before. now: in any case. */
void iommu_poll(bool now);
/* The longest that L0 may sleep without asking; ticks. */
uint64_t iommu_patience(void);

#endif
