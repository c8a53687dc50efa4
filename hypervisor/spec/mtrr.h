/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's MTRRs, as firmware has set them: which memory is write-back by them (SDM 11.11
 * "Memory Type Range Registers (MTRRs)"). Pure: who reads them is cpu/mtrr.
 */
#ifndef NESTOR_SPEC_MTRR_H
#define NESTOR_SPEC_MTRR_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/msr.h"

#define MTRR_PAIRS 32u    /* of variable ranges, at most; processors have about ten */
#define MTRR_STEPS 65536u /* pieces that are looked at; only masks with gaps make so many */

struct mtrr_pair {
	uint64_t base, mask;
};

/* What a processor does not have is 0. */
struct mtrrs {
	uint64_t def_type;
	uint64_t fixed[MTRR_FIXED_COUNT]; /* one of 64K, two of 16K, eight of 4K */
	struct mtrr_pair variable[MTRR_PAIRS];
	unsigned pairs;
	unsigned address_bits; /* physical */
};

/* The memory type at this address. *until: where it may be another one at the earliest. */
uint8_t mtrr_type(const struct mtrrs *m, uint64_t address, uint64_t *until);

/* Bytes of the range that are not write-back, as far as MTRR_STEPS go; *first: where that
 * begins, if there are any. */
uint64_t mtrr_not_write_back(
	const struct mtrrs *m, uint64_t start, uint64_t size, uint64_t *first);

/*
 * 11.11.8 "MTRR Considerations in MP Systems": all processors have the same. The MSR of the
 * first that differs, or 0.
 */
uint32_t mtrr_difference(const struct mtrrs *a, const struct mtrrs *b);

#endif
