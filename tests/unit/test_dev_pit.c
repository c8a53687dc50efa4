/* SPDX-License-Identifier: Apache-2.0 */
/* The 8254: counting, modes, latches, port 0x61, interrupt. */
#include "fake_platform.h"

#include "dev/ticks.h"
#include "random.h"

#define CLOCK_NS(n) ticks_to_tsc((n), FAKE_KHZ, VPIT_HZ)

static void out(uint16_t port, uint8_t byte)
{
	uint32_t value = byte;

	assert_true(vpit_io(&machine, port, true, 1, &value));
}

static uint8_t in(uint16_t port)
{
	uint32_t value = 0xdeadbeef;

	assert_true(vpit_io(&machine, port, false, 1, &value));
	assert_in_range(value, 0, 0xff);
	return (uint8_t)value;
}

static unsigned in16(uint16_t port)
{
	unsigned low = in(port);

	return low | (unsigned)in(port) << 8;
}

static void at_clock(uint64_t n)
{
	fake.now = CLOCK_NS(n);
}

static int setup(void **state)
{
	(void)state;
	fake_start();
	vpit_reset(&machine);
	return 0;
}

static void program(unsigned channel, unsigned mode, uint16_t count)
{
	out(0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
	out((uint16_t)(0x40 + channel), (uint8_t)count);
	out((uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static void mode_2_counts_down_from_the_count_and_starts_again(void **state)
{
	(void)state;
	program(0, 2, 1000);
	at_clock(10);
	assert_int_equal(in16(0x40), 990);
	at_clock(999);
	assert_int_equal(in16(0x40), 1);
	at_clock(1000);
	assert_int_equal(in16(0x40), 1000);
	at_clock(123456 * 1000ull + 7);
	assert_int_equal(in16(0x40), 993);
}

static void a_count_of_zero_means_65536(void **state)
{
	(void)state;
	program(0, 2, 0);
	assert_int_equal(in16(0x40), 0);
	at_clock(1);
	assert_int_equal(in16(0x40), 0xffff);
	at_clock(65536 + 2);
	assert_int_equal(in16(0x40), 0xfffe);
}

static void mode_3_counts_by_two_twice_a_period(void **state)
{
	(void)state;
	program(0, 3, 1000);
	at_clock(100);
	assert_int_equal(in16(0x40), 800);
	at_clock(600);
	assert_int_equal(in16(0x40), 800);
}

static void mode_0_goes_on_below_zero_and_keeps_its_output_high(void **state)
{
	(void)state;
	program(2, 0, 100);
	out(0x61, 1);
	assert_int_equal(in(0x61) & 0x20, 0);
	at_clock(99);
	assert_int_equal(in(0x61) & 0x20, 0);
	at_clock(100);
	assert_int_equal(in(0x61) & 0x20, 0x20);
	at_clock(101);
	assert_int_equal(in16(0x42), 0xffff);
	at_clock(70000);
	assert_int_equal(in(0x61) & 0x20, 0x20);
}

static void the_gate_of_channel_2_stops_and_continues_mode_0(void **state)
{
	(void)state;
	program(2, 0, 100);
	at_clock(500);
	assert_int_equal(in16(0x42), 100);
	out(0x61, 1);
	at_clock(530);
	assert_int_equal(in16(0x42), 70);
	out(0x61, 0);
	at_clock(900);
	assert_int_equal(in16(0x42), 70);
	out(0x61, 1);
	at_clock(910);
	assert_in_range(in16(0x42), 60, 61);
}

static void a_low_gate_of_mode_0_does_not_undo_the_end_of_count(void **state)
{
	(void)state;
	program(2, 0, 100);
	out(0x61, 1);
	at_clock(100000);
	out(0x61, 0);
	assert_int_equal(in(0x61) & 0x20, 0x20);
	at_clock(300000);
	out(0x61, 1);
	assert_int_equal(in(0x61) & 0x20, 0x20);
}

static void mode_1_waits_for_the_gate_to_rise(void **state)
{
	(void)state;
	program(2, 1, 50);
	at_clock(1000);
	assert_int_equal(in(0x61) & 0x20, 0x20);
	out(0x61, 1);
	assert_int_equal(in(0x61) & 0x20, 0);
	at_clock(1049);
	assert_int_equal(in(0x61) & 0x20, 0);
	at_clock(1051);
	assert_int_equal(in(0x61) & 0x20, 0x20);
}

static void a_latched_count_stays_until_both_bytes_are_read(void **state)
{
	(void)state;
	program(0, 2, 0x1234);
	at_clock(4);
	out(0x43, 0x00);
	at_clock(0x200);
	out(0x43, 0x00);
	assert_int_equal(in(0x40), 0x30);
	assert_int_equal(in(0x40), 0x12);
	assert_int_equal(in16(0x40), 0x1034);
}

static void read_back_gives_status_then_count(void **state)
{
	(void)state;
	out(0x43, 0x34);
	out(0x43, 0xc2);
	assert_int_equal(in(0x40), 0xf4); /* output high, no count yet, both bytes, mode 2 */
	in16(0x40);
	out(0x40, 0x10);
	out(0x40, 0x00);
	out(0x43, 0xc2);
	at_clock(3);
	assert_int_equal(in(0x40), 0xb4);
	assert_int_equal(in16(0x40), 0x10);
	assert_int_equal(in16(0x40), 0x0d);
}

static void bcd_counts_in_decimal(void **state)
{
	(void)state;
	out(0x43, 0x35);
	out(0x40, 0x00);
	out(0x40, 0x10);
	at_clock(1);
	assert_int_equal(in16(0x40), 0x0999);
	at_clock(0);
	out(0x43, 0x35);
	out(0x40, 0);
	out(0x40, 0);
	assert_int_equal(in16(0x40), 0);
	at_clock(3);
	assert_int_equal(in16(0x40), 0x9997);
}

static void digits_above_nine_are_harmless(void **state)
{
	(void)state;
	out(0x43, 0x35);
	out(0x40, 0xff);
	out(0x40, 0xff);
	for (uint64_t n = 0; n < 100000; n += 997) {
		at_clock(n);
		in16(0x40);
	}
}

static void single_byte_access_modes_load_at_once(void **state)
{
	(void)state;
	out(0x43, 0x14);
	out(0x40, 200);
	at_clock(1);
	assert_int_equal(in(0x40), 199);
	at_clock(0);
	out(0x43, 0x24);
	out(0x40, 2);
	at_clock(1);
	assert_int_equal(in(0x40), 1);
	assert_int_equal(in(0x40), 1);
}

static void a_periodic_count_interrupts_once_a_period(void **state)
{
	uint64_t deadline;

	(void)state;
	program(0, 2, 11932);
	for (unsigned i = 1; i <= 5; i++) {
		deadline = vpit_deadline(&machine);
		assert_int_equal(deadline, CLOCK_NS(11932 * i));
		vpit_run_timer(&machine, deadline - 1);
		assert_int_equal(fake.edges[0], i - 1);
		vpit_run_timer(&machine, deadline);
		vpit_run_timer(&machine, deadline);
		assert_int_equal(fake.edges[0], i);
	}
}

static void missed_periods_make_one_interrupt(void **state)
{
	(void)state;
	program(0, 3, 1000);
	vpit_run_timer(&machine, CLOCK_NS(5500));
	assert_int_equal(fake.edges[0], 1);
	assert_int_equal(vpit_deadline(&machine), CLOCK_NS(6000));
}

static void mode_0_interrupts_once(void **state)
{
	(void)state;
	program(0, 0, 1000);
	assert_int_equal(vpit_deadline(&machine), CLOCK_NS(1000));
	vpit_run_timer(&machine, CLOCK_NS(1000));
	vpit_run_timer(&machine, CLOCK_NS(900000));
	assert_int_equal(fake.edges[0], 1);
	assert_true(vpit_deadline(&machine) == DEV_NEVER);
	at_clock(900001);
	program(0, 0, 10);
	assert_int_equal(vpit_deadline(&machine), fake.now + CLOCK_NS(10));
}

static void the_line_stays_high_until_mode_0_takes_it_down(void **state)
{
	(void)state;
	program(0, 2, 1000);
	vpit_run_timer(&machine, CLOCK_NS(1000));
	assert_true(fake.line[0]);
	out(0x43, 0x30);
	assert_false(fake.line[0]);
}

static void nobody_is_woken_while_the_interrupt_is_masked(void **state)
{
	(void)state;
	program(0, 2, 1000);
	fake.visible = false;
	assert_true(vpit_deadline(&machine) == DEV_NEVER);
}

static void an_idle_channel_0_has_no_deadline(void **state)
{
	(void)state;
	assert_true(vpit_deadline(&machine) == DEV_NEVER);
	program(0, 2, 1000);
	out(0x43, 0x30);
	assert_true(vpit_deadline(&machine) == DEV_NEVER);
	program(0, 1, 1000); /* its gate never rises */
	assert_true(vpit_deadline(&machine) == DEV_NEVER);
}

static void programming_announces_a_new_deadline(void **state)
{
	unsigned before;

	(void)state;
	program(1, 2, 18);
	assert_int_equal(fake.deadline_changes, 0);
	program(0, 2, 1000);
	before = fake.deadline_changes;
	assert_true(before > 0);
	out(0x43, 0x30);
	assert_true(fake.deadline_changes > before);
}

static void port_61_shows_gate_speaker_and_refresh(void **state)
{
	unsigned changes = 0;
	uint8_t last;

	(void)state;
	out(0x61, 0xff);
	assert_int_equal(in(0x61) & 0x0f, 3);
	out(0x61, 0);
	last = in(0x61);
	for (unsigned i = 0; i < 100; i++) {
		fake.now += 1000;
		changes += (in(0x61) ^ last) >> 4 & 1;
		last = in(0x61);
	}
	assert_in_range(changes, 6, 7); /* every 15 us */
}

static void wide_accesses_are_not_claimed(void **state)
{
	uint32_t value = 0;

	(void)state;
	assert_false(vpit_io(&machine, 0x40, false, 2, &value));
	assert_false(vpit_io(&machine, 0x40, true, 4, &value));
	assert_false(vpit_io(&machine, 0x44, false, 1, &value));
}

static void any_sequence_of_writes_is_survived(void **state)
{
	static const uint16_t ports[] = {0x40, 0x41, 0x42, 0x43, 0x61};
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t x = (uint32_t)random_next(&seed);

		fake.now += x >> 20;
		if (x & 0x100)
			out(ports[x >> 16 & 3], (uint8_t)(x >> 24));
		else
			in(ports[(x >> 16) % 5]);
		if ((x & 0xe00) == 0)
			out(0x61, (uint8_t)(x >> 24));
		vpit_run_timer(&machine, fake.now);
		assert_true(vpit_deadline(&machine) > fake.now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			mode_2_counts_down_from_the_count_and_starts_again, setup),
		cmocka_unit_test_setup(a_count_of_zero_means_65536, setup),
		cmocka_unit_test_setup(mode_3_counts_by_two_twice_a_period, setup),
		cmocka_unit_test_setup(
			mode_0_goes_on_below_zero_and_keeps_its_output_high, setup),
		cmocka_unit_test_setup(the_gate_of_channel_2_stops_and_continues_mode_0, setup),
		cmocka_unit_test_setup(
			a_low_gate_of_mode_0_does_not_undo_the_end_of_count, setup),
		cmocka_unit_test_setup(mode_1_waits_for_the_gate_to_rise, setup),
		cmocka_unit_test_setup(a_latched_count_stays_until_both_bytes_are_read, setup),
		cmocka_unit_test_setup(read_back_gives_status_then_count, setup),
		cmocka_unit_test_setup(bcd_counts_in_decimal, setup),
		cmocka_unit_test_setup(digits_above_nine_are_harmless, setup),
		cmocka_unit_test_setup(single_byte_access_modes_load_at_once, setup),
		cmocka_unit_test_setup(a_periodic_count_interrupts_once_a_period, setup),
		cmocka_unit_test_setup(missed_periods_make_one_interrupt, setup),
		cmocka_unit_test_setup(mode_0_interrupts_once, setup),
		cmocka_unit_test_setup(the_line_stays_high_until_mode_0_takes_it_down, setup),
		cmocka_unit_test_setup(nobody_is_woken_while_the_interrupt_is_masked, setup),
		cmocka_unit_test_setup(an_idle_channel_0_has_no_deadline, setup),
		cmocka_unit_test_setup(programming_announces_a_new_deadline, setup),
		cmocka_unit_test_setup(port_61_shows_gate_speaker_and_refresh, setup),
		cmocka_unit_test_setup(wide_accesses_are_not_claimed, setup),
		cmocka_unit_test_setup(any_sequence_of_writes_is_survived, setup),
	};

	return cmocka_run_group_tests_name("vpit", tests, NULL, NULL);
}
