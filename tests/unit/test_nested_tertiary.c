/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities: tertiary controls, those that L0 completes in software and those that the
 * machine must have.
 */
#include "derive_caps.h"

/* A machine with these tertiary controls. */
static struct vmx_caps with_tertiary(uint64_t controls)
{
	struct vmx_caps hw = fake_hardware_caps();
	uint64_t bit = (uint64_t)PROC_TERTIARY << 32;

	hw.msr[MSR_VMX_PROC3 - MSR_VMX_BASIC] = controls;
	hw.msr[MSR_VMX_PROC - MSR_VMX_BASIC] &= ~(controls ? 0 : bit);
	hw.msr[MSR_VMX_TRUE_PROC - MSR_VMX_BASIC] &= ~(controls ? 0 : bit);
	return hw;
}

static void ipi_virtualization_needs_posted_interrupts_and_no_control_of_the_machine(
	void **state)
{
	struct vmx_caps hw = with_tertiary(0);
	struct vmx_caps l1 = derive(&hw, UINT64_MAX);
	uint64_t ipi_virt = feature("ipi_virt");

	(void)state;
	assert_false(caps_allowed1(&hw, MSR_VMX_TRUE_PROC) & PROC_TERTIARY);
	assert_false(caps_machine_features(&hw) & ipi_virt);
	assert_true(caps_allowed1(&l1, MSR_VMX_TRUE_PROC) & PROC_TERTIARY);
	assert_true(caps_msr(&l1, MSR_VMX_PROC3) == PROC3_IPI_VIRTUALIZATION);
	assert_true(caps_field_exists(&l1, FID_PROC3_CONTROLS));
	assert_true(caps_field_exists(&l1, FID_PID_POINTER_TABLE));
	assert_true(caps_field_exists(&l1, FID_LAST_PID_POINTER_INDEX));
	assert_int_equal(caps_msr(&l1, MSR_VMX_VMCS_ENUM), 0x42);
	assert_true(caps_machine_features(&l1) & ipi_virt);
	l1 = derive(&hw, UINT64_MAX & ~feature("posted_intr"));
	assert_false(caps_allowed1(&l1, MSR_VMX_TRUE_PROC) & PROC_TERTIARY);
	assert_true(caps_msr(&l1, MSR_VMX_PROC3) == 0);
	assert_false(caps_field_exists(&l1, FID_PID_POINTER_TABLE));
	hw = with_tertiary(UINT64_MAX);
	l1 = derive(&hw, UINT64_MAX & ~ipi_virt);
	assert_false(caps_msr(&l1, MSR_VMX_PROC3) & PROC3_IPI_VIRTUALIZATION);
	assert_true(caps_machine_features(&hw) & ipi_virt);
}

static void spec_ctrl_is_virtualized_where_the_machine_does(void **state)
{
	uint64_t spec_ctrl = feature("spec_ctrl"), both = spec_ctrl | feature("ipi_virt");
	struct vmx_caps hw = with_tertiary(PROC3_VIRTUALIZE_SPEC_CTRL), l1;

	(void)state;
	l1 = derive(&hw, UINT64_MAX);
	assert_true(caps_msr(&l1, MSR_VMX_PROC3) ==
		    (PROC3_IPI_VIRTUALIZATION | PROC3_VIRTUALIZE_SPEC_CTRL));
	assert_true(caps_field_exists(&l1, FID_SPEC_CTRL_MASK));
	assert_int_equal(caps_msr(&l1, MSR_VMX_VMCS_ENUM), 0x4c);
	assert_true(caps_machine_features(&hw) & spec_ctrl);
	assert_true((caps_machine_features(&l1) & both) == both);
	l1 = derive(&hw, UINT64_MAX & ~feature("ipi_virt"));
	assert_true(caps_msr(&l1, MSR_VMX_PROC3) == PROC3_VIRTUALIZE_SPEC_CTRL);
	assert_true(caps_allowed1(&l1, MSR_VMX_TRUE_PROC) & PROC_TERTIARY);
	assert_false(caps_field_exists(&l1, FID_PID_POINTER_TABLE));
	hw = with_tertiary(UINT64_MAX & ~PROC3_VIRTUALIZE_SPEC_CTRL);
	l1 = derive(&hw, UINT64_MAX);
	assert_true(caps_msr(&l1, MSR_VMX_PROC3) == PROC3_IPI_VIRTUALIZATION);
	assert_false(caps_field_exists(&l1, FID_SPEC_CTRL_SHADOW));
	assert_false(caps_machine_features(&hw) & spec_ctrl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			ipi_virtualization_needs_posted_interrupts_and_no_control_of_the_machine),
		cmocka_unit_test(spec_ctrl_is_virtualized_where_the_machine_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
