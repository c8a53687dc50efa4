/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock: time, formats, setting it, interrupts, NVRAM. */
#include "fake_platform.h"

#include "random.h"

#define SECOND 1000000000ull
#define A      10
#define B      11
#define C      12
#define D      13
#define B_24H  0x02
#define B_BIN  0x04
#define B_SET  0x80

/* Friday, 29 February 2008, 23:59:50 */
#define EPOCH 1204329590ull

static void out(uint8_t reg, uint8_t byte)
{
	uint32_t index = reg, value = byte;

	assert_true(vrtc_io(&machine, 0x70, true, 1, &index));
	assert_true(vrtc_io(&machine, 0x71, true, 1, &value));
}

static uint8_t in(uint8_t reg)
{
	uint32_t index = reg, value = 0xdeadbeef;

	assert_true(vrtc_io(&machine, 0x70, true, 1, &index));
	assert_true(vrtc_io(&machine, 0x71, false, 1, &value));
	assert_in_range(value, 0, 0xff);
	return (uint8_t)value;
}

static void reset_at(uint64_t epoch)
{
	fake_start();
	machine.config.boot_epoch = epoch;
	vrtc_reset(&machine);
}

static int setup(void **state)
{
	(void)state;
	reset_at(EPOCH);
	return 0;
}

static void the_clock_starts_at_the_boot_epoch_in_bcd(void **state)
{
	static const uint8_t expected[10] = {0x50, 0, 0x59, 0, 0x23, 0, 6, 0x29, 0x02, 0x08};

	(void)state;
	for (uint8_t i = 0; i < 10; i++)
		assert_int_equal(in(i), expected[i]);
	assert_int_equal(in(0x32), 0x20);
	assert_int_equal(in(A), 0x26);
	assert_int_equal(in(B), 0x02);
	assert_int_equal(in(D), 0x80);
}

static void seconds_pass_with_the_tsc(void **state)
{
	(void)state;
	fake.now = 9 * SECOND + SECOND / 2;
	assert_int_equal(in(0), 0x59);
	fake.now = 10 * SECOND;
	assert_int_equal(in(0), 0);
	assert_int_equal(in(4), 0);
	assert_int_equal(in(6), 7);
	assert_int_equal(in(7), 1);
	assert_int_equal(in(8), 3);
}

static void dates_are_right_around_leap_years(void **state)
{
	static const struct {
		uint64_t time;
		uint8_t century, year, month, day;
	} dates[] = {
		{0, 0x19, 0x70, 1, 1},
		{951782400, 0x20, 0x00, 2, 0x29}, /* a leap year: divisible by 400 */
		{978220800, 0x20, 0x00, 0x12, 0x31},
		{1735689599, 0x20, 0x24, 0x12, 0x31},
		{1735689600, 0x20, 0x25, 1, 1},
		{4107542400, 0x21, 0x00, 3, 1}, /* 2100 is no leap year */
		{4107542399, 0x21, 0x00, 2, 0x28},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		reset_at(dates[i].time);
		assert_int_equal(in(0x32), dates[i].century);
		assert_int_equal(in(9), dates[i].year);
		assert_int_equal(in(8), dates[i].month);
		assert_int_equal(in(7), dates[i].day);
	}
}

static void binary_and_twelve_hour_formats_are_understood(void **state)
{
	(void)state;
	out(B, B_24H | B_BIN);
	assert_int_equal(in(0), 50);
	assert_int_equal(in(4), 23);
	out(B, 0);
	assert_int_equal(in(4), 0x91);
	out(B, B_BIN);
	assert_int_equal(in(4), 0x80 | 11);
	fake.now = 10 * SECOND; /* midnight */
	assert_int_equal(in(4), 12);
	fake.now += 12 * 3600 * SECOND;
	assert_int_equal(in(4), 0x80 | 12);
}

static void a_stopped_clock_is_set_and_goes_on_from_there(void **state)
{
	(void)state;
	out(B, B_SET | B_24H);
	fake.now = 100 * SECOND;
	assert_int_equal(in(0), 0x50);
	out(0, 0x30);
	out(2, 0x45);
	out(4, 0x12);
	out(7, 0x24);
	out(8, 0x12);
	out(9, 0x23);
	out(B, B_24H);
	fake.now += 31 * SECOND;
	assert_int_equal(in(0), 0x01);
	assert_int_equal(in(2), 0x46);
	assert_int_equal(in(4), 0x12);
	assert_int_equal(in(6), 1); /* a Sunday */
	assert_int_equal(in(7), 0x24);
	assert_int_equal(in(9), 0x23);
}

static void a_running_clock_can_be_set_by_field(void **state)
{
	(void)state;
	fake.now = SECOND * 3 / 2;
	out(4, 0x05);
	assert_int_equal(in(4), 0x05);
	assert_int_equal(in(0), 0x51);
	fake.now = 2 * SECOND;
	assert_int_equal(in(0), 0x52);
}

