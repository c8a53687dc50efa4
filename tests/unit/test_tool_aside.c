/* SPDX-License-Identifier: Apache-2.0 */
/* Nestor's log, shown between lines of a console. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"

#include <cmocka.h>

static struct aside aside;
static char *shown;
static size_t size;
static FILE *both; /* as a terminal, or a pipe, has them */

static int set_up(void **state)
{
	(void)state;
	both = open_memstream(&shown, &size);
	aside_init(&aside, both, both, true);
	return both == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	fclose(both);
	free(shown);
	return 0;
}

static void console_at(const char *text, double now)
{
	aside_console(&aside, text, strlen(text), now);
}

static void console(const char *text)
{
	console_at(text, 0);
}

static void say(const char *text, double now)
{
	aside_log(&aside, text, strlen(text), now);
}

static void expect(const char *text)
{
	fflush(both);
	assert_string_equal(shown, text);
}

static void the_log_waits_for_the_end_of_a_line(void **state)
{
	(void)state;
	say("first\n", 0);
	console("one\ntw");
	say("second\n", 1);
	say("third\n", 1.1);
	expect("first\none\ntw");
	assert_true(aside_deadline(&aside) > 1.2 && aside_deadline(&aside) < 1.3);
	console("o\nthree\n");
	expect("first\none\ntwo\nsecond\nthird\nthree\n");
	assert_true(aside_deadline(&aside) == 0);
	say("fourth\n", 2);
	expect("first\none\ntwo\nsecond\nthird\nthree\nfourth\n");
}

static void behind_a_prompt_it_waits_for_a_moment_only(void **state)
{
	(void)state;
	console("login: ");
	say("warn\n", 5);
	aside_attend(&aside, 5.2);
	expect("login: ");
	aside_attend(&aside, 5.3);
	expect("login: warn\n");
	console("root\n");
	expect("login: warn\nroot\n");
}

static void a_line_that_goes_on_slowly_is_waited_for(void **state)
{
	(void)state;
	console_at("DMAR-IR: En", 1);
	say("warn\n", 1);
	console_at("abled", 1.2);
	aside_attend(&aside, 1.4);
	expect("DMAR-IR: Enabled");
	aside_init(&aside, both, both, false);
	console_at(" IRQ", 2);
	say("warn\n", 2);
	aside_attend(&aside, 6.9);
	console_at(" remapping\n", 6.9);
	expect("DMAR-IR: Enabled IRQ remapping\nwarn\n");
}

static void a_line_that_never_ends_does_not_hold_the_log_for_ever(void **state)
{
	double now = 1;

	(void)state;
	console_at(".", now);
	say("error\n", now);
	for (; now < 20 && aside.size != 0; now += 0.1) {
		console_at(".", now);
		aside_attend(&aside, now);
	}
	assert_true(now > 1 + ASIDE_HOLD && now < 1.5 + ASIDE_PATIENCE * ASIDE_HOLD);
}

/* Both have buffers, as standard output has one when it is a file. */
static void what_was_said_first_is_first_in_a_file_of_both(void **state)
{
	static char line[100], found[3 * sizeof(line)];
	FILE *file = tmpfile(), *out = fdopen(dup(fileno(file)), "w"),
	     *log = fdopen(dup(fileno(file)), "w");

	(void)state;
	memset(line, '.', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	aside_init(&aside, out, log, false);
	setvbuf(out, NULL, _IOFBF, 64);
	aside_console(&aside, line, sizeof(line), 0);
	aside_log(&aside, "log\n", 4, 0);
	fflush(log);
	aside_console(&aside, "after\n", 6, 0);
	fclose(out);
	fclose(log);
	rewind(file);
	assert_int_equal(fread(found, 1, sizeof(found), file), sizeof(line) + 10);
	assert_memory_equal(found + sizeof(line) - 1, "\nlog\nafter\n", 11);
	fclose(file);
}

static void what_has_no_room_to_wait_is_shown(void **state)
{
	static char much[ASIDE_ROOM + 1];

	(void)state;
	memset(much, 'x', ASIDE_ROOM);
	console("a");
	say("b", 0);
	say(much, 0);
	fflush(both);
	assert_int_equal(size, 2 + ASIDE_ROOM);
	assert_memory_equal(shown, "abxx", 4);
	say("end\n", 0);
	aside_flush(&aside);
	fflush(both);
	assert_int_equal(size, 2 + ASIDE_ROOM + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_log_waits_for_the_end_of_a_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			behind_a_prompt_it_waits_for_a_moment_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_line_that_goes_on_slowly_is_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_line_that_never_ends_does_not_hold_the_log_for_ever, set_up,
			tear_down),
		cmocka_unit_test(what_was_said_first_is_first_in_a_file_of_both),
		cmocka_unit_test_setup_teardown(
			what_has_no_room_to_wait_is_shown, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
