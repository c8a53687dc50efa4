/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local APICs that a CPU virtualizes. The CPU of these tests does with the virtual-APIC page
 * and the posted-interrupt descriptor what SDM 29 says, in the words of the SDM where it has
 * some.
 */
#include "fake_dev.h"

#include "random.h"

/* What VMCS01 and the CPU hold of one vCPU. */
static struct cpu {
	uint8_t rvi, svi;
	uint64_t eoi_exit[4];
	enum dev_apic_mode mode;
} cpus[DEV_MAX_VCPUS];

static uint32_t *page(unsigned vcpu)
{
	return platform_apic_page(&machine, vcpu);
}

static uint64_t *descriptor(unsigned vcpu)
{
	return platform_apic_posted(&machine, vcpu);
}

static uint32_t get(unsigned vcpu, uint32_t offset)
{
	return page(vcpu)[offset / 4];
}

/* As vm/apicv.c does before L1 runs. */
static void sync(unsigned vcpu)
{
	struct dev_apic_state s;

	platform_apic_state(&machine, vcpu, &s);
	assert_false(platform_apic_changed(&machine, vcpu));
	cpus[vcpu].mode = s.mode;
	cpus[vcpu].rvi = s.rvi;
	if (s.svi >= 0)
		cpus[vcpu].svi = (uint8_t)s.svi;
	memcpy(cpus[vcpu].eoi_exit, s.eoi_exit, sizeof(s.eoi_exit));
}

static int start(void **state)
{
	(void)state;
	fake_apicv = true;
	memset(cpus, 0, sizeof(cpus));
	fake_start(4);
	fake_enable_apics();
	for (unsigned i = 0; i < 4; i++)
		sync(i);
	memset(&fake, 0, sizeof(fake));
	return 0;
}

static uint8_t highest(unsigned vcpu, uint32_t reg)
{
	for (uint32_t i = 8; i-- > 0;)
		if (get(vcpu, reg + i * 16))
			return (uint8_t)(i * 32 + 31 -
					 (uint32_t)__builtin_clz(get(vcpu, reg + i * 16)));
	return 0;
}

static void flip(unsigned vcpu, uint32_t reg, uint8_t vector)
{
	page(vcpu)[(reg + vector / 32u * 16) / 4] ^= 1u << vector % 32;
}

/* 29.6 "Posted-Interrupt Processing" */
static void cpu_notified(unsigned vcpu)
{
	uint64_t *d = descriptor(vcpu);

	d[4] &= ~1ull;
	for (uint32_t i = 0; i < 4; i++) {
		page(vcpu)[(APIC_IRR + i * 32) / 4] |= (uint32_t)d[i];
		page(vcpu)[(APIC_IRR + i * 32 + 16) / 4] |= (uint32_t)(d[i] >> 32);
		d[i] = 0;
	}
	cpus[vcpu].rvi = highest(vcpu, APIC_IRR);
}

/* 29.2.2 "Virtual-Interrupt Delivery"; -1 when nothing is deliverable. */
static int cpu_delivers(unsigned vcpu)
{
	uint8_t vector = cpus[vcpu].rvi, tpr = (uint8_t)get(vcpu, APIC_TPR);
	uint8_t ppr = tpr >> 4 >= cpus[vcpu].svi >> 4 ? tpr : cpus[vcpu].svi & 0xf0;

	if (vector >> 4 <= ppr >> 4)
		return -1;
	flip(vcpu, APIC_ISR, vector);
	cpus[vcpu].svi = vector;
	flip(vcpu, APIC_IRR, vector);
	cpus[vcpu].rvi = highest(vcpu, APIC_IRR);
	return vector;
}

/* 29.1.4 "EOI Virtualization"; true for an exit. */
static bool cpu_ends(unsigned vcpu)
{
	uint8_t vector = cpus[vcpu].svi;

	flip(vcpu, APIC_ISR, vector);
	cpus[vcpu].svi = highest(vcpu, APIC_ISR);
	if (!(cpus[vcpu].eoi_exit[vector / 64] >> vector % 64 & 1))
		return false;
	platform_apic_ended(&machine, vcpu, vector);
	return true;
}

