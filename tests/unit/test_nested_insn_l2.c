/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMREAD and VMWRITE of an L2 whose L1 gives it a shadow VMCS (SDM 24.10, 25.1.3, 30.3): what
 * hardware serves, what exits to L1, and what L0 completes.
 */
#include "nested_world.h"

#include "nested/nested_int.h"

#define READ_BITMAP  0x62000ull
#define WRITE_BITMAP 0x63000ull
#define SHADOW       2u /* the VMCS that is linked */
#define NO_FIELD     0x6ffeu
#define BEYOND       0x8000u
#define TEST_CF_ZF   (RFLAGS_CF | RFLAGS_ZF)

static bool hardware;

static uint32_t of(enum vmcs_fid fid)
{
	return vmcs_fields[fid].encoding;
}

static void intercept(uint64_t bitmap, uint32_t encoding)
{
	uint8_t *byte = &fake.ram[bitmap + encoding / 8];

	*byte |= (uint8_t)(1u << (encoding & 7));
}

static void enter(uint64_t link)
{
	uint64_t f[FID_COUNT];

	world.vm.shadowing = hardware;
	golden_64bit(f);
	f[FID_PROC_CONTROLS] |= PROC_SECONDARY;
	f[FID_PROC2_CONTROLS] |= PROC2_VMCS_SHADOWING;
	f[FID_VMREAD_BITMAP] = READ_BITMAP;
	f[FID_VMWRITE_BITMAP] = WRITE_BITMAP;
	f[FID_VMCS_LINK_POINTER] = link;
	fake_write32(WORLD_VMCS_N(SHADOW), CAPS_REVISION | VMCS_SHADOW_INDICATOR);
	world_vmptrld(0);
	world_write_all(f);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	world_02()[FID_EXIT_INSTRUCTION_LENGTH] = 3;
	world_02()[FID_GUEST_SS_AR] &= ~0x60ull;
}

static enum nested_verdict execute(uint32_t reason, uint64_t encoding, uint64_t value)
{
	world_02()[FID_EXIT_INSTRUCTION_INFO] = INFO_REG | REG_RAX << 3 | REG_RCX << 28;
	world_02()[FID_GUEST_RFLAGS] |= TEST_CF_ZF;
	world.gpr[REG_RAX] = value;
	world.gpr[REG_RCX] = encoding;
	return nested_l2_exit(&world.n, reason);
}

static void expect_completed(enum nested_verdict v, uint64_t flags)
{
	assert_int_equal(v, NESTED_RESUME);
	assert_true(world.n.in_l2);
	assert_ptr_equal(fake_hw.current, world_02());
	assert_int_equal(world_02()[FID_GUEST_RFLAGS] & TEST_CF_ZF, flags);
}

static void what_hardware_serves_is_what_l1_and_the_machine_have(void **state)
{
	uint32_t rip = of(FID_GUEST_RIP), offset = of(FID_TSC_OFFSET);

	(void)state;
	nested_field_absent(&world.vm, FID_GUEST_RSP);
	intercept(READ_BITMAP, offset);
	enter(WORLD_VMCS_N(SHADOW));
	assert_true(world_02()[FID_PROC2_CONTROLS] & PROC2_VMCS_SHADOWING);
	assert_false(world.vmread_bitmap02[rip / 64] & BIT64(rip % 64));
	assert_true(world.vmwrite_bitmap02[rip / 64] & BIT64(rip % 64));
	assert_true(world.vmread_bitmap02[offset / 64] & BIT64(offset % 64));
	assert_false(world.vmread_bitmap02[offset / 64] & BIT64(offset % 64 + 1));
	assert_true(
		world.vmread_bitmap02[of(FID_GUEST_RSP) / 64] & BIT64(of(FID_GUEST_RSP) % 64));
	assert_true(world.vmwrite_bitmap02[of(FID_EXIT_REASON) / 64] &
		    BIT64(of(FID_EXIT_REASON) % 64));
	assert_true(world.vmread_bitmap02[NO_FIELD / 64] & BIT64(NO_FIELD % 64));
}

