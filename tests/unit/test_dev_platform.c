/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dev.h"

static int start(void **state)
{
	(void)state;
	fake_start(2);
	return 0;
}

static bool io(uint16_t port, bool write, unsigned size, uint32_t *value)
{
	return platform_io(&machine, port, write, size, value);
}

static bool mmio(uint64_t gpa, bool write, unsigned size, uint64_t *value)
{
	return platform_mmio(&machine, 1, gpa, write, size, value);
}

static void pic_to_0x20_pit_to_1_ms(void)
{
	fake_out(0x20, 0x11);
	fake_out(0x21, 0x20);
	fake_out(0x21, 4);
	fake_out(0x21, 1);
	fake_out(0x43, 0x34); /* channel 0, both bytes, mode 2 */
	fake_out(0x40, 0xa9);
	fake_out(0x40, 0x04); /* 1193 */
}

static void an_unclaimed_port_reads_ones_of_its_size(void **state)
{
	uint32_t v = 0;

	(void)state;
	assert_false(io(0x1234, false, 1, &v));
	assert_int_equal(v, 0xff);
	assert_false(io(0x1234, false, 2, &v));
	assert_int_equal(v, 0xffff);
	assert_false(io(0x1234, false, 4, &v));
	assert_true(v == UINT32_MAX);
	v = 0x5a;
	assert_false(io(0x1234, true, 1, &v));
	assert_int_equal(v, 0x5a);
}

static void every_port_takes_every_size(void **state)
{
	(void)state;
	for (uint32_t port = 0; port <= 0xffff; port++)
		for (unsigned size = 1; size <= 4; size *= 2) {
			uint32_t v = 0;

			io((uint16_t)port, false, size, &v);
			assert_true(size == 4 || v >> size * 8 == 0);
			v = 0x12345678 * port;
			io((uint16_t)port, true, size, &v);
		}
}

static void the_reset_register_lies_within_the_pci_address_register(void **state)
{
	uint32_t v = 0x80000900;

	(void)state;
	assert_true(io(0xcf8, true, 4, &v));
	assert_int_equal(fake.powers, 0);
	v = 0;
	assert_true(io(0xcf8, false, 4, &v));
	assert_true(v == 0x80000900);
	fake_out(0xcf9, 0x06);
	assert_int_equal(fake.powers, 1);
	assert_int_equal(fake.power, DEV_POWER_RESET);
}

static void the_debug_exit_port_ends_the_vm(void **state)
{
	(void)state;
	fake_out(0xf4, 42);
	assert_int_equal(fake.power, DEV_POWER_DEBUG_EXIT);
	assert_int_equal(fake.power_value, 42);
}

static void the_debug_console_is_the_vms_console(void **state)
{
	(void)state;
	assert_int_equal(fake_in(0xe9), 0xe9);
	fake_out(0xe9, 'x');
	assert_string_equal(fake.console, "x");
}

static void unclaimed_memory_reads_ones_of_its_size(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_false(mmio(0xd0000000, false, 2, &v));
	assert_int_equal(v, 0xffff);
	assert_false(mmio(0xd0000000, false, 8, &v));
	assert_true(v == UINT64_MAX);
	assert_false(mmio(DEV_LAPIC_BASE + 0x1000, true, 4, &v));
}

static void device_pages_end_where_they_should(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_true(mmio(DEV_LAPIC_BASE + 0xfff, false, 1, &v));
	assert_true(mmio(DEV_IOAPIC_BASE + 0xfff, false, 1, &v));
	assert_false(mmio(DEV_IOAPIC_BASE + 0x1000, false, 1, &v));
	assert_false(mmio(DEV_LAPIC_BASE - 1, false, 1, &v));
	assert_true(mmio(DEV_ECAM_BASE, false, 4, &v));
}

static void each_vcpu_sees_its_own_lapic(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_true(platform_mmio(&machine, 0, DEV_LAPIC_BASE + 0x20, false, 4, &v));
	assert_int_equal(v, 0);
	assert_true(platform_mmio(&machine, 1, DEV_LAPIC_BASE + 0x20, false, 4, &v));
	assert_int_equal(v, 1u << 24);
	assert_true(platform_mmio(&machine, 1, DEV_LAPIC_BASE + 0x23, false, 1, &v));
	assert_int_equal(v, 1);
}

static void writes_to_the_lapic_are_aligned_long_words(void **state)
{
	uint64_t v = 0x50;

	(void)state;
	assert_true(mmio(DEV_LAPIC_BASE + 0x80, true, 1, &v));
	assert_true(mmio(DEV_LAPIC_BASE + 0x84, true, 4, &v));
	assert_int_equal(platform_get_cr8(&machine, 1), 0);
	assert_true(mmio(DEV_LAPIC_BASE + 0x80, true, 4, &v));
	assert_int_equal(platform_get_cr8(&machine, 1), 5);
}

