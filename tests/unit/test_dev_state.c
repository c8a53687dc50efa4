/*
 * Taking and putting back the state of devices: what is easily forgotten, what does not belong to a
 * state, and what is refused. test_dev_state_random.c tries the rest.
 */
#include "fake_dev.h"

#include "dev/state.h"

#define SECOND        1000000000ull /* FAKE_KHZ */
#define PIT_CLOCKS(n) ((n)*SECOND / VPIT_HZ + 1)
#define VECTOR        0x45
#define MASKED        (1u << 16)
#define PERIODIC      (1u << 17)
#define DEADLINE      (2u << 17)
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
	assert_int_equal(platform_irq_pending(&machine, 0), -1);
	fake_run_until(due);
	assert_int_equal(platform_irq_pending(&machine, 0), 0x20);
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
	for (unsigned i = 0; i < 12; i++)
		assert_true(platform_console_input(&machine, (uint8_t)('a' + i)));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fake_in(0x3f8), 'a' + i);
	move();
	for (unsigned i = 5; i < 12; i++) {
		assert_int_equal(fake_in(0x3fa), 0xcc); /* fewer than 8: timeout */
		assert_int_equal(fake_in(0x3f8), 'a' + i);
	}
	assert_int_equal(fake_in(0x3fa), 0xc1);
	assert_true(platform_console_input(&machine, 'z')); /* the ring goes round */
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
	assert_int_equal(platform_irq_pending(&machine, 0), 0x34);
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
	assert_int_equal(platform_irq_pending(&machine, 0), -1);
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
	assert_int_equal(platform_irq_pending(&machine, 0), -1);
	platform_eoi(&machine, 0);
	assert_int_equal(platform_irq_ack(&machine, 0), VECTOR);
	fake_in(0x3fa); /* the line falls */
	platform_eoi(&machine, 0);
	assert_int_equal(fake_ioapic_read(0x18) & 0x4000, 0);
	assert_int_equal(platform_irq_pending(&machine, 0), -1);
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
	assert_int_equal(platform_irq_pending(&machine, 1), -1);
	fake_run_until(1000);
	assert_int_equal(platform_irq_pending(&machine, 1), VECTOR);
	move();
	fake_run_until(5000);
	assert_int_equal(fake_apic_read(1, 0x390), 0);
	assert_true(platform_deadline(&machine, 1) == DEV_NEVER);
}

static void a_local_apics_periodic_timer_keeps_its_phase_elsewhere(void **unused)
{
	(void)unused;
	fake_apic_write(1, 0x3e0, 0x0b);
	fake_apic_write(1, 0x320, VECTOR | PERIODIC);
	fake_apic_write(1, 0x380, 1000000);
	fake_run_until(3250000);
	assert_int_equal(platform_irq_ack(&machine, 1), VECTOR);
	platform_eoi(&machine, 1);
	move();
	assert_int_equal(fake_apic_read(1, 0x390), 750000);
	assert_int_equal(platform_deadline(&machine, 1), 4000000);
	fake_run_until(4000000);
	assert_int_equal(platform_irq_pending(&machine, 1), VECTOR);
	assert_int_equal(platform_deadline(&machine, 1), 5000000);
}

static void a_tsc_deadline_comes_elsewhere(void **unused)
{
	uint64_t v;

	(void)unused;
	fake_apic_write(1, 0x320, VECTOR | DEADLINE);
	assert_true(platform_wrmsr(&machine, 1, 0x6e0, 5000));
	fake_run_until(3000);
	move();
	assert_true(platform_rdmsr(&machine, 1, 0x6e0, &v));
	assert_int_equal(v, 5000);
	fake_run_until(4999);
	assert_int_equal(platform_irq_pending(&machine, 1), -1);
	fake_run_until(5000);
	assert_int_equal(platform_irq_pending(&machine, 1), VECTOR);
	assert_true(platform_rdmsr(&machine, 1, 0x6e0, &v));
	assert_int_equal(v, 0);
}

