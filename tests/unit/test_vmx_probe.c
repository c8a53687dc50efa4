/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VT-x of a machine can do, and IA32_FEATURE_CONTROL in each state in which firmware may
 * leave it. An MSR that the processor does not have fails the test, and so does a write of a
 * register that is locked, or of a bit that it lacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/mce.h"
#include "spec/cpuid.h"
#include "vmx/vmx.h"

#define VMX    (1u << 5)
#define XSAVE  (1u << 26)
#define LOCK   FEATURE_CONTROL_LOCK
#define ON     FEATURE_CONTROL_VMX_NOT_SMX
#define IN_SMX (1u << 1)
#define SENTER 0xff00u

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
static uint32_t features;
static uint64_t feature_control, capability[CAPS_MSR_COUNT], cr4;
static bool exists[CAPS_MSR_COUNT], has_local;
static unsigned writes;

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){.eax = 1};
	case 1:
		return (struct cpuid_regs){.ecx = features};
	default:
		assert_int_equal(leaf, CPUID_EXT_BASE + 8);
		return (struct cpuid_regs){.eax = 0x302e};
	}
}

uint64_t hw_rdmsr(uint32_t msr)
{
	assert_true(features & VMX);
	if (msr == MSR_FEATURE_CONTROL)
		return feature_control;
	assert_in_range(msr, MSR_VMX_BASIC, MSR_VMX_PROC3);
	assert_true(exists[msr - MSR_VMX_BASIC]);
	return capability[msr - MSR_VMX_BASIC];
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	assert_int_equal(msr, MSR_FEATURE_CONTROL);
	assert_false(feature_control & LOCK);
	assert_false(value & FEATURE_CONTROL_LMCE && !has_local);
	feature_control = value;
	writes++;
}

uint64_t hw_cr4_access(bool write, uint64_t value)
{
	assert_false(write);
	(void)value;
	return cr4;
}

bool mce_has_local(void)
{
	return has_local;
}

static void has(uint32_t msr, uint64_t value)
{
	exists[msr - MSR_VMX_BASIC] = true;
	capability[msr - MSR_VMX_BASIC] = value;
}

/* A processor with all controls, as they are without "true" ones. */
static int begin(void **state)
{
	(void)state;
	memset(exists, 0, sizeof(exists));
	memset(capability, 0, sizeof(capability));
	for (uint32_t m = MSR_VMX_BASIC; m <= MSR_VMX_VMCS_ENUM; m++)
		has(m, 0);
	has(MSR_VMX_BASIC, 0x11 | 1024ull << 32 | 6ull << 50);
	for (uint32_t m = MSR_VMX_PIN; m <= MSR_VMX_ENTRY; m++)
		has(m, UINT64_C(0xffffffff) << 32);
	has(MSR_VMX_PROC2, UINT64_C(0xffffffff) << 32);
	has(MSR_VMX_EPT_VPID_CAP, UINT64_C(0xf0106134141));
	has(MSR_VMX_VMFUNC, 1);
	has(MSR_VMX_PROC3, 0x90);
	features = VMX | XSAVE;
	feature_control = LOCK | ON;
	has_local = false;
	cr4 = 0;
	writes = 0;
	return 0;
}

static enum vmx_status probe(void)
{
	const char *missing = NULL;

	return vmx_probe(&missing);
}

static void feature_control_that_is_locked_stays_as_it_is(void **state)
{
	static const uint64_t others[] = {0, IN_SMX, SENTER, IN_SMX | SENTER,
		FEATURE_CONTROL_LMCE, 1ull << 17 | 1ull << 18};

	(void)state;
	has_local = true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		feature_control = LOCK | others[i];
		assert_false(vmx_unlock());
		assert_int_equal(probe(), VMX_LOCKED_OFF);
		feature_control = LOCK | ON | others[i];
		assert_true(vmx_unlock());
		assert_int_equal(feature_control, LOCK | ON | others[i]);
	}
	assert_int_equal(writes, 0);
}

