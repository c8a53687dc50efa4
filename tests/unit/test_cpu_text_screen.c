/* SPDX-License-Identifier: Apache-2.0 */
/* L0's log on a screen of characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/text_screen.h"

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
	for (unsigned i = 0; i < TEXT_SCREEN_CELLS + 64; i++)
		assert_int_equal(large[i], 0);
}

#define T(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_written_without_a_screen),
		T(lines_go_up),
		T(a_long_line_goes_on_in_the_next),
		T(what_is_no_letter_is_told_as_such),
		T(one_that_is_too_large_is_left_alone),
	};

	return cmocka_run_group_tests_name("cpu_text_screen", tests, NULL, NULL);
}
