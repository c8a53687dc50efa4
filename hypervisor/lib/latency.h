/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms of times: bucket n has those of 2^n ticks and more, less than twice that. Nothing
 * is out of range; no time at all counts as one tick.
 */
#ifndef NESTOR_LIB_LATENCY_H
#define NESTOR_LIB_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 64u

static inline unsigned latency_bucket(uint64_t ticks)
{
	return 63u ^ (unsigned)__builtin_clzll(ticks | 1);
}

#endif
