/* SPDX-License-Identifier: Apache-2.0 */
/* The HPET: what its counter shows, and when its timers match. */
#include "hpet_machine.h"

#include "dev/state.h"

static void without_one_nothing_answers(void **state)
{
	uint64_t v = 0;

	(void)state;
	fake_no_hpet = true;
	fake_start(2);
	fake_no_hpet = false;
	assert_false(platform_mmio(&machine, 0, HPET_DEFAULT_BASE, false, 4, &v));
	assert_int_equal(v, UINT32_MAX);
	assert_false(platform_has_device(&machine, HPET_DEFAULT_BASE));
	start(state);
	assert_true(platform_has_device(&machine, HPET_DEFAULT_BASE));
	assert_true(platform_has_device(&machine, HPET_DEFAULT_BASE + 0x3ff));
	assert_false(platform_has_device(&machine, HPET_DEFAULT_BASE + 0x400));
}

static void it_says_what_it_has(void **state)
{
	uint64_t cap = get(HPET_CAPABILITIES, 8);

	(void)state;
	assert_int_equal(HPET_CAP_LAST(cap), 2);
	assert_int_equal(cap & 0xff, 1);
	assert_int_equal(cap & 0x6000, 0x2000);
	assert_int_equal(cap & HPET_CAP_LEGACY, HPET_CAP_LEGACY);
	assert_int_equal(cap >> 16 & 0xffff, 0x8086);
	assert_int_equal(cap >> 32, 10000000); /* fs: 100 MHz */
	for (unsigned i = 0; i < 3; i++) {
		uint64_t config = get(T(i, CONFIG), 8);

		assert_int_equal(config, 0x00f0000000008030);
		assert_true(get(T(i, COMPARATOR), 8) == UINT64_MAX);
		assert_int_equal(get(T(i, MESSAGE), 8), 0);
	}
	assert_int_equal(get(T(3, CONFIG), 8), 0);
	assert_int_equal(get(HPET_CONFIG, 8) + get(HPET_STATUS, 8) + get(HPET_COUNTER, 8), 0);
	put(HPET_CAPABILITIES, 0);
	assert_int_equal(get(HPET_CAPABILITIES, 8), cap);
}

/* From an emulated machine's rate to beyond any processor's. */
static void the_period_is_that_of_the_counter(void **state)
{
	static const uint32_t rates[] = {0, 1, 333, 1000, 9999, 10000, 10001, 50000, 99999,
		100000, 100001, 1193182, 2100000, 2399987, 5800000, 100000000, UINT32_MAX};

	(void)state;
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t hz = rates[i] != 0 ? rates[i] * 1000ull : 1000, period, fs;

		start(state);
		machine.config.tsc_khz = rates[i];
		period = get(HPET_CAPABILITIES, 8) >> 32;
		assert_in_range(period, 10000000, HPET_PERIOD_MAX); /* 100 to 10 MHz */
		put(HPET_CONFIG, HPET_ENABLE);
		fake.now += hz; /* a second */
		fs = get(HPET_COUNTER, 8) * period;
		assert_in_range(fs, HPET_FEMTOSECONDS - HPET_FEMTOSECONDS / 10000000,
			HPET_FEMTOSECONDS + HPET_FEMTOSECONDS / 10000000);
	}
}

/* 50 microseconds: more often no timer of the platform fires. */
static void the_least_period_is_what_timers_may_have(void **state)
{
	(void)state;
	assert_int_equal(vhpet_least_period(FAKE_KHZ), 5000);
	assert_int_equal(vhpet_least_period(50000), 2500);
	assert_int_equal(vhpet_least_period(1000), 500);
}

static void the_counter_counts_while_it_is_on(void **state)
{
	(void)state;
	fake_run_until(SECOND);
	assert_int_equal(get(HPET_COUNTER, 8), 0);
	put(HPET_COUNTER, 0x1fffffffe);
	assert_int_equal(get(HPET_COUNTER, 8), 0x1fffffffe);
	put(HPET_CONFIG, HPET_ENABLE);
	fake_run_until(SECOND + 9);
	assert_int_equal(get(HPET_COUNTER, 8), 0x1fffffffe);
	fake_run_until(SECOND + 10);
	assert_int_equal(get(HPET_COUNTER, 8), 0x1ffffffff);
	fake_run_until(SECOND + 39);
	assert_int_equal(get(HPET_COUNTER, 8), 0x200000001);
	put(HPET_CONFIG, 0);
	fake_run_until(2 * SECOND);
	assert_int_equal(get(HPET_COUNTER, 8), 0x200000001);
	put(HPET_CONFIG, HPET_ENABLE);
	fake_run_until(2 * SECOND + 20);
	assert_int_equal(get(HPET_COUNTER, 8), 0x200000003);
	put(HPET_COUNTER, 7); /* while it counts */
	fake_run_until(2 * SECOND + 40);
	assert_int_equal(get(HPET_COUNTER, 8), 9);
}

