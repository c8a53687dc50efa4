/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture on its way from L0 to the host tool, row by row, in tokens. A colour is 0xRRGGBB.
 * The upper two bits of a token's first byte say what it is, the lower six are a number n:
 *
 *   0  n = 0: one pixel, of the colour in the three bytes that follow: red, green, blue
 *   1  a run of pixels of the colour of the last one
 *   2  a run of pixels, each as the one above it (black above the first row)
 *   3  a run of pixels of the colour that was the last one before the last one's
 *
 * A run has n + 1 pixels; with n = 63 two bytes follow, the low one first, and say how many. At
 * the start both colours are black. Runs go on over the ends of rows; the last one ends with
 * the picture.
 *
 * Text goes as a picture, too, with a character for each pixel: its code in bits 7:0, its
 * attribute in 15:8, and PICTURE_CURSOR.
 */
#ifndef NESTOR_LIB_PICTURE_H
#define NESTOR_LIB_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PICTURE_SIDE   4096u      /* pixels of a row or a column at most */
#define PICTURE_PIXELS (4u << 20) /* in all */
#define PICTURE_CURSOR 0x10000u   /* of a character: the cursor is there */

/* What both ends know of the pixels that were. */
struct picture {
	uint32_t width;
	uint32_t left; /* pixels to come */
	uint32_t x;
	uint32_t last, other;       /* colours */
	uint32_t row[PICTURE_SIDE]; /* the last `width` pixels, by their column */
};

/* How many bytes so many pixels may become. */
#define PICTURE_ENCODED(pixels) (4 * (pixels) + 4)

struct picture_encoder {
	struct picture p;
	uint8_t kind;   /* of a run that has begun; */
	uint32_t count; /* its pixels, 0: none has */
};

/* width and height: 1 to PICTURE_SIDE, their product PICTURE_PIXELS at most. */
void picture_encode_start(struct picture_encoder *e, uint32_t width, uint32_t height);

/*
 * The next pixels, no more than the picture has left. Writes at most PICTURE_ENCODED(count)
 * bytes to `out`, and returns how many.
 */
size_t picture_encode(
	struct picture_encoder *e, const uint32_t *pixels, size_t count, uint8_t *out);

enum picture_result {
	PICTURE_MORE,
	PICTURE_COMPLETE,
	PICTURE_BAD /* what came is not this picture */
};

struct picture_decoder {
	struct picture p;
	uint8_t token[4];
	uint8_t have;
	uint32_t *out; /* where the next pixel goes */
};

/* pixels: room for width * height. False: such a picture is beyond the limits. */
bool picture_decode_start(
	struct picture_decoder *d, uint32_t width, uint32_t height, uint32_t *pixels);

/* The next byte. Not after COMPLETE or BAD. */
enum picture_result picture_decode(struct picture_decoder *d, uint8_t byte);

#endif
