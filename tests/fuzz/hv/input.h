/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fuzzers share: what they check, and an input that is read from its start, of which
 * there is always more: zeros.
 */
#ifndef NESTOR_TESTS_FUZZ_INPUT_H
#define NESTOR_TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(bool holds)
{
	if (!holds)
		abort();
}

struct input {
	const uint8_t *at, *end;
};

/* A little-endian number of up to 8 bytes. */
static inline uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->at < in->end; i++)
		value |= (uint64_t)*in->at++ << (8 * i);
	return value;
}

static inline uint8_t byte(struct input *in)
{
	return (uint8_t)take(in, 1);
}

#endif
