/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words about functions that are kept from memory: each has its own number of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vtd/fault_log.h"

#define BURST 4u

static bool tells(struct fault_log *l, uint32_t source)
{
	return budget_spend(fault_log_budget(l, source), 1000, 100, BURST);
}

static void one_that_goes_on_for_ever_hides_no_other(void **state)
{
	struct fault_log l = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(tells(&l, 0x10), i < BURST);
	for (unsigned i = 0; i < 2 * BURST; i++)
		assert_int_equal(tells(&l, 0x80), i < BURST);
	assert_false(tells(&l, 0x10));
	assert_int_equal(budget_take_refused(fault_log_budget(&l, 0x80)), BURST);
}

static void sources_without_end_are_told_of_for_a_while_only(void **state)
{
	struct fault_log l = {0};
	unsigned told = 0;

	(void)state;
	for (uint32_t source = 0; source < 1000; source++)
		told += tells(&l, source);
	assert_int_equal(told, FAULT_LOG_SOURCES + BURST);
	assert_true(tells(&l, 0)); /* those that were first have their own still */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_goes_on_for_ever_hides_no_other),
		cmocka_unit_test(sources_without_end_are_told_of_for_a_while_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
