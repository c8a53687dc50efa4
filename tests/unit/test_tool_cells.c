/* SPDX-License-Identifier: Apache-2.0 */
/* Screens of text: what Nestor says of them, their text, and how they are drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cells.h"
#include "file.h"
#include "lib/glyphs.h"
#include "lib/picture.h"
#include "screenshot.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define COLOURS                                                                                \
	"0000000000aa00aa0000aaaaaa0000aa00aaaa5500aaaaaa5555555555ff55ff5555ffffff5555ff55ff" \
	"ffff55ffffff"
#define OF(size) "screen vm=vm channel=0 " size " lines=16 first=13 last=14 blinks=1 colours="

static struct arena arena;
static struct fonts fonts;
static uint32_t cells[CELLS_MAX];
static struct cells screen;

static int set_up(void **state)
{
	(void)state;
	fonts_init(&fonts);
	memset(cells, 0, sizeof(cells));
	assert_true(cells_of_record(OF("width=40 height=4") COLOURS, &screen));
	screen.cell = cells;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void type(unsigned at, uint8_t attribute, const char *text)
{
	for (; *text; text++, at++)
		cells[at] = (uint8_t)*text | (uint32_t)attribute << 8;
}

static const char *text(void)
{
	return cells_text(&arena, &screen);
}

/* ---- what Nestor says ---- */

static void a_record_says_what_the_screen_is(void **state)
{
	(void)state;
	assert_int_equal(screen.columns, 40);
	assert_int_equal(screen.rows, 4);
	assert_int_equal(screen.lines, 16);
	assert_int_equal(screen.first, 13);
	assert_int_equal(screen.last, 14);
	assert_true(screen.blinks);
	assert_int_equal(screen.colour[0], 0);
	assert_int_equal(screen.colour[6], 0xaa5500);
	assert_int_equal(screen.colour[15], 0xffffff);
}

static void records_of_no_screen_are_refused(void **state)
{
	static const char *const bad[] = {
		"screen vm=vm channel=0 width=80 height=25", /* a picture */
		"screen",
		OF("width=0 height=25") COLOURS,
		OF("width=80 height=0") COLOURS,
		OF("width=128 height=129") COLOURS,
		OF("width=16385 height=1") COLOURS,
		OF("width=4294967376 height=4294967321") COLOURS,
		OF("width=80 height=25"),
		OF("width=80 height=25") "0000aa",
		"screen width=80 height=25 lines=33 colours=" COLOURS,
	};
	struct cells c;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cells_of_record(bad[i], &c))
			fail_msg("taken: %s", bad[i]);
	assert_true(cells_of_record(OF("width=128 height=128") COLOURS, &c));
}

/* ---- text ---- */

static void text_is_what_is_in_the_cells(void **state)
{
	(void)state;
	type(0, 0x07, "It's exact: O0, Il1|");
	type(80, 0x70, "  \xc9\xcd\xbb  \x01\x7f\x1f\x81");
	cells[87] |= PICTURE_CURSOR;
	type(120 + 39, 0x07, "\xdb");
	assert_string_equal(text(), "It's exact: O0, Il1|\n\n"
				    "  \u2554\u2550\u2557  \u263a\u2302\u25bc\u00fc\n"
				    "                                       \u2588\n");
}

static void an_empty_screen_has_empty_lines(void **state)
{
	(void)state;
	assert_string_equal(text(), "\n\n\n\n");
	for (unsigned i = 0; i < 160; i++)
		cells[i] = 0x0720;
	assert_string_equal(text(), "\n\n\n\n");
}

/* No byte becomes what a terminal obeys, nor half of a character. */
static void every_code_is_a_sign(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		uint16_t c = font_cp437((uint8_t)code);

		assert_true(c >= ' ' && (c < 0x7f || c > 0x9f) && (c < 0xd800 || c > 0xdfff));
		for (unsigned other = 1; other < code; other++)
			if (code != ' ' && font_cp437((uint8_t)other) == c)
				fail_msg("%02x and %02x are the same", other, code);
	}
}

/* ---- picture ---- */

static uint32_t pixel(
	const struct raster *r, unsigned column, unsigned row, unsigned x, unsigned y)
{
	return raster_pixel(r, column * 8 + x, row * 16 + y);
}

static struct raster draw(void)
{
	struct raster r = cells_draw(&arena, &screen, &fonts);

	assert_int_equal(r.width, screen.columns * 8);
	assert_int_equal(r.height, screen.rows * 16);
	return r;
}

/* Whether the cell has this pattern in these colours. */
static void is_drawn(const struct raster *r, unsigned column, unsigned row,
	const uint8_t *pattern, uint32_t ink, uint32_t ground)
{
	for (unsigned y = 0; y < 16; y++)
		for (unsigned x = 0; x < 8; x++)
			if (pixel(r, column, row, x, y) !=
				(pattern[y] & 0x80 >> x ? ink : ground))
				fail_msg("another pixel at %u, %u", x, y);
}

static void characters_have_their_colours(void **state)
{
	struct raster r;

	(void)state;
	type(0, 0x07, "A");
	type(41, 0x9e, "B");
	r = draw();
	is_drawn(&r, 0, 0, glyph_of('A'), 0xaaaaaa, 0);
	is_drawn(&r, 1, 1, glyph_of('B'), 0xffff55, 0x0000aa);
	is_drawn(&r, 2, 2, glyph_of(' '), 0, 0);
	screen.blinks = false;
	r = draw();
	is_drawn(&r, 1, 1, glyph_of('B'), 0xffff55, 0x5555ff);
}

