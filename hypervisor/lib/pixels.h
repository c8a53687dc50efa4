/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame buffer of direct colours, as firmware leaves one, and letters in it. Pure: only what
 * the caller says is written, and nothing is read, since reading such memory takes long.
 */
#ifndef NESTOR_LIB_PIXELS_H
#define NESTOR_LIB_PIXELS_H

#include <stdbool.h>
#include <stdint.h>

#define PIXELS_SIDE_MAX  16384u /* of width and height */
#define PIXELS_PITCH_MAX 131072u
#define PIXELS_SCALE_MAX 4u

/* One of the three colours of a pixel: so many bits from bit `at` on. */
struct pixel_field {
	uint8_t at, bits;
};

struct pixel_format {
	uint8_t bytes; /* of a pixel: 2, 3 or 4, the lowest first */
	struct pixel_field red, green, blue;
};

struct pixels {
	uint64_t start; /* physical */
	uint32_t width, height;
	uint32_t pitch; /* bytes from a line to the next */
	struct pixel_format format;
};

/* Cells of characters from the upper left corner on; scale: pixels a pixel of a pattern is. */
struct pixel_grid {
	unsigned columns, rows, scale;
};

/* Is it a frame buffer that the functions below can draw in? Its end does not overflow then. */
bool pixels_ok(const struct pixels *p);
/* Bytes from its start to its end. Of one that is ok; likewise below. */
uint64_t pixels_size(const struct pixels *p);

/* 0xRRGGBB as a pixel. */
uint32_t pixels_colour(const struct pixels *p, uint32_t rgb);

/*
 * The largest letters of which 120 are in a line and 50 lines on the screen, or else the
 * smallest; cells below the limit only. No columns: it is too small for any.
 */
struct pixel_grid pixels_grid(const struct pixels *p, unsigned most_cells);

/* All of it black. @base: where it is mapped. */
void pixels_clear(const struct pixels *p, volatile uint8_t *base);

/* The character in one cell of its grid, light grey on black. */
void pixels_draw(const struct pixels *p, volatile uint8_t *base, const struct pixel_grid *g,
	unsigned column, unsigned row, char c);

#endif
