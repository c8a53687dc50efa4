/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of control-flow enforcement on its way between L1 and L2.
 */
#include "nested_world.h"

#include "nested/nested_int.h"
#include "nested/state.h"

#define KERNEL UINT64_C(0xffff800000000000)

static void with_cet(uint64_t *f)
{
	golden_64bit(f);
	f[FID_ENTRY_CONTROLS] |= ENTRY_LOAD_CET;
	f[FID_EXIT_CONTROLS] |= EXIT_LOAD_CET;
	f[FID_GUEST_S_CET] = KERNEL | 5;
	f[FID_GUEST_SSP] = KERNEL | 0x2000;
	f[FID_GUEST_SSP_TABLE] = KERNEL | 0x3000;
	f[FID_HOST_S_CET] = 1;
	f[FID_HOST_SSP] = 0x7000;
	f[FID_HOST_SSP_TABLE] = 0x8000;
}

static void set(uint64_t *vmcs, uint64_t s_cet, uint64_t ssp, uint64_t table)
{
	vmcs[FID_GUEST_S_CET] = s_cet;
	vmcs[FID_GUEST_SSP] = ssp;
	vmcs[FID_GUEST_SSP_TABLE] = table;
}

static void assert_has(const uint64_t *vmcs, uint64_t s_cet, uint64_t ssp, uint64_t table)
{
	assert_true(vmcs[FID_GUEST_S_CET] == s_cet);
	assert_true(vmcs[FID_GUEST_SSP] == ssp);
	assert_true(vmcs[FID_GUEST_SSP_TABLE] == table);
}

static int cet_setup(void **state)
{
	if (world_setup(state) != 0)
		return 1;
	set(fake_hw.vmcs01, 4, 0x1000, KERNEL | 0x9000);
	return 0;
}

static void leave(void)
{
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
}

static void an_entry_and_an_exit_load_what_the_vmcs12_has(void **state)
{
	(void)state;
	world_enter(with_cet);
	assert_has(world_02(), KERNEL | 5, KERNEL | 0x2000, KERNEL | 0x3000);
	assert_true(world_02()[FID_ENTRY_CONTROLS] & ENTRY_LOAD_CET);
	set(world_02(), 0x804, 0x5000, 0x6000);
	leave();
	assert_has(fake_hw.vmcs01, 1, 0x7000, 0x8000);
	assert_int_equal(world_read(FID_GUEST_S_CET), 0x804);
	assert_int_equal(world_read(FID_GUEST_SSP), 0x5000);
	assert_int_equal(world_read(FID_GUEST_SSP_TABLE), 0x6000);
	world_write(FID_GUEST_SSP, 0x5008);
	world_resume();
	assert_has(world_02(), 0x804, 0x5008, 0x6000);
}

static void what_is_not_loaded_stays_as_the_other_level_had_it(void **state)
{
	(void)state;
	world_enter(golden_64bit);
	assert_has(world_02(), 4, 0x1000, KERNEL | 0x9000);
	set(world_02(), 5, 0x1ff8, 0xa000);
	leave();
	assert_has(fake_hw.vmcs01, 5, 0x1ff8, 0xa000);
	assert_int_equal(world_read(FID_GUEST_SSP), 0x1ff8); /* saved in any case */
	world_write(FID_GUEST_SSP, 0x123450);
	world_resume();
	assert_has(world_02(), 5, 0x1ff8, 0xa000);
}

static void an_l1_without_the_controls_has_it_nevertheless(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct caps_policy policy = caps_policy_default();
	uint64_t f[FID_COUNT], value;

	(void)state;
	policy.perf_global_valid = 0x70000000full;
	policy.features = UINT64_MAX & ~(1ull << CAPS_FEATURE_CET);
	caps_derive(&world.vm.caps, &hw, &policy);
	nested_vm_init(&world.vm);
	golden_64bit(f);
	world_host(f);
	world_vmptrld(0);
	memcpy(world_12(), f, sizeof(f));
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	assert_has(world_02(), 4, 0x1000, KERNEL | 0x9000);
	set(world_02(), 5, 0x1ff8, 0xa000);
	leave();
	assert_has(fake_hw.vmcs01, 5, 0x1ff8, 0xa000);
	assert_false(nested_state_field(&world.n, FID_GUEST_SSP, &value));
}