/* A write that exits: 29.4.3.3 "APIC-Write VM Exits" */
static void cpu_writes(unsigned vcpu, uint32_t offset, uint32_t value)
{
	page(vcpu)[offset / 4] = value;
	platform_apic_wrote(&machine, vcpu, offset);
}

static void send(unsigned from, uint8_t to, uint32_t low)
{
	page(from)[APIC_ICR_HIGH / 4] = (uint32_t)to << 24; /* no exit */
	cpu_writes(from, APIC_ICR, low);
}

/* ---- requests ---- */

static void pages_and_descriptors_are_aligned(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal((uintptr_t)page(i) % 4096, 0);
		assert_int_equal((uintptr_t)descriptor(i) % 4096, 0);
	}
}

static void a_request_waits_in_the_descriptor_and_notifies_once(void **state)
{
	(void)state;
	assert_false(platform_apic_posted_requests(&machine, 1));
	send(0, 1, 0x41);
	send(0, 1, 0x52);
	assert_int_equal(fake.posted[1], 1);
	assert_int_equal(get(1, APIC_IRR + 0x20), 0);
	assert_true(descriptor(1)[4] & 1);
	assert_true(platform_apic_posted_requests(&machine, 1));
	sync(1);
	assert_int_equal(cpus[1].rvi, 0x52);
	assert_int_equal(descriptor(1)[4] & 1, 0);
	assert_int_equal(cpu_delivers(1), 0x52);
	assert_false(cpu_ends(1));
	assert_int_equal(cpu_delivers(1), 0x41);
	send(0, 1, 0x61);
	assert_int_equal(fake.posted[1], 2);
}

/* Who looks and sees nothing that may interrupt must hear of the next one all the same. */
static void what_is_held_back_does_not_silence_the_next_request(void **state)
{
	(void)state;
	send(0, 1, 0x51);
	sync(1);
	assert_int_equal(cpu_delivers(1), 0x51);
	send(0, 1, 0x55); /* not above what is in service */
	assert_false(platform_irq_waits(&machine, 1));
	fake.posted[1] = 0;
	send(0, 1, 0x61);
	assert_int_equal(fake.posted[1], 1);
	assert_true(platform_irq_waits(&machine, 1));
	assert_int_equal(fake_pending(1), 0x61);
}

static void a_notified_cpu_needs_nobody(void **state)
{
	(void)state;
	send(0, 2, 0x93);
	cpu_notified(2);
	assert_int_equal(cpu_delivers(2), 0x93);
	assert_false(cpu_ends(2));
	sync(2);
	assert_int_equal(cpus[2].rvi, 0);
	assert_int_equal(cpus[2].svi, 0);
}

static void a_notification_for_what_was_taken_before_brings_no_vector(void **state)
{
	(void)state;
	send(0, 2, 0x41);
	sync(2);
	assert_int_equal(cpu_delivers(2), 0x41);
	assert_true(descriptor(2)[0] != 0); /* never empty, whatever a CPU makes of that */
	cpu_notified(2);
	assert_false(cpu_ends(2));
	assert_int_equal(cpu_delivers(2), -1);
	assert_false(platform_apic_posted_requests(&machine, 2));
	assert_int_equal(fake_pending(2), -1);
	send(0, 2, 0x42);
	sync(2);
	assert_int_equal(get(2, APIC_IRR), 0);
	assert_int_equal(cpu_delivers(2), 0x42);
}

static void what_software_takes_is_in_service_for_the_cpu(void **state)
{
	(void)state;
	send(0, 1, 0x41);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x41); /* an exit of L2 */
	assert_true(platform_apic_changed(&machine, 1));
	sync(1);
	assert_int_equal(cpus[1].svi, 0x41);
	assert_int_equal(cpus[1].rvi, 0);
	assert_false(cpu_ends(1));
	assert_int_equal(get(1, APIC_ISR + 0x20), 0);
}

