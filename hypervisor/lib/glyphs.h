/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of the printable characters of ASCII, 8x16 pixels, drawn for this project: capitals
 * are 10 rows high and stand on row 11, strokes are two pixels wide where there is room.
 */
#ifndef NESTOR_LIB_GLYPHS_H
#define NESTOR_LIB_GLYPHS_H

#include <stdint.h>

#define GLYPH_WIDTH  8u
#define GLYPH_HEIGHT 16u

/* GLYPH_HEIGHT rows from the top; bit 7 is the left pixel. What has no pattern gets that of
 * '?'. */
const uint8_t *glyph_of(char c);

#endif