static void an_interrupt_of_the_timer_waits_for_the_priority_elsewhere(void **unused)
{
	(void)unused;
	platform_set_cr8(&machine, 1, 8);
	fake_apic_write(1, 0x320, VECTOR | DEADLINE);
	assert_true(platform_wrmsr(&machine, 1, 0x6e0, 10));
	fake_run_until(10);
	move();
	assert_int_equal(platform_irq_pending(&machine, 1), -1);
	platform_set_cr8(&machine, 1, 0);
	assert_int_equal(platform_irq_pending(&machine, 1), VECTOR);
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
	assert_int_equal(platform_irq_pending(&machine, 0), VECTOR);
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

/* ---- what is refused ---- */

#define BYTES(member, value_)                                                \
	{                                                                    \
#member, offsetof(struct platform_state, member),            \
			sizeof(((struct platform_state *)0)->member), value_ \
	}

/* One member of a good state set to what it cannot be. */
static const struct wrong {
	const char *member;
	size_t offset, size;
	uint64_t value;
} wrong[] = {
	BYTES(size, 0), BYTES(size, sizeof(struct platform_state) + 8), BYTES(version, 0),
	BYTES(version, PLATFORM_STATE_VERSION + 1), BYTES(vcpus, 1), BYTES(vcpus, 3),
	BYTES(tsc_khz, FAKE_KHZ + 1),
	BYTES(lapic[2].esr_pending, 0x20), /* there are two vCPUs */
	BYTES(lapic[0].base, 0),
	BYTES(lapic[0].base, DEV_LAPIC_BASE | 0x800), /* vCPU 0 is the bootstrap processor */
	BYTES(lapic[1].base, DEV_LAPIC_BASE | 0x400), /* x2APIC without enable */
	BYTES(lapic[1].base, 0xfef00800),
	BYTES(lapic[1].base, DEV_LAPIC_BASE | 0xc00), /* ID, LDR and DFR are xAPIC's */
	BYTES(lapic[1].icr_high, 1),                  /* in xAPIC mode */
	BYTES(lapic[1].esr_pending, 1), BYTES(lapic[1].regs[0x02], 0), /* another's ID */
	BYTES(lapic[1].regs[0x03], 0), BYTES(lapic[1].regs[0x08], 0x100),
	BYTES(lapic[1].regs[0x0b], 1), BYTES(lapic[1].regs[0x0d], 1),
	BYTES(lapic[1].regs[0x0e], 0xf0000000), BYTES(lapic[1].regs[0x0f], 0x200),
	BYTES(lapic[0].regs[0x0f], 0xff), /* disabled, with an LVT that is not masked */
	BYTES(lapic[1].regs[0x10], 1),    /* vector 0 */
	BYTES(lapic[1].regs[0x20], 0x8000), BYTES(lapic[1].regs[0x28], 1),
	BYTES(lapic[1].regs[0x2f], 1), BYTES(lapic[1].regs[0x30], 0x1000),
	BYTES(lapic[1].regs[0x31], 1), BYTES(lapic[1].regs[0x32], 0x1045), /* delivery status */
	BYTES(lapic[1].regs[0x38], 0), /* a count that runs from 0 */
	BYTES(lapic[1].regs[0x39], 1), BYTES(lapic[1].regs[0x3e], 4),
	BYTES(lapic[1].tsc_deadline, 1), /* in another mode */
	BYTES(lapic[0].deadline, 7),     /* the count is 0 */
	BYTES(ioapic.entry[0], 1ull << 12), BYTES(ioapic.entry[23], 1ull << 17),
	BYTES(ioapic.entry[5], 1ull << 14), /* remote IRR of an edge */
	BYTES(ioapic.lines, 1u << 24), BYTES(ioapic.id, 1), BYTES(ioapic.reserved[6], 1),
	BYTES(pit.ch[0].count, 0), BYTES(pit.ch[2].count, 0x10001),
	BYTES(pit.ch[2].frozen, 0x20000), BYTES(pit.ch[1].latch_bytes, 3),
	BYTES(pit.ch[1].access, 0), BYTES(pit.ch[1].access, 4), BYTES(pit.ch[0].mode, 6),
	BYTES(pit.ch[0].gate, 0), /* it has none */
	BYTES(pit.ch[2].gate, 2), BYTES(pit.ch[0].status_latched, 2),
	BYTES(pit.ch[0].running, 1), /* without a count */
	BYTES(pit.ch[0].reserved[1], 1), BYTES(pit.speaker, 0xff), BYTES(pit.reserved[0], 1),
	BYTES(rtc.base_time, UINT64_MAX), BYTES(rtc.base_time, 1ull << 40),
	BYTES(rtc.index, 128), BYTES(rtc.reserved[0], 1), BYTES(rtc.nvram[10], 0x80),
	BYTES(rtc.nvram[11], 0x90), /* stands, with update interrupts */
	BYTES(rtc.nvram[12], 0x80), /* an interrupt without a reason */
	BYTES(rtc.nvram[12], 1), BYTES(rtc.nvram[13], 0), BYTES(pm.status, 2),
	BYTES(pm.enable, 2), BYTES(pm.control, 1u << 13), /* SLP_EN */
	BYTES(pm.reset_control, 1), BYTES(pm.reserved, 1), BYTES(pic.chip[0].elcr, 1),
	BYTES(pic.chip[1].elcr, 1), BYTES(pic.chip[0].base, 1), BYTES(pic.chip[1].lowest, 8),
	BYTES(pic.chip[0].init, 1), BYTES(pic.chip[0].init, 5),
	BYTES(pic.chip[0].irr, 4), /* the slave has nothing */
	BYTES(pic.chip[0].needs_icw4, 2), BYTES(pic.chip[1].special_nested, 2),
	BYTES(uart.ier, 0x10), BYTES(uart.fcr, 0x80), /* a trigger level without FIFO */
	BYTES(uart.fcr, 0x03), BYTES(uart.mcr, 0x20), BYTES(uart.msr_delta, 0x10),
	BYTES(uart.overrun, 2), BYTES(uart.thr_event, 2), BYTES(uart.head, 16),
	BYTES(uart.count, 2),                                 /* the FIFO is off */
	BYTES(pci.address, 1), BYTES(pci.config[0][0], 0x87), /* another vendor */
	BYTES(pci.config[1][4], 1),                           /* no function */
};

static void a_state_that_cannot_be_is_refused_and_changes_nothing(void **unused)
{
	static struct platform_state bad, now;

	(void)unused;
	fake_apic_write(1, 0x380, 1000);
	platform_get_state(&machine, &state);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		bad = state;
		bad.uart.scratch = 0x77;
		bad.lapic[0].regs[0x08] = 0x70;
		memcpy((uint8_t *)&bad + wrong[i].offset, &wrong[i].value, wrong[i].size);
		if (platform_set_state(&machine, &bad))
			fail_msg("%s = %#llx is taken", wrong[i].member,
				(unsigned long long)wrong[i].value);
		platform_get_state(&machine, &now);
		assert_memory_equal(&now, &state, sizeof(now));
	}
	assert_true(platform_set_state(&machine, &state));
}

static void a_device_alone_refuses_what_it_cannot_be_in(void **unused)
{
	struct vuart_state s;

	(void)unused;
	vuart_get_state(&machine.uart, &s);
	s.scratch = 7;
	s.head = VUART_FIFO;
	assert_false(vuart_set_state(&machine.uart, &s));
	assert_int_equal(fake_in(0x3ff), 0);
	s.head = 0;
	assert_true(vuart_set_state(&machine.uart, &s));
	assert_int_equal(fake_in(0x3ff), 7);
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
		TEST(a_state_that_cannot_be_is_refused_and_changes_nothing),
		TEST(a_device_alone_refuses_what_it_cannot_be_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