static void an_update_is_announced_shortly_before_it(void **state)
{
	(void)state;
	fake.now = SECOND - SECOND / 1000;
	assert_int_equal(in(A)&0x80, 0);
	fake.now = SECOND - 200000;
	assert_int_equal(in(A)&0x80, 0x80);
	fake.now = SECOND;
	assert_int_equal(in(A)&0x80, 0);
	fake.now = 2 * SECOND - 200000;
	out(B, B_SET | B_24H);
	assert_int_equal(in(A)&0x80, 0);
}

static void interrupts_are_off_after_reset(void **state)
{
	(void)state;
	assert_true(vrtc_deadline(&machine) == DEV_NEVER);
	vrtc_run_timer(&machine, 5 * SECOND);
	assert_int_equal(fake.edges[8], 0);
}

static void the_update_interrupt_comes_every_second(void **state)
{
	(void)state;
	fake.now = SECOND / 2;
	out(B, B_24H | 0x10);
	assert_true(fake.deadline_changes > 0);
	assert_int_equal(vrtc_deadline(&machine), SECOND);
	fake.now = SECOND;
	vrtc_run_timer(&machine, fake.now);
	assert_true(fake.line[8]);
	assert_true(vrtc_deadline(&machine) == DEV_NEVER); /* until C is read */
	assert_int_equal(in(C)&0xb0, 0x90);
	assert_false(fake.line[8]);
	assert_int_equal(in(C), 0);
	assert_int_equal(vrtc_deadline(&machine), 2 * SECOND);
}

static void the_periodic_interrupt_follows_its_rate(void **state)
{
	(void)state;
	out(B, B_24H | 0x40); /* 1024 Hz */
	assert_int_equal(vrtc_deadline(&machine), 976563);
	fake.now = 976563;
	vrtc_run_timer(&machine, fake.now);
	assert_int_equal(in(C)&0xc0, 0xc0);
	out(A, 0x2f); /* 2 Hz */
	assert_int_equal(vrtc_deadline(&machine), SECOND / 2);
	out(A, 0x21); /* 256 Hz */
	assert_int_equal(vrtc_deadline(&machine), SECOND / 256);
	out(A, 0x20); /* none */
	assert_true(vrtc_deadline(&machine) == DEV_NEVER);
}

static void the_alarm_comes_at_its_time(void **state)
{
	(void)state;
	out(5, 0x00);
	out(3, 0x00);
	out(1, 0x05);
	out(B, B_24H | 0x20);
	assert_int_equal(vrtc_deadline(&machine), 15 * SECOND);
	fake.now = 14 * SECOND;
	vrtc_run_timer(&machine, fake.now);
	assert_false(fake.line[8]);
	fake.now = 15 * SECOND;
	vrtc_run_timer(&machine, fake.now);
	assert_true(fake.line[8]);
	assert_int_equal(in(C)&0xb0, 0xb0);
	assert_int_equal(vrtc_deadline(&machine), (15 + 86400) * SECOND);
}

static void alarm_fields_may_match_everything(void **state)
{
	(void)state;
	out(5, 0xff);
	out(3, 0xc0);
	out(1, 0x00);
	out(B, B_24H | 0x20);
	assert_int_equal(vrtc_deadline(&machine), 10 * SECOND);
	out(1, 0xff);
	assert_int_equal(vrtc_deadline(&machine), SECOND);
}

static void the_alarm_of_the_second_before_is_a_day_away(void **state)
{
	(void)state;
	out(5, 0x23);
	out(3, 0x59);
	out(1, 0x49);
	out(B, B_24H | 0x20);
	assert_int_equal(vrtc_deadline(&machine), (86400 - 1) * SECOND);
}

static void an_impossible_alarm_never_comes(void **state)
{
	(void)state;
	out(5, 0x25);
	out(B, B_24H | 0x20);
	assert_true(vrtc_deadline(&machine) == DEV_NEVER);
	fake.now = 200000 * SECOND;
	vrtc_run_timer(&machine, fake.now);
	assert_int_equal(in(C)&0x20, 0);
}

static void flags_are_set_without_their_interrupts(void **state)
{
	(void)state;
	fake.now = SECOND;
	assert_int_equal(in(C), 0x50);
	assert_int_equal(fake.edges[8], 0);
}

static void a_masked_interrupt_has_no_deadline(void **state)
{
	(void)state;
	out(B, B_24H | 0x70);
	fake.visible = false;
	assert_true(vrtc_deadline(&machine) == DEV_NEVER);
}

static void stopping_the_clock_turns_the_update_interrupt_off(void **state)
{
	(void)state;
	out(B, B_24H | B_SET | 0x10);
	assert_int_equal(in(B), B_24H | B_SET);
}

static void the_nvram_keeps_what_is_written(void **state)
{
	(void)state;
	out(0x0f, 0x0a);
	out(0x7f, 0x55);
	out(0x80 | 0x40, 0x66); /* with the NMI bit */
	assert_int_equal(in(0x0f), 0x0a);
	assert_int_equal(in(0x7f), 0x55);
	assert_int_equal(in(0x40), 0x66);
}

