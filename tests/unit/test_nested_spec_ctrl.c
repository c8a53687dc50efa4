/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IA32_SPEC_CTRL of an L2 whose L1 virtualizes it: mask, shadow, faults (SDM, "Changes to
 * Instruction Behavior in VMX Non-Root Operation", RDMSR and WRMSR).
 */
#include "nested_world.h"

#include "nested/nested_int.h"

#define LENGTH     2u
#define READ_BYTE  (0x3000 + MSR_SPEC_CTRL / 8)
#define WRITE_BYTE (READ_BYTE + 0x800)

static void golden(uint64_t *f)
{
	golden_apicv(f);
	f[FID_PROC3_CONTROLS] |= PROC3_VIRTUALIZE_SPEC_CTRL;
	f[FID_SPEC_CTRL_MASK] = 0x3;
	f[FID_SPEC_CTRL_SHADOW] = 0x8000000000000005;
}

static int setup(void **state)
{
	world_setup(state);
	fake_set_msr(MSR_SPEC_CTRL, 0x9);
	world_enter(golden);
	world_02()[FID_EXIT_INSTRUCTION_LENGTH] = LENGTH;
	return 0;
}

static uint64_t real(void)
{
	uint64_t value = 0;

	assert_true(seam_rdmsr(&world.n, MSR_SPEC_CTRL, &value));
	return value;
}

static enum nested_verdict access_msr(uint32_t reason, uint64_t value)
{
	world.gpr[REG_RCX] = 0xffff000000000000 | MSR_SPEC_CTRL;
	world.gpr[REG_RAX] = 0xffff000000000000 | (uint32_t)value;
	world.gpr[REG_RDX] = 0xffff000000000000 | value >> 32;
	fake.call_count = 0;
	return nested_l2_exit(&world.n, reason);
}

static void change(enum vmcs_fid fid, uint64_t value)
{
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	world_write(fid, value);
	world_resume();
}

static void reads_give_the_shadow(void **state)
{
	uint64_t rip = world_02()[FID_GUEST_RIP];

	(void)state;
	assert_int_equal(access_msr(EXIT_RDMSR, 0), NESTED_RESUME);
	assert_int_equal(world.gpr[REG_RAX], 5);
	assert_int_equal(world.gpr[REG_RDX], 0x80000000);
	assert_true(world_02()[FID_GUEST_RIP] == rip + LENGTH);
	assert_int_equal(real(), 0x9);
}

static void writes_change_what_the_mask_leaves_and_are_read_back(void **state)
{
	uint64_t rip = world_02()[FID_GUEST_RIP];

	(void)state;
	assert_int_equal(access_msr(EXIT_WRMSR, 0x406), NESTED_RESUME);
	assert_int_equal(real(), 0x405);
	assert_true(world_02()[FID_GUEST_RIP] == rip + LENGTH);
	assert_int_equal(access_msr(EXIT_RDMSR, 0), NESTED_RESUME);
	assert_int_equal(world.gpr[REG_RAX], 0x406);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	assert_int_equal(world_read(FID_SPEC_CTRL_SHADOW), 0x406);
	assert_int_equal(world_read(FID_SPEC_CTRL_MASK), 3);
}

static void l1_finds_the_shadow_in_a_shadow_vmcs_that_has_learned_it(void **state)
{
	world_setup(state);
	world.vm.shadowing = true;
	nested_vm_init(&world.vm);
	world.vm.learn_touches = 2;
	fake_set_msr(MSR_SPEC_CTRL, 0);
	world_enter(golden);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
		world_l1_64();
		(void)world_read(FID_SPEC_CTRL_SHADOW);
		world_resume();
	}
	assert_true(learn_open(world.n.cur, FID_SPEC_CTRL_SHADOW, false));
	assert_int_equal(access_msr(EXIT_WRMSR, 0x4), NESTED_RESUME);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(fake_hw.shadow[world.n.cur->hw][FID_SPEC_CTRL_SHADOW], 4);
}

/* The fake has an MSR, which takes any value: one that is not there refuses. */
static void what_wrmsr_refuses_faults_and_leaves_the_shadow(void **state)
{
	uint64_t rip = world_02()[FID_GUEST_RIP];

	(void)state;
	fake.msr_count = 0;
	assert_int_equal(access_msr(EXIT_WRMSR, 0x6), NESTED_RESUME);
	assert_int_equal(fake_last("seam_inject")->a, VEC_GP);
	assert_true(world_02()[FID_GUEST_RIP] == rip);
	assert_true(world_12()[FID_SPEC_CTRL_SHADOW] == 0x8000000000000005);
}

static void the_value_that_is_judged_is_the_composed_one(void **state)
{
	(void)state;
	change(FID_SPEC_CTRL_MASK, UINT64_MAX);
	assert_int_equal(access_msr(EXIT_WRMSR, UINT64_MAX), NESTED_RESUME);
	assert_true(fake_last("seam_wrmsr")->b == 0x9);
	assert_true(world_12()[FID_SPEC_CTRL_SHADOW] == UINT64_MAX);
}

static void what_l1_intercepts_is_its_exit(void **state)
{
	(void)state;
	fake.ram[READ_BYTE] |= 1u << MSR_SPEC_CTRL % 8;
	assert_int_equal(access_msr(EXIT_RDMSR, 0), NESTED_L1);
	world_resume();
	fake.ram[WRITE_BYTE] |= 1u << MSR_SPEC_CTRL % 8;
	assert_int_equal(access_msr(EXIT_WRMSR, 6), NESTED_L1);
	assert_int_equal(real(), 0x9);
}

static void without_the_control_it_is_the_register(void **state)
{
	(void)state;
	change(FID_PROC3_CONTROLS, 0);
	assert_int_equal(access_msr(EXIT_RDMSR, 0), NESTED_L0);
	assert_int_equal(access_msr(EXIT_WRMSR, 6), NESTED_L0);
}

static void other_msrs_are_none_of_its(void **state)
{
	(void)state;
	world.gpr[REG_RCX] = MSR_SPEC_CTRL + 1;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_RDMSR), NESTED_L0);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_WRMSR), NESTED_L0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(reads_give_the_shadow),
		T(writes_change_what_the_mask_leaves_and_are_read_back),
		cmocka_unit_test(l1_finds_the_shadow_in_a_shadow_vmcs_that_has_learned_it),
		T(what_wrmsr_refuses_faults_and_leaves_the_shadow),
		T(the_value_that_is_judged_is_the_composed_one),
		T(what_l1_intercepts_is_its_exit),
		T(without_the_control_it_is_the_register),
		T(other_msrs_are_none_of_its),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
