/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dev.h"

#define X2APIC(reg) (MSR_X2APIC_FIRST + APIC_NUMBER(reg))

static int start(void **state)
{
	(void)state;
	fake_start(4);
	fake_enable_apics();
	return 0;
}

static void send(unsigned from, uint8_t destination, uint32_t low)
{
	fake_apic_write(from, APIC_ICR_HIGH, (uint32_t)destination << 24);
	fake_apic_write(from, APIC_ICR, low);
}

/* Which vCPUs have an interrupt, as a set; they take it and end it. */
static unsigned takers(int vector)
{
	unsigned set = 0;

	for (unsigned i = 0; i < machine.config.vcpus; i++) {
		if (fake_pending(i) < 0)
			continue;
		assert_int_equal(platform_irq_ack(&machine, i), vector);
		fake_apic_write(i, APIC_EOI, 0);
		set |= 1u << i;
	}
	return set;
}

/* ---- priorities ---- */

static void a_self_ipi_is_taken_and_ended(void **state)
{
	(void)state;
	send(0, 0, 0x41 | ICR_SELF);
	assert_int_equal(fake_apic_read(0, APIC_IRR + 0x20), 2);
	assert_true(fake.kicks[0] > 0);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x41);
	assert_int_equal(fake_apic_read(0, APIC_IRR + 0x20), 0);
	assert_int_equal(fake_apic_read(0, APIC_ISR + 0x20), 2);
	assert_int_equal(fake_apic_read(0, APIC_PPR), 0x40);
	fake_apic_write(0, APIC_EOI, 0);
	assert_int_equal(fake_apic_read(0, APIC_ISR + 0x20), 0);
	assert_int_equal(platform_irq_ack(&machine, 0), -1);
}

static void the_highest_vector_comes_first(void **state)
{
	(void)state;
	send(0, 0, 0x41 | ICR_SELF);
	send(0, 0, 0xef | ICR_SELF);
	send(0, 0, 0x85 | ICR_SELF);
	assert_int_equal(platform_irq_ack(&machine, 0), 0xef);
	assert_int_equal(fake_pending(0), -1);
	fake_apic_write(0, APIC_EOI, 0);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x85);
	fake_apic_write(0, APIC_EOI, 0);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x41);
}

static void a_class_in_service_holds_its_own_class_back(void **state)
{
	(void)state;
	send(0, 0, 0x41 | ICR_SELF);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x41);
	send(0, 0, 0x4f | ICR_SELF);
	assert_int_equal(fake_pending(0), -1);
	send(0, 0, 0x50 | ICR_SELF);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x50);
	fake_apic_write(0, APIC_EOI, 0);
	fake_apic_write(0, APIC_EOI, 0);
	assert_int_equal(fake_pending(0), 0x4f);
}

static void the_task_priority_holds_classes_back(void **state)
{
	(void)state;
	send(0, 0, 0x41 | ICR_SELF);
	platform_set_cr8(&machine, 0, 4);
	assert_int_equal(fake_apic_read(0, APIC_TPR), 0x40);
	assert_int_equal(fake_pending(0), -1);
	fake.kicks[0] = 0;
	platform_set_cr8(&machine, 0, 3);
	assert_int_equal(fake.kicks[0], 1);
	assert_int_equal(fake_pending(0), 0x41);
	fake_apic_write(0, APIC_TPR, 0x4f);
	assert_int_equal(platform_get_cr8(&machine, 0), 4);
	assert_int_equal(fake_apic_read(0, APIC_TPR), 0x4f);
	assert_int_equal(fake_apic_read(0, APIC_PPR), 0x4f);
	assert_int_equal(fake_pending(0), -1);
}

static void an_eoi_too_many_does_nothing(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_EOI, 0);
	send(0, 0, 0x41 | ICR_SELF);
	fake_apic_write(0, APIC_EOI, 0);
	assert_int_equal(fake_pending(0), 0x41);
}

