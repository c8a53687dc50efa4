/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the TSCs of two CPUs are in step, from questions that one asks the other. Who asks is
 * not here.
 */
#ifndef NESTOR_LIB_TSC_STEP_H
#define NESTOR_LIB_TSC_STEP_H

#include <stdbool.h>
#include <stdint.h>

/* The own TSC before the question and after the answer, and the other's in between. */
struct tsc_answer {
	uint64_t before, other, after;
};

/*
 * By how much the other's is ahead (behind: negative), by the quickest of the answers, and how
 * far that may be wrong: by half of how long it took. No answers: wrong by anything.
 */
struct tsc_gap {
	int64_t ahead;
	uint64_t error;
};
struct tsc_gap tsc_gap_of(const struct tsc_answer *answers, unsigned count);

/* Nothing tells that they are not in step. slack: what more may be. */
bool tsc_gap_is_none(const struct tsc_gap *g, uint64_t slack);

/*
 * By how much a TSC lags that reads `now`, after another one's `told` was read; 0: nothing
 * tells that it does by more than `slack`.
 */
uint64_t tsc_lag(uint64_t told, uint64_t now, uint64_t slack);
/* It is later by more than that: what others are to compare with from now on. */
bool tsc_is_later(uint64_t told, uint64_t now, uint64_t slack);

#endif
