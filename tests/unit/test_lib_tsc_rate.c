/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the TSC counts, by samples of which some were disturbed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/tsc_rate.h"
#include "random.h"

#define HZ    1193182u
#define COUNT 5966u

/* Ticks that a sample of an undisturbed TSC of that rate takes. */
static uint64_t ticks_at(uint64_t khz)
{
	return khz * 1000 * COUNT / HZ;
}

static void add(struct tsc_samples *s, uint64_t ticks)
{
	assert_true(tsc_samples_more(s));
	s->ticks[s->count++] = ticks;
}

static void near(uint64_t khz, uint64_t got)
{
	assert_in_range(got, khz - khz / 1000, khz + khz / 1000);
}

static void a_crystal_is_taken_within_a_hundredth_and_not_beyond(void **state)
{
	(void)state;
	assert_int_equal(tsc_rate_of_nearest_crystal(2, 300, 3600000), 3600000);
	assert_int_equal(tsc_rate_of_nearest_crystal(2, 300, 3636000), 3600000);
	assert_int_equal(tsc_rate_of_nearest_crystal(2, 300, 3564000), 3600000);
	assert_int_equal(tsc_rate_of_nearest_crystal(2, 300, 3636001), 0);
	assert_int_equal(tsc_rate_of_nearest_crystal(2, 300, 3563999), 0);
	assert_int_equal(tsc_rate_of_nearest_crystal(2, 300, 3750000), 3750000);
	assert_int_equal(tsc_rate_of_nearest_crystal(2, 300, 0), 0);
	assert_int_equal(tsc_rate_of_nearest_crystal(0, 300, 3600000), 0);
	assert_int_equal(tsc_rate_of_nearest_crystal(2, 0, 0), 0);
	assert_int_equal(tsc_rate_of_nearest_crystal(1, UINT32_MAX, UINT64_MAX), 0);
}

static void three_samples_that_agree_are_enough(void **state)
{
	struct tsc_samples s = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		add(&s, ticks_at(2900000) + i * 10);
	assert_false(tsc_samples_more(&s));
	near(2900000, tsc_samples_rate(&s, COUNT, HZ));
}

static void the_least_sample_counts_not_the_first_nor_the_middle(void **state)
{
	static const unsigned more_by_percent[] = {31, 30, 0, 12, 11, 50, 3, 0, 0};
	struct tsc_samples s = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(more_by_percent) / sizeof(more_by_percent[0]); i++)
		add(&s, ticks_at(2000000) * (100 + more_by_percent[i]) / 100);
	assert_false(tsc_samples_more(&s));
	near(2000000, tsc_samples_rate(&s, COUNT, HZ));
}

static void samples_that_agree_are_forgotten_when_a_lesser_one_comes(void **state)
{
	struct tsc_samples s = {0};

	(void)state;
	add(&s, 1310000);
	add(&s, 1310001);
	add(&s, 1000000);
	assert_int_equal(tsc_samples_agreeing(&s), 1);
	assert_true(tsc_samples_more(&s));
}

/* Each sample disturbed with a probability of three in four, by up to twice its length. */
static void a_busy_host_changes_nothing(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		uint64_t khz = 1000000 + random_next(&random) % 4000000;
		struct tsc_samples s = {0};

		while (tsc_samples_more(&s)) {
			uint64_t ticks = ticks_at(khz);

			if (random_next(&random) % 4 != 0)
				ticks += ticks / 50 + random_next(&random) % (2 * ticks);
			s.ticks[s.count++] = ticks;
		}
		near(khz, tsc_samples_rate(&s, COUNT, HZ));
	}
}

static void a_host_that_disturbs_all_ends_the_sampling_and_is_told(void **state)
{
	struct tsc_samples s = {0};

	(void)state;
	while (tsc_samples_more(&s)) {
		s.ticks[s.count] = 1000000 * (uint64_t)(s.count + 1);
		s.count++;
	}
	assert_int_equal(s.count, TSC_RATE_SAMPLES);
	assert_true(tsc_samples_agreeing(&s) < TSC_RATE_AGREE);
	assert_int_equal(tsc_samples_rate(&s, 1193, HZ), 1000152);
}