static void a_disabled_apic_accepts_nothing(void **state)
{
	(void)state;
	fake_apic_write(1, APIC_SVR, 0xff);
	assert_int_equal(fake_apic_read(1, APIC_LVT_TIMER), LVT_MASKED);
	fake_apic_write(1, APIC_LVT_TIMER, 0x40);
	assert_int_equal(fake_apic_read(1, APIC_LVT_TIMER), 0x40 | LVT_MASKED);
	send(0, 1, 0x41);
	fake_apic_write(1, APIC_SVR, 0x1ff);
	assert_int_equal(fake_pending(1), -1);
}

static void a_disabled_apic_keeps_what_is_pending(void **state)
{
	(void)state;
	send(0, 1, 0x41);
	fake_apic_write(1, APIC_SVR, 0xff);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x41);
}

/* ---- IPIs ---- */

static void physical_destinations(void **state)
{
	(void)state;
	send(0, 2, 0x41);
	assert_int_equal(takers(0x41), 1 << 2);
	send(0, 0xff, 0x41);
	assert_int_equal(takers(0x41), 0xf);
	send(0, 4, 0x41);
	assert_int_equal(takers(0x41), 0);
}

static void shorthands(void **state)
{
	(void)state;
	send(1, 0, 0x41 | ICR_SELF);
	assert_int_equal(takers(0x41), 1 << 1);
	send(1, 0, 0x41 | ICR_ALL);
	assert_int_equal(takers(0x41), 0xf);
	send(1, 0, 0x41 | ICR_OTHERS);
	assert_int_equal(takers(0x41), 0xd);
}

static void shorthands_that_name_the_sender_are_for_fixed_mode_only(void **state)
{
	static const uint32_t modes[] = {
		ICR_LOWEST | 0x41, 2u << 8, ICR_NMI, ICR_INIT, ICR_STARTUP};

	(void)state;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		send(1, 0, modes[i] | ICR_SELF | ICR_ASSERT);
		send(1, 0, modes[i] | ICR_ALL | ICR_ASSERT);
	}
	assert_int_equal(takers(0x41), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fake.nmis[i] + fake.inits[i] + fake.startups[i], 0);
	send(1, 0, ICR_NMI | ICR_OTHERS);
	assert_int_equal(fake.nmis[0] + fake.nmis[2] + fake.nmis[3], 3);
	assert_int_equal(fake.nmis[1], 0);
}

static void logical_flat_destinations(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		fake_apic_write(i, APIC_LDR, 1u << (24 + i));
	send(0, 0x0a, 0x41 | ICR_LOGICAL);
	assert_int_equal(takers(0x41), 0xa);
	send(0, 0xff, 0x41 | ICR_LOGICAL);
	assert_int_equal(takers(0x41), 0xf);
	send(0, 0xf0, 0x41 | ICR_LOGICAL);
	assert_int_equal(takers(0x41), 0);
}

static void logical_cluster_destinations(void **state)
{
	static const uint8_t ids[] = {0x01, 0x02, 0x11, 0x12};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		fake_apic_write(i, APIC_DFR, 0x0fffffff);
		fake_apic_write(i, APIC_LDR, (uint32_t)ids[i] << 24);
	}
	send(0, 0x13, 0x41 | ICR_LOGICAL);
	assert_int_equal(takers(0x41), 0xc);
	send(0, 0x01, 0x41 | ICR_LOGICAL);
	assert_int_equal(takers(0x41), 1);
	send(0, 0x2f, 0x41 | ICR_LOGICAL);
	assert_int_equal(takers(0x41), 0);
}

static void lowest_priority_goes_to_the_least_busy_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		fake_apic_write(i, APIC_LDR, 1u << (24 + i));
	send(0, 0x0f, 0x41 | ICR_LOGICAL | ICR_LOWEST);
	assert_int_equal(takers(0x41), 1);
	fake_apic_write(0, APIC_TPR, 0x20);
	fake_apic_write(1, APIC_SVR, 0xff);
	send(0, 0x0f, 0x41 | ICR_LOGICAL | ICR_LOWEST);
	assert_int_equal(takers(0x41), 1 << 2);
}

