/* SPDX-License-Identifier: Apache-2.0 */
/* Control records: lines `word key=value ...` in which Nestor reports what happens. */
#ifndef NESTOR_RECORD_H
#define NESTOR_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is the first word of @line @word? */
bool record_is(const char *line, const char *word);

/* Copies the value of @key into @out, cut to @size; false (and "") if there is none. */
bool record_text(const char *line, const char *key, char *out, size_t size);

/* What follows KEY= up to the end of the line; NULL if there is none. For a last value with
 * spaces. */
const char *record_rest(const char *line, const char *key);

/* The number that is @key's value; 0 if there is none. */
uint64_t record_number(const char *line, const char *key);

/* The bytes whose hexadecimal digits are @key's value, up to @size; returns how many. */
size_t record_bytes(const char *line, const char *key, uint8_t *out, size_t size);

/* The exit status that a record `end kind=... value=...` asks for. */
int record_end_status(const char *line);

#endif
