/* SPDX-License-Identifier: Apache-2.0 */
/* The text in a picture that firmware or a kernel has drawn, cell by cell, with known fonts. */
#ifndef NESTOR_READING_H
#define NESTOR_READING_H

#include "arena.h"
#include "font.h"
#include "raster.h"

/*
 * Lines of UTF-8, one for each row of cells, without blanks at their ends; '?' is a cell that
 * is drawn, but by none of the fonts.
 */
const char *reading_of(struct arena *a, const struct raster *r, const struct fonts *f);

/* A character, which is no half of one, as UTF-8: up to 3 bytes; behind them. */
char *reading_put(char *out, uint16_t c);

#endif
