/*
 * The registers of a vCPU that stay in the CPU across exits and move only when another vCPU runs.
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"

static const uint32_t switched_msrs[] = {
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_KERNEL_GS_BASE, MSR_TSC_AUX};

#define SWITCHED_COUNT (sizeof(switched_msrs) / sizeof(switched_msrs[0]))

_Static_assert(
	SWITCHED_COUNT <= sizeof(((struct vcpu *)0)->msr) / sizeof(uint64_t), "struct vcpu");

/* Everything the vCPU may have enabled: XCR0 may be smaller than what holds data. */
static void use_all_of_xcr0(void)
{
	xsetbv(0, cpuid_xcr0_mask());
}

void vcpu_save_registers(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < SWITCHED_COUNT; i++)
		vcpu->msr[i] = rdmsr(switched_msrs[i]);
	vcpu->cr2 = read_cr2();
	read_debug_registers(vcpu->dr);
	use_all_of_xcr0();
	xsave64(vcpu->xsave, cpuid_xcr0_mask());
}

void vcpu_load_registers(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < SWITCHED_COUNT; i++)
		wrmsr(switched_msrs[i], vcpu->msr[i]);
	write_cr2(vcpu->cr2);
	write_debug_registers(vcpu->dr);
	use_all_of_xcr0();
	xrstor64(vcpu->xsave, cpuid_xcr0_mask());
	xsetbv(0, vcpu->xcr0);
}