static void other_msrs_are_not_the_platforms(void **state)
{
	uint64_t v;

	(void)state;
	assert_false(platform_rdmsr(&machine, 0, 0x10, &v));
	assert_false(platform_wrmsr(&machine, 0, 0xffffffff, 0));
	assert_false(platform_rdmsr(&machine, 0, 0x900, &v));
}

static void firmware_leaves_a_virtual_wire_on_vcpu_0_only(void **state)
{
	(void)state;
	assert_int_equal(fake_apic_read(0, 0xf0), 0x1ff);
	assert_int_equal(fake_apic_read(0, 0x350), 0x700);
	assert_int_equal(fake_apic_read(0, 0x360), 0x400);
	assert_int_equal(fake_apic_read(1, 0xf0), 0xff);
	assert_int_equal(fake_apic_read(1, 0x350), 1u << 16);
}

static void the_pit_ticks_through_the_virtual_wire(void **state)
{
	unsigned ticks = 0;

	(void)state;
	pic_to_0x20_pit_to_1_ms();
	for (unsigned ms = 1; ms <= 100; ms++) {
		fake_run_until(ms * 1000000ull);
		if (fake_pending(0) < 0)
			continue;
		assert_int_equal(platform_irq_ack(&machine, 0), 0x20);
		fake_out(0x20, 0x20);
		ticks++;
	}
	assert_in_range(ticks, 99, 100);
}

static void the_pit_ticks_through_pin_2_of_the_ioapic(void **state)
{
	(void)state;
	fake_enable_apics();
	pic_to_0x20_pit_to_1_ms();
	fake_out(0x21, 0xff);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	fake_ioapic_entry(2, 1, 0x30);
	assert_true(platform_deadline(&machine, 0) != DEV_NEVER);
	fake_run_until(1100000);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x30);
}

static void a_timer_nobody_listens_to_has_no_deadline(void **state)
{
	(void)state;
	pic_to_0x20_pit_to_1_ms();
	fake_out(0x21, 0xff);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	fake_out(0x21, 0xfe);
	assert_true(platform_deadline(&machine, 0) != DEV_NEVER);
}

static void the_earliest_deadline_of_all_devices_counts(void **state)
{
	uint64_t pit;

	(void)state;
	pic_to_0x20_pit_to_1_ms();
	pit = platform_deadline(&machine, 0);
	fake_apic_write(0, 0x320, 2u << 17 | 0xec);
	assert_true(platform_wrmsr(&machine, 0, 0x6e0, pit + 1));
	assert_int_equal(platform_deadline(&machine, 0), pit);
	assert_true(platform_wrmsr(&machine, 0, 0x6e0, pit - 1));
	assert_int_equal(platform_deadline(&machine, 0), pit - 1);
	platform_run_timers(&machine, 0, pit - 1);
	assert_int_equal(platform_deadline(&machine, 0), pit);
}

static void a_tiny_pit_period_is_no_storm(void **state)
{
	(void)state;
	pic_to_0x20_pit_to_1_ms();
	fake_out(0x43, 0x14); /* low byte, mode 2 */
	fake_out(0x40, 2);
	assert_in_range(fake_run_until(1000000), 1, 21);
}

static void lines_above_the_ioapic_are_ignored(void **state)
{
	(void)state;
	platform_set_irq(&machine, VIOAPIC_PINS, true);
	platform_pulse_irq(&machine, UINT32_MAX);
	assert_int_equal(machine.ioapic.s.lines, 0);
	assert_false(platform_irq_visible(&machine, VIOAPIC_PINS));
}

static void a_reset_forgets_everything(void **state)
{
	static struct platform before;
	static struct vlapic lapics[2];
	struct platform_config c = machine.config;

	(void)state;
	before = machine;
	memcpy(lapics, machine.lapic, sizeof(lapics));
	before.lapic = lapics;
	pic_to_0x20_pit_to_1_ms();
	fake_enable_apics();
	fake_ioapic_entry(3, 0, 0x41);
	platform_pulse_irq(&machine, 3);
	fake_apic_write(1, 0x320, 1u << 17 | 0xec);
	fake_apic_write(1, 0x380, 1000);
	platform_reset(&machine, &c);
	assert_memory_equal(machine.lapic, lapics, sizeof(lapics));
	assert_memory_equal(&machine.ioapic, &before.ioapic, sizeof(before.ioapic));
	assert_memory_equal(&machine.pic, &before.pic, sizeof(before.pic));
	assert_int_equal(platform_deadline(&machine, 0), platform_deadline(&before, 0));
}

