/* SPDX-License-Identifier: Apache-2.0 */
/* VMX instructions of L1 except VM entry: every outcome that the SDM gives them (30.3 "VMX
 * Instructions"), their register operands, and the launch state. */
#include "nested_world.h"

static const uint32_t all_insns[] = {EXIT_VMCALL, EXIT_VMCLEAR, EXIT_VMLAUNCH, EXIT_VMPTRLD,
	EXIT_VMPTRST, EXIT_VMREAD, EXIT_VMRESUME, EXIT_VMWRITE, EXIT_VMXOFF, EXIT_VMXON,
	EXIT_INVEPT, EXIT_INVVPID, EXIT_VMFUNC};

#define INSNS (sizeof(all_insns) / sizeof(all_insns[0]))

static void outside_vmx_operation_all_but_vmxon_are_undefined(void **state)
{
	(void)state;
	for (size_t i = 0; i < INSNS; i++)
		if (all_insns[i] != EXIT_VMXON)
			expect_fault(world_insn(all_insns[i]), VEC_UD);
	fake_hw.vmcs01[FID_GUEST_CR4] &= ~CR4_VMXE;
	expect_fault(world_insn(EXIT_VMXON), VEC_UD);
}

static void what_l1_sees_of_cr4_decides_not_what_is_in_it(void **state)
{
	(void)state;
	fake_hw.vmcs01[FID_CR4_GUEST_HOST_MASK] = CR4_VMXE;
	expect_fault(world_pointer(EXIT_VMXON, WORLD_VMXON), VEC_UD);
	fake_hw.vmcs01[FID_CR4_READ_SHADOW] = CR4_VMXE;
	fake_hw.vmcs01[FID_GUEST_CR4] &= ~CR4_VMXE;
	assert_int_equal(world_pointer(EXIT_VMXON, WORLD_VMXON), VMSUCCEED);
}

static void vmcall_in_virtual_8086_mode_is_undefined(void **state)
{
	(void)state;
	fake_hw.vmcs01[FID_GUEST_RFLAGS] |= RFLAGS_VM;
	fake_hw.vmcs01[FID_GUEST_EFER] = 0;
	fake_hw.vmcs01[FID_GUEST_SS_AR] = 0xf3;
	expect_fault(world_insn(EXIT_VMCALL), VEC_UD);
}

static void compatibility_mode_makes_all_undefined(void **state)
{
	(void)state;
	fake_hw.vmcs01[FID_GUEST_CS_AR] = 0xc09b;
	for (size_t i = 0; i < INSNS; i++)
		expect_fault(world_insn(all_insns[i]), VEC_UD);
}

static void above_cpl_0_all_are_protection_faults(void **state)
{
	(void)state;
	for (unsigned cpl = 1; cpl < 4; cpl++) {
		fake_hw.vmcs01[FID_GUEST_SS_AR] = 0xc093 | cpl << 5;
		for (size_t i = 0; i < INSNS; i++)
			expect_fault(world_insn(all_insns[i]), VEC_GP);
	}
}

static void vmcall_in_root_operation_fails_and_vmfunc_is_undefined(void **state)
{
	(void)state;
	assert_int_equal(world_insn(EXIT_VMCALL), VMFAIL_INVALID);
	expect_fault(world_insn(EXIT_VMFUNC), VEC_UD);
	world_vmptrld(0);
	expect_fail(world_insn(EXIT_VMCALL), VMERR_VMCALL_IN_ROOT);
}

/* ---- VMXON, VMXOFF ---- */

static void vmxon_needs_fixed_bits_and_feature_control(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	f[FID_GUEST_CR0] &= ~CR0_NE;
	expect_fault(world_pointer(EXIT_VMXON, WORLD_VMXON), VEC_GP);
	f[FID_GUEST_CR0] |= CR0_NE;
	f[FID_GUEST_CR4] |= BIT64(31);
	expect_fault(world_pointer(EXIT_VMXON, WORLD_VMXON), VEC_GP);
	f[FID_GUEST_CR4] &= ~BIT64(31);
	for (uint64_t bit = 1; bit <= 4; bit += 3) {
		world.n.feature_control &= ~bit;
		expect_fault(world_pointer(EXIT_VMXON, WORLD_VMXON), VEC_GP);
		world.n.feature_control |= bit;
	}
	assert_int_equal(world_pointer(EXIT_VMXON, WORLD_VMXON), VMSUCCEED);
}