static void registers_are_read_and_written_by_halves(void **state)
{
	(void)state;
	put(HPET_COUNTER, 0x1122334455667788);
	assert_int_equal(get(HPET_COUNTER, 4), 0x55667788);
	assert_int_equal(get(HPET_COUNTER + 4, 4), 0x11223344);
	put_bytes(HPET_COUNTER + 4, 4, 0xaabbccdd);
	put_bytes(HPET_COUNTER, 4, 0xffffffff99887766);
	assert_true(get(HPET_COUNTER, 8) == 0xaabbccdd99887766);
	put_bytes(T(1, MESSAGE) + 4, 4, 0xfee00000);
	put_bytes(T(1, MESSAGE), 4, 0x4041);
	assert_true(get(T(1, MESSAGE), 8) == 0xfee0000000004041);
	put_bytes(T(1, COMPARATOR) + 4, 4, 5);
	assert_true(get(T(1, COMPARATOR), 8) == 0x5ffffffff);
	put_bytes(T(1, CONFIG) + 4, 4, UINT32_MAX); /* capabilities */
	put_bytes(HPET_CONFIG + 4, 4, UINT32_MAX);
	assert_int_equal(get(T(1, CONFIG), 8), 0x00f0000000008030);
	assert_int_equal(get(HPET_CONFIG, 8), 0);
}

static void other_accesses_do_nothing(void **state)
{
	static const struct {
		unsigned reg, size;
	} odd[] = {{HPET_COUNTER, 1}, {HPET_COUNTER, 2}, {HPET_COUNTER + 2, 4},
		{HPET_COUNTER + 4, 8}, {HPET_COUNTER + 1, 8}, {HPET_COUNTER - 1, 2}, {0x3ff, 4},
		{0x3fc, 8}};

	(void)state;
	put(HPET_COUNTER, 0x1234);
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_true(get(odd[i].reg, odd[i].size) == mask_of(odd[i].size));
		put_bytes(odd[i].reg, odd[i].size, 0x55);
	}
	for (unsigned reg = 0; reg < HPET_SIZE; reg += 8) /* what is reserved reads as zero */
		if (reg != HPET_CAPABILITIES && reg != HPET_COUNTER &&
			(reg < HPET_TIMER || reg >= HPET_TIMER + 3 * HPET_TIMER_SIZE)) {
			put(reg, ~3ull);
			assert_int_equal(get(reg, 8), 0);
		}
	assert_int_equal(get(HPET_COUNTER, 8), 0x1234);
}

static void a_one_shot_timer_fires_once(void **state)
{
	(void)state;
	put(T(2, CONFIG), ROUTE(20) | HPET_TN_ENABLE);
	put(T(2, COMPARATOR), 100);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER); /* it stands */
	put(HPET_CONFIG, HPET_ENABLE);
	assert_int_equal(platform_deadline(&machine, 0), 100 * TICK);
	fake_run_until(100 * TICK - 1);
	assert_int_equal(taken(), -1);
	assert_int_equal(taken_at(100), VECTOR_0);
	assert_int_equal(taken_at(100000), -1);
	assert_int_equal(get(HPET_STATUS, 8), 0); /* edges leave it alone */
	assert_int_equal(get(T(2, COMPARATOR), 8), 100);
	put(T(2, COMPARATOR), 100100);
	assert_int_equal(taken_at(100099), -1);
	assert_int_equal(taken_at(100100), VECTOR_0);
	put(T(2, COMPARATOR), 100100); /* is behind: for years */
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
}

static void matches_that_nobody_can_see_wake_nobody(void **state)
{
	(void)state;
	put(HPET_CONFIG, HPET_ENABLE);
	put(T(0, COMPARATOR), 100);
	put(T(0, CONFIG), ROUTE(20));
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	put(T(0, CONFIG), HPET_TN_ENABLE | ROUTE(22)); /* masked */
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	put(T(1, COMPARATOR), 100);
	put(T(1, CONFIG), HPET_TN_ENABLE); /* no pin yet */
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	fake_ioapic_entry(22, 0, VECTOR_1);
	assert_int_equal(platform_deadline(&machine, 0), 100 * TICK);
}