static void what_the_cpu_serves_holds_software_back(void **state)
{
	(void)state;
	send(0, 1, 0x51);
	sync(1);
	assert_int_equal(cpu_delivers(1), 0x51);
	send(0, 1, 0x55);
	assert_int_equal(fake_pending(1), -1);
	send(0, 1, 0x61);
	assert_int_equal(fake_pending(1), 0x61);
	fake_apic_write(1, APIC_EOI, 0); /* by an access that is emulated */
	sync(1);
	assert_int_equal(cpus[1].svi, 0);
	assert_int_equal(cpus[1].rvi, 0x61);
}

static void a_task_priority_written_in_software_leaves_no_request_behind(void **state)
{
	(void)state;
	send(0, 1, 0x51);
	fake.kicks[1] = 0;
	platform_set_cr8(&machine, 1, 5); /* collects, but nothing is deliverable */
	assert_true(fake.kicks[1] > 0 || descriptor(1)[4] & 1);
	sync(1);
	assert_int_equal(cpus[1].rvi, 0x51);
	assert_int_equal(cpu_delivers(1), -1);
}

static void a_read_of_the_requests_in_software_leaves_none_behind(void **state)
{
	(void)state;
	send(0, 1, 0x51);
	fake.kicks[1] = 0;
	assert_int_equal(fake_apic_read(1, APIC_IRR + 0x20), 1 << 17);
	assert_true(fake.kicks[1] > 0);
	sync(1);
	assert_int_equal(cpus[1].rvi, 0x51);
}

/* ---- level-triggered ---- */

static void a_level_request_waits_for_the_eoi_exit(void **state)
{
	(void)state;
	fake_ioapic_entry(20, 1, ICR_LEVEL | 0x57);
	platform_set_irq(&machine, 20, true);
	assert_int_equal(fake.posted[1], 0);
	assert_true(fake.kicks[1] > 0);
	assert_int_equal(descriptor(1)[4] & 1, 0);
	sync(1);
	assert_true(cpus[1].eoi_exit[1] >> (0x57 - 64) & 1);
	assert_int_equal(get(1, APIC_TMR + 0x20), 1 << 23);
	assert_int_equal(cpu_delivers(1), 0x57);
	assert_true(cpu_ends(1)); /* the line is still up */
	assert_int_equal(fake.posted[1], 1);
	cpu_notified(1);
	assert_int_equal(cpu_delivers(1), 0x57);
	platform_set_irq(&machine, 20, false);
	assert_true(cpu_ends(1));
	assert_int_equal(fake_pending(1), -1);
	assert_int_equal(fake_ioapic_read(0x10 + 40) >> 14 & 1, 0);
}

static void an_edge_of_the_same_vector_ends_the_eoi_exit(void **state)
{
	(void)state;
	fake_ioapic_entry(20, 1, ICR_LEVEL | 0x57);
	platform_set_irq(&machine, 20, true);
	sync(1);
	assert_int_equal(cpu_delivers(1), 0x57);
	platform_set_irq(&machine, 20, false);
	assert_true(cpu_ends(1));
	send(0, 1, 0x57);
	send(0, 1, 0x57); /* not past the first one, which still waits */
	assert_int_equal(fake.posted[1], 0);
	sync(1);
	assert_int_equal(cpus[1].eoi_exit[1], 0);
	assert_int_equal(cpu_delivers(1), 0x57);
	assert_false(cpu_ends(1));
	send(0, 1, 0x57);
	assert_int_equal(fake.posted[1], 1);
}

/* ---- writes that the CPU stored ---- */

static void registers_keep_what_they_can_hold(void **state)
{
	static const struct {
		uint32_t offset, written, read;
	} t[] = {
		{APIC_ID, 0x12345678, 3u << 24},
		{APIC_LDR, 0xffffffff, 0xff000000},
		{APIC_DFR, 0x10000000, 0x1fffffff},
		{APIC_SVR, 0xffffffff, 0x1ff},
		{APIC_LVT_TIMER, 0xffffffff & ~(3u << 17), 0x100ff},
		{APIC_LVT_LINT0, 0xffffffff, 0x1a7ff},
		{APIC_LVT_ERROR, 0xfffeffff, 0xff},
		{APIC_DIVIDE, 0xffffffff, 0xb},
		{APIC_ESR, 0xffffffff, 0},
		{APIC_ICR, 0xffffff00u & ~(3u << 18), 0x0000cf00},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cpu_writes(3, t[i].offset, t[i].written);
		assert_int_equal(get(3, t[i].offset), t[i].read);
	}
}

