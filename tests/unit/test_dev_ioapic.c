/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dev.h"

#define LOGICAL    (1u << 11)
#define REMOTE_IRR (1u << 14)
#define LEVEL      (1u << 15)
#define MASKED     (1u << 16)
#define EXTINT     (7u << 8)
#define NMI        (4u << 8)

static uint32_t low_word(unsigned pin)
{
	return fake_ioapic_read((uint8_t)(0x10 + 2 * pin));
}

static int start(void **state)
{
	(void)state;
	fake_start(2);
	fake_enable_apics();
	return 0;
}

static void an_edge_reaches_the_addressed_vcpu(void **state)
{
	(void)state;
	fake_ioapic_entry(4, 1, 0x41);
	platform_set_irq(&machine, 4, true);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x41);
	fake_apic_write(1, 0xb0, 0);
	platform_set_irq(&machine, 4, true);
	assert_int_equal(fake_pending(1), -1);
	platform_pulse_irq(&machine, 4);
	platform_pulse_irq(&machine, 4);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x41);
}

static void isa_line_0_is_pin_2(void **state)
{
	(void)state;
	fake_ioapic_entry(2, 0, 0x30);
	platform_set_irq(&machine, 0, true);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x30);
}

static void a_masked_pin_stays_silent(void **state)
{
	(void)state;
	fake_ioapic_entry(4, 0, 0x41 | MASKED);
	platform_set_irq(&machine, 4, true);
	fake_ioapic_entry(4, 0, 0x41);
	assert_int_equal(fake_pending(0), -1);
}

static void a_level_goes_out_again_after_eoi_while_the_line_is_high(void **state)
{
	(void)state;
	fake_ioapic_entry(9, 0, 0x51 | LEVEL);
	platform_set_irq(&machine, 9, true);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x51);
	assert_true(low_word(9) & REMOTE_IRR);
	platform_set_irq(&machine, 9, true);
	assert_int_equal(fake_pending(0), -1);
	fake_apic_write(0, 0xb0, 0);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x51);
	platform_set_irq(&machine, 9, false);
	fake_apic_write(0, 0xb0, 0);
	assert_int_equal(fake_pending(0), -1);
	assert_false(low_word(9) & REMOTE_IRR);
}

static void a_level_waits_until_its_pin_is_unmasked(void **state)
{
	(void)state;
	platform_set_irq(&machine, 9, true);
	fake_ioapic_entry(9, 0, 0x51 | LEVEL | MASKED);
	assert_int_equal(fake_pending(0), -1);
	fake_ioapic_entry(9, 0, 0x51 | LEVEL);
	assert_int_equal(fake_pending(0), 0x51);
}

static void pins_that_share_a_vector_both_get_its_eoi(void **state)
{
	(void)state;
	fake_ioapic_entry(16, 0, 0x61 | LEVEL);
	fake_ioapic_entry(17, 0, 0x61 | LEVEL);
	platform_set_irq(&machine, 16, true);
	platform_set_irq(&machine, 17, true);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x61);
	platform_set_irq(&machine, 16, false);
	platform_set_irq(&machine, 17, false);
	fake_apic_write(0, 0xb0, 0);
	assert_false((low_word(16) | low_word(17)) & REMOTE_IRR);
}

static void switching_to_edge_clears_remote_irr(void **state)
{
	(void)state;
	fake_ioapic_entry(9, 0, 0x51 | LEVEL);
	platform_set_irq(&machine, 9, true);
	fake_ioapic_entry(9, 0, 0x51 | MASKED);
	assert_false(low_word(9) & REMOTE_IRR);
}

static void a_level_nobody_accepts_sets_no_remote_irr(void **state)
{
	(void)state;
	fake_ioapic_entry(9, 7, 0x51 | LEVEL);
	platform_set_irq(&machine, 9, true);
	assert_false(low_word(9) & REMOTE_IRR);
	fake_apic_write(0, 0xf0, 0xff);
	fake_ioapic_entry(9, 0, 0x51 | LEVEL);
	assert_false(low_word(9) & REMOTE_IRR);
}

static void guests_cannot_write_the_status_bits(void **state)
{
	(void)state;
	fake_ioapic_entry(9, 0, 0xffffffff);
	assert_int_equal(low_word(9), 0x0001afff);
}

static void logical_destinations_reach_every_member(void **state)
{
	(void)state;
	fake_apic_write(0, 0xd0, 1u << 24);
	fake_apic_write(1, 0xd0, 2u << 24);
	fake_ioapic_entry(5, 3, 0x71 | LOGICAL);
	platform_pulse_irq(&machine, 5);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x71);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x71);
}

static void physical_0xff_is_everybody_in_x2apic_mode_too(void **state)
{
	(void)state;
	assert_true(platform_wrmsr(&machine, 1, 0x1b, DEV_LAPIC_BASE | 0xc00));
	fake_ioapic_entry(5, 0xff, 0x71);
	platform_pulse_irq(&machine, 5);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x71);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x71);
}

static void an_nmi_entry_is_an_nmi(void **state)
{
	(void)state;
	fake_ioapic_entry(5, 1, NMI);
	platform_pulse_irq(&machine, 5);
	assert_int_equal(fake.nmis[1], 1);
	assert_int_equal(fake.nmis[0], 0);
}

static void a_start_up_entry_does_nothing(void **state)
{
	(void)state;
	fake_ioapic_entry(5, 1, 6u << 8 | 0x10);
	platform_pulse_irq(&machine, 5);
	assert_int_equal(fake.startups[1], 0);
}

static void pin_0_as_extint_passes_the_pic_on(void **state)
{
	(void)state;
	fake_out(0x20, 0x11);
	fake_out(0x21, 0x20);
	fake_out(0x21, 4);
	fake_out(0x21, 1);
	fake_out(0x21, 0xef);
	platform_set_irq(&machine, 4, true);
	assert_int_equal(fake_pending(0), -1);
	fake_ioapic_entry(0, 0, EXTINT);
	assert_int_equal(fake_pending(0), 0x24);
	assert_int_equal(fake_pending(1), -1);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x24);
}

static void registers_beyond_the_table_read_zero(void **state)
{
	(void)state;
	fake_ioapic_write(0x40, 0xffffffff);
	fake_ioapic_write(0xff, 0xffffffff);
	assert_int_equal(fake_ioapic_read(0x40), 0);
	assert_int_equal(fake_ioapic_read(0xff), 0);
	assert_int_equal(fake_ioapic_read(0x08), 0);
	assert_int_equal(fake_ioapic_read(1), 0x170011);
}

#define T(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_edge_reaches_the_addressed_vcpu),
		T(isa_line_0_is_pin_2),
		T(a_masked_pin_stays_silent),
		T(a_level_goes_out_again_after_eoi_while_the_line_is_high),
		T(a_level_waits_until_its_pin_is_unmasked),
		T(pins_that_share_a_vector_both_get_its_eoi),
		T(switching_to_edge_clears_remote_irr),
		T(a_level_nobody_accepts_sets_no_remote_irr),
		T(guests_cannot_write_the_status_bits),
		T(logical_destinations_reach_every_member),
		T(physical_0xff_is_everybody_in_x2apic_mode_too),
		T(an_nmi_entry_is_an_nmi),
		T(a_start_up_entry_does_nothing),
		T(pin_0_as_extint_passes_the_pic_on),
		T(registers_beyond_the_table_read_zero),
	};

	int failed = cmocka_run_group_tests_name("software", tests, NULL, NULL);

	fake_apicv = true;
	return failed + cmocka_run_group_tests_name("hardware", tests, NULL, NULL);
}