/* What L2 writes in the shadow VMCS without an exit has to be fetched from there. */
static void l2_writes_without_exits_what_it_has_written(void **state)
{
	uint32_t rip = of(FID_GUEST_RIP), offset = of(FID_TSC_OFFSET);
	const uint64_t *region =
		(const uint64_t *)(const void *)(fake.ram + WORLD_VMCS_N(SHADOW));
	uint32_t hw;

	(void)state;
	world.vm.learn_writes = 1;
	enter(WORLD_VMCS_N(SHADOW));
	hw = world.n.cur->link->hw;
	expect_completed(execute(EXIT_VMWRITE, rip, 0x1111), 0);
	expect_completed(execute(EXIT_VMWRITE, offset, 0x1111), 0);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	intercept(WRITE_BITMAP, offset);
	world_resume();
	assert_false(world.vmwrite_bitmap02[rip / 64] & BIT64(rip % 64));
	assert_true(world.vmwrite_bitmap02[offset / 64] & BIT64(offset % 64));
	fake_hw.shadow[hw][FID_GUEST_RIP] = 0x2222;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(SHADOW)), VMSUCCEED);
	assert_int_equal(region[2 + FID_GUEST_RIP], 0x2222);
	assert_int_equal(region[2 + FID_TSC_OFFSET], 0x1111);
	world_resume(); /* and so it is when it is linked again */
	assert_int_equal(world.n.cur->link->hw, hw);
	assert_false(world.vmwrite_bitmap02[rip / 64] & BIT64(rip % 64));
	assert_int_equal(fake_hw.shadow[hw][FID_GUEST_RIP], 0x2222);
}

static void what_l1s_bitmap_intercepts_is_l1s(void **state)
{
	(void)state;
	intercept(READ_BITMAP, of(FID_GUEST_RIP));
	intercept(WRITE_BITMAP, NO_FIELD);
	enter(WORLD_VMCS_N(SHADOW));
	assert_int_equal(execute(EXIT_VMREAD, of(FID_GUEST_RIP), 0), NESTED_L1);
	world_resume();
	assert_int_equal(execute(EXIT_VMWRITE, NO_FIELD, 0), NESTED_L1);
	world_resume();
	assert_int_equal(execute(EXIT_VMREAD, BEYOND, 0), NESTED_L1);
	world_resume();
	world_12()[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_VMCS_SHADOWING;
	assert_int_equal(execute(EXIT_VMREAD, NO_FIELD, 0), NESTED_L1);
}

static void a_bitmap_that_is_no_ram_intercepts_all(void **state)
{
	(void)state;
	enter(WORLD_VMCS_N(SHADOW));
	world_12()[FID_VMREAD_BITMAP] = WORLD_RAM_END;
	insn_l2_merge_bitmaps(&world.n, world.n.cur);
	for (unsigned i = 0; i < 512; i++)
		assert_true(world.vmread_bitmap02[i] == UINT64_MAX);
	assert_int_equal(execute(EXIT_VMREAD, of(FID_GUEST_RIP), 0), NESTED_L1);
}

/* Table of VM-instruction errors: 12, unsupported component; told in L2's VMCS. */
static void a_field_that_is_none_fails_in_l1s_current_vmcs(void **state)
{
	(void)state;
	enter(WORLD_VMCS_N(SHADOW));
	world_12()[FID_INSTRUCTION_ERROR] = 0;
	expect_completed(execute(EXIT_VMREAD, NO_FIELD, 7), RFLAGS_ZF);
	assert_int_equal(world.gpr[REG_RAX], 7);
	assert_int_equal(world_12()[FID_INSTRUCTION_ERROR], VMERR_BAD_FIELD);
	if (hardware)
		assert_int_equal(fake_hw.shadow[world.n.cur->hw][FID_INSTRUCTION_ERROR],
			VMERR_BAD_FIELD);
	world_12()[FID_INSTRUCTION_ERROR] = 0;
	expect_completed(execute(EXIT_VMWRITE, NO_FIELD, 7), RFLAGS_ZF);
	assert_int_equal(world_12()[FID_INSTRUCTION_ERROR], VMERR_BAD_FIELD);
}

static void a_field_that_l1_lacks_fails_although_the_machine_has_it(void **state)
{
	(void)state;
	enter(WORLD_VMCS_N(SHADOW));
	world.vm.exists[FID_TSC_OFFSET / 64] &= ~BIT64(FID_TSC_OFFSET % 64);
	expect_completed(execute(EXIT_VMREAD, of(FID_TSC_OFFSET), 0), RFLAGS_ZF);
}

static void a_field_that_only_l1_has_is_read_and_written(void **state)
{
	struct nvmcs *s;

	(void)state;
	nested_field_absent(&world.vm, FID_TSC_OFFSET);
	enter(WORLD_VMCS_N(SHADOW));
	s = world.n.cur->link;
	expect_completed(execute(EXIT_VMWRITE, of(FID_TSC_OFFSET), 0x1234567890), 0);
	assert_true(s->f[FID_TSC_OFFSET] == 0x1234567890);
	expect_completed(execute(EXIT_VMREAD, of(FID_TSC_OFFSET), 0), 0);
	assert_true(world.gpr[REG_RAX] == 0x1234567890);
	expect_completed(execute(EXIT_VMREAD, of(FID_TSC_OFFSET) | 1, 0), 0);
	assert_true(world.gpr[REG_RAX] == 0x12);
	/* read-only ones, too: MISC_VMWRITE_ANY */
	expect_completed(execute(EXIT_VMWRITE, of(FID_EXIT_REASON), 0x21), 0);
	expect_completed(execute(EXIT_VMREAD, of(FID_EXIT_REASON), 0), 0);
	assert_int_equal(world.gpr[REG_RAX], 0x21);
}

static void without_a_link_there_is_no_vmcs(void **state)
{
	(void)state;
	enter(UINT64_MAX);
	expect_completed(execute(EXIT_VMREAD, NO_FIELD, 0), RFLAGS_CF);
	expect_completed(execute(EXIT_VMWRITE, of(FID_GUEST_RIP), 0), RFLAGS_CF);
}

static void a_user_gets_a_fault(void **state)
{
	(void)state;
	enter(WORLD_VMCS_N(SHADOW));
	world.vm.explaining = true;
	world_02()[FID_GUEST_SS_AR] |= 0x60;
	world_02()[FID_EXIT_REASON] = EXIT_VMREAD;
	assert_int_equal(execute(EXIT_VMREAD, NO_FIELD, 0), NESTED_RESUME);
	assert_int_equal(fake_last("seam_inject")->a, VEC_GP);
	assert_int_equal(fake_hw.report.why, DENIAL_INSN_CPL);
	assert_int_equal(fake_hw.report.instruction, EXIT_VMREAD);
	assert_true(fake_hw.report.l2);
}

static void the_monitor_trap_flag_counts_what_is_completed(void **state)
{
	(void)state;
	enter(WORLD_VMCS_N(SHADOW));
	world_12()[FID_PROC_CONTROLS] |= PROC_MTF;
	assert_int_equal(execute(EXIT_VMREAD, NO_FIELD, 0), NESTED_L1);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_MTF);
}

