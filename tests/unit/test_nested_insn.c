/*
 * VMX instructions of L1: outcomes, fields, the cache of active VMCSs.
 */
#include "nested_vcpu.h"

static void outside_vmx_operation_instructions_are_undefined(void **state)
{
	static const uint32_t reasons[] = {EXIT_VMCALL, EXIT_VMCLEAR, EXIT_VMLAUNCH,
		EXIT_VMPTRLD, EXIT_VMPTRST, EXIT_VMREAD, EXIT_VMRESUME, EXIT_VMWRITE,
		EXIT_VMXOFF, EXIT_INVEPT, EXIT_INVVPID, EXIT_VMFUNC};

	(void)state;
	for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		assert_int_equal(execute_m64(reasons[i], 0), OUTCOME_FAULT);
		assert_int_equal(fake_last("seam_inject")->a, VEC_UD);
	}
}

static void user_code_gets_gp(void **state)
{
	(void)state;
	enter_vmx();
	fake_hw.vmcs01[FID_GUEST_SS_AR] = 0xc0f3;
	assert_int_equal(execute_m64(EXIT_VMPTRLD, VMCS_REGION), OUTCOME_FAULT);
	assert_int_equal(fake_last("seam_inject")->a, VEC_GP);
	assert_int_equal(fake_last("seam_inject")->b, 0);
}

static void compatibility_mode_is_undefined(void **state)
{
	(void)state;
	enter_vmx();
	fake_hw.vmcs01[FID_GUEST_CS_AR] = 0xc09b;
	assert_int_equal(execute_m64(EXIT_VMPTRLD, VMCS_REGION), OUTCOME_FAULT);
	assert_int_equal(fake_last("seam_inject")->a, VEC_UD);
}

static void vmxon_checks_mode_registers_and_region(void **state)
{
	(void)state;
	fake_write32(VMXON_REGION, CAPS_REVISION);
	fake_hw.vmcs01[FID_GUEST_CR0] |= CR0_PG;
	fake_hw.vmcs01[FID_GUEST_CR3] = 0x50000;
	for (uint64_t i = 0; i < 4; i++) /* identity map of the first 2 MiB */
		fake_write64(0x50000 + i * 0x1000, (0x51000 + i * 0x1000) | 0x23);
	fake_write64(0x52000, 0 | 0xe3);
	fake_hw.vmcs01[FID_CR4_GUEST_HOST_MASK] = CR4_VMXE;
	assert_int_equal(execute_m64(EXIT_VMXON, VMXON_REGION), OUTCOME_FAULT);
	assert_int_equal(fake_last("seam_inject")->a, VEC_UD);
	fake_hw.vmcs01[FID_CR4_READ_SHADOW] = CR4_VMXE;
	n.feature_control = 1;
	assert_int_equal(execute_m64(EXIT_VMXON, VMXON_REGION), OUTCOME_FAULT);
	assert_int_equal(fake_last("seam_inject")->a, VEC_GP);
	n.feature_control = 5;
	assert_int_equal(execute_m64(EXIT_VMXON, VMXON_REGION + 8), OUTCOME_FAIL_INVALID);
	assert_int_equal(execute_m64(EXIT_VMXON, 1ull << 46), OUTCOME_FAIL_INVALID);
	fake_write32(VMXON_REGION, CAPS_REVISION + 1);
	assert_int_equal(execute_m64(EXIT_VMXON, VMXON_REGION), OUTCOME_FAIL_INVALID);
	fake_write32(VMXON_REGION, CAPS_REVISION);
	assert_int_equal(execute_m64(EXIT_VMXON, VMXON_REGION), OUTCOME_SUCCEED);
	assert_true(n.vmxon);
	assert_int_equal(execute_m64(EXIT_VMXON, VMXON_REGION), OUTCOME_FAIL_INVALID);
}

