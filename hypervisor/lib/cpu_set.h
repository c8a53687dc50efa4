/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of physical CPUs, by index. All of them: whichever there are.
 */
#ifndef NESTOR_LIB_CPU_SET_H
#define NESTOR_LIB_CPU_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/limits.h"
#include "lib/set.h"

#define CPU_SET_WORDS SET_WORDS((unsigned)LIMIT_CPU_NUMBERS)

struct cpu_set {
	uint64_t word[CPU_SET_WORDS];
};

static inline void cpu_set_fill(struct cpu_set *s)
{
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		s->word[i] = UINT64_MAX;
}

/* All CPUs. */
static inline bool cpu_set_is_full(const struct cpu_set *s)
{
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		if (s->word[i] != UINT64_MAX)
			return false;
	return true;
}

/* ---- while other CPUs read or write it: each word at once ---- */

static inline void cpu_set_load(const struct cpu_set *s, struct cpu_set *to)
{
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		to->word[i] = __atomic_load_n(&s->word[i], __ATOMIC_SEQ_CST);
}

/* True: it was another one. Who reads meanwhile finds a CPU of one or the other: new ones come
 * before old ones go. */
static inline bool cpu_set_store(struct cpu_set *s, const struct cpu_set *from)
{
	bool changed = false;

	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		changed |= (~__atomic_fetch_or(&s->word[i], from->word[i], __ATOMIC_SEQ_CST) &
				   from->word[i]) != 0;
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		changed |= __atomic_exchange_n(&s->word[i], from->word[i], __ATOMIC_SEQ_CST) !=
			   from->word[i];
	return changed;
}

#endif
