/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of small numbers, as words: bit by number. Of VMs, CPUs, lines.
 */
#ifndef NESTOR_LIB_SET_H
#define NESTOR_LIB_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bits.h"

/* Words of a set of numbers below `size`. */
#define SET_WORDS(size) (((size) + 63u) / 64u)

static inline bool set_has(const uint64_t *set, unsigned i)
{
	return set[i / 64] >> i % 64 & 1;
}

static inline void set_add(uint64_t *set, unsigned i)
{
	set[i / 64] |= BIT64(i % 64);
}

static inline void set_drop(uint64_t *set, unsigned i)
{
	set[i / 64] &= ~BIT64(i % 64);
}

static inline unsigned set_below(unsigned i, unsigned size)
{
	return i < size ? i : size;
}

/* The first one that is `from` or more and below `size`; `size`: there is none. */
static inline unsigned set_next(const uint64_t *set, unsigned from, unsigned size)
{
	for (unsigned at = from; at < size; at = (at / 64 + 1) * 64) {
		uint64_t word = set[at / 64] >> at % 64;

		if (word != 0)
			return set_below(at + (unsigned)__builtin_ctzll(word), size);
	}
	return size;
}

/* ---- sets that several CPUs read and change ---- */

static inline bool set_has_shared(const uint64_t *set, unsigned i)
{
	return __atomic_load_n(&set[i / 64], __ATOMIC_SEQ_CST) >> i % 64 & 1;
}

static inline void set_add_shared(uint64_t *set, unsigned i)
{
	__atomic_fetch_or(&set[i / 64], BIT64(i % 64), __ATOMIC_SEQ_CST);
}

/* True: it was there. */
static inline bool set_drop_shared(uint64_t *set, unsigned i)
{
	uint64_t bit = BIT64(i % 64);

	return __atomic_fetch_and(&set[i / 64], ~bit, __ATOMIC_SEQ_CST) & bit;
}

/* As set_next. */
static inline unsigned set_next_shared(const uint64_t *set, unsigned from, unsigned size)
{
	for (unsigned at = from; at < size; at = (at / 64 + 1) * 64) {
		uint64_t word = __atomic_load_n(&set[at / 64], __ATOMIC_SEQ_CST) >> at % 64;

		if (word != 0)
			return set_below(at + (unsigned)__builtin_ctzll(word), size);
	}
	return size;
}

/* Makes `to` what it is now, word by word, and leaves it empty. */
static inline void set_take_shared(uint64_t *set, uint64_t *to, unsigned words)
{
	for (unsigned i = 0; i < words; i++)
		to[i] = __atomic_exchange_n(&set[i], 0, __ATOMIC_SEQ_CST);
}

#endif