static void no_sample_and_samples_of_any_length_have_an_answer(void **state)
{
	struct tsc_samples s = {0};

	(void)state;
	assert_int_equal(tsc_samples_agreeing(&s), 0);
	assert_int_equal(tsc_samples_rate(&s, COUNT, HZ), 0);
	add(&s, UINT64_MAX);
	assert_int_equal(tsc_samples_rate(&s, COUNT, HZ), 0);
	assert_int_equal(tsc_samples_rate(&s, 0, HZ), 0);
	add(&s, 0);
	assert_int_equal(tsc_samples_agreeing(&s), 1);
	assert_int_equal(tsc_samples_rate(&s, COUNT, HZ), 0);
}

static void one_sample_refutes_a_higher_rate_and_only_agreement_a_lower_one(void **state)
{
	struct tsc_samples one = {{1000000}, 1}, three = {{1000000, 1000100, 1000200}, 3};

	(void)state;
	assert_true(tsc_samples_contradict(&one, 1000000, 1020000));
	assert_false(tsc_samples_contradict(&one, 1000000, 1010000));
	assert_false(tsc_samples_contradict(&one, 1000000, 500000));
	assert_true(tsc_samples_contradict(&three, 1000000, 980000));
	assert_false(tsc_samples_contradict(&three, 1000000, 990000));
	assert_false(tsc_samples_contradict(&(struct tsc_samples){0}, 0, 990000));
}

static void a_crystal_and_its_ratio(void **state)
{
	(void)state;
	assert_int_equal(tsc_rate_of_crystal(2, 250, 24000000), 3000000);
	assert_int_equal(tsc_rate_of_crystal(2, 250, 0), 0);
	assert_int_equal(tsc_rate_of_crystal(2, 0, 24000000), 0);
	assert_int_equal(tsc_rate_of_crystal(0, 250, 24000000), 0);
	assert_int_equal(tsc_rate_of_crystal(1, UINT32_MAX, UINT32_MAX),
		(uint64_t)UINT32_MAX * UINT32_MAX / 1000);
}

static void what_no_machine_has_is_not_plausible(void **state)
{
	(void)state;
	assert_false(tsc_rate_plausible(0));
	assert_false(tsc_rate_plausible(999));
	assert_true(tsc_rate_plausible(1000));
	assert_true(tsc_rate_plausible(20000000));
	assert_false(tsc_rate_plausible(20000001));
	assert_false(tsc_rate_plausible(1ull << 32 | 2000000));
}

/* A crystal of 24 MHz beside a TSC of 2.1 GHz, and timers that nobody has. */
static void counts_of_a_slower_timer_last_at_least_as_long(void **state)
{
	(void)state;
	assert_int_equal(tsc_ticks_in_counts(2100000, 24000, 2100000), 24001);
	assert_int_equal(tsc_ticks_in_counts(1, 24000, 2100000), 1);
	assert_int_equal(tsc_ticks_in_counts(0, 24000, 2100000), 1);
	assert_int_equal(tsc_ticks_in_counts(1000, 50000, 50000), 1001);
	assert_int_equal(tsc_ticks_in_counts(UINT64_MAX, 24000, 2100000), UINT32_MAX);
	assert_int_equal(tsc_ticks_in_counts(1ull << 40, 1, 1), UINT32_MAX);
	assert_int_equal(tsc_ticks_in_counts(1000, 0, 2100000), 1);
	assert_int_equal(tsc_ticks_in_counts(1000, 24000, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crystal_is_taken_within_a_hundredth_and_not_beyond),
		cmocka_unit_test(three_samples_that_agree_are_enough),
		cmocka_unit_test(the_least_sample_counts_not_the_first_nor_the_middle),
		cmocka_unit_test(samples_that_agree_are_forgotten_when_a_lesser_one_comes),
		cmocka_unit_test(a_busy_host_changes_nothing),
		cmocka_unit_test(a_host_that_disturbs_all_ends_the_sampling_and_is_told),
		cmocka_unit_test(no_sample_and_samples_of_any_length_have_an_answer),
		cmocka_unit_test(
			one_sample_refutes_a_higher_rate_and_only_agreement_a_lower_one),
		cmocka_unit_test(a_crystal_and_its_ratio),
		cmocka_unit_test(what_no_machine_has_is_not_plausible),
		cmocka_unit_test(counts_of_a_slower_timer_last_at_least_as_long),
	};

	return cmocka_run_group_tests_name("lib_tsc_rate", tests, NULL, NULL);
}