static void disabling_by_software_masks_what_it_shows(void **state)
{
	(void)state;
	cpu_writes(1, APIC_LVT_TIMER, 0xec);
	cpu_writes(1, APIC_SVR, 0xff);
	assert_int_equal(get(1, APIC_LVT_TIMER), 0xec | LVT_MASKED);
	cpu_writes(1, APIC_LVT_TIMER, 0xec);
	assert_int_equal(get(1, APIC_LVT_TIMER), 0xec | LVT_MASKED);
	send(0, 1, 0x41);
	assert_false(platform_apic_posted_requests(&machine, 1));
}

static void the_timer_runs_by_what_was_written_before(void **state)
{
	(void)state;
	cpu_writes(1, APIC_LVT_TIMER, 0xec);
	cpu_writes(1, APIC_DIVIDE, 0xb);
	cpu_writes(1, APIC_INITIAL_COUNT, 1000);
	assert_int_equal(platform_deadline(&machine, 1), 1000);
	fake.now = 400;
	cpu_writes(1, APIC_DIVIDE, 0); /* by 2: the old divisor counts for what has passed */
	assert_int_equal(platform_deadline(&machine, 1), 400 + 600 * 2);
	cpu_writes(1, APIC_LVT_TIMER, 0xec | TIMER_DEADLINE); /* disarms */
	assert_int_equal(get(1, APIC_INITIAL_COUNT), 0);
	assert_true(platform_deadline(&machine, 1) == DEV_NEVER);
	cpu_writes(1, APIC_INITIAL_COUNT, 5000);
	assert_int_equal(get(1, APIC_INITIAL_COUNT), 0);
	assert_true(platform_deadline(&machine, 1) == DEV_NEVER);
}

static void an_illegal_vector_is_an_error(void **state)
{
	(void)state;
	send(0, 0, 0x0f | ICR_SELF); /* hardware leaves that to us */
	cpu_writes(0, APIC_ESR, 0);
	assert_int_equal(get(0, APIC_ESR), 1 << 5);
}

/* ---- modes ---- */

static void modes_follow_the_base_register(void **state)
{
	(void)state;
	assert_int_equal(cpus[1].mode, DEV_APIC_XAPIC);
	assert_true(platform_wrmsr(&machine, 1, MSR_APIC_BASE, BASE_X2APIC));
	assert_true(fake.kicks[1] > 0);
	sync(1);
	assert_int_equal(cpus[1].mode, DEV_APIC_X2APIC);
	assert_true(platform_wrmsr(&machine, 1, MSR_APIC_BASE, DEV_LAPIC_BASE));
	sync(1);
	assert_int_equal(cpus[1].mode, DEV_APIC_DISABLED);
	assert_true(platform_wrmsr(&machine, 1, MSR_APIC_BASE, BASE_XAPIC));
	sync(1);
	assert_int_equal(cpus[1].mode, DEV_APIC_XAPIC);
}

/* RDMSR gives 8 bytes of the page: SDM 29.5 */
static void the_page_serves_reads_in_x2apic_mode(void **state)
{
	(void)state;
	assert_true(platform_wrmsr(&machine, 3, MSR_APIC_BASE, BASE_X2APIC));
	assert_true(platform_wrmsr(&machine, 3, 0x830, 2ull << 32 | 0x41));
	for (uint32_t msr = 0x800; msr < 0x900; msr++) {
		uint32_t offset = (msr & 0xff) << 4;
		uint64_t v = 0, wanted;

		assert_int_equal(
			platform_x2apic_readable(msr), platform_rdmsr(&machine, 3, msr, &v));
		wanted = (uint64_t)get(3, offset + 4) << 32 | get(3, offset);
		if (platform_x2apic_readable(msr) && msr != 0x839)
			assert_true(v == wanted);
	}
	assert_int_equal(get(3, APIC_ID), 3);
	assert_int_equal(get(3, APIC_LDR), 1 << 3);
}