static void pointers_are_judged_in_order(void **state)
{
	(void)state;
	enter_vmx();
	assert_int_equal(execute_m64(EXIT_VMPTRLD, VMCS_REGION + 1), VMERR_VMPTRLD_BAD_ADDRESS);
	assert_int_equal(execute_m64(EXIT_VMPTRLD, 1ull << 46), VMERR_VMPTRLD_BAD_ADDRESS);
	assert_int_equal(execute_m64(EXIT_VMPTRLD, VMXON_REGION), VMERR_VMPTRLD_VMXON_POINTER);
	assert_int_equal(
		execute_m64(EXIT_VMPTRLD, VMCS_REGION + 0x1000), VMERR_VMPTRLD_BAD_REVISION);
	assert_int_equal(execute_m64(EXIT_VMPTRLD, 1ull << 40), VMERR_VMPTRLD_BAD_REVISION);
	assert_int_equal(execute_m64(EXIT_VMCLEAR, VMCS_REGION + 1), VMERR_VMCLEAR_BAD_ADDRESS);
	assert_int_equal(execute_m64(EXIT_VMCLEAR, VMXON_REGION), VMERR_VMCLEAR_VMXON_POINTER);
	assert_int_equal(execute_m64(EXIT_VMCLEAR, 1ull << 40), OUTCOME_SUCCEED);
	assert_int_equal(execute_m64(EXIT_VMPTRST, 0), OUTCOME_SUCCEED);
	assert_int_equal(fake_read64(OPERAND), VMCS_REGION);
	assert_int_equal(execute_m64(EXIT_VMCLEAR, VMCS_REGION), OUTCOME_SUCCEED);
	assert_int_equal(execute_m64(EXIT_VMPTRST, 0), OUTCOME_SUCCEED);
	assert_int_equal(fake_read64(OPERAND), UINT64_MAX);
}

static void every_field_holds_what_fits_its_width(void **state)
{
	uint64_t value;

	(void)state;
	enter_vmx();
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint32_t enc = vmcs_fields[i].encoding;
		bool exists = caps_field_exists(&vm.caps, (enum vmcs_fid)i);

		assert_int_equal(
			vmwrite12(enc, UINT64_MAX), exists ? OUTCOME_SUCCEED : VMERR_BAD_FIELD);
		assert_int_equal(
			vmread12(enc, &value), exists ? OUTCOME_SUCCEED : VMERR_BAD_FIELD);
		if (exists && i != FID_INSTRUCTION_ERROR)
			assert_int_equal(value, vmcs_value_mask(enc));
	}
}

static void halves_of_64_bit_fields_are_apart(void **state)
{
	uint64_t value;

	(void)state;
	enter_vmx();
	vmwrite12(VMCS_TSC_OFFSET, 0x1122334455667788);
	assert_int_equal(vmread12(VMCS_TSC_OFFSET + 1, &value), OUTCOME_SUCCEED);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(vmwrite12(VMCS_TSC_OFFSET + 1, 0xaabbccdd99), OUTCOME_SUCCEED);
	vmread12(VMCS_TSC_OFFSET, &value);
	assert_int_equal(value, 0xbbccdd9955667788);
	assert_int_equal(vmread12(VMCS_GUEST_RIP + 1, &value), VMERR_BAD_FIELD);
	assert_int_equal(vmread12(VMCS_GUEST_RIP | 1ull << 32, &value), VMERR_BAD_FIELD);
	assert_int_equal(vmread12(0x7ffe, &value), VMERR_BAD_FIELD);
}

static void outside_64_bit_mode_operands_have_32_bits(void **state)
{
	uint64_t value;

	(void)state;
	enter_vmx();
	vmwrite12(VMCS_TSC_OFFSET, UINT64_MAX);
	fake_hw.vmcs01[FID_GUEST_EFER] = 0;
	fake_hw.vmcs01[FID_GUEST_CS_AR] = 0xc09b;
	vmread12(VMCS_TSC_OFFSET, &value);
	assert_int_equal(value, UINT32_MAX);
	vmwrite12(VMCS_TSC_OFFSET | 0xffull << 32, 0x55555555aaaaaaaa);
	assert_int_equal(n.cur->f[FID_TSC_OFFSET], 0xaaaaaaaa);
}

static void without_a_current_vmcs_access_fails_invalid(void **state)
{
	uint64_t value;

	(void)state;
	enter_vmx();
	execute_m64(EXIT_VMCLEAR, VMCS_REGION);
	assert_int_equal(vmread12(VMCS_GUEST_RIP, &value), OUTCOME_FAIL_INVALID);
	assert_int_equal(vmwrite12(VMCS_GUEST_RIP, 0), OUTCOME_FAIL_INVALID);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_FAIL_INVALID);
	assert_int_equal(execute_m64(EXIT_VMPTRLD, VMCS_REGION + 8), OUTCOME_FAIL_INVALID);
}

