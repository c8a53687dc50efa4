/* SPDX-License-Identifier: Apache-2.0 */
/* A CPU that stands still in L0, and those that only seem to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/watch.h"

#define LIMIT 10u

static void one_that_stands_still_is_probed_asked_and_told_of_once(void **state)
{
	struct watched w = {0};

	(void)state;
	for (unsigned i = 1; i <= 100; i++)
		assert_int_equal(watch_look(&w, true, 0, LIMIT), i == 5    ? WATCH_PROBE
								 : i == 10 ? WATCH_ASK
								 : i == 11 ? WATCH_TELL
									   : WATCH_FINE);
	assert_int_equal(watch_look(&w, true, 1, LIMIT), WATCH_GOES_ON);
	assert_int_equal(watch_look(&w, true, 2, LIMIT), WATCH_FINE);
}

static void a_guest_that_runs_and_a_cpu_that_sleeps_are_none(void **state)
{
	struct watched w = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(watch_look(&w, i % LIMIT != 0, 7, LIMIT),
			i % LIMIT == 5 ? WATCH_PROBE : WATCH_FINE);
}

/* It was in L0 at each look, and goes on when it is kicked. */
static void a_probe_shows_progress(void **state)
{
	struct watched w = {0};
	uint32_t progress = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		enum watch_verdict v = watch_look(&w, true, progress, LIMIT);

		assert_true(v == WATCH_FINE || v == WATCH_PROBE);
		progress += v == WATCH_PROBE;
	}
	assert_true(progress > 100);
}

static void the_shortest_limit_still_asks_before_it_tells(void **state)
{
	struct watched w = {0};

	(void)state;
	assert_int_equal(watch_look(&w, true, 0, 1), WATCH_ASK);
	assert_int_equal(watch_look(&w, true, 0, 1), WATCH_TELL);
	assert_int_equal(watch_look(&w, false, 0, 1), WATCH_GOES_ON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_stands_still_is_probed_asked_and_told_of_once),
		cmocka_unit_test(a_guest_that_runs_and_a_cpu_that_sleeps_are_none),
		cmocka_unit_test(a_probe_shows_progress),
		cmocka_unit_test(the_shortest_limit_still_asks_before_it_tells),
	};

	return cmocka_run_group_tests_name("lib_watch", tests, NULL, NULL);
}
