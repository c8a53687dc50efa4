/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a state that may come from a file has to be looked at for. Only the devices'
 * X_valid_state functions include it.
 */
#ifndef NESTOR_DEV_STATE_CHECK_H
#define NESTOR_DEV_STATE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(sizeof(bool) == 1, "a flag is a byte of a state");

static inline bool state_bytes_up_to(const void *s, size_t first, size_t last, uint8_t max)
{
	const uint8_t *bytes = s;

	for (size_t i = first; i <= last; i++)
		if (bytes[i] > max)
			return false;
	return true;
}

/*
 * Whether the flags from one member to another are 0 or 1; before, reading them is undefined.
 */
#define STATE_FLAGS_VALID(s, type, first, last) \
	state_bytes_up_to(s, offsetof(type, first), offsetof(type, last), 1)

/* Whether all bytes are zero. */
static inline bool state_zero(const void *s, size_t size)
{
	const uint8_t *bytes = s;
	uint64_t any = 0, word;

	for (; size >= sizeof(word); size -= sizeof(word), bytes += sizeof(word)) {
		__builtin_memcpy(&word, bytes, sizeof(word));
		any |= word;
	}
	while (size > 0)
		any |= bytes[--size];
	return any == 0;
}

#define STATE_ZERO(array) state_zero(array, sizeof(array))

#endif
