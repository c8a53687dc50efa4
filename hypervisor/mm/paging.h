/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's own page tables: the boot address space, and one for each VM.
 */
#ifndef NESTOR_MM_PAGING_H
#define NESTOR_MM_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"
#include "spec/paging.h"

#define PT_UC      (PT_PCD | PT_PWT)
#define PT_WC      PT_PWT /* as L0 sets IA32_PAT: spec/regs.h */
#define PT_RW_DATA (PT_P | PT_RW | PT_XD)

/* An address space with the image (text read-only and executable, constants read-only) and the
 * pages of LAPIC and IOAPIC mapped. Returns the value for CR3; false when memory is used up. */
bool paging_create(uint64_t *cr3);

/* From now on each address space that is made has this memory at its place in the direct map.
 * False: there is too much of that. Before other CPUs make some. */
bool paging_everywhere(struct hpa pa, uint64_t size, uint64_t flags);
/* Those that are made from now on do not have any more what began there. */
void paging_nowhere(struct hpa pa);

/* Returns the tables of an address space that no CPU has loaded; what they map stays. */
void paging_destroy(uint64_t cr3);

/* Maps [va, va + size) to pa with the largest possible pages; page-aligned. What a large page
 * maps already stays as it is. */
bool paging_map(uint64_t cr3, uint64_t va, struct hpa pa, uint64_t size, uint64_t flags);

/* Maps host memory at its place in the direct map. */
bool paging_map_direct(uint64_t cr3, struct hpa pa, uint64_t size, uint64_t flags);

/* The same bits without those that this machine does not have. */
uint64_t paging_rights(uint64_t flags);

/*
 * The 512 GiB from va on have this table of the next level, which the caller owns; and no
 * longer. paging_destroy is for address spaces that share nothing.
 */
void paging_share(uint64_t cr3, uint64_t va, struct hpa table);
void paging_unshare(uint64_t cr3, uint64_t va);
/* The same 512 GiB of one address space are those of another, by the tables of that. */
void paging_take_over(uint64_t cr3, uint64_t from, uint64_t va);

/*
 * An address space that has nothing of its own: what others have, by their tables. Returns the
 * value for CR3; false when memory is used up.
 */
bool paging_create_beside(uint64_t *cr3);
/* It is all that another one is, and no more; no CPU has it loaded. */
void paging_follow(uint64_t cr3, uint64_t from);
/* The tables below its root stay. No CPU has it loaded. */
void paging_destroy_beside(uint64_t cr3);

#endif
