/* SPDX-License-Identifier: Apache-2.0 */
/*
 * APIC virtualization of L2: the interrupt status on its way, posted interrupts, and the MSR
 * bitmap of a virtualized x2APIC mode.
 */
#include "nested_world.h"

#include "nested/nested_int.h"

#define DESCRIPTOR 0xc040u /* of golden_apicv */
#define NV         0xf2
#define NO_RAM     0xfee00000u

static void leave(void)
{
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
}

static void request(unsigned vector)
{
	uint64_t at = DESCRIPTOR + vector / 64 * 8;

	fake_write64(at, fake_read64(at) | 1ull << vector % 64);
}

static uint32_t virr(unsigned vector)
{
	return fake_read32(GOLDEN_VIRTUAL_APIC + 0x200 + vector / 32 * 16);
}

/* An interrupt of L1 arrives while L2 runs. */
static bool arrives(int vector)
{
	fake_hw.irq = vector;
	return world_arrives(NESTED_INTERRUPT);
}

/* ---- interrupt status ---- */

static void the_interrupt_status_goes_both_ways(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	assert_int_equal(world_02()[FID_GUEST_INTR_STATUS], 0);
	world_02()[FID_GUEST_INTR_STATUS] = 0x5141;
	leave();
	assert_int_equal(world_read(FID_GUEST_INTR_STATUS), 0x5141);
	world_write(FID_GUEST_INTR_STATUS, 0x5161);
	world_resume();
	assert_int_equal(world_02()[FID_GUEST_INTR_STATUS], 0x5161);
}

static void the_interrupt_status_is_in_the_shadow_vmcs(void **state)
{
	(void)state;
	world.vm.shadowing = true;
	world_enter(golden_apicv);
	world_02()[FID_GUEST_INTR_STATUS] = 0x5141;
	leave();
	assert_int_equal(fake_hw.shadow[world.n.cur->hw][FID_GUEST_INTR_STATUS], 0x5141);
	fake_hw.shadow[world.n.cur->hw][FID_GUEST_INTR_STATUS] = 0x5177;
	world_resume();
	assert_int_equal(world_02()[FID_GUEST_INTR_STATUS], 0x5177);
}

static void without_delivery_the_interrupt_status_stays_l1s(void **state)
{
	(void)state;
	world_enter(golden_64bit);
	leave();
	world_write(FID_GUEST_INTR_STATUS, 0x1234);
	world_resume();
	world_02()[FID_GUEST_INTR_STATUS] = 0x5678; /* of nobody */
	leave();
	assert_int_equal(world_read(FID_GUEST_INTR_STATUS), 0x1234);
}

static void without_ram_behind_the_virtual_apic_page_nothing_is_delivered(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	leave();
	world_write(FID_VIRTUAL_APIC_ADDR, NO_RAM);
	world_write(FID_GUEST_INTR_STATUS, 0x51);
	world_resume();
	assert_false(world_02()[FID_PROC2_CONTROLS] &
		     (PROC2_VIRT_INTR_DELIVERY | PROC2_APIC_REGISTER_VIRT));
	request(0x61);
	fake_write64(DESCRIPTOR + 32, 1);
	assert_true(arrives(NV));
	assert_int_equal(fake_read64(DESCRIPTOR + 32), 0);
	leave();
	assert_int_equal(world_read(FID_GUEST_INTR_STATUS), 0x51);
}

/* ---- posted interrupts ---- */

static void a_notification_moves_the_requests_without_an_exit(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	world_02()[FID_GUEST_INTR_STATUS] = 0x4133;
	fake_write32(GOLDEN_VIRTUAL_APIC + 0x210, 1u << 0x13);
	request(0x33);
	request(0x51);
	request(0x9f);
	request(0xe0);
	fake_write64(DESCRIPTOR + 32, 0xf00d0003);
	assert_true(arrives(NV));
	assert_true(world.n.in_l2);
	assert_int_equal(fake_called("seam_irq_ack"), 1);
	assert_int_equal(fake_called("ended"), 1);
	assert_int_equal(world_02()[FID_GUEST_INTR_STATUS], 0x41e0);
	assert_int_equal(virr(0x33), 1u << 0x13);
	assert_int_equal(virr(0x51), 1u << 0x11);
	assert_int_equal(virr(0x9f), 1u << 0x1f);
	assert_int_equal(virr(0xe0), 1u << 0);
	for (unsigned i = 0; i < 4; i++)
		assert_true(fake_read64(DESCRIPTOR + i * 8) == 0);
	assert_true(fake_read64(DESCRIPTOR + 32) == 0xf00d0002); /* ON alone goes */
	assert_int_equal(nested_exits_to_l1(&world.n.stats), 0);
}

static void a_lower_request_leaves_rvi(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	world_02()[FID_GUEST_INTR_STATUS] = 0x0071;
	request(0x51);
	assert_true(arrives(NV));
	assert_int_equal(world_02()[FID_GUEST_INTR_STATUS], 0x0071);
	assert_int_equal(virr(0x51), 1u << 0x11);
}

static void a_notification_of_nothing_changes_nothing(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	world_02()[FID_GUEST_INTR_STATUS] = 0x4151;
	assert_true(arrives(NV));
	assert_int_equal(fake_called("ended"), 1);
	assert_true(world.n.in_l2);
	assert_int_equal(world_02()[FID_GUEST_INTR_STATUS], 0x4151);
}

static void the_last_descriptor_of_a_page_stays_in_it(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	leave();
	world_write(FID_POSTED_INTR_DESC, 0xcfc0);
	world_resume();
	fake_write64(0xcfc0, 1ull << 0x31);
	fake_write64(0xcfe0, 1);
	fake_write64(0xd000, 0x1111);
	assert_true(arrives(NV));
	assert_int_equal(world_02()[FID_GUEST_INTR_STATUS], 0x31);
	assert_true(fake_read64(0xcfe0) == 0);
	assert_int_equal(fake_read64(0xd000), 0x1111);
}

