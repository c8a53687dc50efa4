/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking and putting back the state of devices: what is easily forgotten.
 * test_dev_state_random.c tries the rest.
 */
#include "fake_dev.h"

#include "dev/state.h"

#define SECOND        1000000000ull /* FAKE_KHZ */
#define PIT_CLOCKS(n) ((n)*SECOND / VPIT_HZ + 1)
#define VECTOR        0x45
#define LEVEL         (1u << 15)

static struct platform_state state;

static int start(void **unused)
{
	(void)unused;
	fake_apicv = false;
	fake_start(2);
	fake_enable_apics();
	return 0;
}

static int start_virtualized(void **unused)
{
	(void)unused;
	fake_apicv = true;
	fake_start(2);
	fake_enable_apics();
	return 0;
}

/* On to another platform, which was reset at another time. */
static void move(void)
{
	uint64_t now = fake.now;

	platform_get_state(&machine, &state);
	fake_start(2);
	fake.now = now;
	assert_true(platform_set_state(&machine, &state));
}

static void pic_starts_at(uint8_t vector)
{
	fake_out(0x20, 0x11);
	fake_out(0x21, vector);
	fake_out(0x21, 4);
	fake_out(0x21, 1);
	fake_out(0x21, 0);
}

static void the_second_half_of_a_latched_pit_count_is_read_elsewhere(void **unused)
{
	uint8_t low;

	(void)unused;
	fake_out(0x43, 0x34);
	fake_out(0x40, 0x00);
	fake_out(0x40, 0x80);
	fake_run_until(PIT_CLOCKS(0x1234));
	fake_out(0x43, 0x00); /* latch */
	low = fake_in(0x40);
	fake_run_until(fake.now + PIT_CLOCKS(0x2222));
	move();
	assert_int_equal(fake_in(0x40) << 8 | low, 0x8000 - 0x1234);
	assert_int_equal(fake_in(0x40), (0x8000 - 0x1234 - 0x2222) & 0xff);
}

static void a_pit_count_half_written_is_completed_elsewhere(void **unused)
{
	(void)unused;
	fake_out(0x43, 0x34);
	fake_out(0x40, 0xcd);
	move();
	fake_out(0x40, 0xab);
	assert_int_equal(fake_in(0x40), 0xcd);
	assert_int_equal(fake_in(0x40), 0xab);
}

static void a_pit_count_stopped_by_its_gate_goes_on_elsewhere(void **unused)
{
	(void)unused;
	fake_out(0x61, 1);
	fake_out(0x43, 0xb0); /* channel 2, mode 0 */
	fake_out(0x42, 0x00);
	fake_out(0x42, 0x10);
	fake_run_until(PIT_CLOCKS(0x800));
	fake_out(0x61, 0);
	fake_run_until(fake.now + SECOND);
	move();
	assert_int_equal(fake_in(0x61) & 0x21, 0);
	fake_out(0x61, 1);
	fake_run_until(fake.now + PIT_CLOCKS(0x7f0));
	assert_int_equal(fake_in(0x61) & 0x20, 0);
	fake_run_until(fake.now + PIT_CLOCKS(0x20));
	assert_int_equal(fake_in(0x61) & 0x20, 0x20);
}

static void the_period_of_the_pit_keeps_its_phase(void **unused)
{
	uint64_t due;

	(void)unused;
	pic_starts_at(0x20);
	fake_apic_write(0, 0x350, 0x700);
	fake_out(0x43, 0x34);
	fake_out(0x40, 0x00);
	fake_out(0x40, 0x10);
	fake_run_until(PIT_CLOCKS(0x1000) * 5 / 2);
	due = platform_deadline(&machine, 0);
	move();
	assert_int_equal(platform_deadline(&machine, 0), due);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x20);
	fake_out(0x20, 0x20);
	fake_run_until(due - 1);
	assert_int_equal(fake_pending(0), -1);
	fake_run_until(due);
	assert_int_equal(fake_pending(0), 0x20);
}