static void init_start_up_and_nmi_go_to_the_vm(void **state)
{
	(void)state;
	send(0, 1, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	send(0, 1, ICR_INIT | ICR_LEVEL); /* de-assert */
	send(0, 1, ICR_STARTUP | 0x9a);
	send(0, 2, ICR_NMI);
	assert_int_equal(fake.inits[1], 1);
	assert_int_equal(fake.startups[1], 1);
	assert_int_equal(fake.startup_vector, 0x9a);
	assert_int_equal(fake.nmis[2], 1);
	assert_int_equal(fake.inits[0] + fake.startups[0] + fake.nmis[0], 0);
}

static void only_fixed_ipis_go_to_oneself_by_shorthand(void **state)
{
	(void)state;
	send(0, 0, ICR_NMI | ICR_SELF);
	send(0, 0, ICR_NMI | ICR_ALL);
	send(0, 0, ICR_INIT | ICR_ASSERT | ICR_LEVEL | ICR_ALL);
	assert_int_equal(fake.nmis[0] + fake.nmis[1] + fake.inits[0] + fake.inits[1], 0);
	send(0, 0, ICR_NMI | ICR_OTHERS);
	assert_int_equal(fake.nmis[0], 0);
	assert_int_equal(fake.nmis[1] + fake.nmis[2] + fake.nmis[3], 3);
}

static void the_delivery_status_reads_idle(void **state)
{
	(void)state;
	send(0, 1, 0xffffffffu & ~(ICR_OTHERS | 0x700));
	assert_int_equal(fake_apic_read(0, APIC_ICR), 0xcc8ff & ~ICR_OTHERS);
	assert_int_equal(fake_apic_read(0, APIC_ICR_HIGH), 1u << 24);
}

static void illegal_vectors_are_errors(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_ERROR, 0xfe);
	send(0, 1, 0x0f);
	assert_int_equal(fake_pending(1), -1);
	assert_int_equal(fake_apic_read(0, APIC_ESR), 0);
	fake_apic_write(0, APIC_ESR, 0);
	assert_int_equal(fake_apic_read(0, APIC_ESR), 1 << 5);
	assert_int_equal(platform_irq_ack(&machine, 0), 0xfe);
	fake_apic_write(0, APIC_ESR, 0);
	assert_int_equal(fake_apic_read(0, APIC_ESR), 0);
	fake_ioapic_entry(4, 1, 0x05);
	platform_pulse_irq(&machine, 4);
	fake_apic_write(1, APIC_ESR, 0);
	assert_int_equal(fake_apic_read(1, APIC_ESR), 1 << 6);
}

static void an_error_vector_below_16_does_not_loop(void **state)
{
	(void)state;
	fake_apic_write(0, APIC_LVT_ERROR, 0x03);
	send(0, 0, 0x02 | ICR_SELF);
	assert_int_equal(fake_pending(0), -1);
}

static void writes_to_read_only_registers_are_no_error_but_to_reserved_ones_are(void **state)
{
	static const uint32_t read_only[] = {APIC_ID, APIC_VERSION, APIC_PPR, APIC_ISR,
		APIC_TMR + 0x70, APIC_IRR, APIC_CURRENT_COUNT};

	(void)state;
	for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		uint32_t before = fake_apic_read(3, read_only[i]);

		fake_apic_write(3, read_only[i], ~before);
		assert_int_equal(fake_apic_read(3, read_only[i]), before);
	}
	fake_apic_write(3, APIC_ESR, 0);
	assert_int_equal(fake_apic_read(3, APIC_ESR), 0);
	fake_apic_write(3, 0x3f0, 0x41);
	fake_apic_write(3, APIC_ESR, 0);
	assert_int_equal(fake_apic_read(3, APIC_ESR), 1 << 7);
	assert_int_equal(fake_pending(3), -1);
}

