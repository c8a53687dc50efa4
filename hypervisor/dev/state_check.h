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

/* Whether all bytes of an array are zero. */
#define STATE_ZERO(array) state_bytes_up_to(array, 0, sizeof(array) - 1, 0)

#endif
