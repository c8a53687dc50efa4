/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/cet.h"

#include "cpu/asm.h"
#include "policy/cet.h"
#include "spec/addr.h"
#include "spec/cet.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

/* The first one exists with CET, the others with shadow stacks. */
static const uint32_t switched[VCPU_CET_MSRS] = {
	MSR_U_CET, MSR_PL0_SSP, MSR_PL0_SSP + 1, MSR_PL0_SSP + 2, MSR_PL3_SSP};

static unsigned switched_count(const struct vcpu *vcpu)
{
	return vcpu->cet.stacks ? VCPU_CET_MSRS : 1;
}

void cet_vcpu_create(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	uint64_t *const bitmaps[] = {vm->msr_bitmap, vm->apicv.msr_bitmap};

	cet_offer_make(&vcpu->cet, vcpu->cpuid);
	vm->nested_vm->cet = vcpu->cet.control != 0;
	for (unsigned i = 0; vcpu->index == 0 && i < 2 && bitmaps[i] != NULL; i++)
		cet_allow(&vcpu->cet, bitmaps[i]);
}

uint32_t cet_entry_controls(const struct vcpu *vcpu)
{
	return vcpu->cet.control != 0 ? ENTRY_LOAD_CET : 0;
}

void cet_reset_vmcs(struct vcpu *vcpu)
{
	if (vcpu->cet.control == 0)
		return;
	vmcs_write_setup(VMCS_GUEST_S_CET, 0);
	vmcs_write_setup(VMCS_GUEST_SSP, 0);
	vmcs_write_setup(VMCS_GUEST_SSP_TABLE, 0);
}

void cet_reset_loaded(struct vcpu *vcpu)
{
	for (unsigned i = 0; vcpu->cet.control != 0 && i < switched_count(vcpu); i++)
		wrmsr(switched[i], 0);
}

void cet_reset_saved(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < VCPU_CET_MSRS; i++)
		vcpu->cet_msr[i] = 0;
	vcpu->xss = 0;
}

void cet_save(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < switched_count(vcpu); i++)
		vcpu->cet_msr[i] = rdmsr(switched[i]);
	if (vcpu->cet.xss != 0)
		wrmsr(MSR_XSS, 0); /* what a VM without such state has */
}

void cet_load(const struct vcpu *vcpu)
{
	for (unsigned i = 0; i < switched_count(vcpu); i++)
		wrmsr(switched[i], vcpu->cet_msr[i]);
	if (vcpu->cet.xss != 0)
		wrmsr(MSR_XSS, vcpu->xss);
}

bool cet_owns(uint32_t msr)
{
	return is_cet_msr(msr) || msr == MSR_XSS;
}

static enum vmcs_encoding field_of(uint32_t msr)
{
	return msr == MSR_S_CET ? VMCS_GUEST_S_CET : VMCS_GUEST_SSP_TABLE;
}

static bool in_vmcs(uint32_t msr)
{
	return msr == MSR_S_CET || msr == MSR_SSP_TABLE;
}

bool cet_rdmsr(const struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (cet_denial(&vcpu->cet, msr, false, 0) != DENIAL_NONE)
		return false;
	if (msr == MSR_XSS)
		*value = vcpu->xss;
	else
		*value = in_vmcs(msr) ? vmread(field_of(msr)) : rdmsr(msr);
	return true;
}

bool cet_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (cet_denial(&vcpu->cet, msr, true, value) != DENIAL_NONE)
		return false;
	if (in_vmcs(msr)) {
		vmwrite(field_of(msr), value);
		return true;
	}
	wrmsr(msr, value);
	if (msr == MSR_XSS) {
		vcpu->xss = value;
		cpuid_update(vcpu); /* the size of the compacted format */
	}
	return true;
}

bool cet_fit_mode(const struct vcpu *vcpu, uint32_t reason)
{
	uint64_t s_cet, ssp;

	if (vcpu->cet.control == 0 || EXIT_REASON_BASIC(reason) != EXIT_INVALID_GUEST_STATE)
		return false;
	s_cet = vmread(VMCS_GUEST_S_CET);
	ssp = vmread(VMCS_GUEST_SSP);
	if (vmread32(VMCS_ENTRY_CONTROLS) & ENTRY_IA32E_GUEST) {
		/* RET, INCSSP leave it so behind the lower half, where the next use faults */
		if (canonical_in(ssp, vcpu->cet.linear_bits))
			return false;
		vmwrite(VMCS_GUEST_SSP, canonical_made(ssp, vcpu->cet.linear_bits));
		return true;
	}
	vmwrite(VMCS_GUEST_S_CET, (uint32_t)s_cet);
	vmwrite(VMCS_GUEST_SSP, (uint32_t)ssp);
	return (s_cet | ssp) >> 32 != 0;
}

bool cet_state_valid(const struct vcpu *vcpu, const uint64_t *registers, uint64_t xss)
{
	for (unsigned i = 0; i < VCPU_CET_MSRS; i++)
		if (registers[i] != 0 &&
			cet_denial(&vcpu->cet, switched[i], true, registers[i]) != DENIAL_NONE)
			return false;
	return !(xss & ~vcpu->cet.xss);
}

uint64_t cet_in_use(const struct vcpu *vcpu, unsigned cpl)
{
	uint64_t control;

	/* Neither real mode nor virtual-8086 mode has it. */
	if (vcpu->cet.control == 0 || !(vmread(VMCS_GUEST_CR4) & CR4_CET) ||
		!(vmread(VMCS_GUEST_CR0) & CR0_PE) || vmread(VMCS_GUEST_RFLAGS) & RFLAGS_VM)
		return 0;
	control = cpl == 3 ? rdmsr(MSR_U_CET) : vmread(VMCS_GUEST_S_CET);
	return control & (CET_SH_STK_EN | CET_ENDBR_EN);
}