static void an_rtc_update_in_progress_ends_elsewhere(void **unused)
{
	(void)unused;
	fake_out(0x70, 0x0a);
	fake_run_until(7 * SECOND - 100000);
	assert_int_equal(fake_in(0x71) & 0x80, 0x80);
	move();
	assert_int_equal(fake_in(0x71) & 0x80, 0x80); /* the index, too */
	fake_run_until(7 * SECOND);
	assert_int_equal(fake_in(0x71) & 0x80, 0);
	fake_out(0x70, 0x00);
	assert_int_equal(fake_in(0x71), 0x07);
}

static void the_time_of_day_is_the_guests_and_not_the_targets(void **unused)
{
	(void)unused;
	fake_run_until(SECOND / 4);
	fake_out(0x70, 0x04);
	fake_out(0x71, 0x13);
	fake_run_until(fake.now + 60 * SECOND);
	move();
	assert_int_equal(fake_in(0x71), 0x13);
	fake_out(0x70, 0x02);
	assert_int_equal(fake_in(0x71), 0x01);
}

static void a_clock_that_stands_stands_elsewhere(void **unused)
{
	(void)unused;
	fake_out(0x70, 0x0b);
	fake_out(0x71, 0x82);
	fake_out(0x70, 0x00);
	fake_out(0x71, 0x59);
	fake_run_until(3 * SECOND);
	move();
	assert_int_equal(fake_in(0x71), 0x59);
	fake_out(0x70, 0x0b);
	fake_out(0x71, 0x02);
	fake_out(0x70, 0x00);
	assert_int_equal(fake_in(0x71), 0x59);
	fake_run_until(fake.now + SECOND);
	assert_int_equal(fake_in(0x71), 0x00);
}

static void bytes_in_the_uarts_fifo_are_read_elsewhere(void **unused)
{
	(void)unused;
	fake_out(0x3fa, 0x81); /* FIFO, trigger at 8 */
	fake_out(0x3f9, 0x01);
	fake_out(0x3fc, 0x08);
	fake_out(0x3fc, 0x1b); /* looped back */
	for (unsigned i = 0; i < 12; i++)
		fake_out(0x3f8, (uint8_t)('a' + i));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fake_in(0x3f8), 'a' + i);
	move();
	for (unsigned i = 5; i < 12; i++) {
		assert_int_equal(fake_in(0x3fa), 0xcc); /* fewer than 8: timeout */
		assert_int_equal(fake_in(0x3f8), 'a' + i);
	}
	assert_int_equal(fake_in(0x3fa), 0xc1);
	fake_out(0x3f8, 'z'); /* the ring goes round */
	assert_int_equal(fake_in(0x3f8), 'z');
}

static void an_interrupt_of_the_transmitter_not_seen_yet_waits_elsewhere(void **unused)
{
	(void)unused;
	fake_out(0x3f9, 0x02);
	move();
	assert_int_equal(fake_in(0x3fa), 0x02);
	assert_int_equal(fake_in(0x3fa), 0x01);
}

static void the_pics_initialisation_goes_on_with_its_next_word_elsewhere(void **unused)
{
	(void)unused;
	fake_apic_write(0, 0x350, 0x700);
	fake_out(0x20, 0x11);
	fake_out(0x21, 0x30);
	move();
	fake_out(0x21, 0x04); /* no mask: the slave's input */
	fake_out(0x21, 0x01);
	fake_out(0x21, 0xfb ^ 0x10);
	assert_int_equal(fake_in(0x21), 0xeb);
	fake_out(0x3fc, 0x08);
	fake_out(0x3f9, 0x02); /* UART: IRQ 4 */
	assert_int_equal(fake_pending(0), 0x34);
}

static void a_request_waits_in_the_pic_and_its_line_is_known_elsewhere(void **unused)
{
	(void)unused;
	pic_starts_at(0x20);
	fake_apic_write(0, 0x350, 0x700);
	fake_out(0x3fc, 0x08);
	fake_out(0x3f9, 0x02);
	move();
	assert_int_equal(platform_irq_ack(&machine, 0), 0x24);
	fake_out(0x20, 0x20);
	fake_out(0x3f9, 0x02); /* the line stays up: no edge */
	assert_int_equal(fake_pending(0), -1);
}

