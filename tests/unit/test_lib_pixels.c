/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letters in a frame buffer: each pixel as the formats and patterns say it, worked out anew
 * byte by byte, and no byte beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/glyphs.h"
#include "lib/pixels.h"
#include "random.h"

#define BEFORE 0x5a

static const struct pixel_format formats[] = {
	{4, {16, 8}, {8, 8}, {0, 8}},
	{4, {0, 8}, {8, 8}, {16, 8}},
	{4, {20, 10}, {10, 10}, {0, 10}},
	{3, {16, 8}, {8, 8}, {0, 8}},
	{2, {11, 5}, {5, 6}, {0, 5}},
	{2, {10, 5}, {5, 5}, {0, 5}},
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

static void a_colour_is_in_the_bits_of_its_format(void **state)
{
	static const uint32_t expected[FORMATS][3] = {
		/* red, green, blue in full */
		{0xff0000, 0x00ff00, 0x0000ff},
		{0x0000ff, 0x00ff00, 0xff0000},
		{0x3fc00000, 0x000ff000, 0x000003fc},
		{0xff0000, 0x00ff00, 0x0000ff},
		{0xf800, 0x07e0, 0x001f},
		{0x7c00, 0x03e0, 0x001f},
	};

	(void)state;
	for (unsigned i = 0; i < FORMATS; i++) {
		struct pixels p = {.format = formats[i]};

		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(pixels_colour(&p, 0xff0000u >> 8 * k), expected[i][k]);
		assert_int_equal(pixels_colour(&p, 0), 0);
	}
}

static uint32_t pixel_at(const struct pixels *p, const uint8_t *base, uint32_t x, uint32_t y)
{
	const uint8_t *at = base + (size_t)y * p->pitch + (size_t)x * p->format.bytes;
	uint32_t v = 0;

	for (unsigned i = 0; i < p->format.bytes; i++)
		v |= (uint32_t)at[i] << 8 * i;
	return v;
}

/* The grey of a VGA in this format, by bits. */
static uint32_t grey(const struct pixel_format *f)
{
	static const char bits[] = "1010101000000000";
	const struct pixel_field fields[] = {f->red, f->green, f->blue};
	uint32_t v = 0;

	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < fields[i].bits; k++)
			if (bits[k] == '1')
				v |= 1u << (fields[i].at + fields[i].bits - 1 - k);
	return v;
}

/* In the cell each pixel, and nowhere else any. */
static void check_draw(const struct pixels *p, const struct pixel_grid *g, unsigned column,
	unsigned row, char c)
{
	size_t size = (size_t)p->pitch * p->height;
	uint8_t *base = malloc(size);
	unsigned w = 8 * g->scale, h = 16 * g->scale;

	memset(base, BEFORE, size);
	pixels_draw(p, base, g, column, row, c);
	for (uint32_t y = 0; y < p->height; y++) {
		for (uint32_t x = 0; x < p->width; x++) {
			uint32_t v = pixel_at(p, base, x, y);
			unsigned gx = (x - column * w) / g->scale,
				 gy = (y - row * h) / g->scale;

			if (x < column * w || x >= (column + 1) * w || y < row * h ||
				y >= (row + 1) * h)
				assert_true(v == (0x5a5a5a5au >> (32 - 8 * p->format.bytes)));
			else if (glyph_of(c)[gy] >> (7 - gx) & 1)
				assert_int_equal(v, grey(&p->format));
			else
				assert_int_equal(v, 0);
		}
		for (uint32_t i = p->width * p->format.bytes; i < p->pitch; i++)
			assert_int_equal(base[(size_t)y * p->pitch + i], BEFORE);
	}
	free(base); /* exact: a byte behind it is found */
}

static void each_pixel_of_a_cell_is_that_of_the_pattern_and_none_beside_it(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (unsigned i = 0; i < FORMATS; i++)
		for (unsigned scale = 1; scale <= PIXELS_SCALE_MAX; scale++)
			for (unsigned n = 0; n < 12; n++) {
				struct pixel_grid g = {1 + (unsigned)(random_next(&seed) % 3),
					1 + (unsigned)(random_next(&seed) % 3), scale};
				struct pixels p = {1, 8 * scale * g.columns + n % 5,
					16 * scale * g.rows + n % 3, 0, formats[i]};

				p.pitch = p.width * p.format.bytes + n % 7;
				check_draw(&p, &g, (unsigned)(random_next(&seed) % g.columns),
					(unsigned)(random_next(&seed) % g.rows),
					(char)(' ' + random_next(&seed) % 95));
			}
}