static void an_entry_that_fails_loads_l1s_host_state_or_leaves_its_own(void **state)
{
	(void)state;
	world_enter(with_cet);
	leave();
	set(fake_hw.vmcs01, 4, 0x1000, 0);
	world_write(FID_GUEST_SSP, 0x1001);
	assert_int_not_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_has(fake_hw.vmcs01, 1, 0x7000, 0x8000);
	world_l1_64();
	set(fake_hw.vmcs01, 4, 0x1000, 0);
	world_write(
		FID_EXIT_CONTROLS, world_read(FID_EXIT_CONTROLS) & ~(uint64_t)EXIT_LOAD_CET);
	assert_int_not_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_has(fake_hw.vmcs01, 4, 0x1000, 0);
}

static void without_cet_nothing_of_it_is_touched(void **state)
{
	(void)state;
	world.vm.l0.entry &= ~(uint32_t)ENTRY_LOAD_CET;
	world.vm.cet = false;
	world_enter(golden_64bit);
	set(world_02(), 5, 0x1ff8, 0xa000);
	leave();
	assert_has(fake_hw.vmcs01, 4, 0x1000, KERNEL | 0x9000);
}

static void the_state_of_both_levels_moves_with_the_vcpu(void **state)
{
	static struct nested_state s;

	(void)state;
	world_enter(with_cet);
	set(world_02(), 0x804, 0x5000, 0x6000);
	nested_get(&world.n, &s);
	assert_has(s.l2.f, 0x804, 0x5000, 0x6000);
	assert_has(s.l1.f, 4, 0x1000, KERNEL | 0x9000);
}

/* L1 has 64-bit values that a 32-bit L2 cannot have, and loads neither. */
static void a_32bit_l2_does_not_get_what_no_entry_would_take(void **state)
{
	(void)state;
	set(fake_hw.vmcs01, KERNEL | 4, KERNEL | 0x1000, KERNEL | 0x9000);
	world_enter(golden_32bit);
	assert_false(world_02()[FID_ENTRY_CONTROLS] & ENTRY_IA32E_GUEST);
	assert_true(world_02()[FID_GUEST_S_CET] >> 32 == 0);
	assert_true(world_02()[FID_GUEST_SSP] >> 32 == 0);
}

/* As cet_fit_mode() leaves VMCS02 when the machine has refused it. */
static void a_32bit_l2_leaves_l1s_upper_halves(void **state)
{
	(void)state;
	set(fake_hw.vmcs01, KERNEL | 4, KERNEL | 0x1000, KERNEL | 0x9000);
	world_enter(golden_32bit);
	set(world_02(), 4, 0x1000, KERNEL | 0x9000);
	leave();
	assert_has(fake_hw.vmcs01, KERNEL | 4, KERNEL | 0x1000, KERNEL | 0x9000);
}

/* Same EPT pointer; the APIC-access page is L1's page 0, or there is none. */
static void an_apic_page_at_zero_has_a_root_of_its_own(void **state)
{
	const struct vept_root *with, *without;

	(void)state;
	world_enter(golden_64bit);
	leave();
	world_write(FID_APIC_ACCESS_ADDR, 0);
	world_resume();
	with = world.n.cur->root;
	leave();
	world_write(FID_PROC2_CONTROLS,
		world_read(FID_PROC2_CONTROLS) & ~(uint64_t)PROC2_APIC_ACCESSES);
	world_resume();
	without = world.n.cur->root;
	assert_ptr_not_equal(with, without);
}

#define TEST(name) cmocka_unit_test_setup(name, cet_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entry_and_an_exit_load_what_the_vmcs12_has),
		TEST(what_is_not_loaded_stays_as_the_other_level_had_it),
		TEST(an_l1_without_the_controls_has_it_nevertheless),
		TEST(an_entry_that_fails_loads_l1s_host_state_or_leaves_its_own),
		TEST(without_cet_nothing_of_it_is_touched),
		TEST(the_state_of_both_levels_moves_with_the_vcpu),
		TEST(a_32bit_l2_does_not_get_what_no_entry_would_take),
		TEST(a_32bit_l2_leaves_l1s_upper_halves),
		TEST(an_apic_page_at_zero_has_a_root_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