static void a_pin_that_it_cannot_have_is_not_taken(void **state)
{
	(void)state;
	put(T(0, CONFIG), ROUTE(19));
	assert_int_equal(HPET_TN_ROUTE(get(T(0, CONFIG), 8)), 0);
	put(T(0, CONFIG), ROUTE(23));
	put(T(0, CONFIG), ROUTE(24) | HPET_TN_ENABLE);
	assert_int_equal(HPET_TN_ROUTE(get(T(0, CONFIG), 8)), 23);
	assert_int_equal(get(T(0, CONFIG), 4) & HPET_TN_ENABLE, HPET_TN_ENABLE);
}

static void a_periodic_timer_adds_its_period(void **state)
{
	(void)state;
	periodic(0, 0, 30000, 10000);
	assert_int_equal(get(T(0, CONFIG), 4) & HPET_TN_SET_VALUE, 0);
	assert_int_equal(get(T(0, COMPARATOR), 8), 30000);
	put(HPET_CONFIG, HPET_ENABLE);
	assert_int_equal(taken_at(29999), -1);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(taken_at(30000 + i * 10000), VECTOR_0);
		assert_int_equal(get(T(0, COMPARATOR), 8), 40000 + i * 10000);
		assert_int_equal(taken_at(30000 + i * 10000 + 9999), -1);
	}
	put(T(0, COMPARATOR), 7000); /* from the next match on */
	assert_int_equal(taken_at(80000), VECTOR_0);
	assert_int_equal(taken_at(86999), -1);
	assert_int_equal(taken_at(87000), VECTOR_0);
}

/* As the specification's own example does it (2.3.9.2.2). */
static void one_write_sets_the_first_match_and_the_period(void **state)
{
	(void)state;
	put(T(0, CONFIG), HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_SET_VALUE | ROUTE(20));
	put(T(0, COMPARATOR), 6000);
	put(HPET_CONFIG, HPET_ENABLE);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(taken_at(i * 6000 - 1), -1);
		assert_int_equal(taken_at(i * 6000), VECTOR_0);
	}
}

/* Both halves of the first match, each behind its own bit. */
static void software_of_32_bits_sets_64_bits_in_two_steps(void **state)
{
	uint64_t config = HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_SET_VALUE | ROUTE(20);

	(void)state;
	put_bytes(T(0, CONFIG), 4, config);
	put_bytes(T(0, COMPARATOR), 4, 0x10);
	put_bytes(T(0, CONFIG), 4, config);
	put_bytes(T(0, COMPARATOR) + 4, 4, 2);
	assert_int_equal(get(T(0, COMPARATOR), 8), 0x200000010);
	put_bytes(T(0, COMPARATOR), 4, 5000);
	put_bytes(T(0, COMPARATOR) + 4, 4, 0);
	put(HPET_COUNTER, 0x200000000);
	put(HPET_CONFIG, HPET_ENABLE);
	assert_int_equal(taken_at(0x10), VECTOR_0);
	assert_int_equal(get(T(0, COMPARATOR), 8), 0x200000010 + 5000);
}

static void matches_that_were_missed_make_one_interrupt_and_keep_the_phase(void **state)
{
	(void)state;
	periodic(0, 0, 1000, 1000);
	put(HPET_CONFIG, HPET_ENABLE);
	fake.now = 57500 * TICK; /* nobody ran meanwhile */
	platform_run_timers(&machine, 0, fake.now);
	assert_int_equal(taken(), VECTOR_0);
	assert_int_equal(taken(), -1);
	assert_int_equal(get(T(0, COMPARATOR), 8), 58000);
}

static void no_period_keeps_anybody_busy(void **state)
{
	static const uint64_t periods[] = {1, 2, 499, 4999};

	for (unsigned i = 0; i < 4; i++) {
		start_with_pins(state);
		periodic(0, 0, 1, periods[i]);
		periodic(1, HPET_TN_32BIT, 1, periods[i]);
		put(T(2, MESSAGE), 0xfee0000000000070);
		periodic(2, HPET_TN_MESSAGE, 1, periods[i]);
		put(HPET_CONFIG, HPET_ENABLE);
		assert_in_range(fake_run_until(SECOND), 19000, 20001);
	}
	start_with_pins(state);
	periodic(0, 0, 100, 0); /* matches once */
	put(HPET_CONFIG, HPET_ENABLE);
	assert_int_equal(taken_at(100), VECTOR_0);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	assert_int_equal(get(T(0, COMPARATOR), 8), 100);
}