static void the_nvram_tells_the_memory_size(void **state)
{
	(void)state;
	assert_int_equal(in(0x15) | in(0x16) << 8, 640);
	assert_int_equal(in(0x17) | in(0x18) << 8, 0xffff);
	assert_int_equal(in(0x30) | in(0x31) << 8, 0xffff);
	assert_int_equal(in(0x34) | in(0x35) << 8, 496 * 16);
	assert_int_equal(in(0x5b) | in(0x5c) << 8 | in(0x5d) << 16, 0);
	machine.config.memory = 5ull << 30;
	vrtc_reset(&machine);
	assert_int_equal(in(0x34) | in(0x35) << 8, (3072 - 16) * 16);
	assert_int_equal(in(0x5b) | in(0x5c) << 8 | in(0x5d) << 16, 2 << 14);
	machine.config.memory = 8ull << 20;
	vrtc_reset(&machine);
	assert_int_equal(in(0x17) | in(0x18) << 8, 7 * 1024);
	assert_int_equal(in(0x34) | in(0x35) << 8, 0);
}

static void registers_c_and_d_cannot_be_written(void **state)
{
	(void)state;
	out(C, 0xff);
	out(D, 0x00);
	assert_int_equal(in(C), 0);
	assert_int_equal(in(D), 0x80);
}

static void nonsense_in_the_time_registers_is_survived(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		uint32_t x = (uint32_t)random_next(&seed);

		fake.now += x >> 4;
		if (x & 0x100)
			out(x >> 16 & 0xf, (uint8_t)(x >> 24));
		else
			in(x >> 16 & 0x3f);
		if ((x & 0xe00) == 0)
			out(0x32, (uint8_t)(x >> 24));
		vrtc_run_timer(&machine, fake.now);
		assert_true(vrtc_deadline(&machine) > fake.now);
	}
}

/* A VM that is started again within a second: its clock must not lose that part. */
static void a_second_that_had_begun_at_the_start_ends_in_time(void **state)
{
	(void)state;
	fake_start();
	machine.config.boot_epoch = EPOCH;
	machine.config.boot_ticks = SECOND / 4;
	vrtc_reset(&machine);
	assert_int_equal(in(0), 0x50);
	out(B, B_24H | 0x10); /* update-ended interrupts */
	assert_int_equal(vrtc_deadline(&machine), SECOND / 4 * 3);
	fake.now = SECOND / 4 * 3 - 1;
	assert_int_equal(in(0), 0x50);
	assert_int_equal(in(A)&0x80, 0x80);
	fake.now++;
	assert_int_equal(in(0), 0x51);
	assert_int_equal(in(A)&0x80, 0);
	assert_int_equal(in(C), 0xd0);
	out(0, 0x10); /* the phase stays */
	fake.now += SECOND - 1;
	assert_int_equal(in(0), 0x10);
	fake.now++;
	assert_int_equal(in(0), 0x11);
}

static void any_boot_epoch_is_survived(void **state)
{
	(void)state;
	reset_at(UINT64_MAX);
	in(9);
	fake.now = UINT64_MAX;
	in(9);
	in(C);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_clock_starts_at_the_boot_epoch_in_bcd, setup),
		cmocka_unit_test_setup(seconds_pass_with_the_tsc, setup),
		cmocka_unit_test_setup(dates_are_right_around_leap_years, setup),
		cmocka_unit_test_setup(binary_and_twelve_hour_formats_are_understood, setup),
		cmocka_unit_test_setup(a_stopped_clock_is_set_and_goes_on_from_there, setup),
		cmocka_unit_test_setup(a_running_clock_can_be_set_by_field, setup),
		cmocka_unit_test_setup(an_update_is_announced_shortly_before_it, setup),
		cmocka_unit_test_setup(interrupts_are_off_after_reset, setup),
		cmocka_unit_test_setup(the_update_interrupt_comes_every_second, setup),
		cmocka_unit_test_setup(the_periodic_interrupt_follows_its_rate, setup),
		cmocka_unit_test_setup(the_alarm_comes_at_its_time, setup),
		cmocka_unit_test_setup(alarm_fields_may_match_everything, setup),
		cmocka_unit_test_setup(the_alarm_of_the_second_before_is_a_day_away, setup),
		cmocka_unit_test_setup(an_impossible_alarm_never_comes, setup),
		cmocka_unit_test_setup(flags_are_set_without_their_interrupts, setup),
		cmocka_unit_test_setup(a_masked_interrupt_has_no_deadline, setup),
		cmocka_unit_test_setup(
			stopping_the_clock_turns_the_update_interrupt_off, setup),
		cmocka_unit_test_setup(the_nvram_keeps_what_is_written, setup),
		cmocka_unit_test_setup(the_nvram_tells_the_memory_size, setup),
		cmocka_unit_test_setup(registers_c_and_d_cannot_be_written, setup),
		cmocka_unit_test_setup(nonsense_in_the_time_registers_is_survived, setup),
		cmocka_unit_test_setup(
			a_second_that_had_begun_at_the_start_ends_in_time, setup),
		cmocka_unit_test_setup(any_boot_epoch_is_survived, setup),
	};

	return cmocka_run_group_tests_name("vrtc", tests, NULL, NULL);
}
