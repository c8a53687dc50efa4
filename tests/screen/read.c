/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For boot tests: the text in a picture (PPM, as QEMU's monitor writes one) that L0 has drawn,
 * a line for each row of cells from the upper left corner. A cell that is not exactly one of
 * L0's characters, light grey on black, is a NUL, and the status is 1 then.
 *
 *   read FILE SCALE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/glyphs.h"

static unsigned width, height;
static unsigned char *picture;

static int load(const char *path)
{
	FILE *f = fopen(path, "rb");
	int ok = f && fscanf(f, "P6 %u %u 255", &width, &height) == 2 && fgetc(f) != EOF &&
		 width > 0 && width < 20000 && height > 0 && height < 20000;

	if (ok) {
		picture = malloc((size_t)width * height * 3);
		ok = picture &&
		     fread(picture, 3, (size_t)width * height, f) == (size_t)width * height;
	}
	if (f)
		fclose(f);
	return ok;
}

/* 0: black, 1: light grey, within what few bits of a colour lose; 2: neither. */
static unsigned ink_at(unsigned x, unsigned y)
{
	const unsigned char *p = picture + ((size_t)y * width + x) * 3;
	unsigned ink = p[0] > 80;

	for (unsigned i = 0; i < 3; i++)
		if (ink ? p[i] < 0xa0 || p[i] > 0xb0 : p[i] != 0)
			return 2;
	return ink;
}

static int is_character(char c, unsigned left, unsigned top, unsigned scale)
{
	for (unsigned y = 0; y < GLYPH_HEIGHT * scale; y++)
		for (unsigned x = 0; x < GLYPH_WIDTH * scale; x++) {
			unsigned bit = glyph_of(c)[y / scale] >> (7 - x / scale) & 1u;

			if (ink_at(left + x, top + y) != bit)
				return 0;
		}
	return 1;
}

static char character_at(unsigned left, unsigned top, unsigned scale)
{
	for (char c = ' '; c <= '~'; c++)
		if (is_character(c, left, top, scale))
			return c;
	return 0;
}

int main(int argc, char **argv)
{
	unsigned scale = argc == 3 ? (unsigned)atoi(argv[2]) : 0, unknown = 0;

	if (scale == 0 || scale > 8 || !load(argv[1])) {
		fprintf(stderr, "read FILE.ppm SCALE: no such picture\n");
		return 2;
	}
	for (unsigned y = 0; y + GLYPH_HEIGHT * scale <= height; y += GLYPH_HEIGHT * scale) {
		for (unsigned x = 0; x + GLYPH_WIDTH * scale <= width;
			x += GLYPH_WIDTH * scale) {
			char c = character_at(x, y, scale);

			unknown += c == 0;
			putchar(c);
		}
		putchar('\n');
	}
	free(picture);
	return unknown != 0;
}
