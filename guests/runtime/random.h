/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers that follow from a state alone, so that what a payload did can be repeated
 * from a seed.
 */
#ifndef NESTOR_GUESTS_RUNTIME_RANDOM_H
#define NESTOR_GUESTS_RUNTIME_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* SplitMix64; any state will do, and unlike states give unlike sequences. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* The payload's own sequence, for PICK. */
uint64_t random64(void);

static inline uint64_t random_pick(const uint64_t *values, size_t count)
{
	return values[random64() % count];
}

/* One of the values. */
#define PICK(...)                                    \
	random_pick((const uint64_t[]){__VA_ARGS__}, \
		sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

#endif