static void vmxon_checks_its_region(void **state)
{
	static const uint64_t bad[] = {WORLD_VMXON + 8, WORLD_VMXON + 0x800,
		1ull << 46 | WORLD_VMXON, 1ull << 63, UINT64_MAX,
		WORLD_RAM_END /* no RAM: ones */, 0x1000 /* no revision */};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(world_pointer(EXIT_VMXON, bad[i]), VMFAIL_INVALID);
	fake_write32(WORLD_VMXON, CAPS_REVISION | BIT(31));
	assert_int_equal(world_pointer(EXIT_VMXON, WORLD_VMXON), VMFAIL_INVALID);
	expect_fault(world_insn(EXIT_VMXOFF), VEC_UD);
}

static void vmxon_in_vmx_operation_fails(void **state)
{
	(void)state;
	assert_int_equal(world_pointer(EXIT_VMXON, WORLD_VMXON), VMFAIL_INVALID);
	world_vmptrld(0);
	expect_fail(world_pointer(EXIT_VMXON, WORLD_VMXON), VMERR_VMXON_IN_ROOT);
}

static void vmxoff_leaves_vmx_operation_and_the_current_vmcs(void **state)
{
	(void)state;
	assert_int_equal(world_insn(EXIT_VMXOFF), VMSUCCEED);
	expect_fault(world_insn(EXIT_VMXOFF), VEC_UD);
	world_vmxon();
	expect_current(UINT64_MAX);
}

/* ---- VMPTRLD, VMPTRST, VMCLEAR ---- */

static void vmptrld_checks_its_region(void **state)
{
	(void)state;
	expect_fail(
		world_pointer(EXIT_VMPTRLD, WORLD_VMCS_N(1) + 1), VMERR_VMPTRLD_BAD_ADDRESS);
	expect_fail(world_pointer(EXIT_VMPTRLD, 1ull << 46), VMERR_VMPTRLD_BAD_ADDRESS);
	expect_fail(world_pointer(EXIT_VMPTRLD, UINT64_MAX), VMERR_VMPTRLD_BAD_ADDRESS);
	expect_fail(world_pointer(EXIT_VMPTRLD, WORLD_VMXON), VMERR_VMPTRLD_VMXON_POINTER);
	expect_fail(world_pointer(EXIT_VMPTRLD, 0x1000), VMERR_VMPTRLD_BAD_REVISION);
	expect_fail(world_pointer(EXIT_VMPTRLD, WORLD_RAM_END), VMERR_VMPTRLD_BAD_REVISION);
	expect_current(WORLD_VMCS_N(0));
}

static void vmptrld_takes_shadow_vmcss_only_with_the_control(void **state)
{
	uint32_t shadowing = PROC2_VMCS_SHADOWING;

	(void)state;
	fake_write32(WORLD_VMCS_N(1), CAPS_REVISION | BIT(31));
	assert_int_equal(world_pointer(EXIT_VMPTRLD, WORLD_VMCS_N(1)), VMSUCCEED);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), VMFAIL_INVALID);
	world_vmptrld(0);
	world.vm.caps.msr[MSR_VMX_PROC2 - MSR_VMX_BASIC] &= ~((uint64_t)shadowing << 32);
	expect_fail(world_pointer(EXIT_VMPTRLD, WORLD_VMCS_N(1)), VMERR_VMPTRLD_BAD_REVISION);
}

static void a_failure_without_a_current_vmcs_is_vmfail_invalid(void **state)
{
	(void)state;
	assert_int_equal(world_pointer(EXIT_VMPTRLD, 1), VMFAIL_INVALID);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, 1), VMFAIL_INVALID);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), VMFAIL_INVALID);
	assert_int_equal(world_insn(EXIT_VMRESUME), VMFAIL_INVALID);
	assert_int_equal(world_insn(EXIT_VMREAD), VMFAIL_INVALID);
	assert_int_equal(world_insn(EXIT_VMWRITE), VMFAIL_INVALID);
	assert_int_equal(world_inv(EXIT_INVEPT, 0, 0, 0), VMFAIL_INVALID);
	expect_current(UINT64_MAX);
}

