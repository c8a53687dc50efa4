/* SPDX-License-Identifier: Apache-2.0 */
/* Output of several VMs on one stream: whole lines, prompts, lines that are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct lines l;
static char *shown;
static size_t shown_size;

static int begin(void **state)
{
	(void)state;
	lines_init(&l, open_memstream(&shown, &shown_size));
	lines_name(&l, 0, "a");
	lines_name(&l, 1, "b");
	lines_name(&l, 2, "c");
	return 0;
}

static int end(void **state)
{
	(void)state;
	fclose(l.out);
	free(shown);
	return 0;
}

static void say(unsigned vm, const char *text, double now)
{
	lines_add(&l, vm, text, strlen(text), now);
}

static void assert_shown(const char *text)
{
	fflush(l.out);
	assert_string_equal(shown, text);
}

static void lines_that_come_in_pieces_at_the_same_time_stay_whole(void **state)
{
	static const char a[] = "24: PCI-MSI 49153-edge\n", b[] = "reboot: Power down\n";

	(void)state;
	for (size_t i = 0; i < sizeof(a) - 1; i++) {
		lines_add(&l, 0, a + i, 1, 10 + 0.001 * (double)i);
		if (i < sizeof(b) - 1)
			lines_add(&l, 1, b + i, 1, 10 + 0.001 * (double)i);
	}
	assert_shown("b| reboot: Power down\na| 24: PCI-MSI 49153-edge\n");
	assert_true(lines_deadline(&l) <= 0);
}

static void a_prompt_is_shown_after_a_while_and_its_echo_at_once(void **state)
{
	(void)state;
	say(0, "up\nlogin: ", 10);
	assert_shown("a| up\n");
	assert_true(lines_deadline(&l) >= 10 + LINES_HOLD);
	lines_attend(&l, 10.1);
	assert_shown("a| up\n");
	lines_attend(&l, lines_deadline(&l));
	assert_shown("a| up\na| login: ");
	assert_true(lines_deadline(&l) <= 0);
	say(0, "r", 20);
	assert_shown("a| up\na| login: r");
	say(0, "oot\n$ ", 20.1);
	assert_shown("a| up\na| login: root\n");
}

static void another_vm_waits_for_the_end_of_a_line_and_then_cuts_it(void **state)
{
	(void)state;
	say(0, "login: ", 10);
	lines_attend(&l, 11);
	say(1, "x\ny", 11.1);
	assert_shown("a| login: ");
	lines_attend(&l, 11.2);
	assert_shown("a| login: ");
	lines_attend(&l, lines_deadline(&l));
	assert_shown("a| login: \nb| x\n");
	say(0, "me\n", 11.4);
	assert_shown("a| login: \nb| x\na+ me\n");
	say(0, "hello\n", 11.4);
	assert_shown("a| login: \nb| x\na+ me\na| hello\n");
}

static void a_line_without_end_keeps_nobody_out(void **state)
{
	double t = 10;

	(void)state;
	say(0, "...", t);
	lines_attend(&l, t += LINES_HOLD);
	say(1, "x\n", t);
	for (int i = 0; i < 15; i++)
		say(0, ".", t += 0.1);
	fflush(l.out);
	assert_non_null(strstr(shown, "\nb| x\n"));
	lines_attend(&l, t + LINES_HOLD);
	fflush(l.out);
	assert_non_null(strstr(shown, "\nb| x\na+ ."));
}

static void of_a_line_that_is_too_long_a_part_is_shown_and_nothing_is_lost(void **state)
{
	static char text[3 * LINES_ROOM];
	size_t seen = 0;

	(void)state;
	memset(text, 'z', sizeof(text) - 1);
	say(1, "short", 10);
	say(0, text, 10);
	fflush(l.out);
	assert_true(shown_size >= 2 * LINES_ROOM);
	lines_flush(&l, false);
	fflush(l.out);
	for (size_t i = 0; i < shown_size; i++)
		seen += shown[i] == 'z';
	assert_int_equal(seen, sizeof(text) - 1);
	assert_non_null(strstr(shown, "b| short"));
}

static void whatever_waits_is_shown_at_a_flush_and_a_message_has_its_own_line(void **state)
{
	(void)state;
	say(0, "one", 10);
	say(2, "two", 10);
	lines_flush(&l, true);
	assert_shown("a| one\nc| two\n");
	say(0, " more\n", 11);
	say(2, "!", 11);
	lines_flush(&l, false);
	assert_shown("a| one\nc| two\na+  more\nc+ !");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(t) cmocka_unit_test_setup_teardown(t, begin, end)
		TEST(lines_that_come_in_pieces_at_the_same_time_stay_whole),
		TEST(a_prompt_is_shown_after_a_while_and_its_echo_at_once),
		TEST(another_vm_waits_for_the_end_of_a_line_and_then_cuts_it),
		TEST(a_line_without_end_keeps_nobody_out),
		TEST(of_a_line_that_is_too_long_a_part_is_shown_and_nothing_is_lost),
		TEST(whatever_waits_is_shown_at_a_flush_and_a_message_has_its_own_line),
	};

	return cmocka_run_group_tests_name("whole lines", tests, NULL, NULL);
}