static void every_register_takes_every_access(void **state)
{
	(void)state;
	for (uint32_t offset = 0; offset < 4096; offset++)
		for (unsigned size = 1; size <= 8; size *= 2) {
			uint64_t v = UINT64_MAX;

			platform_mmio(&machine, 0, DEV_LAPIC_BASE + offset, true, size, &v);
			platform_mmio(&machine, 0, DEV_LAPIC_BASE + offset, false, size, &v);
			assert_true(size == 8 || v >> size * 8 == 0);
		}
}

/* ---- IA32_APIC_BASE and x2APIC ---- */

static void mode_changes_that_the_sdm_allows(void **state)
{
	(void)state;
	assert_int_equal(fake_rdmsr(0, MSR_APIC_BASE), BASE_XAPIC | 0x100);
	assert_int_equal(fake_rdmsr(1, MSR_APIC_BASE), BASE_XAPIC);
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_X2APIC));
	assert_int_equal(fake_rdmsr(1, MSR_APIC_BASE), BASE_X2APIC);
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_X2APIC));
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_DISABLED));
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_XAPIC));
	assert_int_equal(fake_rdmsr(1, MSR_APIC_BASE), BASE_XAPIC);
}

/* SDM 10.4.4: bit 8 says who booted, and software may change it. */
static void the_bsp_flag_is_as_written(void **state)
{
	(void)state;
	assert_true(fake_wrmsr(0, MSR_APIC_BASE, BASE_XAPIC));
	assert_int_equal(fake_rdmsr(0, MSR_APIC_BASE), BASE_XAPIC);
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_X2APIC | 0x100));
	assert_int_equal(fake_rdmsr(1, MSR_APIC_BASE), BASE_X2APIC | 0x100);
}

static void mode_changes_that_fault(void **state)
{
	(void)state;
	assert_false(fake_wrmsr(1, MSR_APIC_BASE, DEV_LAPIC_BASE | 0x400));
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_X2APIC));
	assert_false(fake_wrmsr(1, MSR_APIC_BASE, BASE_XAPIC));
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_DISABLED));
	assert_false(fake_wrmsr(1, MSR_APIC_BASE, BASE_X2APIC));
	assert_false(fake_wrmsr(0, MSR_APIC_BASE, BASE_XAPIC | 1));
	assert_false(fake_wrmsr(0, MSR_APIC_BASE, BASE_XAPIC | 0x200));
	assert_false(fake_wrmsr(0, MSR_APIC_BASE, BASE_XAPIC | 1ull << 52));
	assert_int_equal(fake_rdmsr(1, MSR_APIC_BASE), BASE_DISABLED);
}

static enum denial denial(uint32_t msr, bool write, uint64_t value)
{
	enum denial why = platform_msr_denial(&machine, 1, msr, write, value);
	uint64_t v;

	/* An access that is not refused may change what the next one finds. */
	if (why != DENIAL_NONE)
		assert_false(write ? fake_wrmsr(1, msr, value)
				   : platform_rdmsr(&machine, 1, msr, &v));
	return why;
}

static void what_is_refused_has_its_rule(void **state)
{
	(void)state;
	assert_int_equal(
		denial(MSR_APIC_BASE, true, BASE_XAPIC | 1), DENIAL_MSR_APIC_BASE_RESERVED);
	assert_int_equal(
		denial(MSR_APIC_BASE, true, DEV_LAPIC_BASE | 0x400), DENIAL_MSR_APIC_BASE_MODE);
	assert_int_equal(denial(MSR_APIC_BASE, true, 0xfed00800), DENIAL_MSR_APIC_BASE_MOVED);
	assert_int_equal(denial(MSR_APIC_BASE, true, BASE_X2APIC), DENIAL_NONE);
	assert_int_equal(denial(MSR_APIC_BASE, false, 0), DENIAL_NONE);
	assert_int_equal(denial(X2APIC(APIC_ID), false, 0), DENIAL_MSR_X2APIC_MODE);
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_X2APIC));
	assert_int_equal(denial(X2APIC(APIC_ID), false, 0), DENIAL_NONE);
	assert_int_equal(denial(X2APIC(APIC_ID), true, 0), DENIAL_MSR_X2APIC_REGISTER);
	assert_int_equal(denial(X2APIC(APIC_EOI), false, 0), DENIAL_MSR_X2APIC_REGISTER);
	assert_int_equal(denial(X2APIC(APIC_TPR), true, 0x100), DENIAL_MSR_X2APIC_RESERVED);
	assert_int_equal(denial(MSR_TSC_DEADLINE, true, 1), DENIAL_NONE);
}