static void vmclear_checks_its_region_and_takes_any_revision(void **state)
{
	(void)state;
	expect_fail(
		world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(1) + 8), VMERR_VMCLEAR_BAD_ADDRESS);
	expect_fail(world_pointer(EXIT_VMCLEAR, 1ull << 46), VMERR_VMCLEAR_BAD_ADDRESS);
	expect_fail(world_pointer(EXIT_VMCLEAR, WORLD_VMXON), VMERR_VMCLEAR_VMXON_POINTER);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, 0x1000), VMSUCCEED);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_RAM_END), VMSUCCEED);
	expect_current(WORLD_VMCS_N(0));
}

static void vmclear_of_the_current_vmcs_leaves_none(void **state)
{
	(void)state;
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(0)), VMSUCCEED);
	expect_current(UINT64_MAX);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), VMFAIL_INVALID);
}

static void the_revision_word_of_a_region_is_never_written(void **state)
{
	(void)state;
	world_write(FID_GUEST_RIP, 0x1234);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(0)), VMSUCCEED);
	assert_int_equal(fake_read32(WORLD_VMCS_N(0)), CAPS_REVISION);
	assert_int_equal(fake_read32(WORLD_VMCS_N(0) + 4), 0);
}

/* ---- launch state ---- */

static void launch_state_follows_vmclear_and_vmlaunch(void **state)
{
	(void)state;
	expect_fail(world_insn(EXIT_VMRESUME), VMERR_VMRESUME_NOT_LAUNCHED);
	world_enter(golden_64bit);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	expect_fail(world_insn(EXIT_VMLAUNCH), VMERR_VMLAUNCH_NOT_CLEAR);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);

	/* It is kept over another VMCS, and over VMXOFF. */
	world_vmptrld(1);
	expect_fail(world_insn(EXIT_VMRESUME), VMERR_VMRESUME_NOT_LAUNCHED);
	world_vmptrld(0);
	expect_fail(world_insn(EXIT_VMLAUNCH), VMERR_VMLAUNCH_NOT_CLEAR);

	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(0)), VMSUCCEED);
	world_vmptrld(0);
	expect_fail(world_insn(EXIT_VMRESUME), VMERR_VMRESUME_NOT_LAUNCHED);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
}

static void a_failed_entry_leaves_the_vmcs_clear(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	golden_64bit(f);
	world_host(f);
	world_write_all(f);
	world_write(FID_HOST_CR3, UINT64_MAX);
	expect_fail(world_insn(EXIT_VMLAUNCH), VMERR_ENTRY_HOST_STATE);
	world_write(FID_HOST_CR3, f[FID_HOST_CR3]);
	world_write(FID_GUEST_CR3, UINT64_MAX);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTRY_FAILED);
	world_write(FID_GUEST_CR3, f[FID_GUEST_CR3]);
	expect_fail(world_insn(EXIT_VMRESUME), VMERR_VMRESUME_NOT_LAUNCHED);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
}

static void mov_ss_blocking_refuses_entry_before_the_launch_state(void **state)
{
	(void)state;
	fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_MOV_SS;
	expect_fail(world_insn(EXIT_VMRESUME), VMERR_ENTRY_EVENTS_BLOCKED_MOV_SS);
	/* which lasts for one instruction */
	expect_fail(world_insn(EXIT_VMRESUME), VMERR_VMRESUME_NOT_LAUNCHED);
	fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_STI;
	expect_fail(world_insn(EXIT_VMRESUME), VMERR_VMRESUME_NOT_LAUNCHED);
}

/* ---- VMREAD, VMWRITE ---- */

static uint64_t pattern(unsigned i, uint64_t seed)
{
	return (seed + i) * 0x9e3779b97f4a7c15ull;
}

static void every_field_keeps_what_is_written(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FID_COUNT; i++)
		world_write((enum vmcs_fid)i, pattern(i, 1));
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint64_t mask = vmcs_value_mask(vmcs_fields[i].encoding);

		if (world_read((enum vmcs_fid)i) != (pattern(i, 1) & mask))
			fail_msg("%s", vmcs_fields[i].name);
	}
}

