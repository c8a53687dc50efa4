/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local APICs of a VM with more vCPUs than xAPIC mode has ids for: who is reached, by which
 * destination, in which mode.
 */
#include "fake_dev.h"

#include "dev/state.h"

#define X2APIC(reg) (MSR_X2APIC_FIRST + APIC_NUMBER(reg))
#define VCPUS       288u
#define VECTOR      0x41u

static bool took[VCPUS]; /* the last message */

static int start(void **state)
{
	(void)state;
	fake_start(VCPUS);
	fake_enable_apics();
	return 0;
}

static void to_xapic_mode(unsigned vcpu)
{
	uint64_t bsp = vcpu == 0 ? APIC_BASE_BSP : 0;

	assert_true(fake_wrmsr(vcpu, MSR_APIC_BASE, BASE_DISABLED | bsp));
	assert_true(fake_wrmsr(vcpu, MSR_APIC_BASE, BASE_XAPIC | bsp));
	fake_apic_write(vcpu, APIC_SVR, SVR_ENABLE | 0xff);
	fake_apic_write(vcpu, APIC_LVT_LINT0, LVT_MASKED);
}

/* How many have the interrupt; they take it and end it. */
static unsigned takers(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < VCPUS; i++) {
		took[i] = fake_pending(i) >= 0;
		if (!took[i])
			continue;
		assert_int_equal(platform_irq_ack(&machine, i), VECTOR);
		fake_apic_set(i, APIC_EOI, 0);
		count++;
	}
	return count;
}

static void x2_send(unsigned from, uint32_t destination, uint32_t low)
{
	assert_true(fake_wrmsr(from, X2APIC(APIC_ICR), (uint64_t)destination << 32 | low));
}

static void x_send(unsigned from, uint8_t destination, uint32_t low)
{
	fake_apic_write(from, APIC_ICR_HIGH, (uint32_t)destination << 24);
	fake_apic_write(from, APIC_ICR, low);
}

/* ---- modes and ids ---- */

static void all_begin_in_x2apic_mode_where_one_needs_it(void **state)
{
	(void)state;
	fake_start(255);
	assert_int_equal(fake_rdmsr(0, MSR_APIC_BASE), BASE_XAPIC | APIC_BASE_BSP);
	assert_int_equal(fake_rdmsr(254, MSR_APIC_BASE), BASE_XAPIC);
	fake_start(256);
	assert_int_equal(fake_rdmsr(0, MSR_APIC_BASE), BASE_X2APIC | APIC_BASE_BSP);
	assert_int_equal(fake_rdmsr(1, MSR_APIC_BASE), BASE_X2APIC);
	assert_int_equal(fake_rdmsr(255, MSR_APIC_BASE), BASE_X2APIC);
	platform_init_vcpu(&machine, 255);
	assert_int_equal(fake_rdmsr(255, MSR_APIC_BASE), BASE_X2APIC);
}

static void firmware_begins_with_all_as_after_reset(void **state)
{
	static const struct vfwcfg_table fwcfg;
	struct platform_config c = {
		.vcpus = VCPUS, .tsc_khz = FAKE_KHZ, .memory = 512ull << 20, .fwcfg = &fwcfg};

	(void)state;
	c.apicv = fake_apicv;
	platform_reset(&machine, &c);
	assert_int_equal(fake_rdmsr(0, MSR_APIC_BASE), BASE_XAPIC | APIC_BASE_BSP);
	assert_int_equal(fake_rdmsr(VCPUS - 1, MSR_APIC_BASE), BASE_XAPIC);
}

static void ids_have_32_bits_in_x2apic_mode_and_8_in_the_other(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++) {
		assert_int_equal(fake_rdmsr(i, X2APIC(APIC_ID)), i);
		assert_int_equal(
			fake_rdmsr(i, X2APIC(APIC_LDR)), (i >> 4) << 16 | 1u << (i & 15));
	}
	to_xapic_mode(258);
	assert_int_equal(fake_apic_read(258, APIC_ID), 2u << 24);
}

/* ---- destinations ---- */

static void each_id_is_a_physical_destination(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++) {
		x2_send(287 - i, i, VECTOR);
		assert_int_equal(takers(), 1);
		assert_true(took[i]);
	}
	x2_send(0, VCPUS, VECTOR);
	x2_send(0, 0x10003, VECTOR);
	assert_int_equal(takers(), 0);
}

static void ff_is_one_of_them_and_not_all(void **state)
{
	struct vlapic_message m = {.destination = 0xff, .vector = VECTOR};

	(void)state;
	to_xapic_mode(3);
	x2_send(0, 0xff, VECTOR);
	assert_int_equal(takers(), 1);
	assert_true(took[255]);
	assert_true(vlapic_send(&machine, &m));
	assert_int_equal(takers(), 1);
	assert_true(took[255]);
}

