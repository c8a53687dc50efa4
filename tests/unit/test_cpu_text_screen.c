/* SPDX-License-Identifier: Apache-2.0 */
/* L0's log on a screen, of characters and of pixels. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu/text_screen.h"
#include "lib/glyphs.h"

#define COLUMNS 10u
#define ROWS    3u

static volatile uint16_t cells[COLUMNS * ROWS + 2]; /* and one on either side */

static int set_up(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		cells[i] = 0x1234;
	text_screen_use(cells + 1, COLUMNS, ROWS);
	return 0;
}

static void write_text(const char *s)
{
	text_screen_write(s, strlen(s));
	text_screen_draw(TEXT_SCREEN_ALL);
	assert_false(text_screen_pending());
	assert_int_equal(cells[0], 0x1234);
	assert_int_equal(cells[COLUMNS * ROWS + 1], 0x1234);
}

static void expect_row(unsigned row, const char *text)
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		uint16_t cell = cells[1 + row * COLUMNS + i];

		assert_int_equal(cell >> 8, 7);
		assert_int_equal(cell & 0xff, i < strlen(text) ? text[i] : ' ');
	}
}

static void nothing_is_written_without_a_screen(void **state)
{
	(void)state;
	text_screen_use(NULL, 0, 0);
	text_screen_write("lost", 4);
	assert_false(text_screen_pending());
	text_screen_draw(TEXT_SCREEN_ALL);
	text_screen_clear(NULL);
	assert_false(text_screen_is_vga());
	assert_false(text_screen_meets(0, UINT64_MAX));
}

static void lines_go_up(void **state)
{
	(void)state;
	write_text("one\n");
	expect_row(0, "");
	expect_row(1, "one");
	expect_row(2, "");
	write_text("two\nthree\nfour");
	expect_row(0, "two");
	expect_row(1, "three");
	expect_row(2, "four");
}

static void a_long_line_goes_on_in_the_next(void **state)
{
	(void)state;
	write_text("0123456789");
	expect_row(2, "0123456789");
	expect_row(1, "");
	write_text("ab\n");
	expect_row(0, "0123456789");
	expect_row(1, "ab");
}

static void what_is_no_letter_is_told_as_such(void **state)
{
	(void)state;
	write_text("a\tb\r\x01\x7f\xff");
	expect_row(2, "a b???");
}

static void one_that_is_too_large_is_left_alone(void **state)
{
	static volatile uint16_t large[TEXT_SCREEN_CELLS + 64];

	(void)state;
	text_screen_use(large, 64, TEXT_SCREEN_CELLS / 64 + 1);
	text_screen_write("lost\n", 5);
	text_screen_draw(TEXT_SCREEN_ALL);
	for (unsigned i = 0; i < TEXT_SCREEN_CELLS + 64; i++)
		assert_int_equal(large[i], 0);
}

/* ---- pixels ---- */

#define WIDTH  44u /* 5 cells and a margin */
#define HEIGHT 70u /* 4 lines and a margin */
#define BEFORE 0x5a

static uint8_t picture[HEIGHT * WIDTH * 4];

static const struct pixels pixels = {
	0xe0000000, WIDTH, HEIGHT, WIDTH * 4, {4, {16, 8}, {8, 8}, {0, 8}}};

static int set_up_pixels(void **state)
{
	(void)state;
	memset(picture, BEFORE, sizeof(picture));
	text_screen_use_pixels(&pixels, picture);
	return 0;
}

static void log_text(const char *s)
{
	text_screen_write(s, strlen(s));
	text_screen_draw(TEXT_SCREEN_ALL);
}

static uint32_t pixel(unsigned x, unsigned y)
{
	uint32_t v;

	memcpy(&v, picture + (y * WIDTH + x) * 4, 4);
	return v;
}

static bool is_untouched(unsigned row, unsigned column)
{
	for (unsigned y = 0; y < 16; y++)
		for (unsigned x = 0; x < 8; x++)
			if (pixel(column * 8 + x, row * 16 + y) != 0x5a5a5a5a)
				return false;
	return true;
}

static bool shows(unsigned row, unsigned column, char c)
{
	for (unsigned y = 0; y < 16; y++)
		for (unsigned x = 0; x < 8; x++) {
			bool ink = glyph_of(c)[y] & 0x80 >> x;

			if (pixel(column * 8 + x, row * 16 + y) != (ink ? 0xaaaaaau : 0))
				return false;
		}
	return true;
}

static void expect_line(unsigned row, const char *text)
{
	for (unsigned i = 0; i < WIDTH / 8; i++)
		assert_true(shows(row, i, i < strlen(text) ? text[i] : ' '));
}

static void what_was_on_the_screen_stays_where_no_line_is(void **state)
{
	(void)state;
	log_text("ab\ncd");
	expect_line(2, "ab");
	expect_line(3, "cd");
	for (unsigned i = 0; i < WIDTH / 8; i++) {
		assert_true(is_untouched(0, i));
		assert_true(is_untouched(1, i));
	}
}

static void cleared_it_is_black_but_for_the_lines(void **state)
{
	(void)state;
	log_text("ab\ncd");
	memset(picture, BEFORE, sizeof(picture));
	text_screen_clear(picture);
	text_screen_draw(TEXT_SCREEN_ALL);
	expect_line(0, "");
	expect_line(1, "");
	expect_line(2, "ab");
	expect_line(3, "cd");
	for (unsigned y = 0; y < HEIGHT; y++)
		for (unsigned x = 40; x < WIDTH; x++)
			assert_int_equal(pixel(x, y), 0);
	log_text("\nef\ngh\nij");
	expect_line(0, "cd");
	expect_line(3, "ij");
}