/*
 * SDM 24.4.1: bits 11:8 and 31:17 of access rights are reserved; processors do not keep them.
 */
static void access_rights_lose_their_reserved_bits(void **state)
{
	(void)state;
	for (unsigned fid = FID_GUEST_ES_AR; fid <= FID_GUEST_TR_AR; fid++) {
		world_write((enum vmcs_fid)fid, UINT64_MAX);
		assert_int_equal(world_read((enum vmcs_fid)fid), 0x1f0ff);
	}
}

/* Hardware would read anything, and write nothing: the VMCS12 in memory has the value. */
static void a_field_that_the_machine_lacks_is_kept_in_memory(void **state)
{
	uint64_t gpa = WORLD_VMCS + 3 * PAGE_SIZE;

	(void)state;
	nested_field_absent(&world.vm, FID_GUEST_SMBASE);
	world_enter(golden_64bit);
	world_02()[FID_GUEST_SMBASE] = 0x4828;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	world_write(FID_GUEST_SMBASE, 0xa0000);
	assert_int_equal(world_read(FID_GUEST_SMBASE), 0xa0000);
	assert_int_equal(world_02()[FID_GUEST_SMBASE], 0x4828);
	world_read(FID_GUEST_TR_LIMIT); /* fetches what else is in VMCS02 */
	assert_int_equal(world_read(FID_GUEST_SMBASE), 0xa0000);
	/* a shadow VMCS */
	world.vm.shadowing = true;
	fake_write32(gpa, CAPS_REVISION | VMCS_SHADOW_INDICATOR);
	world_vmptrld(3);
	world_write(FID_GUEST_SMBASE, 0xb0000);
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		fake_hw.shadow[i][FID_GUEST_SMBASE] = 0x4828;
	assert_int_equal(world_read(FID_GUEST_SMBASE), 0xb0000);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, gpa), VMSUCCEED);
	world_vmptrld(3);
	assert_int_equal(world_read(FID_GUEST_SMBASE), 0xb0000);
}

static void high_encodings_reach_the_upper_half_only(void **state)
{
	uint64_t value;

	(void)state;
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint32_t e = vmcs_fields[i].encoding;

		if (vmcs_width(e) != VMCS_WIDTH_64)
			continue;
		world_write((enum vmcs_fid)i, 0x1111111122222222);
		assert_int_equal(world_write_encoding(e | 1, 0xffffffff33333333), VMSUCCEED);
		assert_int_equal(world_read_encoding(e, &value), VMSUCCEED);
		assert_true(value == 0x3333333322222222);
		assert_int_equal(world_read_encoding(e | 1, &value), VMSUCCEED);
		assert_true(value == 0x33333333);
	}
}

static void unsupported_fields_fail(void **state)
{
	static const uint64_t bad[] = {0x681f /* high half of a natural field */, 0x4001,
		0x0001, 0x7000, 0x6c1e, 0xffff, 0x10000 | 0x681e, 1ull << 32 | 0x681e,
		1ull << 63 | 0x681e, UINT64_MAX};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_fail(world_read_encoding(bad[i], &value), VMERR_BAD_FIELD);
		expect_fail(world_write_encoding(bad[i], 0), VMERR_BAD_FIELD);
	}
}

static void fields_of_features_that_l1_lacks_do_not_exist(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct caps_policy none = caps_policy_default();
	uint64_t value;
	unsigned absent = 0;

	(void)state;
	none.features = 0;
	caps_derive(&world.vm.caps, &hw, &none);
	nested_vm_init(&world.vm);
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint32_t e = vmcs_fields[i].encoding;

		if (caps_field_exists(&world.vm.caps, (enum vmcs_fid)i)) {
			assert_int_equal(world_read_encoding(e, &value), VMSUCCEED);
			continue;
		}
		expect_fail(world_read_encoding(e, &value), VMERR_BAD_FIELD);
		expect_fail(world_write_encoding(e, 0), VMERR_BAD_FIELD);
		absent++;
	}
	assert_true(absent > 20);
}

