/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of memory with its size, and bounds-checked access to little-endian values in it. */
#ifndef NESTOR_BYTES_H
#define NESTOR_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	uint8_t *data;
	size_t size;
};

static inline bool bytes_has(const struct bytes *b, uint64_t offset, uint64_t size)
{
	return offset <= b->size && size <= b->size - offset;
}

/* Reads @size (1 to 8) bytes at @offset; false if they are not all there. */
static inline bool bytes_get(
	const struct bytes *b, uint64_t offset, unsigned size, uint64_t *value)
{
	*value = 0;
	if (!bytes_has(b, offset, size))
		return false;
	for (unsigned i = 0; i < size; i++)
		*value |= (uint64_t)b->data[offset + i] << (8 * i);
	return true;
}

/* As bytes_get(), with 0 for what is not there. */
static inline uint64_t bytes_value(const struct bytes *b, uint64_t offset, unsigned size)
{
	uint64_t value;

	bytes_get(b, offset, size, &value);
	return value;
}

static inline bool bytes_match(
	const struct bytes *b, uint64_t offset, const void *pattern, size_t size)
{
	return bytes_has(b, offset, size) && memcmp(b->data + offset, pattern, size) == 0;
}

/* Writes @size (1 to 8) bytes at @offset, which the caller knows to exist. */
static inline void bytes_put(struct bytes *b, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		b->data[offset + i] = (uint8_t)(value >> (8 * i));
}

/* The part of @b from @offset on, at most @size bytes. */
static inline struct bytes bytes_slice(const struct bytes *b, uint64_t offset, uint64_t size)
{
	size_t start = offset < b->size ? (size_t)offset : b->size;
	size_t rest = b->size - start;

	return (struct bytes){b->data + start, size < rest ? (size_t)size : rest};
}

#endif