/* 2.3.9.2.1: another interrupt when the counter wraps. */
static void a_one_shot_timer_of_32_bits_fires_at_each_wrap_too(void **state)
{
	(void)state;
	put(T(0, COMPARATOR), 0x500030000);
	put(T(0, CONFIG), HPET_TN_ENABLE | HPET_TN_32BIT | ROUTE(20));
	assert_int_equal(get(T(0, COMPARATOR), 8), 0x30000);
	put(T(0, COMPARATOR), 0x700020000);
	assert_int_equal(get(T(0, COMPARATOR), 8), 0x20000);
	put_bytes(T(0, COMPARATOR) + 4, 4, 9);
	assert_int_equal(get(T(0, COMPARATOR), 8), 0x20000);
	put(HPET_COUNTER, 0xaffffff00);
	put(HPET_CONFIG, HPET_ENABLE);
	assert_int_equal(taken_at(0xff), -1);
	assert_int_equal(taken_at(0x100), VECTOR_0);
	assert_int_equal(taken_at(0x200ff), -1);
	assert_int_equal(taken_at(0x20100), VECTOR_0);
	assert_int_equal(platform_deadline(&machine, 0), 0x100000100 * TICK);
	assert_int_equal(taken_at(0x100020100), VECTOR_0);
	put(T(0, CONFIG), HPET_TN_ENABLE | ROUTE(20)); /* 64 bits again, which are zero */
	assert_int_equal(get(T(0, COMPARATOR), 8), 0x20000);
}

static void a_periodic_timer_of_32_bits_goes_round(void **state)
{
	(void)state;
	periodic(0, HPET_TN_32BIT, 0xffff0000, 0x20000);
	put(HPET_COUNTER, 0x3fffe0000);
	put(HPET_CONFIG, HPET_ENABLE);
	assert_int_equal(taken_at(0xffff), -1);
	assert_int_equal(taken_at(0x10000), VECTOR_0);
	assert_int_equal(get(T(0, COMPARATOR), 8), 0x10000);
	assert_int_equal(taken_at(0x2ffff), -1); /* not at the wrap */
	assert_int_equal(taken_at(0x30000), VECTOR_0);
	assert_int_equal(get(T(0, COMPARATOR), 8), 0x30000);
}

static void it_goes_on_elsewhere(void **unused)
{
	static struct platform_state state;
	uint64_t now;

	(void)unused;
	periodic(0, 0, 30000, 10000);
	put(HPET_CONFIG, HPET_ENABLE);
	fake_run_until(34567 * TICK + 3);
	assert_int_equal(taken(), VECTOR_0);
	platform_get_state(&machine, &state);
	now = fake.now;
	fake_start(2);
	fake.now = now;
	assert_true(platform_set_state(&machine, &state));
	assert_int_equal(get(HPET_COUNTER, 8), 34567);
	assert_int_equal(taken_at(39999), -1);
	assert_int_equal(taken_at(40000), VECTOR_0);
	assert_int_equal(taken_at(50000), VECTOR_0);
}

static void a_reset_stops_it(void **state)
{
	struct platform_config c = machine.config;

	(void)state;
	periodic(0, HPET_TN_LEVEL, 100, 100);
	put(HPET_CONFIG, HPET_ENABLE | HPET_LEGACY);
	fake_run_until(200 * TICK);
	platform_reset(&machine, &c);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	it_says_what_it_has(state);
}

#define TEST(f) cmocka_unit_test_setup(f, start_with_pins)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_one_nothing_answers),
		TEST(it_says_what_it_has),
		cmocka_unit_test(the_period_is_that_of_the_counter),
		cmocka_unit_test(the_least_period_is_what_timers_may_have),
		TEST(the_counter_counts_while_it_is_on),
		TEST(registers_are_read_and_written_by_halves),
		TEST(other_accesses_do_nothing),
		TEST(a_one_shot_timer_fires_once),
		TEST(matches_that_nobody_can_see_wake_nobody),
		TEST(a_pin_that_it_cannot_have_is_not_taken),
		TEST(a_periodic_timer_adds_its_period),
		TEST(one_write_sets_the_first_match_and_the_period),
		TEST(software_of_32_bits_sets_64_bits_in_two_steps),
		TEST(matches_that_were_missed_make_one_interrupt_and_keep_the_phase),
		TEST(no_period_keeps_anybody_busy),
		TEST(a_one_shot_timer_of_32_bits_fires_at_each_wrap_too),
		TEST(a_periodic_timer_of_32_bits_goes_round),
		TEST(it_goes_on_elsewhere),
		TEST(a_reset_stops_it),
	};

	return cmocka_run_group_tests_name("vhpet", tests, NULL, NULL);
}
