/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of control-flow enforcement L0 reads and mends in the current VMCS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "spec/cet.h"
#include "vm/cet.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

static uint64_t cr0, cr4, rflags, s_cet, ssp, entry;
static struct vcpu vcpu;

static uint64_t *field(uint64_t encoding)
{
	static uint64_t other;

	switch (encoding) {
	case VMCS_GUEST_CR0:
		return &cr0;
	case VMCS_GUEST_CR4:
		return &cr4;
	case VMCS_GUEST_RFLAGS:
		return &rflags;
	case VMCS_GUEST_S_CET:
		return &s_cet;
	case VMCS_GUEST_SSP:
		return &ssp;
	case VMCS_ENTRY_CONTROLS:
		return &entry;
	default:
		return &other;
	}
}

uint64_t hw_vmread(uint64_t encoding)
{
	return *field(encoding);
}
void hw_vmwrite(uint64_t encoding, uint64_t v)
{
	*field(encoding) = v;
}
void hw_invept(uint64_t type, uint64_t eptp)
{
	(void)type;
	(void)eptp;
}
void hw_invvpid(uint64_t type, uint16_t vpid)
{
	(void)type;
	(void)vpid;
}
uint64_t hw_rdmsr(uint32_t msr)
{
	return msr == 0x6a0 ? CET_SH_STK_EN : 0;
}
void hw_wrmsr(uint32_t msr, uint64_t v)
{
	(void)msr;
	(void)v;
}
void vmcs_write_setup(enum vmcs_encoding e, uint64_t v)
{
	(void)e;
	(void)v;
}
void cpuid_update(struct vcpu *v)
{
	(void)v;
}

static int setup(void **state)
{
	(void)state;
	vcpu.cet.control = CET_OF_SS | CET_OF_IBT;
	vcpu.cet.linear_bits = LINEAR_BITS;
	cr0 = CR0_PE | CR0_PG | CR0_WP;
	cr4 = CR4_CET;
	rflags = 2;
	s_cet = CET_ENDBR_EN;
	ssp = 0;
	entry = ENTRY_IA32E_GUEST;
	return 0;
}

static void neither_real_nor_virtual_8086_mode_has_it(void **state)
{
	(void)state;
	assert_int_equal(cet_in_use(&vcpu, 0), CET_ENDBR_EN);
	assert_int_equal(cet_in_use(&vcpu, 3), CET_SH_STK_EN);
	rflags |= RFLAGS_VM;
	assert_int_equal(cet_in_use(&vcpu, 3), 0);
	rflags = 2;
	cr0 = CR0_WP;
	assert_int_equal(cet_in_use(&vcpu, 0), 0);
}

/* RET or INCSSP from the last page of the lower half: no fault, SSP is one too far. */
static void an_ssp_behind_the_lower_half_fits(void **state)
{
	(void)state;
	ssp = UINT64_C(0x0000800000000000);
	assert_true(cet_fit_mode(&vcpu, EXIT_INVALID_GUEST_STATE | EXIT_REASON_ENTRY_FAILURE));
	assert_false(cet_fit_mode(&vcpu, EXIT_INVALID_GUEST_STATE | EXIT_REASON_ENTRY_FAILURE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(neither_real_nor_virtual_8086_mode_has_it, setup),
		cmocka_unit_test_setup(an_ssp_behind_the_lower_half_fits, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
