/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two TSCs are in step, by answers that take any time on their way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/tsc_step.h"
#include "random.h"

static void the_quickest_answer_counts(void **state)
{
	static const struct tsc_answer a[] = {
		{1000, 6500, 2000}, {3000, 8020, 3040}, {4000, 19000, 5000}};
	struct tsc_gap g = tsc_gap_of(a, 3);

	(void)state;
	assert_true(g.ahead == 5000);
	assert_int_equal(g.error, 21);
	assert_false(tsc_gap_is_none(&g, 0));
	assert_false(tsc_gap_is_none(&g, 4978));
	assert_true(tsc_gap_is_none(&g, 4979));
}

static void one_that_is_behind_and_one_that_was_turned_over_are_told(void **state)
{
	static const struct tsc_answer behind[] = {{10000, 4050, 10100}},
				       turned[] = {{UINT64_MAX - 49, 950, 50}};
	struct tsc_gap g = tsc_gap_of(behind, 1);

	(void)state;
	assert_true(g.ahead == -6000);
	assert_false(tsc_gap_is_none(&g, 100));
	g = tsc_gap_of(turned, 1);
	assert_true(g.ahead == 950);
}

static void without_an_answer_nothing_is_told(void **state)
{
	struct tsc_gap g = tsc_gap_of(NULL, 0);

	(void)state;
	assert_true(g.ahead == 0);
	assert_true(tsc_gap_is_none(&g, 0));
}

/* What is told differs from the truth by no more than is told, too. */
static void the_error_is_a_bound(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t ahead = random_next(&seed) >> random_next(&seed) % 64, off;
		struct tsc_answer a[8];
		struct tsc_gap g;
		uint64_t now = random_next(&seed);

		for (unsigned i = 0; i < 8; i++) {
			a[i].before = now;
			now += random_next(&seed) % 5000;
			a[i].other = now + ahead;
			now += random_next(&seed) % 5000;
			a[i].after = now;
		}
		g = tsc_gap_of(a, 8);
		off = (uint64_t)g.ahead - ahead;
		assert_true(off <= g.error || 0 - off <= g.error);
		if (ahead == 0)
			assert_true(tsc_gap_is_none(&g, 0));
	}
}

static void a_tsc_that_tells_less_than_was_told_lags(void **state)
{
	(void)state;
	assert_int_equal(tsc_lag(1000, 1000, 0), 0);
	assert_int_equal(tsc_lag(1000, 999, 0), 1);
	assert_int_equal(tsc_lag(1000, 2000, 0), 0);
	assert_int_equal(tsc_lag(1000, 990, 10), 0);
	assert_int_equal(tsc_lag(1000, 989, 10), 11);
	assert_int_equal(tsc_lag(5, UINT64_MAX - 4, 5), 10); /* one was turned over meanwhile */
	assert_int_equal(tsc_lag(UINT64_MAX - 4, 5, 5), 0);
	assert_true(tsc_is_later(1000, 1011, 10));
	assert_false(tsc_is_later(1000, 1010, 10));
	assert_false(tsc_is_later(1000, 995, 10)); /* behind, within the slack */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_quickest_answer_counts),
		cmocka_unit_test(one_that_is_behind_and_one_that_was_turned_over_are_told),
		cmocka_unit_test(without_an_answer_nothing_is_told),
		cmocka_unit_test(the_error_is_a_bound),
		cmocka_unit_test(a_tsc_that_tells_less_than_was_told_lags),
	};

	return cmocka_run_group_tests_name("lib_tsc_step", tests, NULL, NULL);
}