static void what_the_pics_poll_command_asked_for_is_read_elsewhere(void **unused)
{
	(void)unused;
	pic_starts_at(0x20);
	fake_out(0x3fc, 0x08);
	fake_out(0x3f9, 0x02);
	fake_out(0x20, 0x0c);
	move();
	assert_int_equal(fake_in(0x20), 0x84);
}

static void an_interrupt_whose_line_is_still_high_comes_again_after_its_end_elsewhere(
	void **unused)
{
	(void)unused;
	fake_ioapic_entry(4, 0, VECTOR | LEVEL);
	fake_out(0x3fc, 0x08);
	fake_out(0x3f9, 0x02);
	assert_int_equal(platform_irq_ack(&machine, 0), VECTOR);
	move();
	assert_int_equal(fake_ioapic_read(0x18) & 0x4000, 0x4000);
	assert_int_equal(fake_pending(0), -1);
	platform_eoi(&machine, 0);
	assert_int_equal(platform_irq_ack(&machine, 0), VECTOR);
	fake_in(0x3fa); /* the line falls */
	platform_eoi(&machine, 0);
	assert_int_equal(fake_ioapic_read(0x18) & 0x4000, 0);
	assert_int_equal(fake_pending(0), -1);
}

static void a_local_apics_one_shot_timer_goes_on_counting_elsewhere(void **unused)
{
	(void)unused;
	fake_apic_write(1, 0x3e0, 0x0b); /* by 1 */
	fake_apic_write(1, 0x320, VECTOR);
	fake_apic_write(1, 0x380, 1000);
	fake_run_until(400);
	move();
	assert_int_equal(fake_apic_read(1, 0x390), 600);
	fake_run_until(999);
	assert_int_equal(fake_pending(1), -1);
	fake_run_until(1000);
	assert_int_equal(fake_pending(1), VECTOR);
	move();
	fake_run_until(5000);
	assert_int_equal(fake_apic_read(1, 0x390), 0);
	assert_true(platform_deadline(&machine, 1) == DEV_NEVER);
}

static void a_local_apics_periodic_timer_keeps_its_phase_elsewhere(void **unused)
{
	(void)unused;
	fake_apic_write(1, 0x3e0, 0x0b);
	fake_apic_write(1, APIC_LVT_TIMER, VECTOR | TIMER_PERIODIC);
	fake_apic_write(1, 0x380, 1000000);
	fake_run_until(3250000);
	assert_int_equal(platform_irq_ack(&machine, 1), VECTOR);
	platform_eoi(&machine, 1);
	move();
	assert_int_equal(fake_apic_read(1, 0x390), 750000);
	assert_int_equal(platform_deadline(&machine, 1), 4000000);
	fake_run_until(4000000);
	assert_int_equal(fake_pending(1), VECTOR);
	assert_int_equal(platform_deadline(&machine, 1), 5000000);
}

static void a_tsc_deadline_comes_elsewhere(void **unused)
{
	uint64_t v;

	(void)unused;
	fake_apic_write(1, APIC_LVT_TIMER, VECTOR | TIMER_DEADLINE);
	assert_true(platform_wrmsr(&machine, 1, 0x6e0, 5000));
	fake_run_until(3000);
	move();
	assert_true(platform_rdmsr(&machine, 1, 0x6e0, &v));
	assert_int_equal(v, 5000);
	fake_run_until(4999);
	assert_int_equal(fake_pending(1), -1);
	fake_run_until(5000);
	assert_int_equal(fake_pending(1), VECTOR);
	assert_true(platform_rdmsr(&machine, 1, 0x6e0, &v));
	assert_int_equal(v, 0);
}

