/* SPDX-License-Identifier: Apache-2.0 */
/* What displays show: PNG files, fonts in images, text in pictures, and what Nestor sends. */
#include <errno.h>
#include <lzma.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "png.h"
#include "random.h"
#include "reading.h"
#include "screenshot.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define WIDTH  320u
#define HEIGHT 120u
#define INK    0xaaaaaau
#define GROUND 0x0000aau

static struct arena arena;
static struct fonts fonts;
static uint32_t pixels[WIDTH * HEIGHT];
static const struct raster raster = {WIDTH, HEIGHT, pixels};
static uint64_t seed = 1;

static int set_up(void **state)
{
	(void)state;
	fonts_init(&fonts);
	for (size_t i = 0; i < WIDTH * HEIGHT; i++)
		pixels[i] = GROUND;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* ---- PNG ---- */

static void a_png_file_has_the_picture(void **state)
{
	static uint8_t back[37 * 21 * 3];
	png_image image = {.version = PNG_IMAGE_VERSION};
	struct raster r = {37, 21, pixels};
	FILE *f = tmpfile();

	(void)state;
	for (size_t i = 0; i < 37 * 21; i++)
		pixels[i] = (uint32_t)random_next(&seed); /* the upper byte is nothing */
	assert_int_equal(png_write(f, &r), 0);
	rewind(f);
	assert_true(png_image_begin_read_from_stdio(&image, f));
	assert_int_equal(image.width, 37);
	assert_int_equal(image.height, 21);
	assert_int_equal(image.format, PNG_FORMAT_RGB);
	assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
	for (size_t i = 0; i < 37 * 21; i++)
		assert_int_equal(pixels[i] & 0xffffff,
			back[3 * i] << 16 | back[3 * i + 1] << 8 | back[3 * i + 2]);
	fclose(f);
}

static void a_full_disk_is_an_error(void **state)
{
	FILE *f = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	assert_int_equal(png_write(f, &raster), -1);
	assert_int_equal(errno, ENOSPC);
	fclose(f);
}

/* ---- fonts of the tests: noise in the shape of one ---- */

static uint8_t vga[256][16];
static uint8_t narrow[200][22];

static void fill(void *what, size_t size)
{
	uint8_t *bytes = what;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(random_next(&seed) | 1);
}

static void make_vga(void)
{
	fill(vga, sizeof(vga));
	memset(vga[0], 0, 16);
	memset(vga[' '], 0, 16);
	memset(vga[0xff], 0, 16);
	memset(vga[0xdb], 0xff, 16);
	memset(vga[0xdd], 0xf0, 16);
	memset(vga[0xde], 0x0f, 16);
}

/* A few glyphs come before ASCII, some behind it; the last entry is empty. */
static void make_narrow(void)
{
	fill(narrow, sizeof(narrow));
	for (unsigned i = 0; i < 200; i++) {
		unsigned c = i < 95 ? i + ' ' : 0x2500 + i;

		narrow[i][0] = (uint8_t)c;
		narrow[i][1] = (uint8_t)(c >> 8);
		narrow[i][2] = 0;
	}
	memset(narrow[0] + 3, 0, 19);
	memset(narrow[199], 0, 22);
}

/* Something that begins with noise, has it at an odd place, and goes on with noise. */
static struct bytes hide(const void *what, size_t size)
{
	struct bytes b = {arena_alloc(&arena, size + 3000), size + 3000};

	for (size_t i = 0; i < b.size; i++)
		b.data[i] = (uint8_t)random_next(&seed);
	memcpy(b.data + 1237, what, size);
	return b;
}

static void draw(const uint8_t *rows, unsigned height, unsigned x, unsigned y, uint32_t ink,
	uint32_t ground)
{
	for (unsigned i = 0; i < height; i++)
		for (unsigned k = 0; k < 8; k++)
			pixels[(y + i) * WIDTH + x + k] = rows[i] & 0x80 >> k ? ink : ground;
}

static void draw_vga(const char *text, unsigned x, unsigned y, uint32_t ink, uint32_t ground)
{
	for (; *text; text++, x += 8)
		draw(vga[(uint8_t)*text], 16, x, y, ink, ground);
}

static const char *text(void)
{
	return reading_of(&arena, &raster, &fonts);
}

static void add(struct bytes b)
{
	fonts_add(&fonts, &arena, &b);
}

static void text_is_read_with_the_font_of_a_vga_bios(void **state)
{
	(void)state;
	make_vga();
	add(hide(vga, sizeof(vga)));
	draw_vga("Hello, world!", 16, 0, INK, GROUND);
	draw_vga("second line \xcd\xe1 end", 0, 32, INK, GROUND);
	assert_string_equal(
		text(), "  Hello, world!\n\nsecond line \u2550\u00df end\n\n\n\n\n");
}

static void text_may_begin_at_any_pixel(void **state)
{
	(void)state;
	make_vga();
	add(hide(vga, sizeof(vga)));
	for (unsigned x = 0; x < 8; x++)
		for (unsigned y = 0; y < 16; y += 5) {
			set_up(NULL);
			add(hide(vga, sizeof(vga)));
			draw_vga("abc", 8 + x, 16 + y, INK, GROUND);
			draw_vga("de", 16 + x, 48 + y, INK, GROUND);
			assert_non_null(strstr(text(), " abc\n\n  de\n"));
		}
}

static void colours_do_not_matter_as_long_as_there_are_two(void **state)
{
	(void)state;
	make_vga();
	add(hide(vga, sizeof(vga)));
	draw_vga("red", 0, 0, 0xff0000, GROUND);
	draw_vga("bar", 24, 0, GROUND, INK); /* a menu's line */
	draw_vga("x", 48, 0, INK, GROUND);
	pixels[48 + WIDTH * 3] = 0x123456;
	pixels[56] = INK; /* no character */
	assert_string_equal(text(), "redbar??\n\n\n\n\n\n\n");
}

static void what_only_looks_like_a_font_is_none(void **state)
{
	(void)state;
	make_vga();
	vga[0xdd][7] = 0xf8;
	add(hide(vga, sizeof(vga)));
	assert_int_equal(fonts.font[0].count, 0);
	make_vga();
	add(hide(vga, sizeof(vga) - 16)); /* its end is cut off: noise for blank 0xff is fine */
	assert_int_equal(fonts.font[0].count > 0, 1);
	set_up(NULL);
	add((struct bytes){&vga[0][0], sizeof(vga) - 1});
	add((struct bytes){&vga[1][0], sizeof(vga) - 16});
	assert_int_equal(fonts.font[0].count, 0);
	make_narrow();
	narrow[50][0]++;
	add(hide(narrow, sizeof(narrow)));
	add((struct bytes){&narrow[0][0], 95 * 22 - 1});
	assert_int_equal(fonts.font[1].count, 0);
}

static void draw_narrow(const char *line, unsigned x, unsigned y)
{
	for (; *line; line++, x += 8)
		draw(narrow[*line - ' '] + 3, 19, x, y, INK, GROUND);
}

static void text_is_read_with_the_font_of_uefi_firmware(void **state)
{
	(void)state;
	make_narrow();
	add(hide(narrow, sizeof(narrow)));
	draw_narrow("Shell>", 5, 7);
	draw(narrow[150] + 3, 19, 5, 26, INK, GROUND);
	assert_string_equal(text(), "Shell>\n\u2596\n\n\n\n");
}

/* As a section of a firmware volume that is packed by LZMA. */
static struct bytes pack(const struct bytes *what)
{
	static const uint8_t guid[16] = {0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42, 0x9d,
		0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf};
	struct bytes b = {arena_alloc(&arena, what->size + 10000), 0};
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	memcpy(b.data + 104, guid, 16);
	b.data[120] = 24;
	lzma_lzma_preset(&options, 6);
	options.dict_size = 1u << 16;
	assert_int_equal(lzma_alone_encoder(&s, &options), LZMA_OK);
	s.next_in = what->data;
	s.avail_in = what->size;
	s.next_out = b.data + 124;
	s.avail_out = what->size + 9000;
	assert_int_equal(lzma_code(&s, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&s);
	bytes_put(&b, 124 + 5, 8, what->size);
	b.size = 124 + s.total_out;
	return b;
}

static void packed_firmware_is_unpacked(void **state)
{
	struct bytes plain, packed;

	(void)state;
	make_narrow();
	plain = hide(narrow, sizeof(narrow));
	packed = pack(&plain);
	add(packed);
	assert_int_equal(fonts.font[1].count, 199);
	for (size_t cut = 0; cut < packed.size; cut += 7) {
		struct bytes part = {malloc(cut), cut}; /* its end is guarded */

		set_up(NULL);
		memcpy(part.data, packed.data, cut);
		add(part);
		free(part.data);
		assert_int_equal(fonts.font[1].count, 0);
	}
	bytes_put(&packed, 124 + 5, 8, UINT64_MAX);
	add(packed);
	bytes_put(&packed, 120, 2, 0xffff);
	add(packed);
	assert_int_equal(fonts.font[1].count, 0);
}

static void no_font_has_what_a_terminal_obeys(void **state)
{
	static const uint16_t bad[] = {0x1b, 0x0a, 0x7f, 0x9b, 0xd800};

	(void)state;
	make_narrow();
	for (unsigned i = 0; i < 5; i++) {
		narrow[100 + i][0] = (uint8_t)bad[i];
		narrow[100 + i][1] = (uint8_t)(bad[i] >> 8);
		draw(narrow[100 + i] + 3, 19, 8 * i, 0, INK, GROUND);
	}
	add(hide(narrow, sizeof(narrow)));
	draw_narrow("abc", 48, 0);
	assert_string_equal(text(), "????? abc\n\n\n\n\n\n");
}

static void without_a_font_a_picture_has_no_text(void **state)
{
	(void)state;
	pixels[0] = INK;
	assert_string_equal(text(), "?\n\n\n\n\n\n\n");
	assert_string_equal(reading_of(&arena, &(struct raster){7, 15, pixels}, &fonts), "");
}

static struct bytes packaged(const char *path)
{
	struct error e = {0};
	struct bytes b;

	if (file_read(&arena, path, "test", &b, &e))
		fail_msg("%s", e.text);
	return b;
}

static void fonts_of_packages_are_found(void **state)
{
	(void)state;
	add(packaged("/usr/share/seabios/vgabios-ramfb.bin"));
	assert_in_range(fonts.font[0].count, 200, 256);
	add(packaged("/usr/share/ovmf/OVMF.fd"));
	assert_in_range(fonts.font[1].count, 95, 300);
}

/* ---- what Nestor sends ---- */

static char folder[] = "/tmp/nestor-test.XXXXXX";
static struct scenario_spec scenario;
static struct vm_files files[SCENARIO_MAX_VMS];
static struct screenshot_places places;
static struct screenshots shots;

static void name_place(const char *vm, const char *file)
{
	places.place[places.count++] =
		(struct screenshot_place){vm, arena_format(&arena, "%s/%s", folder, file)};
}

static int start(void **state)
{
	struct error e = {0};

	set_up(state);
	scenario_init(&scenario);
	for (unsigned i = 0; i < 2; i++) {
		struct vm_spec *vm = scenario_add_vm(&scenario, "test");

		strcpy(vm->config.name, i ? "plain" : "vm");
		vm->config.display = i ? DISPLAY_NONE : DISPLAY_RAMFB;
	}
	strcpy(folder, "/tmp/nestor-test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	memset(files, 0, sizeof(files));
	places.count = 0;
	name_place("vm", "a.png");
	name_place("vm", "a.txt");
	return screenshots_open(&shots, &arena, &scenario, files, &places, &e);
}

static int stop(void **state)
{
	struct error e = {0};

	screenshots_close(&shots, &e);
	file_remove_tree(folder);
	return tear_down(state);
}

static bool is_there(const char *file)
{
	return access(arena_format(&arena, "%s/%s", folder, file), F_OK) == 0;
}

/* The picture as it comes, from so many of its bytes. */
static bool come(unsigned vm, size_t from, size_t least)
{
	static struct picture_encoder encoder;
	static uint8_t wire[PICTURE_ENCODED(WIDTH * HEIGHT)];
	size_t size;

	picture_encode_start(&encoder, WIDTH, HEIGHT);
	size = picture_encode(&encoder, pixels, WIDTH * HEIGHT, wire);
	assert_true(size > least);
	return screenshots_take(&shots, vm, wire + from, size - from - least);
}

/* The channel is the first of displays. */
#define RECORD \
	arena_format(&arena, "screen vm=vm channel=%d width=320 height=120", L0_CHANNEL_SCREEN)

static void a_picture_that_comes_is_written(void **state)
{
	struct bytes b;

	(void)state;
	make_vga();
	b = hide(vga, sizeof(vga));
	files[0].vgabios = b;
	draw_vga("text", 0, 0, INK, GROUND);
	screenshots_record(&shots, RECORD);
	assert_true(come(0, 0, 1));
	assert_false(is_there("a.png"));
	assert_true(screenshots_take(&shots, 0, (const uint8_t *)"", 0));
	screenshots_record(&shots, RECORD); /* again, from the start */
	assert_true(come(0, 0, 0));
	assert_true(is_there("a.png"));
	b = packaged(arena_format(&arena, "%s/a.txt", folder));
	assert_memory_equal(b.data, "text\n\n", 6);
	assert_false(is_there("a.png.partial"));
	assert_false(come(0, 0, 0)); /* nobody said that one comes */
}

static void what_is_no_picture_writes_nothing(void **state)
{
	static const struct {
		int channel; /* behind that of the first display */
		const char *size;
	} bad[] = {
		{0, "width=4096 height=4096"},
		{0, "width=0 height=0"},
		{0, "width=320 height=0"},
		{0, "width=4294967296 height=120"},
		{1, "width=320 height=120"},
		{99, "width=320 height=120"},
		{-1, "width=320 height=120"},
	};
	const char *records[9] = {"screen", "screen vm=vm"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		records[i + 2] = arena_format(&arena, "screen vm=vm channel=%d %s",
			(int)L0_CHANNEL_SCREEN + bad[i].channel, bad[i].size);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		screenshots_record(&shots, records[i]);
		for (unsigned vm = 0; vm < 9; vm++)
			assert_false(come(vm, 0, 0));
	}
	screenshots_record(&shots, RECORD);
	screenshots_record(&shots, records[3]); /* not that one, but none */
	assert_false(come(0, 0, 0));
	screenshots_record(&shots, RECORD);
	assert_false(screenshots_take(&shots, 0, (const uint8_t *)"\x01zzz", 4));
	assert_false(come(0, 0, 0));
	assert_false(is_there("a.png"));
	assert_false(is_there("a.txt"));
}

static void a_file_that_cannot_be_written_is_told(void **state)
{
	struct error e = {0};

	(void)state;
	assert_int_equal(mkdir(arena_format(&arena, "%s/a.png", folder), 0755), 0);
	screenshots_record(&shots, RECORD);
	come(0, 0, 0);
	assert_false(is_there("a.png.partial"));
	assert_true(is_there("a.txt"));
	assert_int_equal(screenshots_close(&shots, &e), STATUS_HOST_ERROR);
	assert_non_null(strstr(e.text, "a.png': Is a directory"));
}

static void a_vm_without_a_display_has_none(void **state)
{
	struct error e = {0};

	(void)state;
	places.count = 0;
	name_place("plain", "b.png");
	assert_int_equal(
		screenshots_open(&shots, &arena, &scenario, files, &places, &e), STATUS_USAGE);
	assert_non_null(strstr(e.text, "display: ramfb"));
	e = (struct error){0};
	places.count = 0;
	name_place("nobody", "b.png");
	assert_int_equal(
		screenshots_open(&shots, &arena, &scenario, files, &places, &e), STATUS_USAGE);
	assert_non_null(strstr(e.text, "no such VM"));
}

static void a_place_that_cannot_be_written_is_told_at_the_start(void **state)
{
	static const struct {
		const char *file, *says;
	} cases[] = {
		{"none/a.png", "none/': No such file or directory"},
		{"file/a.png", "file/': Not a directory"},
		{"made.png", "there is a folder of this name"},
	};
	const struct bytes nothing = {NULL, 0};
	struct error e = {0};

	(void)state;
	assert_int_equal(mkdir(arena_format(&arena, "%s/made.png", folder), 0755), 0);
	assert_int_equal(file_write(arena_format(&arena, "%s/file", folder), &nothing, &e), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		e = (struct error){0};
		places.count = 0;
		name_place("vm", cases[i].file);
		assert_int_equal(
			screenshots_open(&shots, &arena, &scenario, files, &places, &e),
			STATUS_USAGE);
		if (!strstr(e.text, cases[i].says))
			fail_msg("%s", e.text);
	}
	e = (struct error){0};
	places.place[0].file = "a.png"; /* here */
	assert_int_equal(screenshots_open(&shots, &arena, &scenario, files, &places, &e), 0);
}

static void a_name_says_what_is_written(void **state)
{
	(void)state;
	assert_true(screenshot_file_ok("a.png"));
	assert_true(screenshot_file_ok("/x/y.txt"));
	assert_false(screenshot_file_ok(".png"));
	assert_false(screenshot_file_ok("png"));
	assert_false(screenshot_file_ok("a.jpg"));
	assert_false(screenshot_file_ok(""));
}

#define TEST(name)    cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SESSION(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_png_file_has_the_picture),
		TEST(a_full_disk_is_an_error),
		TEST(text_is_read_with_the_font_of_a_vga_bios),
		TEST(text_may_begin_at_any_pixel),
		TEST(colours_do_not_matter_as_long_as_there_are_two),
		TEST(what_only_looks_like_a_font_is_none),
		TEST(text_is_read_with_the_font_of_uefi_firmware),
		TEST(packed_firmware_is_unpacked),
		TEST(no_font_has_what_a_terminal_obeys),
		TEST(without_a_font_a_picture_has_no_text),
		TEST(fonts_of_packages_are_found),
		SESSION(a_picture_that_comes_is_written),
		SESSION(what_is_no_picture_writes_nothing),
		SESSION(a_file_that_cannot_be_written_is_told),
		SESSION(a_vm_without_a_display_has_none),
		SESSION(a_place_that_cannot_be_written_is_told_at_the_start),
		TEST(a_name_says_what_is_written),
	};

	return cmocka_run_group_tests_name("tool_screen", tests, NULL, NULL);
}