/* 65536 of the PIT's clocks are 54.9 ms. */
#define TICK (65536ull * 1000 * machine.config.tsc_khz / 1193182)

static void a_timer_that_is_handed_over_ticks_at_vector_8(void **state)
{
	uint64_t from = dev_now(&machine);

	(void)state;
	platform_hand_over(&machine, true);
	assert_int_equal(fake_in(0x21), 0xfa);
	assert_int_equal(fake_in(0xa1), 0xff);
	(void)fake_run_until(from + TICK - machine.config.tsc_khz);
	assert_int_equal(platform_irq_pending(&machine, 0), -1);
	(void)fake_run_until(from + TICK + machine.config.tsc_khz);
	assert_int_equal(platform_irq_ack(&machine, 0), 8);
	fake_out(0x21, 0x7a);
	fake_out(0xa1, 0xfe);
	fake_out(0x20, 0x20);
	platform_set_irq(&machine, 8, true);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x70);
}

/* Who knows nothing of vector 8 gets none, and costs no timer. */
static void devices_that_are_handed_over_to_a_kernel_are_silent(void **state)
{
	uint64_t from = dev_now(&machine);

	(void)state;
	platform_hand_over(&machine, false);
	assert_int_equal(fake_in(0x21), 0xfb);
	assert_int_equal(fake_in(0xa1), 0xff);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	(void)fake_run_until(from + 2 * TICK);
	assert_int_equal(platform_irq_pending(&machine, 0), -1);
	fake_out(0x21, 0xfa); /* nor has a PIC kept a tick for whoever wants the timer later */
	assert_int_equal(platform_irq_pending(&machine, 0), -1);
}

/* CMOS says so; without firmware nobody else looks. */
static void a_reset_of_the_processor_may_go_on_in_the_bios(void **state)
{
	(void)state;
	fake_out(0x70, 0x0f);
	fake_out(0x71, 0x0a);
	fake_out(0x64, 0xfe);
	assert_int_equal(fake.powers, 0);
	assert_int_equal(fake.inits[0], 1);
	assert_int_equal(fake.inits[1], 1);
	assert_int_equal(fake.startups[0], 0); /* the first one waits for none */
	fake_out(0x71, 0x05);
	fake_out(0x92, 1);
	assert_int_equal(fake.inits[0], 2);
	fake_out(0x71, 0x09);
	fake_out(0x64, 0xfe);
	assert_int_equal(fake.powers, 1);
	fake_out(0x71, 0x0a);
	fake_out(0xcf9, 6); /* the machine's */
	assert_int_equal(fake.powers, 2);
	fake_out(0xcf9, 4);
	assert_true(platform_shuts_down(&machine));
	assert_int_equal(fake.inits[0], 4);
	assert_int_equal(fake.inits[1], 4);
	fake_out(0x71, 0x09);
	assert_false(platform_shuts_down(&machine));
	assert_int_equal(fake.inits[0], 4);
	assert_int_equal(fake.powers, 2);
	fake_out(0xcf9, 4);
	assert_int_equal(fake.powers, 3);
	fake_out(0x71, 0x0a);
	machine.config.fwcfg = (const struct vfwcfg_table *)&machine;
	fake_out(0x64, 0xfe);
	fake_out(0xcf9, 4);
	assert_int_equal(fake.powers, 5);
	assert_false(platform_shuts_down(&machine));
	machine.config.fwcfg = NULL;
	assert_int_equal(fake.inits[0], 4);
}

#define T(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_unclaimed_port_reads_ones_of_its_size),
		T(every_port_takes_every_size),
		T(the_reset_register_lies_within_the_pci_address_register),
		T(the_debug_exit_port_ends_the_vm),
		T(the_debug_console_is_the_vms_console),
		T(unclaimed_memory_reads_ones_of_its_size),
		T(device_pages_end_where_they_should),
		T(each_vcpu_sees_its_own_lapic),
		T(writes_to_the_lapic_are_aligned_long_words),
		T(other_msrs_are_not_the_platforms),
		T(firmware_leaves_a_virtual_wire_on_vcpu_0_only),
		T(the_pit_ticks_through_the_virtual_wire),
		T(the_pit_ticks_through_pin_2_of_the_ioapic),
		T(a_timer_nobody_listens_to_has_no_deadline),
		T(the_earliest_deadline_of_all_devices_counts),
		T(a_tiny_pit_period_is_no_storm),
		T(lines_above_the_ioapic_are_ignored),
		T(a_reset_forgets_everything),
		T(a_timer_that_is_handed_over_ticks_at_vector_8),
		T(devices_that_are_handed_over_to_a_kernel_are_silent),
		T(a_reset_of_the_processor_may_go_on_in_the_bios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
