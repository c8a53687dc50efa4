/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of bounded length that is not NUL-terminated: command lines and their words. Pure; never
 * reads outside [s, s + len).
 */
#ifndef NESTOR_LIB_TEXT_H
#define NESTOR_LIB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	const char *s;
	size_t len;
};

/* All of a NUL-terminated string that lies in [s, s + max); up to max when there is no NUL. */
struct text text_of(const char *s, size_t max);

bool text_is(struct text t, const char *s);

/* Takes the next word (separated by spaces, tabs or newlines) off *rest. Empty when there is
 * none. Double quotes are not special. */
struct text text_word(struct text *rest);

/* Splits word at its first '='. False when there is none: then key is the whole word. */
bool text_key_value(struct text word, struct text *key, struct text *value);

/* Decimal or 0x hexadecimal, with an optional suffix K, M, G or T. False on anything else and
 * on overflow. */
bool text_number(struct text t, uint64_t *value);

/* "on"/"1"/"yes" or "off"/"0"/"no". */
bool text_bool(struct text t, bool *value);

/* Copies into a NUL-terminated buffer; false when it had to be cut. size > 0. */
bool text_copy(struct text t, char *buf, size_t size);

#endif
