/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI power management and the small system ports. */
#include "fake_platform.h"

#include "dev/ticks.h"

#define TIMER_NS(n) ticks_to_tsc((n), FAKE_KHZ, VPM_TIMER_HZ)
#define HALF        0x80000000ull

static void out(uint16_t port, unsigned size, uint32_t value)
{
	assert_true(vpm_io(&machine, port, true, size, &value));
}

static uint32_t in(uint16_t port, unsigned size)
{
	uint32_t value = 0xdeadbeef;

	assert_true(vpm_io(&machine, port, false, size, &value));
	return value;
}

static int setup(void **state)
{
	(void)state;
	fake_start();
	vpm_reset(&machine);
	return 0;
}

static void the_timer_runs_at_3579545_hz(void **state)
{
	(void)state;
	fake.now = 1000000000;
	assert_int_equal(in(0x608, 4), 3579545);
	fake.now = 2000000000;
	assert_int_equal(in(0x608, 4), 7159090);
	assert_int_equal(in(0x608, 2), 7159090 & 0xffff);
	assert_int_equal(in(0x60a, 1), 7159090 >> 16 & 0xff);
}

static void the_timer_wraps_after_32_bits(void **state)
{
	(void)state;
	fake.now = TIMER_NS((1ull << 32) + 5);
	assert_int_equal(in(0x608, 4), 5);
}

static void a_change_of_the_timers_highest_bit_sets_its_status(void **state)
{
	(void)state;
	fake.now = TIMER_NS(HALF) - 1;
	assert_int_equal(in(0x600, 2), 0);
	fake.now = TIMER_NS(HALF);
	assert_int_equal(in(0x600, 2), 1);
	out(0x600, 2, 1);
	assert_int_equal(in(0x600, 2), 0);
	assert_false(fake.line[9]);
}

static void an_enabled_timer_raises_the_sci_until_its_status_is_cleared(void **state)
{
	(void)state;
	assert_true(vpm_deadline(&machine) == DEV_NEVER);
	out(0x602, 2, 1);
	assert_true(fake.deadline_changes > 0);
	assert_int_equal(vpm_deadline(&machine), TIMER_NS(HALF));
	vpm_run_timer(&machine, TIMER_NS(HALF) - 1);
	assert_false(fake.line[9]);
	fake.now = TIMER_NS(HALF);
	vpm_run_timer(&machine, fake.now);
	assert_true(fake.line[9]);
	assert_true(vpm_deadline(&machine) == DEV_NEVER);
	out(0x600, 2, 1);
	assert_false(fake.line[9]);
	assert_int_equal(vpm_deadline(&machine), TIMER_NS(2 * HALF));
}

static void status_and_enable_can_be_accessed_together_and_by_byte(void **state)
{
	(void)state;
	out(0x600, 4, 0x0421ffff);
	assert_int_equal(in(0x600, 4), 0x04210000);
	out(0x603, 1, 0);
	assert_int_equal(in(0x602, 2), 0x0021);
	out(0x602, 2, 0xffff);
	assert_int_equal(in(0x602, 2), 0x0721);
}

static void the_machine_is_always_in_acpi_mode(void **state)
{
	(void)state;
	assert_int_equal(in(0x604, 2), 1);
	out(0x604, 2, 0);
	assert_int_equal(in(0x604, 2), 1);
}

static void the_sleep_type_of_s5_with_enable_powers_off(void **state)
{
	(void)state;
	out(0x604, 2, VPM_S5_TYPE << 10);
	assert_int_equal(fake.powers, 0);
	assert_int_equal(in(0x604, 2), (VPM_S5_TYPE << 10) | 1);
	out(0x604, 2, VPM_S5_TYPE << 10 | 0x2000);
	assert_int_equal(fake.powers, 1);
	assert_int_equal(fake.power, DEV_POWER_OFF);
	assert_int_equal(in(0x604, 2) & 0x2000, 0);
}

/* Without looking at the tables: it clears the type, and then sets the bit in what it reads. */
static void firmware_that_takes_type_0_for_s5_powers_off(void **state)
{
	(void)state;
	out(0x604, 2, 0x1c00);
	out(0x604, 2, in(0x604, 2) & ~0x3c00u);
	assert_int_equal(fake.powers, 0);
	out(0x604, 2, in(0x604, 2) | 0x2000);
	assert_int_equal(fake.powers, 1);
	assert_int_equal(fake.power, DEV_POWER_OFF);
}

static void other_sleep_types_are_kept_and_do_nothing(void **state)
{
	(void)state;
	for (uint32_t type = VPM_S5_TYPE + 1; type < 8; type++) {
		out(0x604, 2, type << 10 | 0x2000);
		assert_int_equal(in(0x604, 2), type << 10 | 1);
	}
	assert_int_equal(fake.powers, 0);
}

