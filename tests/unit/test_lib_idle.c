/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which state a CPU without work waits, by what its processor tells.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/idle.h"

#define MONITOR   (1u << 3)
#define ARAT      (1u << 2)
#define INVARIANT (1u << 8)
#define SERVER    0x00002020u /* two of C1, two of C3 */
#define LAPTOP    0x11142120u

static struct idle_plan plan;

static void make(uint32_t states, uint32_t power, uint32_t extended, enum l0_idle mode)
{
	struct idle_facts f = idle_facts_of(MONITOR, 3, states, power, extended);

	idle_plan_make(&plan, &f, mode);
}

static void without_mwait_or_states_of_it_cpus_halt(void **state)
{
	static const struct idle_facts none[] = {{.states = SERVER},
		{.mwait = true, .states = 0}, {.mwait = true, .states = 0x2000}};
	struct idle_facts f = idle_facts_of(0, 3, SERVER, ARAT, INVARIANT);

	(void)state;
	assert_false(f.mwait);
	f = idle_facts_of(MONITOR, 2, SERVER, ARAT, INVARIANT);
	assert_false(f.mwait);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		idle_plan_make(&plan, &none[i], L0_IDLE_DEEP);
		assert_false(plan.mwait);
		assert_false(plan.wakes);
		assert_int_equal(plan.count, 0);
	}
	make(SERVER, ARAT, INVARIANT, L0_IDLE_HLT);
	assert_false(plan.mwait);
}

static void short_sleeps_are_in_c1_and_long_ones_deeper(void **state)
{
	(void)state;
	make(SERVER, ARAT, INVARIANT, L0_IDLE_AUTO);
	assert_true(plan.mwait && plan.wakes);
	assert_int_equal(idle_hint(&plan, 0), 0x00);
	assert_int_equal(idle_hint(&plan, 99), 0x00);
	assert_int_equal(idle_hint(&plan, 100), 0x01);
	assert_int_equal(idle_hint(&plan, 7999), 0x01);
	assert_int_equal(idle_hint(&plan, 8000), 0x20);
	assert_int_equal(idle_hint(&plan, UINT64_MAX), 0x20);
	make(SERVER, ARAT, INVARIANT, L0_IDLE_DEEP);
	assert_int_equal(idle_hint(&plan, 999), 0x01);
	assert_int_equal(idle_hint(&plan, 1000), 0x20);
}

static void each_class_takes_a_longer_sleep_than_the_one_before(void **state)
{
	(void)state;
	make(LAPTOP, ARAT, INVARIANT, L0_IDLE_DEEP);
	assert_int_equal(plan.count, 8);
	for (unsigned i = 1; i < plan.count; i++) {
		assert_true(plan.steps[i].least_us > plan.steps[i - 1].least_us);
		assert_true(plan.steps[i].hint > plan.steps[i - 1].hint);
	}
	assert_int_equal(idle_hint(&plan, UINT64_MAX), 0x60);
}

/* Else its timer would stop, or the clock that all go by. */
static void no_state_behind_c1_where_timers_may_stop(void **state)
{
	(void)state;
	make(SERVER, 0, INVARIANT, L0_IDLE_DEEP);
	assert_int_equal(idle_hint(&plan, UINT64_MAX), 0x01);
	make(SERVER, ARAT, 0, L0_IDLE_DEEP);
	assert_int_equal(idle_hint(&plan, UINT64_MAX), 0x01);
	make(SERVER, ARAT, INVARIANT, L0_IDLE_C1);
	assert_int_equal(idle_hint(&plan, UINT64_MAX), 0x01);
	make(0x10, ARAT, INVARIANT, L0_IDLE_AUTO);
	assert_int_equal(idle_hint(&plan, UINT64_MAX), 0x00);
}

static void a_processor_that_misses_stores_takes_interrupts(void **state)
{
	struct idle_facts f = idle_facts_of(MONITOR, 3, SERVER, ARAT, INVARIANT);

	(void)state;
	f.deaf = true;
	idle_plan_make(&plan, &f, L0_IDLE_AUTO);
	assert_true(plan.mwait);
	assert_false(plan.wakes);
}

static void short_sleeps_are_followed_by_short_ones(void **state)
{
	(void)state;
	assert_int_equal(idle_expect(1000000, 0), 0);
	assert_int_equal(idle_expect(1000000, 10), 40);
	assert_int_equal(idle_expect(30, 10), 30);
	assert_true(idle_expect(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
	assert_true(idle_expect(UINT64_MAX, UINT64_MAX / 4 + 1) == UINT64_MAX);
	assert_int_equal(idle_expect(0, UINT64_MAX), 0);
}

static void the_log_tells_of_it(void **state)
{
	char text[64];

	(void)state;
	make(SERVER, ARAT, INVARIANT, L0_IDLE_AUTO);
	idle_describe(text, sizeof(text), &plan);
	assert_string_equal(text, "MWAIT, by hints 0x00 0x01 0x20");
	idle_describe(text, 20, &plan);
	assert_true(strlen(text) < 20);
	make(SERVER, ARAT, INVARIANT, L0_IDLE_HLT);
	idle_describe(text, sizeof(text), &plan);
	assert_string_equal(text, "HLT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_mwait_or_states_of_it_cpus_halt),
		cmocka_unit_test(short_sleeps_are_in_c1_and_long_ones_deeper),
		cmocka_unit_test(each_class_takes_a_longer_sleep_than_the_one_before),
		cmocka_unit_test(no_state_behind_c1_where_timers_may_stop),
		cmocka_unit_test(a_processor_that_misses_stores_takes_interrupts),
		cmocka_unit_test(short_sleeps_are_followed_by_short_ones),
		cmocka_unit_test(the_log_tells_of_it),
	};

	return cmocka_run_group_tests_name("lib_idle", tests, NULL, NULL);
}
