/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of a vCPU that stay in the CPU across exits and move only when another vCPU
 * runs.
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"

const uint32_t vcpu_switched_msrs[VCPU_SWITCHED_MSRS] = {
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_KERNEL_GS_BASE, MSR_TSC_AUX};

/* Everything the vCPU may have enabled: XCR0 may be smaller than what holds data. */
static void use_all_of_xcr0(void)
{
	xsetbv(0, cpuid_xcr0_mask());
}

void vcpu_save_registers(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < VCPU_SWITCHED_MSRS; i++)
		vcpu->msr[i] = rdmsr(vcpu_switched_msrs[i]);
	vcpu->cr2 = read_cr2();
	read_debug_registers(vcpu->dr);
	use_all_of_xcr0();
	xsave64(vcpu->xsave, cpuid_xcr0_mask());
}

void vcpu_load_registers(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < VCPU_SWITCHED_MSRS; i++)
		wrmsr(vcpu_switched_msrs[i], vcpu->msr[i]);
	write_cr2(vcpu->cr2);
	write_debug_registers(vcpu->dr);
	use_all_of_xcr0();
	xrstor64(vcpu->xsave, cpuid_xcr0_mask());
	xsetbv(0, vcpu->xcr0);
}