static void a_self_ipi_of_an_illegal_vector_is_an_error(void **state)
{
	(void)state;
	assert_true(platform_wrmsr(&machine, 3, MSR_APIC_BASE, BASE_X2APIC));
	page(3)[APIC_SELF_IPI / 4] = 3;
	platform_apic_wrote(&machine, 3, APIC_SELF_IPI);
	assert_true(platform_wrmsr(&machine, 3, 0x828, 0));
	assert_int_equal(get(3, APIC_ESR), 1 << 6);
	assert_int_equal(get(3, APIC_SELF_IPI), 0);
}

static void an_init_forgets_what_the_cpu_holds(void **state)
{
	(void)state;
	send(0, 1, 0x41);
	sync(1);
	assert_int_equal(cpu_delivers(1), 0x41);
	send(0, 1, 0x91);
	platform_init_vcpu(&machine, 1);
	assert_true(platform_apic_changed(&machine, 1));
	sync(1);
	assert_int_equal(cpus[1].rvi, 0);
	assert_int_equal(cpus[1].svi, 0);
	assert_int_equal(get(1, APIC_SVR), 0xff);
}

static void without_it_the_mode_is_disabled(void **state)
{
	struct dev_apic_state s;

	(void)state;
	fake_apicv = false;
	fake_start(1);
	platform_apic_state(&machine, 0, &s);
	assert_int_equal(s.mode, DEV_APIC_DISABLED);
}

static struct {
	unsigned sent, taken;
	bool waits; /* none taken since the last was sent */
} model[256];

static void model_takes(int vector)
{
	if (vector < 0)
		return;
	assert_in_range(vector, 16, 255);
	model[vector].taken++;
	assert_true(model[vector].taken <= model[vector].sent);
	model[vector].waits = false;
}

static void model_sends(uint8_t vector)
{
	model[vector].sent++;
	model[vector].waits = true;
	send(0, 1, vector);
}

static void random_step(uint64_t random)
{
	switch (random >> 60) {
	case 0:
		cpu_notified(1);
		break;
	case 1:
	case 2:
		sync(1);
		break;
	case 3:
	case 4:
	case 5:
		if (cpus[1].svi)
			assert_false(cpu_ends(1));
		break;
	case 6:
	case 7:
	case 8:
		model_takes(cpu_delivers(1));
		break;
	case 9:
		model_takes(platform_irq_ack(&machine, 1));
		sync(1);
		break;
	default:
		model_sends((uint8_t)(16 + (random >> 33) % 240));
		break;
	}
}

/* Whatever order things come in: no vector is lost, and none comes that was not sent. */
static void any_sequence_delivers_what_was_sent(void **state)
{
	uint64_t seed = 1;

	(void)state;
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 100000; i++) {
		random_step(random_next(&seed));
	}
	while (cpus[1].svi)
		cpu_ends(1);
	for (sync(1); cpus[1].rvi >= 16; sync(1)) {
		model_takes(cpu_delivers(1));
		cpu_ends(1);
	}
	for (unsigned i = 0; i < 256; i++)
		assert_false(model[i].waits);
}

#define T(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pages_and_descriptors_are_aligned),
		T(a_request_waits_in_the_descriptor_and_notifies_once),
		T(what_is_held_back_does_not_silence_the_next_request),
		T(a_notified_cpu_needs_nobody),
		T(a_notification_for_what_was_taken_before_brings_no_vector),
		T(what_software_takes_is_in_service_for_the_cpu),
		T(what_the_cpu_serves_holds_software_back),
		T(a_task_priority_written_in_software_leaves_no_request_behind),
		T(a_read_of_the_requests_in_software_leaves_none_behind),
		T(a_level_request_waits_for_the_eoi_exit),
		T(an_edge_of_the_same_vector_ends_the_eoi_exit),
		T(registers_keep_what_they_can_hold),
		T(disabling_by_software_masks_what_it_shows),
		T(the_timer_runs_by_what_was_written_before),
		T(an_illegal_vector_is_an_error),
		T(modes_follow_the_base_register),
		T(the_page_serves_reads_in_x2apic_mode),
		T(a_self_ipi_of_an_illegal_vector_is_an_error),
		T(an_init_forgets_what_the_cpu_holds),
		T(without_it_the_mode_is_disabled),
		T(any_sequence_delivers_what_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