static void exit_information_is_read_only_without_the_capability(void **state)
{
	(void)state;
	world_write(FID_EXIT_REASON, 5);
	world.vm.caps.msr[MSR_VMX_MISC - MSR_VMX_BASIC] &= ~MISC_VMWRITE_ANY;
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint32_t e = vmcs_fields[i].encoding;

		if (vmcs_type(e) == VMCS_TYPE_INFO)
			expect_fail(world_write_encoding(e, 6), VMERR_READ_ONLY_FIELD);
		else
			assert_int_equal(world_write_encoding(e, 6), VMSUCCEED);
	}
	assert_int_equal(world_read(FID_EXIT_REASON), 5);
}

static void all_registers_are_operands_and_rsp_is_in_the_vmcs(void **state)
{
	uint64_t *f = fake_hw.vmcs01;

	(void)state;
	for (unsigned value = 0; value < 16; value++) {
		unsigned field = (value + 5) % 16;

		for (unsigned i = 0; i < 16; i++)
			world.gpr[i] = 0xdead000000000000 | i;
		f[FID_EXIT_INSTRUCTION_INFO] = INFO_REG | value << 3 | field << 28;
		*(value == REG_RSP ? &f[FID_GUEST_RSP] : &world.gpr[value]) = 0x1000 + value;
		*(field == REG_RSP ? &f[FID_GUEST_RSP] : &world.gpr[field]) = VMCS_GUEST_RIP;
		assert_int_equal(world_insn(EXIT_VMWRITE), VMSUCCEED);
		*(value == REG_RSP ? &f[FID_GUEST_RSP] : &world.gpr[value]) = 0;
		assert_int_equal(world_insn(EXIT_VMREAD), VMSUCCEED);
		assert_true((value == REG_RSP ? f[FID_GUEST_RSP] : world.gpr[value]) ==
			    0x1000 + value);
		assert_true(world.gpr[REG_RSP] == (0xdead000000000000 | REG_RSP));
	}
}

static void outside_64_bit_mode_operands_have_32_bits(void **state)
{
	uint64_t value;

	(void)state;
	world_l1_32();
	world_write(FID_GUEST_RIP, 0x1111111122222222);
	world_l1_64();
	assert_true(world_read(FID_GUEST_RIP) == 0x22222222);
	world_write(FID_GUEST_RIP, 0x3333333344444444);
	world_write(FID_EPT_POINTER, 0x5555555566666666);
	world_l1_32();
	world.gpr[REG_RAX] = UINT64_MAX;
	assert_true(world_read(FID_GUEST_RIP) == 0x44444444);
	/* Upper halves of the registers are not looked at. */
	assert_int_equal(
		world_read_encoding(0x9999999900000000 | VMCS_EPT_POINTER, &value), VMSUCCEED);
	assert_true(value == 0x66666666);
	assert_int_equal(world_read_encoding(VMCS_EPT_POINTER | 1, &value), VMSUCCEED);
	assert_true(value == 0x55555555);
	assert_int_equal(world_write_encoding(VMCS_EPT_POINTER | 1, 0x77777777), VMSUCCEED);
	world_l1_64();
	assert_true(world_read(FID_EPT_POINTER) == 0x7777777766666666);
}

static void memory_operands_have_8_bytes_in_64_bit_mode_and_4_else(void **state)
{
	(void)state;
	world_write(FID_GUEST_RIP, 0x1111111122222222);
	world.gpr[REG_RCX] = VMCS_GUEST_RIP;
	world_operand(WORLD_OPERAND + 8);
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] |= REG_RCX << 28;
	fake_write64(WORLD_OPERAND + 16, UINT64_MAX);
	assert_int_equal(world_insn(EXIT_VMREAD), VMSUCCEED);
	assert_true(fake_read64(WORLD_OPERAND + 8) == 0x1111111122222222);
	assert_true(fake_read64(WORLD_OPERAND + 16) == UINT64_MAX);

	fake_write64(WORLD_OPERAND + 8, 0x8888888899999999);
	assert_int_equal(world_insn(EXIT_VMWRITE), VMSUCCEED);
	assert_true(world_read(FID_GUEST_RIP) == 0x8888888899999999);

	world_l1_32();
	world_operand(WORLD_OPERAND + 8);
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] |= REG_RCX << 28;
	assert_int_equal(world_insn(EXIT_VMWRITE), VMSUCCEED);
	fake_write64(WORLD_OPERAND + 8, UINT64_MAX);
	assert_int_equal(world_insn(EXIT_VMREAD), VMSUCCEED);
	assert_true(fake_read64(WORLD_OPERAND + 8) == 0xffffffff99999999);
}

