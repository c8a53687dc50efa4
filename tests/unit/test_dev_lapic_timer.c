/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dev.h"

static int start(void **state)
{
	(void)state;
	fake_start(4);
	fake_enable_apics();
	return 0;
}

static void a_one_shot_fires_once_at_the_divided_count(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec);
	fake_apic_write(0, APIC_DIVIDE, 0x3); /* by 16 */
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000);
	assert_int_equal(platform_deadline(&machine, 0), 16000);
	fake.now = 1600;
	assert_int_equal(fake_apic_read(0, APIC_CURRENT_COUNT), 900);
	fake_run_until(15999);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(fake_run_until(1000000), 1);
	assert_int_equal(platform_irq_ack(&machine, 0), 0xec);
	assert_int_equal(fake_apic_read(0, APIC_CURRENT_COUNT), 0);
	assert_int_equal(fake_apic_read(0, APIC_INITIAL_COUNT), 1000);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
}

static void every_divide_configuration(void **state)
{
	static const uint64_t divisor[] = {2, 4, 8, 16, 32, 64, 128, 1};

	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec);
	for (unsigned i = 0; i < 8; i++) {
		fake_apic_write(0, APIC_DIVIDE, (i & 3) | (i & 4) << 1);
		fake_apic_write(0, APIC_INITIAL_COUNT, UINT32_MAX);
		assert_int_equal(
			platform_deadline(&machine, 0) - fake.now, UINT32_MAX * divisor[i]);
	}
}

static void a_new_divisor_speeds_the_rest_of_the_count(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec);
	fake_apic_write(0, APIC_DIVIDE, DIVIDE_BY_1);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000);
	fake.now = 400;
	fake_apic_write(0, APIC_DIVIDE, 0xa); /* by 128 */
	assert_int_equal(platform_deadline(&machine, 0), 400 + 600 * 128);
	assert_int_equal(fake_apic_read(0, APIC_CURRENT_COUNT), 600);
	fake.now += 100 * 128;
	assert_int_equal(fake_apic_read(0, APIC_CURRENT_COUNT), 500);
}

static void a_periodic_timer_keeps_its_phase(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_PERIODIC);
	fake_apic_write(0, APIC_DIVIDE, DIVIDE_BY_1);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000000);
	assert_int_equal(fake_run_until(10500000), 10);
	assert_int_equal(fake_apic_read(0, APIC_CURRENT_COUNT), 500000);
	assert_int_equal(platform_deadline(&machine, 0), 11000000);
}

static void missed_ticks_make_one_interrupt(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_PERIODIC);
	fake_apic_write(0, APIC_DIVIDE, DIVIDE_BY_1);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000000);
	fake.now = 7700000;
	platform_run_timers(&machine, 0, fake.now);
	assert_int_equal(platform_deadline(&machine, 0), 8000000);
	assert_int_equal(platform_irq_ack(&machine, 0), 0xec);
	fake_apic_write(0, APIC_EOI, 0);
	assert_int_equal(fake_pending(0), -1);
}

static void a_tiny_period_is_no_storm(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_PERIODIC);
	fake_apic_write(0, APIC_DIVIDE, DIVIDE_BY_1);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1);
	assert_in_range(fake_run_until(1000000), 1, 21); /* a millisecond */
}

static void a_masked_timer_runs_silently(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | LVT_MASKED);
	fake_apic_write(0, APIC_DIVIDE, DIVIDE_BY_1);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000);
	fake_run_until(1000000);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(fake_apic_read(0, APIC_CURRENT_COUNT), 0);
}

static void a_count_of_0_stops_the_timer(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_PERIODIC);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000);
	fake_apic_write(0, APIC_INITIAL_COUNT, 0);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
}

static void an_ended_one_shot_does_not_restart_as_periodic(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000);
	fake_run_until(1000000);
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_PERIODIC);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
}

static void the_tsc_deadline_fires_and_reads_0(void **state)
{
	(void)state;
	fake_apic_write(2, APIC_LVT_TIMER, 0xec | TIMER_DEADLINE);
	assert_true(fake_wrmsr(2, MSR_TSC_DEADLINE, 5000));
	assert_int_equal(fake_rdmsr(2, MSR_TSC_DEADLINE), 5000);
	assert_int_equal(platform_deadline(&machine, 2), 5000);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	fake_run_until(4999);
	assert_int_equal(fake_pending(2), -1);
	fake_run_until(5000);
	assert_int_equal(platform_irq_ack(&machine, 2), 0xec);
	assert_int_equal(fake_rdmsr(2, MSR_TSC_DEADLINE), 0);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
}

static void a_tsc_deadline_in_the_past_fires_at_once(void **state)
{
	(void)state;
	fake.now = 9000;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_DEADLINE);
	assert_true(fake_wrmsr(0, MSR_TSC_DEADLINE, 5000));
	assert_int_equal(fake_pending(0), 0xec);
}

static void a_tsc_deadline_of_0_disarms(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_DEADLINE);
	assert_true(fake_wrmsr(0, MSR_TSC_DEADLINE, 5000));
	assert_true(fake_wrmsr(0, MSR_TSC_DEADLINE, 0));
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
}

static void the_tsc_deadline_is_ignored_in_count_modes_and_the_count_in_its_mode(void **state)
{
	(void)state;
	assert_true(fake_wrmsr(0, MSR_TSC_DEADLINE, 5000));
	assert_int_equal(fake_rdmsr(0, MSR_TSC_DEADLINE), 0);
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_DEADLINE);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000);
	assert_int_equal(fake_apic_read(0, APIC_INITIAL_COUNT), 0);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
}

static void changing_to_or_from_deadline_mode_disarms(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000);
	fake_apic_write(0, APIC_LVT_TIMER, 0xec | TIMER_DEADLINE);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	assert_true(fake_wrmsr(0, MSR_TSC_DEADLINE, 5000));
	fake_apic_write(0, APIC_LVT_TIMER, 0xec);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	assert_int_equal(fake_rdmsr(0, MSR_TSC_DEADLINE), 0);
}

static void a_tsc_that_went_back_shows_no_count_beyond_the_initial_one(void **state)
{
	(void)state;
	fake.now = 50000;
	fake_apic_write(0, APIC_LVT_TIMER, 0xec);
	fake_apic_write(0, APIC_INITIAL_COUNT, 1000);
	fake.now = 100;
	assert_int_equal(fake_apic_read(0, APIC_CURRENT_COUNT), 1000);
}

#define T(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_one_shot_fires_once_at_the_divided_count),
		T(every_divide_configuration),
		T(a_new_divisor_speeds_the_rest_of_the_count),
		T(a_periodic_timer_keeps_its_phase),
		T(missed_ticks_make_one_interrupt),
		T(a_tiny_period_is_no_storm),
		T(a_masked_timer_runs_silently),
		T(a_count_of_0_stops_the_timer),
		T(an_ended_one_shot_does_not_restart_as_periodic),
		T(the_tsc_deadline_fires_and_reads_0),
		T(a_tsc_deadline_in_the_past_fires_at_once),
		T(a_tsc_deadline_of_0_disarms),
		T(the_tsc_deadline_is_ignored_in_count_modes_and_the_count_in_its_mode),
		T(changing_to_or_from_deadline_mode_disarms),
		T(a_tsc_that_went_back_shows_no_count_beyond_the_initial_one),
	};

	int failed = cmocka_run_group_tests_name("software", tests, NULL, NULL);

	fake_apicv = true;
	return failed + cmocka_run_group_tests_name("hardware", tests, NULL, NULL);
}
