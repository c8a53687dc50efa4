/* SPDX-License-Identifier: Apache-2.0 */
/* Arena memory; see arena.h. */
#include "arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"

struct arena_block {
	alignas(max_align_t) struct arena_block *next;
};

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *block = NULL;

	if (size <= SIZE_MAX - sizeof(*block))
		block = calloc(1, sizeof(*block) + size);
	if (!block) {
		fprintf(stderr, "nestor: out of memory (%zu bytes)\n", size);
		exit(STATUS_HOST_ERROR);
	}
	block->next = a->blocks;
	a->blocks = block;
	return block + 1;
}

char *arena_copy(struct arena *a, const char *text)
{
	return memcpy(arena_alloc(a, strlen(text) + 1), text, strlen(text) + 1);
}

char *arena_format(struct arena *a, const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = arena_alloc(a, (size_t)length + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return text;
}

void arena_free(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *block = a->blocks;

		a->blocks = block->next;
		free(block);
	}
}
