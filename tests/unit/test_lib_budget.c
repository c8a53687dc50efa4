/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often something may be done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/budget.h"

#define PERIOD 100u
#define BURST  5u

static unsigned done(struct budget *b, uint64_t from, uint64_t to, uint64_t step)
{
	unsigned count = 0;

	for (uint64_t now = from; now < to; now += step)
		count += budget_spend(b, now, PERIOD, BURST);
	return count;
}

static void a_burst_goes_through_and_the_rest_is_counted(void **state)
{
	struct budget b = {0};

	(void)state;
	assert_int_equal(done(&b, 1000, 1020, 1), BURST);
	assert_int_equal(budget_take_refused(&b), 15);
	assert_int_equal(budget_take_refused(&b), 0);
}

static void a_flood_is_let_through_once_a_period(void **state)
{
	struct budget b = {0};

	(void)state;
	assert_in_range(done(&b, 1000, 1000 + 1000 * PERIOD, 1), 1000, 1000 + BURST);
}

static void one_that_asks_seldom_is_never_refused(void **state)
{
	struct budget b = {0};

	(void)state;
	assert_int_equal(done(&b, 0, 1000 * PERIOD, PERIOD), 1000);
	assert_int_equal(budget_take_refused(&b), 0);
}

static void after_a_pause_there_is_a_burst_and_no_more(void **state)
{
	struct budget b = {0};

	(void)state;
	(void)done(&b, 1000, 2000, 1);
	assert_int_equal(done(&b, 1u << 30, (1u << 30) + 50, 1), BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_goes_through_and_the_rest_is_counted),
		cmocka_unit_test(a_flood_is_let_through_once_a_period),
		cmocka_unit_test(one_that_asks_seldom_is_never_refused),
		cmocka_unit_test(after_a_pause_there_is_a_burst_and_no_more),
	};

	return cmocka_run_group_tests_name("lib_budget", tests, NULL, NULL);
}
