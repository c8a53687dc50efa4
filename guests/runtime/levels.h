/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 5-level paging of a 64-bit payload, on processors that have it.
 */
#ifndef NESTOR_GUESTS_LEVELS_H
#define NESTOR_GUESTS_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

/* CPUID has LA57. */
bool levels_have_5(void);

/* To 5 levels, where the processor has them; returns whether it has. Not in VMX operation. */
bool levels_use_5(void);

/* A new table of level 5: its first and its last entry lead to boot_pml4. */
uint64_t *levels_root(void);

/* Paging off and on again, with these two. Not in VMX operation. */
void levels_switch(uint64_t cr4, uint64_t cr3);

#endif