static void disabling_resets_the_registers_and_hides_the_page(void **state)
{
	uint64_t v = 0;

	(void)state;
	fake_apic_write(1, APIC_TPR, 0x50);
	fake_apic_write(1, APIC_LVT_TIMER, 0xec);
	fake_apic_write(1, APIC_INITIAL_COUNT, 1000);
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_DISABLED));
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER);
	assert_false(platform_mmio(&machine, 1, DEV_LAPIC_BASE + APIC_ID, false, 4, &v));
	assert_int_equal(v, UINT32_MAX);
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_XAPIC));
	assert_int_equal(fake_apic_read(1, APIC_TPR), 0);
	assert_int_equal(fake_apic_read(1, APIC_SVR), 0xff);
}

static void x2apic_registers_are_msrs(void **state)
{
	uint64_t v;

	(void)state;
	assert_false(platform_rdmsr(&machine, 3, X2APIC(APIC_ID), &v));
	assert_false(fake_wrmsr(3, X2APIC(APIC_EOI), 0));
	assert_true(fake_wrmsr(3, MSR_APIC_BASE, BASE_X2APIC));
	assert_int_equal(fake_rdmsr(3, X2APIC(APIC_ID)), 3);
	assert_int_equal(fake_rdmsr(3, X2APIC(APIC_LDR)), 1 << 3);
	assert_int_equal(fake_rdmsr(3, X2APIC(APIC_VERSION)), 0x50014);
	assert_true(fake_wrmsr(3, X2APIC(0x3f0), 0x41));
	assert_int_equal(platform_irq_ack(&machine, 3), 0x41);
	assert_int_equal(fake_rdmsr(3, X2APIC(APIC_ISR + 0x20)), 2);
	assert_true(fake_wrmsr(3, X2APIC(APIC_EOI), 0));
	assert_int_equal(fake_rdmsr(3, X2APIC(APIC_ISR + 0x20)), 0);
}

static void x2apic_accesses_that_fault(void **state)
{
	static const uint32_t unreadable[] = {
		APIC_EOI, APIC_DFR, APIC_ICR_HIGH, 0x3f0, 0x000, 0x090, 0xff0};
	static const uint32_t unwritable[] = {APIC_ID, APIC_VERSION, APIC_PPR, APIC_LDR,
		APIC_DFR, APIC_ISR, APIC_IRR, APIC_CURRENT_COUNT, APIC_ICR_HIGH};
	uint64_t v;

	(void)state;
	assert_true(fake_wrmsr(0, MSR_APIC_BASE, BASE_X2APIC));
	for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++)
		assert_false(platform_rdmsr(&machine, 0, X2APIC(unreadable[i]), &v));
	for (size_t i = 0; i < sizeof(unwritable) / sizeof(unwritable[0]); i++)
		assert_false(fake_wrmsr(0, X2APIC(unwritable[i]), 0));
	assert_false(fake_wrmsr(0, X2APIC(APIC_EOI), 1));
	assert_false(fake_wrmsr(0, X2APIC(APIC_ESR), 1));
	assert_false(fake_wrmsr(0, X2APIC(APIC_TPR), 0x100));
	assert_false(fake_wrmsr(0, X2APIC(APIC_SVR), 0x11ff));
	assert_false(fake_wrmsr(0, X2APIC(APIC_ICR), 1u << 20));
	assert_false(fake_wrmsr(0, X2APIC(APIC_LVT_TIMER), 1u << 19));
	assert_false(fake_wrmsr(0, X2APIC(APIC_INITIAL_COUNT), 1ull << 32));
	assert_false(fake_wrmsr(0, X2APIC(0x3f0), 0x100));
}

