/* SPDX-License-Identifier: Apache-2.0 */
/* Names for addresses in a guest image: its ELF symbol table, if it has one. */
#ifndef NESTOR_SYMBOLS_H
#define NESTOR_SYMBOLS_H

#include "bytes.h"

/*
 * Finds the symbol of code or data that @address lies in: returns its name, which is in @image
 * and ends with a NUL, and sets @offset; NULL if there is none. @image may be any file.
 */
const char *symbols_find(const struct bytes *image, uint64_t address, uint64_t *offset);

/* Finds the symbol @name and sets its value; false: there is none. */
bool symbols_value(const struct bytes *image, const char *name, uint64_t *value);

/*
 * Copies @text to @out, cut at @size. Behind each address that is marked as @HEX comes its
 * symbol: 0xHEX <main+0x1c>; the mark itself becomes 0x.
 */
void symbols_explain(const struct bytes *image, const char *text, char *out, size_t size);

#endif