static void an_interrupt_of_the_timer_waits_for_the_priority_elsewhere(void **unused)
{
	(void)unused;
	platform_set_cr8(&machine, 1, 8);
	fake_apic_write(1, APIC_LVT_TIMER, VECTOR | TIMER_DEADLINE);
	assert_true(platform_wrmsr(&machine, 1, 0x6e0, 10));
	fake_run_until(10);
	move();
	assert_int_equal(fake_pending(1), -1);
	platform_set_cr8(&machine, 1, 0);
	assert_int_equal(fake_pending(1), VECTOR);
}

static void errors_not_read_yet_are_read_elsewhere(void **unused)
{
	(void)unused;
	fake_apic_write(0, 0x300, 5 | 1u << 18); /* to itself, an illegal vector */
	move();
	assert_int_equal(fake_apic_read(0, 0x280), 0);
	fake_apic_write(0, 0x280, 0);
	assert_int_equal(fake_apic_read(0, 0x280), 0x20);
}

static void x2apic_mode_and_its_wide_icr_are_the_same_elsewhere(void **unused)
{
	uint64_t v;

	(void)unused;
	assert_true(platform_wrmsr(&machine, 1, 0x1b, DEV_LAPIC_BASE | 0xc00));
	assert_true(platform_wrmsr(&machine, 1, 0x830, 0x700004345));
	move();
	assert_true(platform_rdmsr(&machine, 1, 0x830, &v));
	assert_true(v == 0x700004345);
	assert_true(platform_rdmsr(&machine, 1, 0x802, &v));
	assert_int_equal(v, 1);
	assert_false(platform_mmio(&machine, 1, DEV_LAPIC_BASE, false, 4, &v));
}

static void requests_on_their_way_to_a_virtualized_apic_arrive_elsewhere(void **unused)
{
	struct dev_apic_state s;
	uint64_t *descriptor;

	(void)unused;
	platform_apic_state(&machine, 1, &s);
	fake_ioapic_entry(4, 1, 0x61 | LEVEL);
	fake_out(0x3fc, 0x08);
	fake_out(0x3f9, 0x02); /* waits, since its trigger mode is new */
	fake_apic_write(0, 0x310, 1u << 24);
	fake_apic_write(0, 0x300, VECTOR); /* posted */
	assert_true(platform_apic_posted_requests(&machine, 1));
	move();
	assert_true(platform_apic_changed(&machine, 1));
	assert_false(platform_apic_posted_requests(&machine, 1));
	descriptor = platform_apic_posted(&machine, 1);
	assert_int_equal(descriptor[0], 1); /* never empty: vlapic_vectors.c */
	platform_apic_state(&machine, 1, &s);
	assert_int_equal(s.rvi, 0x61);
	assert_int_equal(s.svi, 0);
	assert_int_equal(s.eoi_exit[1], 1ull << 0x21);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x61);
	platform_eoi(&machine, 1);
	assert_int_equal(fake_ioapic_read(0x18) & 0x4000, 0x4000); /* again: the line is high */
}

static void a_local_apic_goes_on_where_the_cpu_does_not_virtualize_it(void **unused)
{
	(void)unused;
	fake_apic_write(0, 0x310, 1u << 24);
	fake_apic_write(0, 0x300, VECTOR);
	fake_apicv = false;
	move();
	assert_int_equal(platform_irq_ack(&machine, 1), VECTOR);
	fake_apicv = true;
	move();
	assert_int_equal(fake_apic_read(1, 0x120), 1u << (VECTOR - 0x40));
	platform_eoi(&machine, 1);
	assert_int_equal(fake_apic_read(1, 0x120), 0);
}

static void the_power_management_timer_raises_its_interrupt_elsewhere(void **unused)
{
	uint32_t v = 1;
	uint64_t due;

	(void)unused;
	fake_ioapic_entry(9, 0, VECTOR | LEVEL);
	assert_true(platform_io(&machine, 0x602, true, 2, &v));
	fake_run_until(SECOND);
	due = platform_deadline(&machine, 0);
	assert_true(due != DEV_NEVER);
	move();
	assert_int_equal(platform_deadline(&machine, 0), due);
	fake_run_until(due);
	move();
	assert_int_equal(fake_pending(0), VECTOR);
	assert_true(platform_io(&machine, 0x600, false, 2, &v));
	assert_int_equal(v, 1);
}