static void x2apic_ipis_take_32_bit_destinations(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_true(fake_wrmsr(i, MSR_APIC_BASE, BASE_X2APIC));
	assert_true(fake_wrmsr(0, X2APIC(APIC_ICR), 2ull << 32 | 0x41));
	assert_int_equal(fake_rdmsr(0, X2APIC(APIC_ICR)), 2ull << 32 | 0x41);
	assert_int_equal(platform_irq_ack(&machine, 2), 0x41);
	assert_true(fake_wrmsr(0, X2APIC(APIC_ICR), 0xffffffffull << 32 | 0x51));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(platform_irq_ack(&machine, i), 0x51);
	assert_true(fake_wrmsr(0, X2APIC(APIC_ICR), 0xaull << 32 | ICR_LOGICAL | 0x61));
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(fake_pending(1), 0x61);
	assert_int_equal(fake_pending(2), -1);
	assert_int_equal(fake_pending(3), 0x61);
	assert_true(fake_wrmsr(0, X2APIC(APIC_ICR), 0x10001ull << 32 | ICR_LOGICAL | 0x71));
	assert_int_equal(fake_pending(0), -1);
	assert_true(fake_wrmsr(0, X2APIC(APIC_ICR), 0xffull << 32 | 0x71));
	assert_int_equal(fake_pending(0), -1);
}

static void an_init_resets_all_but_the_base(void **state)
{
	(void)state;
	assert_true(fake_wrmsr(1, MSR_APIC_BASE, BASE_X2APIC));
	assert_true(fake_wrmsr(1, X2APIC(APIC_TPR), 0x50));
	send(0, 0, 0x41 | ICR_OTHERS);
	platform_init_vcpu(&machine, 1);
	assert_int_equal(fake_rdmsr(1, MSR_APIC_BASE), BASE_X2APIC);
	assert_int_equal(fake_rdmsr(1, X2APIC(APIC_TPR)), 0);
	assert_int_equal(fake_rdmsr(1, X2APIC(APIC_SVR)), 0xff);
	assert_int_equal(fake_rdmsr(1, X2APIC(APIC_IRR + 0x20)), 0);
	assert_int_equal(fake_pending(1), -1);
}

#define T(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_self_ipi_is_taken_and_ended),
		T(the_highest_vector_comes_first),
		T(a_class_in_service_holds_its_own_class_back),
		T(the_task_priority_holds_classes_back),
		T(an_eoi_too_many_does_nothing),
		T(a_disabled_apic_accepts_nothing),
		T(a_disabled_apic_keeps_what_is_pending),
		T(physical_destinations),
		T(shorthands),
		T(shorthands_that_name_the_sender_are_for_fixed_mode_only),
		T(logical_flat_destinations),
		T(logical_cluster_destinations),
		T(lowest_priority_goes_to_the_least_busy_one),
		T(init_start_up_and_nmi_go_to_the_vm),
		T(only_fixed_ipis_go_to_oneself_by_shorthand),
		T(the_delivery_status_reads_idle),
		T(illegal_vectors_are_errors),
		T(an_error_vector_below_16_does_not_loop),
		T(writes_to_read_only_registers_are_no_error_but_to_reserved_ones_are),
		T(every_register_takes_every_access),
		T(mode_changes_that_the_sdm_allows),
		T(the_bsp_flag_is_as_written),
		T(mode_changes_that_fault),
		T(what_is_refused_has_its_rule),
		T(disabling_resets_the_registers_and_hides_the_page),
		T(x2apic_registers_are_msrs),
		T(x2apic_accesses_that_fault),
		T(x2apic_ipis_take_32_bit_destinations),
		T(an_init_resets_all_but_the_base),
	};

	int failed = cmocka_run_group_tests_name("software", tests, NULL, NULL);

	fake_apicv = true;
	return failed + cmocka_run_group_tests_name("hardware", tests, NULL, NULL);
}