static void lines_are_kept_until_the_screen_is_mapped(void **state)
{
	(void)state;
	text_screen_use_pixels(&pixels, NULL);
	log_text("early\nline");
	assert_true(text_screen_pending());
	text_screen_clear(picture);
	text_screen_draw(TEXT_SCREEN_ALL);
	assert_false(text_screen_pending());
	expect_line(2, "early");
	expect_line(3, "line");
}

static unsigned untouched_cells(void)
{
	unsigned n = 0;

	for (unsigned row = 0; row < 4; row++)
		for (unsigned i = 0; i < WIDTH / 8; i++)
			n += is_untouched(row, i);
	return n;
}

/* The last line first, and no more cells than are asked for. */
static void it_is_drawn_in_pieces_and_the_newest_line_first(void **state)
{
	(void)state;
	text_screen_write("1\n2\n3\n4", 7);
	assert_int_equal(untouched_cells(), 20);
	text_screen_draw(3);
	assert_int_equal(untouched_cells(), 17);
	assert_true(shows(3, 0, '4'));
	assert_true(text_screen_pending());
	text_screen_draw(2);
	expect_line(3, "4");
	assert_int_equal(untouched_cells(), 15);
	for (unsigned i = 0; i < 20 && text_screen_pending(); i++)
		text_screen_draw(1);
	expect_line(0, "1");
	expect_line(2, "3");
	text_screen_draw(1);
	assert_false(text_screen_pending());
}

/* What has not changed is not drawn again: a scribble over it stays. */
static void what_differs_only_is_drawn(void **state)
{
	(void)state;
	log_text("aa\nab");
	memset(picture, BEFORE, sizeof(picture));
	log_text("\naa");
	assert_true(shows(2, 1, 'b')); /* was a */
	assert_true(is_untouched(2, 0));
	assert_true(shows(3, 1, 'a'));
	assert_true(is_untouched(3, 0));
	assert_true(is_untouched(3, 2));
}

static sigjmp_buf out;

static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(out, 1);
}

/* Else the report of the fault would fault, for ever. */
static void a_fault_of_the_screens_memory_is_the_last_one(void **state)
{
	struct sigaction ours = {.sa_handler = on_fault, .sa_flags = SA_NODEFER}, before;
	void *nowhere = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile bool faulted = false;

	(void)state;
	assert_ptr_not_equal(nowhere, MAP_FAILED);
	text_screen_use_pixels(&pixels, nowhere);
	sigaction(SIGSEGV, &ours, &before);
	if (sigsetjmp(out, 1) == 0)
		log_text("fault");
	else
		faulted = true;
	assert_true(faulted);
	log_text("its report");
	log_text("and more");
	sigaction(SIGSEGV, &before, NULL);
	assert_false(text_screen_pending());
	munmap(nowhere, 65536);
}

static void it_is_known_in_whose_memory_the_screen_is(void **state)
{
	const uint64_t size = (uint64_t)WIDTH * 4 * HEIGHT, start = pixels.start;

	(void)state;
	assert_true(text_screen_meets(start, 1));
	assert_true(text_screen_meets(start + size - 1, 1));
	assert_true(text_screen_meets(start - 1, 2));
	assert_true(text_screen_meets(start - 4096, 1 << 24));
	assert_false(text_screen_meets(start - 1, 1));
	assert_false(text_screen_meets(start + size, 4096));
	assert_false(text_screen_meets(start, 0));
	assert_true(text_screen_start() == start);
	assert_false(text_screen_is_vga());
	text_screen_use(cells + 1, COLUMNS, ROWS);
	assert_true(text_screen_is_vga());
	assert_true(text_screen_start() == 0);
	assert_false(text_screen_meets(0, UINT64_MAX));
}

static void the_largest_screen_has_room(void **state)
{
	struct pixels p = pixels;
	uint8_t *at;

	(void)state;
	p.width = PIXELS_SIDE_MAX;
	p.height = 16 * (TEXT_SCREEN_ROWS + 10);
	p.pitch = 4 * PIXELS_SIDE_MAX;
	at = mmap(NULL, pixels_size(&p), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	text_screen_use_pixels(&p, at);
	for (unsigned i = 0; i < 300; i++)
		text_screen_write("line\n", 5);
	text_screen_draw(TEXT_SCREEN_ALL);
	assert_false(text_screen_pending());
	munmap(at, pixels_size(&p));
	p = (struct pixels){pixels.start, 7, 70, 28, pixels.format}; /* no cell fits */
	text_screen_use_pixels(&p, picture);
	log_text("lost");
	assert_int_equal(picture[0], BEFORE);
}

#define P(name) cmocka_unit_test_setup(name, set_up_pixels)
#define T(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_written_without_a_screen),
		T(lines_go_up),
		T(a_long_line_goes_on_in_the_next),
		T(what_is_no_letter_is_told_as_such),
		T(one_that_is_too_large_is_left_alone),
		P(what_was_on_the_screen_stays_where_no_line_is),
		P(cleared_it_is_black_but_for_the_lines),
		P(lines_are_kept_until_the_screen_is_mapped),
		P(it_is_drawn_in_pieces_and_the_newest_line_first),
		P(what_differs_only_is_drawn),
		P(a_fault_of_the_screens_memory_is_the_last_one),
		P(it_is_known_in_whose_memory_the_screen_is),
		P(the_largest_screen_has_room),
	};

	return cmocka_run_group_tests_name("cpu_text_screen", tests, NULL, NULL);
}
