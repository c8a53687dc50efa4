/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers of host tests, which follow from a seed alone.
 */
#ifndef NESTOR_TESTS_RANDOM_H
#define NESTOR_TESTS_RANDOM_H

#include <stdint.h>

/* SplitMix64; any seed will do. */
static inline uint64_t random_next(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Less than bound, which is not 0. */
static inline uint32_t random_below(uint64_t *seed, uint32_t bound)
{
	return (uint32_t)(random_next(seed) >> 32) % bound;
}

#endif