static void feature_control_that_is_open_is_locked_with_what_is_needed(void **state)
{
	(void)state;
	feature_control = 0;
	assert_true(vmx_unlock());
	assert_int_equal(feature_control, LOCK | ON);
	feature_control = IN_SMX | SENTER; /* firmware's, without the lock */
	assert_true(vmx_unlock());
	assert_int_equal(feature_control, LOCK | ON | IN_SMX | SENTER);
	assert_int_equal(writes, 2);
	assert_true(vmx_unlock());
	assert_int_equal(writes, 2);
}

/* Afterwards nobody can: 15.3.1.5. */
static void local_machine_checks_are_let_on_with_it_where_there_are_any(void **state)
{
	(void)state;
	has_local = true;
	feature_control = 0;
	assert_true(vmx_unlock());
	assert_int_equal(feature_control, LOCK | ON | FEATURE_CONTROL_LMCE);
}

static void a_processor_without_vtx_is_asked_nothing_more(void **state)
{
	(void)state;
	features = XSAVE;
	assert_int_equal(probe(), VMX_ABSENT);
}

static void msrs_that_others_do_not_tell_of_are_not_read(void **state)
{
	(void)state;
	has(MSR_VMX_PROC, 0x7ffdffffull << 32); /* no secondary and no tertiary controls */
	exists[MSR_VMX_PROC2 - MSR_VMX_BASIC] = false;
	exists[MSR_VMX_EPT_VPID_CAP - MSR_VMX_BASIC] = false;
	exists[MSR_VMX_VMFUNC - MSR_VMX_BASIC] = false;
	exists[MSR_VMX_PROC3 - MSR_VMX_BASIC] = false;
	assert_int_equal(probe(), VMX_INSUFFICIENT);
	assert_true(caps_msr(&vmx_caps, MSR_VMX_PROC3) == 0);
}

static void what_is_missing_has_a_name(void **state)
{
	const char *missing = NULL;

	(void)state;
	assert_int_equal(vmx_probe(&missing), VMX_OK);
	assert_null(missing);
	assert_true(caps_msr(&vmx_caps, MSR_VMX_PROC3) == 0x90);
	features = VMX;
	assert_int_equal(vmx_probe(&missing), VMX_INSUFFICIENT);
	assert_string_equal(missing, "XSAVE");
	features = VMX | XSAVE;
	has(MSR_VMX_PROC2, 0xffffff7full << 32);
	assert_int_equal(vmx_probe(&missing), VMX_INSUFFICIENT);
	assert_string_equal(missing, "unrestricted guest");
}

/* Without "true" controls those that are 1 in the ordinary ones are 1 (A.3.1). */
static void controls_are_adjusted_by_what_is_fixed(void **state)
{
	(void)state;
	has(MSR_VMX_PIN, 0x7full << 32 | 0x16);
	assert_int_equal(probe(), VMX_OK);
	assert_int_equal(vmx_adjust(MSR_VMX_PIN, 0xff), 0x7f);
	assert_int_equal(vmx_adjust(MSR_VMX_PIN, 1), 0x17);
	has(MSR_VMX_BASIC, capability[0] | 1ull << 55);
	for (uint32_t m = MSR_VMX_TRUE_PIN; m <= MSR_VMX_TRUE_ENTRY; m++)
		has(m, UINT64_C(0xffffffff) << 32);
	has(MSR_VMX_TRUE_PIN, 0x7full << 32 | 0x10);
	assert_int_equal(probe(), VMX_OK);
	assert_int_equal(vmx_adjust(MSR_VMX_PIN, 1), 0x11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(feature_control_that_is_locked_stays_as_it_is, begin),
		cmocka_unit_test_setup(
			feature_control_that_is_open_is_locked_with_what_is_needed, begin),
		cmocka_unit_test_setup(
			local_machine_checks_are_let_on_with_it_where_there_are_any, begin),
		cmocka_unit_test_setup(a_processor_without_vtx_is_asked_nothing_more, begin),
		cmocka_unit_test_setup(msrs_that_others_do_not_tell_of_are_not_read, begin),
		cmocka_unit_test_setup(what_is_missing_has_a_name, begin),
		cmocka_unit_test_setup(controls_are_adjusted_by_what_is_fixed, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
