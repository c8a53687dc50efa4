/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of vCPUs of one VM, a bit for each by its index.
 */
#ifndef NESTOR_LIB_VCPU_SET_H
#define NESTOR_LIB_VCPU_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bits.h"
#include "lib/limits.h"

#define VCPU_SET_WORDS ((LIMIT_VCPUS + 63u) / 64u)

/* All zero: nobody. */
struct vcpu_set {
	uint64_t word[VCPU_SET_WORDS];
};

static inline void vcpu_set_add(struct vcpu_set *s, unsigned vcpu)
{
	s->word[vcpu / 64] |= BIT64(vcpu % 64);
}

static inline void vcpu_set_drop(struct vcpu_set *s, unsigned vcpu)
{
	s->word[vcpu / 64] &= ~BIT64(vcpu % 64);
}

static inline bool vcpu_set_has(const struct vcpu_set *s, unsigned vcpu)
{
	return s->word[vcpu / 64] >> vcpu % 64 & 1;
}

/* The lowest one; LIMIT_VCPUS: nobody. */
static inline unsigned vcpu_set_first(const struct vcpu_set *s)
{
	for (unsigned i = 0; i < VCPU_SET_WORDS; i++)
		if (s->word[i] != 0)
			return i * 64 + (unsigned)__builtin_ctzll(s->word[i]);
	return LIMIT_VCPUS;
}

static inline bool vcpu_set_is_empty(const struct vcpu_set *s)
{
	return vcpu_set_first(s) == LIMIT_VCPUS;
}

/* All of the other set, too; or none of it any more. */
static inline void vcpu_set_join(struct vcpu_set *s, const struct vcpu_set *more)
{
	for (unsigned i = 0; i < VCPU_SET_WORDS; i++)
		s->word[i] |= more->word[i];
}

static inline void vcpu_set_leave(struct vcpu_set *s, const struct vcpu_set *less)
{
	for (unsigned i = 0; i < VCPU_SET_WORDS; i++)
		s->word[i] &= ~less->word[i];
}

#endif
