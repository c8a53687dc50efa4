/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where memory operands of L1's VMX instructions lie: the last pages that walks of L1's paging
 * have found, so that a VMPTRLD of a stack's word needs no walk. The paging structures are
 * looked at anew each time: entries that read as they did lead where they did, so that nothing
 * has to be forgotten when L1 changes them.
 */
#ifndef NESTOR_NESTED_OPERAND_H
#define NESTOR_NESTED_OPERAND_H

#include <stdbool.h>
#include <stdint.h>

#include "nested/paging.h"

struct nested;

struct operand_page {
	uint64_t linear; /* of the page, with bit 0 set; 0: nothing is known */
	uint64_t cr3, cr4, efer;
	struct paging_note entries; /* the walk, all of it in RAM that stays */
	const uint8_t *page;        /* host address */
};

#define OPERAND_PAGES 4u /* a power of 2 */

/*
 * Reads 8 or 16 bytes for L1, at CPL 0 in 64-bit mode, from a canonical address; VMCS01
 * is current. False: the walk has to decide, and nothing was read.
 */
bool operand_read(struct nested *n, uint64_t linear, void *dst, uint32_t len);

/* The walk has decided, and s, L1's state then, let it read there. */
__attribute__((noinline)) void operand_keep(
	struct nested *n, const struct paging_state *s, uint64_t linear);

/* n starts anew. */
void operand_forget(struct nested *n);

#endif