static void ffffffff_is_all(void **state)
{
	(void)state;
	x2_send(287, UINT32_MAX, VECTOR);
	assert_int_equal(takers(), VCPUS);
	x2_send(287, UINT32_MAX, VECTOR | ICR_LOGICAL);
	assert_int_equal(takers(), VCPUS);
}

/* NDST of a descriptor: 32 bits, or 15:8 of them, by the mode of who sends. */
static void notifications_go_where_ndst_says_in_the_senders_mode(void **state)
{
	(void)state;
	platform_send_notification(&machine, 0, 258, VECTOR);
	assert_int_equal(takers(), 1);
	assert_true(took[258]);
	platform_send_notification(&machine, 0, UINT32_MAX, VECTOR);
	assert_int_equal(takers(), VCPUS);
	platform_send_notification(&machine, 0, VCPUS, VECTOR);
	assert_int_equal(takers(), 0);
	to_xapic_mode(3);
	platform_send_notification(&machine, 3, 0xabcd05ef, VECTOR);
	assert_int_equal(takers(), 1);
	assert_true(took[5]);
	platform_send_notification(&machine, 3, 0xff00, VECTOR);
	assert_int_equal(takers(), VCPUS);
	platform_send_notification(&machine, 3, 5, VECTOR);
	assert_int_equal(takers(), 1);
	assert_true(took[0]);
	/* They leave the ICR as software wrote it, and no vector below 16 goes out. */
	assert_int_equal(fake_rdmsr(0, X2APIC(APIC_ICR)), 0);
	platform_send_notification(&machine, 0, 2, 15);
	assert_int_equal(takers(), 0);
	assert_true(fake_wrmsr(0, X2APIC(APIC_ESR), 0));
	assert_int_equal(fake_rdmsr(0, X2APIC(APIC_ESR)), ESR_SEND_ILLEGAL_VECTOR);
	assert_true(fake_wrmsr(4, MSR_APIC_BASE, BASE_DISABLED));
	platform_send_notification(&machine, 4, 0x0200, VECTOR);
	assert_int_equal(takers(), 0);
}

static void shorthands_reach_all_or_all_others(void **state)
{
	(void)state;
	x2_send(280, 0, VECTOR | ICR_ALL);
	assert_int_equal(takers(), VCPUS);
	x2_send(280, 0, VECTOR | ICR_OTHERS);
	assert_int_equal(takers(), VCPUS - 1);
	assert_false(took[280]);
	x2_send(280, 0, VECTOR | ICR_SELF);
	assert_int_equal(takers(), 1);
	assert_true(took[280]);
}

static void a_logical_destination_is_some_of_a_cluster(void **state)
{
	(void)state;
	for (unsigned cluster = 0; cluster < VCPUS / 16; cluster++) {
		x2_send(5, cluster << 16 | 0x8421, VECTOR | ICR_LOGICAL);
		assert_int_equal(takers(), 4);
		assert_true(took[cluster * 16] && took[cluster * 16 + 5] &&
			    took[cluster * 16 + 10] && took[cluster * 16 + 15]);
	}
	x2_send(5, 17u << 16 | 0xffff, VECTOR | ICR_LOGICAL);
	assert_int_equal(takers(), 16);
	assert_true(took[272] && took[287]);
	x2_send(5, 17u << 16, VECTOR | ICR_LOGICAL);
	x2_send(5, 18u << 16 | 0xffff, VECTOR | ICR_LOGICAL);
	x2_send(5, 0xfffffffe, VECTOR | ICR_LOGICAL);
	assert_int_equal(takers(), 0);
}

static void a_cluster_may_have_fewer(void **state)
{
	(void)state;
	fake_start(258);
	for (unsigned i = 256; i < 258; i++)
		assert_true(fake_wrmsr(i, X2APIC(APIC_SVR), SVR_ENABLE | 0xff));
	x2_send(0, 16u << 16 | 0xffff, VECTOR | ICR_LOGICAL);
	assert_int_equal(platform_irq_ack(&machine, 256), VECTOR);
	assert_int_equal(platform_irq_ack(&machine, 257), VECTOR);
}

static void lowest_priority_goes_to_the_least_busy_one_of_a_cluster(void **state)
{
	(void)state;
	assert_true(fake_wrmsr(273, X2APIC(APIC_TPR), 0x20));
	x2_send(0, 17u << 16 | 0x0006, VECTOR | ICR_LOGICAL | ICR_LOWEST);
	assert_int_equal(takers(), 1);
	assert_true(took[274]);
}