/* ---- INVEPT, INVVPID ---- */

static void invept_checks_type_and_descriptor(void **state)
{
	static const uint64_t bad[][2] = {{0, 0}, {3, 0}, {1ull << 32 | 1, 0x801e}, {1, 0x801f},
		{1, 0x8006}, {1, 0x889e}, {1, 1ull << 46 | 0x801e}};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_fail(world_inv(EXIT_INVEPT, bad[i][0], bad[i][1], 0),
			VMERR_INVALID_INVEPT_INVVPID);
	assert_int_equal(world_inv(EXIT_INVEPT, 1, 0x801e, 0), VMSUCCEED);
	world.n.code.page[0].linear = 1;
	assert_int_equal(world_inv(EXIT_INVEPT, 2, UINT64_MAX, UINT64_MAX), VMSUCCEED);
	assert_int_equal(world.n.code.page[0].linear, 0);
	world.gpr[REG_RCX] = 2;
	world_operand(0x80000000);
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] |= REG_RCX << 28;
	expect_page_fault(world_insn(EXIT_INVEPT), 0x80000000, 0);
}

static void invvpid_checks_type_and_descriptor(void **state)
{
	(void)state;
	expect_fail(world_inv(EXIT_INVVPID, 4, 1, 0), VMERR_INVALID_INVEPT_INVVPID);
	expect_fail(world_inv(EXIT_INVVPID, UINT64_MAX, 1, 0), VMERR_INVALID_INVEPT_INVVPID);
	for (uint64_t type = 0; type < 4; type++) {
		enum world_outcome zero = world_inv(EXIT_INVVPID, type, 0, 0);

		assert_int_equal(zero, type == 2 ? VMSUCCEED : VMFAIL);
		assert_int_equal(world_inv(EXIT_INVVPID, type, 5, 0x1000), VMSUCCEED);
		expect_fail(world_inv(EXIT_INVVPID, type, 0x10005, 0),
			VMERR_INVALID_INVEPT_INVVPID);
	}
	expect_fail(world_inv(EXIT_INVVPID, 0, 5, 1ull << 47), VMERR_INVALID_INVEPT_INVVPID);
	assert_int_equal(world_inv(EXIT_INVVPID, 1, 5, 1ull << 47), VMSUCCEED);
}

static void invept_and_invvpid_are_undefined_without_their_features(void **state)
{
	uint64_t *proc2 = &world.vm.caps.msr[MSR_VMX_PROC2 - MSR_VMX_BASIC];

	(void)state;
	*proc2 &= ~((uint64_t)PROC2_ENABLE_VPID << 32);
	expect_fault(world_inv(EXIT_INVVPID, 2, 0, 0), VEC_UD);
	assert_int_equal(world_inv(EXIT_INVEPT, 2, 0, 0), VMSUCCEED);
	*proc2 &= ~((uint64_t)PROC2_ENABLE_EPT << 32);
	expect_fault(world_inv(EXIT_INVEPT, 2, 0, 0), VEC_UD);
}

static void invept_and_invvpid_are_undefined_without_their_capability(void **state)
{
	uint64_t *cap = &world.vm.caps.msr[MSR_VMX_EPT_VPID_CAP - MSR_VMX_BASIC];

	(void)state;
	*cap &= ~(uint64_t)EPT_CAP_INVEPT;
	expect_fault(world_inv(EXIT_INVEPT, 2, 0, 0), VEC_UD);
	assert_int_equal(world_inv(EXIT_INVVPID, 2, 0, 0), VMSUCCEED);
	*cap &= ~(uint64_t)EPT_CAP_INVVPID;
	expect_fault(world_inv(EXIT_INVVPID, 2, 0, 0), VEC_UD);
}

