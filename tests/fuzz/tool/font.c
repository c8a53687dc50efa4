/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the search for fonts in images, and the reading of text with what was found. */
#include <stdlib.h>
#include <string.h>

#include "reading.h"

#define WIDTH  40u
#define HEIGHT 24u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A font in the shape of one, of the input's bytes. */
static void add_shaped(
	struct fonts *f, struct arena *a, const uint8_t *data, size_t size, bool narrow)
{
	static uint8_t glyphs[256 * 22];
	struct bytes image = {glyphs, narrow ? sizeof(glyphs) : 256 * 16};

	for (size_t i = 0; i < sizeof(glyphs); i++)
		glyphs[i] = size ? data[i % size] : 1;
	for (unsigned i = 0; narrow && i < 95; i++)
		memcpy(glyphs + i * 22, (const uint8_t[]){(uint8_t)(i + ' '), 0, 0}, 3);
	memset(glyphs + (narrow ? 3 : 0), 0, 16 + 3);
	if (!narrow) {
		memset(glyphs + ' ' * 16, 0, 16);
		glyphs['A' * 16] = 1;
		memset(glyphs + 0xdb * 16, 0xff, 16);
		memset(glyphs + 0xdd * 16, 0xf0, 16);
		memset(glyphs + 0xde * 16, 0x0f, 16);
	}
	fonts_add(f, a, &image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fonts fonts;
	static uint32_t pixels[WIDTH * HEIGHT];
	struct raster r = {WIDTH, HEIGHT, pixels};
	struct arena a = {NULL};
	struct bytes image = {malloc(size), size};

	if (size)
		memcpy(image.data, data, size);
	fonts_init(&fonts);
	fonts_add(&fonts, &a, &image);
	if (size % 3)
		add_shaped(&fonts, &a, data, size, size % 3 == 1);
	for (size_t i = 0; i < WIDTH * HEIGHT; i++)
		pixels[i] = size ? data[i / 8 % size] >> i % 8 & 1 : 0;
	(void)reading_of(&a, &r, &fonts);
	free(image.data);
	arena_free(&a);
	return 0;
}