static void what_the_guest_wrote_to_pci_is_there_elsewhere(void **unused)
{
	uint32_t v = 0x8000003c;

	(void)unused;
	assert_true(platform_io(&machine, 0xcf8, true, 4, &v));
	fake_out(0xcfc, 0x5a);
	move();
	assert_int_equal(fake_in(0xcfc), 0x5a); /* the address, too */
	v = 0;
	assert_true(platform_io(&machine, 0xcf8, false, 4, &v));
	assert_true(v == 0x8000003c);
}

static void every_vcpu_looks_anew_after_a_move(void **unused)
{
	(void)unused;
	platform_get_state(&machine, &state);
	memset(&fake, 0, sizeof(fake));
	assert_true(platform_set_state(&machine, &state));
	assert_int_equal(fake.kicks[0], 1);
	assert_int_equal(fake.kicks[1], 1);
	state.pm.reserved = 1;
	assert_false(platform_set_state(&machine, &state));
	assert_int_equal(fake.kicks[0], 1);
}

static void the_cpu_is_told_of_a_virtualized_apic_put_back_where_one_ran(void **unused)
{
	struct dev_apic_state s;

	(void)unused;
	fake_apic_write(0, 0x310, 1u << 24);
	fake_apic_write(0, 0x300, VECTOR);
	assert_int_equal(platform_irq_ack(&machine, 1), VECTOR);
	platform_get_state(&machine, &state);
	platform_eoi(&machine, 1);
	platform_apic_state(&machine, 1, &s);
	assert_false(platform_apic_changed(&machine, 1));
	assert_true(platform_set_state(&machine, &state));
	assert_true(platform_apic_changed(&machine, 1));
	platform_apic_state(&machine, 1, &s);
	assert_int_equal(s.svi, VECTOR);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_second_half_of_a_latched_pit_count_is_read_elsewhere),
		TEST(a_pit_count_half_written_is_completed_elsewhere),
		TEST(a_pit_count_stopped_by_its_gate_goes_on_elsewhere),
		TEST(the_period_of_the_pit_keeps_its_phase),
		TEST(an_rtc_update_in_progress_ends_elsewhere),
		TEST(the_time_of_day_is_the_guests_and_not_the_targets),
		TEST(a_clock_that_stands_stands_elsewhere),
		TEST(bytes_in_the_uarts_fifo_are_read_elsewhere),
		TEST(an_interrupt_of_the_transmitter_not_seen_yet_waits_elsewhere),
		TEST(the_pics_initialisation_goes_on_with_its_next_word_elsewhere),
		TEST(a_request_waits_in_the_pic_and_its_line_is_known_elsewhere),
		TEST(what_the_pics_poll_command_asked_for_is_read_elsewhere),
		TEST(an_interrupt_whose_line_is_still_high_comes_again_after_its_end_elsewhere),
		TEST(a_local_apics_one_shot_timer_goes_on_counting_elsewhere),
		TEST(a_local_apics_periodic_timer_keeps_its_phase_elsewhere),
		TEST(a_tsc_deadline_comes_elsewhere),
		TEST(an_interrupt_of_the_timer_waits_for_the_priority_elsewhere),
		TEST(errors_not_read_yet_are_read_elsewhere),
		TEST(x2apic_mode_and_its_wide_icr_are_the_same_elsewhere),
		cmocka_unit_test_setup(
			requests_on_their_way_to_a_virtualized_apic_arrive_elsewhere,
			start_virtualized),
		cmocka_unit_test_setup(
			a_local_apic_goes_on_where_the_cpu_does_not_virtualize_it,
			start_virtualized),
		cmocka_unit_test_setup(
			the_cpu_is_told_of_a_virtualized_apic_put_back_where_one_ran,
			start_virtualized),
		TEST(the_power_management_timer_raises_its_interrupt_elsewhere),
		TEST(what_the_guest_wrote_to_pci_is_there_elsewhere),
		TEST(every_vcpu_looks_anew_after_a_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