/* The operand is L2's: EPT12 of the golden VMCS12 does not map it. */
static void an_operand_that_ept12_forbids_is_l1s(void **state)
{
	(void)state;
	nested_field_absent(&world.vm, FID_TSC_OFFSET);
	enter(WORLD_VMCS_N(SHADOW));
	if (!world.n.cur->root)
		merge_root(&world.n, world.n.cur);
	world_02()[FID_GUEST_CR0] &= ~(uint64_t)CR0_PG;
	world_02()[FID_EXIT_QUALIFICATION] = 0x7fff0000000;
	world_02()[FID_EXIT_INSTRUCTION_INFO] = INFO_MEMORY | REG_RCX << 28;
	world.gpr[REG_RCX] = of(FID_TSC_OFFSET);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_VMREAD), NESTED_L1);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_EPT_VIOLATION);
}

static int with_hardware(void **state)
{
	world_setup(state);
	hardware = true;
	return 0;
}

static int without_hardware(void **state)
{
	world_setup(state);
	hardware = false;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define H(name) cmocka_unit_test_setup(name, with_hardware)
#define T(name) H(name), cmocka_unit_test_setup(name, without_hardware)
		H(what_hardware_serves_is_what_l1_and_the_machine_have),
		H(l2_writes_without_exits_what_it_has_written),
		H(a_bitmap_that_is_no_ram_intercepts_all),
		T(what_l1s_bitmap_intercepts_is_l1s),
		T(a_field_that_is_none_fails_in_l1s_current_vmcs),
		T(a_field_that_l1_lacks_fails_although_the_machine_has_it),
		T(a_field_that_only_l1_has_is_read_and_written),
		T(without_a_link_there_is_no_vmcs),
		T(a_user_gets_a_fault),
		T(the_monitor_trap_flag_counts_what_is_completed),
		T(an_operand_that_ept12_forbids_is_l1s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
