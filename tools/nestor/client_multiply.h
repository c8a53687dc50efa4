/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The multiplication of exits: how often L0 runs for one exit of L2 that L1 handles, and what
 * for. From the items of `stat`.
 */
#ifndef NESTOR_CLIENT_MULTIPLY_H
#define NESTOR_CLIENT_MULTIPLY_H

#include <stdint.h>
#include <stdio.h>

#include "spec/exits.h"

struct multiply {
	uint64_t l1[EXIT_REASON_COUNT]; /* exits of L1, by reason */
	uint64_t l2, to_l1;             /* exits of L2; and those that L1 got */
};

/* A line `item id=N ...` of `stat`; others are passed over. */
void multiply_take(struct multiply *m, const char *line);

/* What came between the two. */
struct multiply multiply_since(const struct multiply *now, const struct multiply *before);

/* A line, if L1 got exits: so many of L2, then of L1 by reason, the most frequent first. */
void multiply_show(FILE *out, const struct multiply *m);

#endif