static void cleared_all_pixels_are_black_and_what_is_between_lines_stays(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FORMATS; i++)
		for (uint32_t width = 1; width < 20; width++) {
			struct pixels p = {
				1, width, 5, width * formats[i].bytes + 3, formats[i]};
			uint8_t *base = malloc(p.pitch * p.height);

			memset(base, BEFORE, p.pitch * p.height);
			pixels_clear(&p, base);
			for (uint32_t y = 0; y < p.height; y++)
				for (uint32_t x = 0; x < p.pitch; x++)
					assert_int_equal(base[y * p.pitch + x],
						x < p.pitch - 3 ? 0 : BEFORE);
			free(base);
		}
}

static void letters_are_as_large_as_the_screen_has_room_for(void **state)
{
	static const struct {
		uint32_t width, height;
		unsigned columns, rows, scale;
	} screens[] = {
		{640, 480, 80, 30, 1},
		{800, 600, 100, 37, 1},
		{1024, 768, 128, 48, 1},
		{1920, 1080, 240, 67, 1},
		{2560, 1440, 320, 51, 1}, /* as many rows as cells allow */
		{3840, 2160, 240, 67, 2},
		{5120, 2880, 213, 60, 3},
		{7680, 4320, 240, 67, 4},
		{16384, 16384, 512, 32, 4},
		{8, 16, 1, 1, 1},
		{7, 16, 0, 1, 1},
		{800, 15, 0, 0, 1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(screens) / sizeof(screens[0]); i++) {
		struct pixels p = {.width = screens[i].width, .height = screens[i].height};
		struct pixel_grid g = pixels_grid(&p, 16384);

		assert_int_equal(g.columns, screens[i].columns);
		assert_int_equal(g.scale, screens[i].scale);
		if (g.columns != 0)
			assert_int_equal(g.rows, screens[i].rows);
		assert_true(g.columns * g.rows <= 16384);
		assert_true(g.columns * 8 * g.scale <= p.width);
		assert_true(g.rows * 16 * g.scale <= p.height);
	}
}

static void what_cannot_be_a_frame_buffer_is_none(void **state)
{
	const struct pixels good = {0xe0000000, 800, 600, 3200, {4, {16, 8}, {8, 8}, {0, 8}}};
	struct pixels p = good;

	(void)state;
#define BAD(change) (p = good, change, assert_false(pixels_ok(&p)))
	assert_true(pixels_ok(&p));
	assert_true(pixels_size(&p) == 3200ull * 600);
	BAD(p.start = 0);
	BAD(p.start = UINT64_MAX - 3200ull * 600 + 1);
	BAD(p.width = 0);
	BAD(p.width = 801);
	BAD(p.width = UINT32_MAX);
	BAD(p.height = 0);
	BAD(p.height = PIXELS_SIDE_MAX + 1);
	BAD(p.pitch = 3199);
	BAD(p.pitch = UINT32_MAX);
	BAD(p.format.bytes = 1);
	BAD(p.format.bytes = 5);
	BAD(p.format.bytes = 0);
	BAD(p.format.bytes = 2); /* red lies behind it */
	BAD(p.format.red.bits = 0);
	BAD(p.format.green.bits = 17);
	BAD(p.format.blue.at = 25);
	BAD(p.format.blue.at = 255);
#undef BAD
}

static void each_character_has_a_pattern_of_its_own(void **state)
{
	(void)state;
	for (int a = ' '; a <= '~'; a++)
		for (int b = ' '; b < a; b++)
			assert_memory_not_equal(glyph_of((char)a), glyph_of((char)b), 16);
	for (int c = -128; c < 128; c++)
		if (c < ' ' || c > '~')
			assert_ptr_equal(glyph_of((char)c), glyph_of('?'));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(glyph_of(' ')[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_colour_is_in_the_bits_of_its_format),
		cmocka_unit_test(
			each_pixel_of_a_cell_is_that_of_the_pattern_and_none_beside_it),
		cmocka_unit_test(cleared_all_pixels_are_black_and_what_is_between_lines_stays),
		cmocka_unit_test(letters_are_as_large_as_the_screen_has_room_for),
		cmocka_unit_test(what_cannot_be_a_frame_buffer_is_none),
		cmocka_unit_test(each_character_has_a_pattern_of_its_own),
	};

	return cmocka_run_group_tests_name("lib_pixels", tests, NULL, NULL);
}