static void more_vmcss_than_slots_all_keep_their_data(void **state)
{
	(void)state;
	enter_vmx();
	for (uint64_t round = 0; round < 3; round++)
		for (uint64_t i = 0; i < NVMCS_SLOTS + 3; i++) {
			uint64_t region = VMCS_REGION + i * PAGE_SIZE, value;

			fake_write32(region, CAPS_REVISION);
			if (round == 0)
				execute_m64(EXIT_VMCLEAR, region);
			assert_int_equal(execute_m64(EXIT_VMPTRLD, region), OUTCOME_SUCCEED);
			if (round == 0)
				vmwrite12(VMCS_GUEST_RSP, 0x1000 + i);
			vmread12(VMCS_GUEST_RSP, &value);
			assert_int_equal(value, 0x1000 + i);
		}
}

static void data_survives_vmclear(void **state)
{
	uint64_t value;

	(void)state;
	enter_vmx();
	vmwrite12(VMCS_GUEST_CS_BASE, 0x12345678);
	execute_m64(EXIT_VMCLEAR, VMCS_REGION);
	execute_m64(EXIT_VMPTRLD, VMCS_REGION);
	vmread12(VMCS_GUEST_CS_BASE, &value);
	assert_int_equal(value, 0x12345678);
}

static void a_region_full_of_ones_does_no_harm(void **state)
{
	(void)state;
	enter_vmx();
	memset(fake.ram + VMCS_REGION + 0x1000, 0xff, PAGE_SIZE);
	fake_write32(VMCS_REGION + 0x1000, CAPS_REVISION);
	assert_int_equal(execute_m64(EXIT_VMPTRLD, VMCS_REGION + 0x1000), OUTCOME_SUCCEED);
	for (unsigned i = 0; i < FID_COUNT; i++)
		assert_int_equal(n.cur->f[i] & ~vmcs_value_mask(vmcs_fields[i].encoding), 0);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), VMERR_ENTRY_CONTROLS);
}

static void launch_state_decides_launch_and_resume(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	enter_vmx();
	golden_offered(f);
	become(f);
	assert_int_equal(execute(EXIT_VMRESUME, 0), VMERR_VMRESUME_NOT_LAUNCHED);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_L2);
	assert_true(n.cur->launched);
	fake_hw.current[FID_EXIT_INSTRUCTION_LENGTH] = 2;
	assert_int_equal(nested_l2_exit(&n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), VMERR_VMLAUNCH_NOT_CLEAR);
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
}

static void blocking_by_mov_ss_refuses_entry(void **state)
{
	(void)state;
	enter_vmx();
	fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_MOV_SS;
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), VMERR_ENTRY_EVENTS_BLOCKED_MOV_SS);
}

static int execute_inv(uint32_t reason, uint64_t type, uint64_t low, uint64_t high)
{
	gpr[0] = OPERAND;
	gpr[3] = type;
	fake_write64(OPERAND, low);
	fake_write64(OPERAND + 8, high);
	return execute(reason, 2u << 7 | 3u << 15 | BIT(22) | 3u << 28);
}

static void invalidations_check_type_and_descriptor(void **state)
{
	const int bad = VMERR_INVALID_INVEPT_INVVPID;
	uint64_t eptp = 0x8000 | EPTP_WALK_4 | 6;

	(void)state;
	enter_vmx();
	assert_int_equal(execute_inv(EXIT_INVEPT, 0, eptp, 0), bad);
	assert_int_equal(execute_inv(EXIT_INVEPT, 1, eptp, 0), OUTCOME_SUCCEED);
	assert_int_equal(execute_inv(EXIT_INVEPT, 1, eptp | 0x80, 0), bad);
	assert_int_equal(execute_inv(EXIT_INVEPT, 1, 0x8000, 0), bad);
	assert_int_equal(execute_inv(EXIT_INVEPT, 2, 0, 0), OUTCOME_SUCCEED);
	assert_int_equal(execute_inv(EXIT_INVEPT, 3, eptp, 0), bad);
	assert_int_equal(execute_inv(EXIT_INVVPID, 0, 1, 0x1000), OUTCOME_SUCCEED);
	assert_int_equal(execute_inv(EXIT_INVVPID, 0, 1, 1ull << 47), bad);
	assert_int_equal(execute_inv(EXIT_INVVPID, 1, 0, 0), bad);
	assert_int_equal(execute_inv(EXIT_INVVPID, 1, 0x10001, 0), bad);
	assert_int_equal(execute_inv(EXIT_INVVPID, 2, 0, 0), OUTCOME_SUCCEED);
	assert_int_equal(execute_inv(EXIT_INVVPID, 4, 1, 0), bad);
}