static void init_start_up_and_nmi_reach_all_of_them(void **state)
{
	unsigned inits = 0, startups = 0, nmis = 0;

	(void)state;
	x2_send(0, 287, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	x2_send(0, 287, ICR_STARTUP | 0x9a);
	assert_int_equal(fake.inits[287], 1);
	assert_int_equal(fake.startups[287], 1);
	x2_send(0, 0, ICR_INIT | ICR_ASSERT | ICR_OTHERS);
	x2_send(0, 0, ICR_STARTUP | ICR_OTHERS | 8);
	x2_send(0, 0, ICR_NMI | ICR_OTHERS);
	for (unsigned i = 0; i < VCPUS; i++) {
		inits += fake.inits[i];
		startups += fake.startups[i];
		nmis += fake.nmis[i];
	}
	assert_int_equal(inits, VCPUS);
	assert_int_equal(startups, VCPUS);
	assert_int_equal(nmis, VCPUS - 1);
	assert_int_equal(fake.inits[0] + fake.startups[0] + fake.nmis[0], 0);
}

/* ---- both modes ---- */

static void a_broadcast_of_8_bits_reaches_all_of_both_modes(void **state)
{
	(void)state;
	to_xapic_mode(0);
	to_xapic_mode(270);
	x_send(0, 0xff, VECTOR);
	assert_int_equal(takers(), VCPUS);
	x_send(270, 0, VECTOR | ICR_OTHERS);
	assert_int_equal(takers(), VCPUS - 1);
}

static void in_xapic_mode_an_id_above_255_is_nobody_elses(void **state)
{
	(void)state;
	to_xapic_mode(1);
	to_xapic_mode(257);
	x_send(1, 1, VECTOR);
	assert_int_equal(takers(), 1);
	assert_true(took[1]);
	x2_send(0, 257, VECTOR); /* as who starts it does */
	assert_int_equal(takers(), 1);
	assert_true(took[257]);
}

static void logical_ids_of_8_bits_are_of_those_in_xapic_mode(void **state)
{
	(void)state;
	to_xapic_mode(0);
	to_xapic_mode(200);
	to_xapic_mode(260);
	fake_apic_write(200, APIC_LDR, 0x40u << 24);
	fake_apic_write(260, APIC_LDR, 0x80u << 24);
	x_send(0, 0xc0, VECTOR | ICR_LOGICAL);
	assert_int_equal(takers(), 4); /* and 6 and 7, of cluster 0 in x2APIC mode */
	assert_true(took[200] && took[260] && took[6] && took[7]);
	x2_send(1, 3u << 16 | 0xc0, VECTOR | ICR_LOGICAL);
	assert_int_equal(takers(), 2);
	assert_true(took[54] && took[55]);
}

/* ---- messages of devices, state ---- */

static void a_message_with_32_bits_is_routed_to_any(void **state)
{
	struct vlapic_message m = {.destination = 287, .vector = VECTOR};

	(void)state;
	assert_int_equal(vlapic_route(&machine, &m), fake_apicv ? 287 : -1);
	m.destination = 17u << 16 | 0x4000;
	m.logical = true;
	assert_int_equal(vlapic_route(&machine, &m), fake_apicv ? 286 : -1);
	assert_true(vlapic_send(&machine, &m));
	assert_int_equal(takers(), 1);
	assert_true(took[286]);
	m.destination = 17u << 16 | 0x6000;
	assert_int_equal(vlapic_route(&machine, &m), -1);
}

static void the_state_of_all_is_taken_and_put_back(void **state)
{
	static struct platform_state before, after;

	(void)state;
	x2_send(0, 287, VECTOR);
	assert_true(fake_wrmsr(256, X2APIC(APIC_TPR), 0x30));
	platform_get_state(&machine, &before);
	start(NULL);
	assert_int_equal(fake_pending(287), -1);
	assert_true(platform_set_state(&machine, &before));
	platform_get_state(&machine, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(fake_pending(287), VECTOR);
	before.lapic[287].regs[APIC_NUMBER(APIC_ID)] = 31;
	assert_false(platform_set_state(&machine, &before));
}

#define T(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_begin_in_x2apic_mode_where_one_needs_it),
		T(firmware_begins_with_all_as_after_reset),
		T(ids_have_32_bits_in_x2apic_mode_and_8_in_the_other),
		T(each_id_is_a_physical_destination),
		T(ff_is_one_of_them_and_not_all),
		T(ffffffff_is_all),
		T(notifications_go_where_ndst_says_in_the_senders_mode),
		T(shorthands_reach_all_or_all_others),
		T(a_logical_destination_is_some_of_a_cluster),
		T(a_cluster_may_have_fewer),
		T(lowest_priority_goes_to_the_least_busy_one_of_a_cluster),
		T(init_start_up_and_nmi_reach_all_of_them),
		T(a_broadcast_of_8_bits_reaches_all_of_both_modes),
		T(in_xapic_mode_an_id_above_255_is_nobody_elses),
		T(logical_ids_of_8_bits_are_of_those_in_xapic_mode),
		T(a_message_with_32_bits_is_routed_to_any),
		T(the_state_of_all_is_taken_and_put_back),
	};
	int failed = cmocka_run_group_tests_name("software", tests, NULL, NULL);

	fake_apicv = true;
	return failed + cmocka_run_group_tests_name("hardware", tests, NULL, NULL);
}