static void a_descriptor_that_is_no_ram_posts_nothing(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	leave();
	world_write(FID_POSTED_INTR_DESC, NO_RAM);
	world_resume();
	assert_true(arrives(NV));
	assert_int_equal(fake_called("ended"), 1);
	assert_true(world.n.in_l2);
	assert_int_equal(world_02()[FID_GUEST_INTR_STATUS], 0);
}

static void another_vector_ends_l2(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	request(0x51);
	assert_true(arrives(0x31));
	assert_false(world.n.in_l2);
	assert_int_equal(fake_called("ended"), 0);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_EXTERNAL_INTERRUPT);
	assert_int_equal(world_12()[FID_EXIT_INTR_INFO], INTR_INFO_VALID | 0x31);
	assert_true(fake_read64(DESCRIPTOR + 8) == 1ull << 0x11);
}

static void without_the_control_the_vector_is_like_others(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	leave();
	world_write(
		FID_PIN_CONTROLS, world_12()[FID_PIN_CONTROLS] & ~(uint64_t)PIN_POSTED_INTR);
	world_resume();
	assert_true(arrives(NV));
	assert_false(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_INTR_INFO], INTR_INFO_VALID | NV);
}

static void nothing_to_acknowledge_leaves_vmcs12_alone(void **state)
{
	(void)state;
	world_enter(golden_apicv);
	world_12()[FID_EXIT_REASON] = 0x77;
	assert_true(arrives(-1));
	assert_true(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_REASON], 0x77);
}

/* ---- x2APIC MSRs ---- */

#define READ_WORD  32u
#define WRITE_WORD (256u + 32u)

static void expect_bitmap(uint64_t read0, uint64_t read, uint64_t write0)
{
	assert_true(world.msr_bitmap02[READ_WORD] == read0);
	for (unsigned i = 1; i < 4; i++)
		assert_true(world.msr_bitmap02[READ_WORD + i] == read);
	assert_true(world.msr_bitmap02[WRITE_WORD] == write0);
	for (unsigned i = 1; i < 4; i++)
		assert_true(world.msr_bitmap02[WRITE_WORD + i] == UINT64_MAX);
}

static void x2apic_msrs_pass_where_hardware_virtualizes_them(void **state)
{
	const uint64_t tpr = 1ull << 8, delivery = 1ull << 0x0b | 1ull << 0x3f;

	(void)state;
	/* L0 lets L1 reach them all: of its own APIC. */
	memset(world.msr_bitmap01, 0, sizeof(world.msr_bitmap01));
	nested_pass_msrs(&world.vm, world.msr_bitmap01);
	world_enter(golden_x2apic);
	expect_bitmap(0, 0, ~(tpr | delivery));
	leave();
	fake_write64(0x3000 + READ_WORD * 8, 0xff00);
	fake_write64(0x3000 + WRITE_WORD * 8, 1ull << 0x3f);
	world_resume();
	expect_bitmap(0xff00, 0, ~(tpr | 1ull << 0x0b));
	leave();
	world_write(FID_PROC2_CONTROLS,
		world_12()[FID_PROC2_CONTROLS] & ~(uint64_t)PROC2_APIC_REGISTER_VIRT);
	fake_write64(0x3000 + READ_WORD * 8, 0);
	world_resume();
	expect_bitmap(~tpr, UINT64_MAX, ~(tpr | 1ull << 0x0b));
	leave();
	world_write(
		FID_PIN_CONTROLS, world_12()[FID_PIN_CONTROLS] & ~(uint64_t)PIN_POSTED_INTR);
	world_write(FID_PROC2_CONTROLS,
		world_12()[FID_PROC2_CONTROLS] & ~(uint64_t)PROC2_VIRT_INTR_DELIVERY);
	world_resume();
	expect_bitmap(~tpr, UINT64_MAX, ~tpr);
	leave();
	world_write(FID_PROC2_CONTROLS,
		world_12()[FID_PROC2_CONTROLS] & ~(uint64_t)PROC2_X2APIC_MODE);
	world_resume();
	expect_bitmap(UINT64_MAX, UINT64_MAX, UINT64_MAX);
}

static void another_l2_without_x2apic_mode_finds_the_bitmap_closed(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	world_enter(golden_x2apic);
	leave();
	golden_64bit(f);
	world_host(f);
	world_vmptrld(1);
	world_write_all(f);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	world.n.run_pending = false;
	expect_bitmap(UINT64_MAX, UINT64_MAX, UINT64_MAX);
	leave();
	world_vmptrld(0);
	world_resume();
	assert_true(world.msr_bitmap02[READ_WORD] == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, world_setup)
		T(the_interrupt_status_goes_both_ways),
		T(the_interrupt_status_is_in_the_shadow_vmcs),
		T(without_delivery_the_interrupt_status_stays_l1s),
		T(without_ram_behind_the_virtual_apic_page_nothing_is_delivered),
		T(a_notification_moves_the_requests_without_an_exit),
		T(a_lower_request_leaves_rvi),
		T(a_notification_of_nothing_changes_nothing),
		T(the_last_descriptor_of_a_page_stays_in_it),
		T(a_descriptor_that_is_no_ram_posts_nothing),
		T(another_vector_ends_l2),
		T(without_the_control_the_vector_is_like_others),
		T(nothing_to_acknowledge_leaves_vmcs12_alone),
		T(x2apic_msrs_pass_where_hardware_virtualizes_them),
		T(another_l2_without_x2apic_mode_finds_the_bitmap_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