static void vmcall_in_root_fails_and_vmxoff_ends(void **state)
{
	uint64_t value;

	(void)state;
	enter_vmx();
	assert_int_equal(execute(EXIT_VMCALL, 0), VMERR_VMCALL_IN_ROOT);
	assert_int_equal(execute(EXIT_VMXOFF, 0), OUTCOME_SUCCEED);
	assert_int_equal(vmread12(VMCS_GUEST_RIP, &value), OUTCOME_FAULT);
}

static void a_non_canonical_operand_faults_and_nothing_changes(void **state)
{
	(void)state;
	enter_vmx();
	gpr[0] = 1ull << 47;
	assert_int_equal(execute(EXIT_VMPTRLD, 2u << 7 | 3u << 15 | BIT(22)), OUTCOME_FAULT);
	assert_int_equal(fake_last("seam_inject")->a, VEC_GP);
	assert_int_equal(execute(EXIT_VMPTRLD, 2u << 7 | 2u << 15 | BIT(22)), OUTCOME_FAULT);
	assert_int_equal(fake_last("seam_inject")->a, VEC_SS);
	assert_int_equal(n.cur->gpa, VMCS_REGION);
}

static void segment_limits_hold_outside_64_bit_mode(void **state)
{
	(void)state;
	enter_vmx();
	fake_hw.vmcs01[FID_GUEST_EFER] = 0;
	fake_hw.vmcs01[FID_GUEST_CS_AR] = 0xc09b;
	fake_hw.vmcs01[FID_GUEST_DS_AR] = 0xc093;
	fake_hw.vmcs01[FID_GUEST_DS_LIMIT] = OPERAND + 6;
	gpr[0] = OPERAND;
	fake_write64(OPERAND, VMCS_REGION);
	assert_int_equal(execute(EXIT_VMPTRLD, 1u << 7 | 3u << 15 | BIT(22)), OUTCOME_FAULT);
	fake_hw.vmcs01[FID_GUEST_DS_LIMIT] = OPERAND + 7;
	assert_int_equal(execute(EXIT_VMPTRLD, 1u << 7 | 3u << 15 | BIT(22)), OUTCOME_SUCCEED);
	fake_hw.vmcs01[FID_GUEST_DS_AR] = SEG_AR_UNUSABLE;
	assert_int_equal(execute(EXIT_VMPTRLD, 1u << 7 | 3u << 15 | BIT(22)), OUTCOME_FAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, vcpu_setup, vcpu_teardown)
		T(outside_vmx_operation_instructions_are_undefined),
		T(user_code_gets_gp),
		T(compatibility_mode_is_undefined),
		T(vmxon_checks_mode_registers_and_region),
		T(pointers_are_judged_in_order),
		T(every_field_holds_what_fits_its_width),
		T(halves_of_64_bit_fields_are_apart),
		T(outside_64_bit_mode_operands_have_32_bits),
		T(without_a_current_vmcs_access_fails_invalid),
		T(more_vmcss_than_slots_all_keep_their_data),
		T(data_survives_vmclear),
		T(a_region_full_of_ones_does_no_harm),
		T(launch_state_decides_launch_and_resume),
		T(blocking_by_mov_ss_refuses_entry),
		T(invalidations_check_type_and_descriptor),
		T(vmcall_in_root_fails_and_vmxoff_ends),
		T(a_non_canonical_operand_faults_and_nothing_changes),
		T(segment_limits_hold_outside_64_bit_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
