/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of a vCPU that stay in the CPU across exits and move only when another vCPU
 * runs.
 */
#include "vm/cet.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/mem.h"
#include "spec/cpuid.h"
#include "vm/operate.h"

const uint32_t vcpu_switched_msrs[VCPU_SWITCHED_MSRS] = {
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_KERNEL_GS_BASE, MSR_TSC_AUX};

/* Without the last one nothing that the vCPU executes reads it; the machine may have none. */
static unsigned switched_count(const struct vcpu *vcpu)
{
	return VCPU_SWITCHED_MSRS - !msr_policy_has(&vcpu->msrs, MSR_TSC_AUX);
}

/* Everything the vCPU may have enabled: XCR0 may be smaller than what holds data. */
static void use_all_of_xcr0(void)
{
	xsetbv(0, cpuid_xcr0_mask());
}

void vcpu_save_registers(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < switched_count(vcpu); i++)
		vcpu->msr[i] = rdmsr(vcpu_switched_msrs[i]);
	if (vcpu->cet.control != 0)
		cet_save(vcpu);
	vcpu->cr2 = read_cr2();
	read_debug_registers(vcpu->dr);
	use_all_of_xcr0();
	xsave64(vcpu->xsave, cpuid_xcr0_mask());
}

void vcpu_load_registers(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < switched_count(vcpu); i++)
		wrmsr(vcpu_switched_msrs[i], vcpu->msr[i]);
	if (vcpu->cet.control != 0)
		cet_load(vcpu);
	if (cpuid_offers(vcpu, CPUID_WAITPKG))
		wrmsr(MSR_UMWAIT_CONTROL, vcpu->umwait);
	write_cr2(vcpu->cr2);
	write_debug_registers(vcpu->dr);
	use_all_of_xcr0();
	xrstor64(vcpu->xsave, cpuid_xcr0_mask());
	xsetbv(0, vcpu->xcr0);
}

/* ---- looked at from outside ---- */

/*
 * L0's CR4.PKE is 0, so that nothing a guest has in PKRU means anything for it; RDPKRU needs
 * it, XSAVE does not.
 */
uint32_t vcpu_pkru(struct vcpu *vcpu)
{
	uint32_t at = cpuid_of(vcpu, CPUID_LEAF_XSAVE, XCR0_PKRU_BIT).ebx;

	if (!(cpuid_xcr0_mask() & XCR0_PKRU) || at > PAGE_SIZE - sizeof(uint32_t))
		return 0;
	use_all_of_xcr0();
	xsave64(vcpu->xsave, XCR0_PKRU);
	xsetbv(0, vcpu->xcr0);
	if (!(*(uint64_t *)(vcpu->xsave + XSAVE_HEADER) & XCR0_PKRU))
		return 0; /* as it is at first */
	return *(uint32_t *)(vcpu->xsave + at);
}

/* Where the CPU's standard format has AVX. */
static uint8_t *avx_of(const struct vcpu *vcpu)
{
	uint32_t at = cpuid(CPUID_LEAF_XSAVE, 2).ebx;

	if (!(vcpu->xcr0 & XCR0_AVX) || at < FPU_AVX || at > PAGE_SIZE - FPU_AVX_SIZE)
		return NULL;
	return vcpu->xsave + at;
}

void vcpu_fpu_read(struct vcpu *vcpu, const uint8_t **legacy, const uint8_t **avx)
{
	use_all_of_xcr0();
	xsave64(vcpu->xsave, cpuid_xcr0_mask());
	xsetbv(0, vcpu->xcr0);
	*legacy = vcpu->xsave;
	*avx = avx_of(vcpu);
}

/* XRSTOR faults for MXCSR's reserved bits, and for nothing else that can be changed here. */
static bool patch(struct vcpu *vcpu, uint64_t at, const uint8_t *data, uint32_t size)
{
	uint8_t *avx = avx_of(vcpu), mxcsr[4];

	if (at >= FPU_AVX && avx != NULL && at - FPU_AVX + size <= FPU_AVX_SIZE) {
		memcpy(avx + (at - FPU_AVX), data, size);
		return true;
	}
	if (at >= FPU_LEGACY || at + size > FPU_LEGACY)
		return false;
	memcpy(mxcsr, vcpu->xsave + XSAVE_MXCSR, sizeof(mxcsr));
	memcpy(vcpu->xsave + at, data, size);
	if (!(*(uint32_t *)(vcpu->xsave + XSAVE_MXCSR) & ~MXCSR_VALID))
		return true;
	memcpy(vcpu->xsave + XSAVE_MXCSR, mxcsr, sizeof(mxcsr));
	return false;
}

bool vcpu_fpu_write(struct vcpu *vcpu, uint64_t at, const uint8_t *data, uint32_t size)
{
	const uint8_t *legacy, *avx;

	if (at > PAGE_SIZE || size > PAGE_SIZE)
		return false;
	vcpu_fpu_read(vcpu, &legacy, &avx);
	if (!patch(vcpu, at, data, size))
		return false;
	/* What was in its initial configuration is not any more. */
	*(uint64_t *)(vcpu->xsave + XSAVE_HEADER) |=
		XCR0_X87 | XCR0_SSE | (avx != NULL ? XCR0_AVX : 0);
	use_all_of_xcr0();
	xrstor64(vcpu->xsave, cpuid_xcr0_mask());
	xsetbv(0, vcpu->xcr0);
	return true;
}