static void every_reset_port_resets(void **state)
{
	(void)state;
	out(0xcf9, 1, 2);
	out(0x92, 1, 2);
	out(0x64, 1, 0xd1);
	assert_int_equal(fake.powers, 0);
	out(0xcf9, 1, 6);
	out(0x92, 1, 1);
	out(0x64, 1, 0xfe);
	assert_int_equal(fake.powers, 3);
	assert_int_equal(fake.power, DEV_POWER_RESET);
	assert_int_equal(in(0x92, 1), 2);
}

static void the_debug_exit_takes_values_of_any_size(void **state)
{
	(void)state;
	out(0xf4, 1, 0x31);
	assert_int_equal(fake.power, DEV_POWER_DEBUG_EXIT);
	assert_int_equal(fake.power_value, 0x31);
	out(0xf4, 4, 0x12345678);
	assert_int_equal(fake.power_value, 0x12345678);
	assert_int_equal(fake.powers, 2);
}

static void the_debug_console_says_that_it_is_there(void **state)
{
	(void)state;
	assert_int_equal(in(0xe9, 1), 0xe9);
	out(0xe9, 1, 'k');
	assert_string_equal(fake.console, "k");
}

static void there_is_no_keyboard_controller(void **state)
{
	(void)state;
	assert_int_equal(in(0x64, 1), 0);
	assert_int_equal(in(0x60, 1), 0);
}

static void delay_ports_accept_anything(void **state)
{
	(void)state;
	out(0x80, 1, 0x55);
	out(0xed, 1, 0x55);
	assert_int_equal(in(0x80, 1), 0);
	assert_int_equal(fake.powers, 0);
}

static void other_ports_are_not_claimed(void **state)
{
	uint32_t value = 0;

	(void)state;
	assert_false(vpm_io(&machine, 0x610, false, 4, &value));
	assert_false(vpm_io(&machine, 0x5ff, false, 4, &value));
	assert_false(vpm_io(&machine, 0xe9, true, 2, &value));
	assert_false(vpm_io(&machine, 0x81, true, 1, &value));
}

static void an_access_across_the_end_of_the_block_is_harmless(void **state)
{
	(void)state;
	out(0x60f, 4, 0xffffffff);
	out(0x603, 4, 0);
	assert_int_equal(in(0x60f, 4), 0);
	assert_int_equal(fake.powers, 0);
}

static void firmware_reports_on_its_port_when_it_is_asked_to(void **state)
{
	uint32_t value = 'x';

	(void)state;
	assert_false(vpm_io(&machine, 0x402, true, 1, &value));
	assert_false(vpm_io(&machine, 0x402, false, 1, &value));
	machine.config.firmware_log = true;
	assert_int_equal(in(0x402, 1), 0xe9);
	out(0x402, 1, 'x');
	assert_int_equal(fake.firmware_last, 'x');
	assert_int_equal(fake.console_length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_timer_runs_at_3579545_hz, setup),
		cmocka_unit_test_setup(the_timer_wraps_after_32_bits, setup),
		cmocka_unit_test_setup(
			a_change_of_the_timers_highest_bit_sets_its_status, setup),
		cmocka_unit_test_setup(
			an_enabled_timer_raises_the_sci_until_its_status_is_cleared, setup),
		cmocka_unit_test_setup(
			status_and_enable_can_be_accessed_together_and_by_byte, setup),
		cmocka_unit_test_setup(the_machine_is_always_in_acpi_mode, setup),
		cmocka_unit_test_setup(the_sleep_type_of_s5_with_enable_powers_off, setup),
		cmocka_unit_test_setup(firmware_that_takes_type_0_for_s5_powers_off, setup),
		cmocka_unit_test_setup(other_sleep_types_are_kept_and_do_nothing, setup),
		cmocka_unit_test_setup(every_reset_port_resets, setup),
		cmocka_unit_test_setup(the_debug_exit_takes_values_of_any_size, setup),
		cmocka_unit_test_setup(the_debug_console_says_that_it_is_there, setup),
		cmocka_unit_test_setup(there_is_no_keyboard_controller, setup),
		cmocka_unit_test_setup(delay_ports_accept_anything, setup),
		cmocka_unit_test_setup(other_ports_are_not_claimed, setup),
		cmocka_unit_test_setup(
			an_access_across_the_end_of_the_block_is_harmless, setup),
		cmocka_unit_test_setup(firmware_reports_on_its_port_when_it_is_asked_to, setup),
	};

	return cmocka_run_group_tests_name("vpm", tests, NULL, NULL);
}
