/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one run of the tool: allocated piece by piece, freed at once.
 *
 * Memory exhaustion ends the program with a message, so callers need not check.
 */
#ifndef NESTOR_ARENA_H
#define NESTOR_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* zero-initialise the arena: empty */
};

/* Returns @size zeroed bytes, aligned for any type. */
void *arena_alloc(struct arena *a, size_t size);

char *arena_copy(struct arena *a, const char *text);

__attribute__((format(printf, 2, 3))) char *arena_format(
	struct arena *a, const char *format, ...);

/* Frees everything that was allocated from @a, which is empty afterwards. */
void arena_free(struct arena *a);

#endif