static void invept_takes_what_an_entry_takes(void **state)
{
	static const uint64_t bad[] = {0x3d, 0x19, 0x9e, 1ull << 60 | 0x1e, 0x11e | BIT(11)};

	(void)state;
	assert_int_equal(world_inv(EXIT_INVEPT, 1, 0x80000 | 0x1e, 0), VMSUCCEED);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_fail(world_inv(EXIT_INVEPT, 1, 0x80000 | bad[i], 0),
			VMERR_INVALID_INVEPT_INVVPID);
		assert_int_equal(world_inv(EXIT_INVEPT, 2, 0x80000 | bad[i], 0), VMSUCCEED);
	}
}

static void pointers_of_32_bits_are_a_matter_of_the_capability(void **state)
{
	uint64_t *basic = &world.vm.caps.msr[0];

	(void)state;
	expect_fail(world_pointer(EXIT_VMCLEAR, 1ull << 46), VMERR_VMCLEAR_BAD_ADDRESS);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, 1ull << 32), VMSUCCEED);
	*basic |= BIT64(48);
	expect_fail(world_pointer(EXIT_VMCLEAR, 1ull << 32), VMERR_VMCLEAR_BAD_ADDRESS);
}

static void invvpid_flushes_what_the_vpid_of_l1_runs_with(void **state)
{
	uint16_t vpid02;

	(void)state;
	world_enter(golden_64bit);
	vpid02 = (uint16_t)world_02()[FID_VPID];
	assert_in_range(vpid02, 0x101, 0x100 + VPID02_SLOTS);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(world_inv(EXIT_INVVPID, 1, 2, 0), VMSUCCEED);
	assert_int_equal(fake_called("seam_flush_vpid"), 0);
	assert_int_equal(world_inv(EXIT_INVVPID, 1, 1, 0), VMSUCCEED);
	assert_int_equal(fake_last("seam_flush_vpid")->a, vpid02);
	assert_int_equal(world_inv(EXIT_INVVPID, 2, 0, 0), VMSUCCEED);
	assert_int_equal(fake_last("seam_flush_vpid")->a, vpid02);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, world_setup)
#define R(name) cmocka_unit_test_setup(name, world_setup_root)
#define C(name) cmocka_unit_test_setup(name, world_setup_current)
		T(outside_vmx_operation_all_but_vmxon_are_undefined),
		T(what_l1_sees_of_cr4_decides_not_what_is_in_it),
		R(compatibility_mode_makes_all_undefined),
		R(vmcall_in_virtual_8086_mode_is_undefined),
		R(above_cpl_0_all_are_protection_faults),
		R(vmcall_in_root_operation_fails_and_vmfunc_is_undefined),
		T(vmxon_needs_fixed_bits_and_feature_control),
		T(vmxon_checks_its_region),
		R(vmxon_in_vmx_operation_fails),
		C(vmxoff_leaves_vmx_operation_and_the_current_vmcs),
		C(vmptrld_checks_its_region),
		C(vmptrld_takes_shadow_vmcss_only_with_the_control),
		R(a_failure_without_a_current_vmcs_is_vmfail_invalid),
		C(vmclear_checks_its_region_and_takes_any_revision),
		C(vmclear_of_the_current_vmcs_leaves_none),
		C(the_revision_word_of_a_region_is_never_written),
		C(launch_state_follows_vmclear_and_vmlaunch),
		C(a_failed_entry_leaves_the_vmcs_clear),
		C(mov_ss_blocking_refuses_entry_before_the_launch_state),
		C(every_field_keeps_what_is_written),
		C(access_rights_lose_their_reserved_bits),
		C(a_field_that_the_machine_lacks_is_kept_in_memory),
		C(high_encodings_reach_the_upper_half_only),
		C(unsupported_fields_fail),
		C(fields_of_features_that_l1_lacks_do_not_exist),
		C(exit_information_is_read_only_without_the_capability),
		C(all_registers_are_operands_and_rsp_is_in_the_vmcs),
		C(outside_64_bit_mode_operands_have_32_bits),
		C(memory_operands_have_8_bytes_in_64_bit_mode_and_4_else),
		C(invept_checks_type_and_descriptor),
		C(invvpid_checks_type_and_descriptor),
		C(invept_and_invvpid_are_undefined_without_their_features),
		C(invept_and_invvpid_are_undefined_without_their_capability),
		C(invept_takes_what_an_entry_takes),
		C(pointers_of_32_bits_are_a_matter_of_the_capability),
		C(invvpid_flushes_what_the_vpid_of_l1_runs_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
