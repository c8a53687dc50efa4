/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's indirect branches and returns: calls of and jumps to the thunks of cpu/thunks.S, or, on
 * processors that need no thunks, the branches themselves. build.mk makes the list of them.
 */
#ifndef NESTOR_CPU_BRANCHES_H
#define NESTOR_CPU_BRANCHES_H

#include <stdbool.h>
#include <stdint.h>

#define BRANCH_SIZE 5u /* a near call or jump with a displacement of 32 bits */

/* Where the thunks are: one a register, in encoding order, and the one that returns. */
struct branch_thunks {
	uint64_t indirect; /* the first of 16; 64 bytes each, the branch at 32 */
	uint64_t back;
};

/*
 * What may be at `at` instead of the call or jump there: one instruction that goes where the
 * thunk goes. false: it leads to no thunk.
 */
bool branch_direct(const uint8_t site[BRANCH_SIZE], uint64_t at,
	const struct branch_thunks *thunks, uint8_t out[BRANCH_SIZE]);

/*
 * Makes all of L0's branches direct. Boot CPU, on the page tables of the start: those after
 * them have no writable text.
 */
void branches_make_direct(void);
/* How many there are, direct or not. */
unsigned branches_count(void);

#endif