static void the_cursor_is_lines_of_the_ink(void **state)
{
	struct raster r;
	uint8_t want[16] = {0};

	(void)state;
	cells[0] = 0x0720 | PICTURE_CURSOR;
	want[13] = want[14] = 0xff;
	r = draw();
	is_drawn(&r, 0, 0, want, 0xaaaaaa, 0);
	screen.lines = 8; /* each is two of the picture's */
	screen.first = screen.last = 6;
	want[12] = want[13] = 0xff;
	want[14] = 0;
	r = draw();
	is_drawn(&r, 0, 0, want, 0xaaaaaa, 0);
}

static void boxes_and_blocks_are_drawn_without_a_font(void **state)
{
	static const uint8_t down_right[16] = {
		[8] = 0x1f, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18};
	static const uint8_t level[16] = {[7] = 0xff, [9] = 0xff};
	static const uint8_t lower[16] = {[8] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct raster r;

	(void)state;
	type(0, 0x07, "\xda\xcd\xdc\x81");
	r = draw();
	is_drawn(&r, 0, 0, down_right, 0xaaaaaa, 0);
	is_drawn(&r, 1, 0, level, 0xaaaaaa, 0);
	is_drawn(&r, 2, 0, lower, 0xaaaaaa, 0);
	is_drawn(&r, 3, 0, glyph_of('?'), 0xaaaaaa, 0);
}

/* A font in the order of code page 437, as a VGA BIOS has it. */
static void the_font_of_the_images_comes_first(void **state)
{
	static uint8_t vga[256][16];
	struct bytes b = {vga[0], sizeof(vga)};
	struct raster r;

	(void)state;
	for (unsigned c = 1; c < 255; c++)
		for (unsigned y = 0; c != ' ' && y < 16; y++)
			vga[c][y] = (uint8_t)(c * (y + 3));
	memset(vga[0xdb], 0xff, 16);
	memset(vga[0xdd], 0xf0, 16);
	memset(vga[0xde], 0x0f, 16);
	fonts_add(&fonts, &arena, &b);
	type(0, 0x07, "A\x81\xda");
	r = draw();
	is_drawn(&r, 0, 0, vga['A'], 0xaaaaaa, 0);
	is_drawn(&r, 1, 0, vga[0x81], 0xaaaaaa, 0);
	is_drawn(&r, 2, 0, vga[0xda], 0xaaaaaa, 0);
}

/* ---- on its way ---- */

static const char *record_with(const char *colours)
{
	return arena_format(&arena,
		"screen vm=vm channel=%d width=40 height=4 lines=16 first=13 last=14 blinks=1 "
		"colours=%s",
		(int)L0_CHANNEL_SCREEN, colours);
}

static void a_screen_that_comes_is_written(void **state)
{
	static struct scenario_spec scenario;
	static struct vm_files files[SCENARIO_MAX_VMS];
	static struct screenshot_places places;
	static struct screenshots shots;
	static struct picture_encoder encoder;
	static uint8_t wire[PICTURE_ENCODED(160)];
	char folder[] = "/tmp/nestor-test.XXXXXX";
	const char *png, *txt;
	struct error e = {0};
	struct bytes b;
	size_t size;

	(void)state;
	assert_non_null(mkdtemp(folder));
	png = arena_format(&arena, "%s/a.png", folder);
	txt = arena_format(&arena, "%s/a.txt", folder);
	scenario_init(&scenario);
	strcpy(scenario_add_vm(&scenario, "test")->config.name, "vm");
	scenario.vms[0].config.display = DISPLAY_TEXT;
	places.place[0] = (struct screenshot_place){"vm", png};
	places.place[1] = (struct screenshot_place){"vm", txt};
	places.count = 2;
	assert_int_equal(screenshots_open(&shots, &arena, &scenario, files, &places, &e), 0);
	type(0, 0x07, "hello");
	picture_encode_start(&encoder, 40, 4);
	size = picture_encode(&encoder, cells, 160, wire);
	screenshots_record(&shots, record_with("00")); /* damaged: nothing comes */
	assert_false(screenshots_take(&shots, 0, wire, size));
	screenshots_record(&shots, record_with(COLOURS));
	assert_true(screenshots_take(&shots, 0, wire, size));
	assert_int_equal(file_read(&arena, txt, "test", &b, &e), 0);
	assert_memory_equal(b.data, "hello\n\n\n\n", 9);
	assert_int_equal(file_read(&arena, png, "test", &b, &e), 0);
	assert_memory_equal(b.data + 16, "\0\0\1\x40\0\0\0\x40", 8); /* 320 x 64 */
	assert_int_equal(screenshots_close(&shots, &e), 0);
	file_remove_tree(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_says_what_the_screen_is),
		TEST(records_of_no_screen_are_refused),
		TEST(text_is_what_is_in_the_cells),
		TEST(an_empty_screen_has_empty_lines),
		TEST(every_code_is_a_sign),
		TEST(characters_have_their_colours),
		TEST(the_cursor_is_lines_of_the_ink),
		TEST(boxes_and_blocks_are_drawn_without_a_font),
		TEST(the_font_of_the_images_comes_first),
		TEST(a_screen_that_comes_is_written),
	};

	return cmocka_run_group_tests_name("tool_cells", tests, NULL, NULL);
}
