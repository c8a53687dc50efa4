/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of this machine that machine checks have told of as wrong: it is given to nobody any
 * more. Who has it is told by vm/bad_memory.c.
 */
#ifndef NESTOR_CPU_BAD_MEMORY_H
#define NESTOR_CPU_BAD_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bad_pages.h"

extern struct bad_pages bad_memory;

/*
 * A machine check names this page (host-physical, a multiple of 4 KiB). Any CPU, whatever it
 * has interrupted, but for the midst of a line of the log.
 */
void bad_memory_note(uint64_t page);

/* L0's image: a page of it is told of as one that stays in use. At the start. */
void bad_memory_own(uint64_t start, uint64_t size);

/* A line of the log at the end of a run, if there is any. */
void bad_memory_report(void);

/* There is some. */
static inline bool bad_memory_any(void)
{
	return __atomic_load_n(&bad_memory.at[0], __ATOMIC_RELAXED) != 0;
}

/* Is some in [from, from + size)? Then *page is the lowest page of it. */
static inline bool bad_memory_next(uint64_t from, uint64_t size, uint64_t *page)
{
	return bad_memory_any() && bad_pages_next(&bad_memory, from, from + size, page);
}

static inline bool bad_memory_in(uint64_t from, uint64_t size)
{
	uint64_t page;

	return bad_memory_next(from, size, &page);
}

#endif
