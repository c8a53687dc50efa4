/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1's MSRs: RDMSR and WRMSR exits, and accesses for MSR lists. To whom an MSR belongs: time
 * (here), the platform, VMX (nested), MTRRs and the rules (policy).
 */
#include "vm/cet.h"
#include "vm/create.h"
#include "vm/explain.h"
#include "vm/mitigate.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#include "cpu/asm.h"
#include "policy/msr.h"
#include "vmx/asm.h"

bool msr_create(struct vcpu *vcpu)
{
	uint64_t *const bitmaps[] = {vcpu->vm->msr_bitmap, vcpu->vm->apicv.msr_bitmap};

	vcpu->mtrr = pool_get(&vcpu->vm->pool);
	if (vcpu->mtrr == NULL)
		return false;
	mtrr_reset(vcpu->mtrr);
	msr_offer_make(&vcpu->msrs, vcpu->cpuid);
	for (unsigned i = 0; vcpu->index == 0 && i < 2 && bitmaps[i] != NULL; i++)
		msr_policy_allow(&vcpu->msrs, bitmaps[i]);
	return true;
}

/*
 * SDM 29.5 "Virtualizing MSR-Based APIC Accesses". A read gives what the virtual-APIC page
 * holds even where no register is; the current count is not there.
 */
void msr_allow_x2apic(uint64_t *bitmap)
{
	for (uint32_t msr = MSR_X2APIC_FIRST; msr <= MSR_X2APIC_LAST; msr++)
		if (msr != MSR_X2APIC_CURRENT && platform_x2apic_readable(msr))
			msr_bitmap_allow(bitmap, msr, false);
	msr_bitmap_allow(bitmap, MSR_X2APIC_TPR, true);
	msr_bitmap_allow(bitmap, MSR_X2APIC_EOI, true);
	msr_bitmap_allow(bitmap, MSR_X2APIC_SELF_IPI, true);
}

/* ---- pass-through MSRs, when somebody else than L1's own instruction accesses them ---- */

static enum vmcs_encoding vmcs_field_of(uint32_t msr)
{
	switch (msr) {
	case MSR_SYSENTER_CS:
		return VMCS_GUEST_SYSENTER_CS;
	case MSR_SYSENTER_ESP:
		return VMCS_GUEST_SYSENTER_ESP;
	case MSR_SYSENTER_EIP:
		return VMCS_GUEST_SYSENTER_EIP;
	case MSR_PAT:
		return VMCS_GUEST_PAT;
	case MSR_EFER:
		return VMCS_GUEST_EFER;
	case MSR_FS_BASE:
		return VMCS_GUEST_FS_BASE;
	case MSR_GS_BASE:
		return VMCS_GUEST_GS_BASE;
	default:
		return 0;
	}
}

static void pass_read(uint32_t msr, uint64_t *v)
{
	enum vmcs_encoding field = vmcs_field_of(msr);

	*v = field != 0 ? vmread(field) : rdmsr(msr);
}

static bool pass_write(uint32_t msr, uint64_t v)
{
	enum vmcs_encoding field = vmcs_field_of(msr);

	if (msr == MSR_EFER && !msr_policy_efer_change_valid(vmread(VMCS_GUEST_EFER), v,
				       vmread(VMCS_GUEST_CR0) & CR0_PG))
		return false;
	if (msr == MSR_EFER) /* LMA is read-only; a write to it is ignored */
		v = (v & ~EFER_LMA) | (vmread(VMCS_GUEST_EFER) & EFER_LMA);
	if (field != 0)
		vmwrite(field, v);
	else
		wrmsr(msr, v);
	return true;
}

/* ---- rules ---- */

static bool is_platform_msr(uint32_t msr)
{
	return msr == MSR_TSC_DEADLINE || msr == MSR_APIC_BASE || msr_is_x2apic(msr);
}

static bool is_vmx_msr(uint32_t msr)
{
	return msr == MSR_FEATURE_CONTROL || (msr >= MSR_VMX_BASIC && msr <= MSR_VMX_PROC3);
}

static bool rdmsr_vmx(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (vcpu->vm->config.vmx)
		return nested_rdmsr(&vcpu->nested, msr, value);
	*value = 1; /* IA32_FEATURE_CONTROL: locked, nothing enabled */
	return msr == MSR_FEATURE_CONTROL;
}

/* SDM vol. 2B "UMWAIT": bit 0 forbids C0.2, bits 31:2 are the most TSC ticks. */
static bool has_umwait(const struct vcpu *vcpu, uint32_t msr)
{
	return msr == MSR_UMWAIT_CONTROL && cpuid_offers(vcpu, CPUID_WAITPKG);
}

bool umwait_valid(const struct vcpu *vcpu, uint64_t value)
{
	return value == 0 || (cpuid_offers(vcpu, CPUID_WAITPKG) && !(value & UMWAIT_RESERVED));
}

static bool write_umwait(struct vcpu *vcpu, uint64_t value)
{
	if (!umwait_valid(vcpu, value))
		return false;
	vcpu->umwait = (uint32_t)value;
	wrmsr(MSR_UMWAIT_CONTROL, value);
	return true;
}

static bool rdmsr_rule(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	switch (msr_policy_read(&vcpu->msrs, msr, value)) {
	case MSR_ANSWER_DONE:
		if (msr == MSR_MISC_ENABLE) /* how fast strings are is the machine's */
			*value = (*value & ~MISC_ENABLE_FAST_STRINGS) |
				 (rdmsr(MSR_MISC_ENABLE) & MISC_ENABLE_FAST_STRINGS);
		return true;
	case MSR_ANSWER_REGISTER:
		pass_read(msr, value);
		return true;
	case MSR_ANSWER_TSC:
		*value = vcpu_tsc(vcpu);
		return true;
	default:
		if (!has_umwait(vcpu, msr))
			return is_speculation_msr(msr) && mitigate_rdmsr(vcpu, msr, value);
		*value = vcpu->umwait;
		return true;
	}
}

static bool has_tsc_adjust(const struct vcpu *vcpu)
{
	return cpuid_offers(vcpu, CPUID_TSC_ADJUST);
}

/* Those that MSR lists of entries and exits have most: all are registers, or have a rule. */
static bool is_amd64_msr(uint32_t msr)
{
	return msr >> 24 == 0xc0;
}

bool vm_rdmsr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	uint64_t *mtrr;

	if (!is_amd64_msr(msr)) {
		if (msr == MSR_TSC_DEADLINE)
			return vcpu_rdmsr_deadline(vcpu, value);
		if (msr == MSR_TSC_ADJUST && has_tsc_adjust(vcpu)) {
			*value = vcpu->tsc_adjust;
			return true;
		}
		if (is_platform_msr(msr))
			return platform_rdmsr(vcpu->vm->platform, vcpu->index, msr, value);
		if (is_vmx_msr(msr))
			return rdmsr_vmx(vcpu, msr, value);
		mtrr = mtrr_slot(vcpu->mtrr, msr);
		if (mtrr != NULL) {
			*value = *mtrr;
			return true;
		}
		if (cet_owns(msr))
			return cet_rdmsr(vcpu, msr, value);
	}
	return rdmsr_rule(vcpu, msr, value);
}

static bool wrmsr_rule(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	switch (msr_policy_write(&vcpu->msrs, msr, value)) {
	case MSR_ANSWER_DONE:
		return true;
	case MSR_ANSWER_REGISTER:
		return pass_write(msr, value);
	case MSR_ANSWER_TSC:
		vcpu_set_tsc(vcpu, value);
		return true;
	default:
		if (has_umwait(vcpu, msr))
			return write_umwait(vcpu, value);
		return is_speculation_msr(msr) && mitigate_wrmsr(vcpu, msr, value);
	}
}

static bool wrmsr_platform(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (msr == MSR_TSC_DEADLINE)
		return vcpu_wrmsr_deadline(vcpu, value);
	if (msr == MSR_X2APIC_LVT_TIMER || msr == MSR_X2APIC_INITIAL ||
		msr == MSR_X2APIC_DIVIDE)
		vcpu_post(vcpu, EVENT_TIMER);
	if (!platform_wrmsr(vcpu->vm->platform, vcpu->index, msr, value))
		return false;
	if (msr == MSR_APIC_BASE)
		cpuid_update(vcpu);
	return true;
}

bool vm_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t *mtrr;

	if (!is_amd64_msr(msr)) {
		if (msr == MSR_TSC_ADJUST && has_tsc_adjust(vcpu)) {
			vcpu_set_tsc_adjust(vcpu, value);
			return true;
		}
		if (is_platform_msr(msr))
			return wrmsr_platform(vcpu, msr, value);
		if (is_vmx_msr(msr))
			return vcpu->vm->config.vmx && nested_wrmsr(&vcpu->nested, msr, value);
		mtrr = mtrr_slot(vcpu->mtrr, msr);
		if (mtrr != NULL) {
			if (!mtrr_valid(msr, value, vmx_caps.maxphyaddr))
				return false;
			*mtrr = value;
			return true;
		}
		if (cet_owns(msr))
			return cet_wrmsr(vcpu, msr, value);
	}
	return wrmsr_rule(vcpu, msr, value);
}

/* ---- refusals ---- */

static enum denial vmx_msr_denial(const struct vcpu *vcpu, uint32_t msr, bool write)
{
	uint64_t value;

	if (write && msr == MSR_FEATURE_CONTROL)
		return DENIAL_MSR_FEATURE_CONTROL;
	if (!vcpu->vm->config.vmx)
		return DENIAL_MSR_NO_VMX;
	return nested_rdmsr(&vcpu->nested, msr, &value) ? DENIAL_MSR_READ_ONLY
							: DENIAL_MSR_VMX_CAPABILITY;
}

/* What pass_write() refuses by itself is left for the end: a change of LME. */
enum denial vm_msr_denial(const struct vcpu *vcpu, uint32_t msr, bool write, uint64_t value)
{
	enum denial why;

	if (is_platform_msr(msr))
		return platform_msr_denial(vcpu->vm->platform, vcpu->index, msr, write, value);
	if (is_vmx_msr(msr))
		return vmx_msr_denial(vcpu, msr, write);
	if (mtrr_slot(vcpu->mtrr, msr) != NULL)
		return DENIAL_MSR_MTRR;
	if (is_speculation_msr(msr))
		return speculation_denial(&vcpu->speculation, msr, write);
	if (cet_owns(msr))
		return cet_denial(&vcpu->cet, msr, write, value);
	if (has_umwait(vcpu, msr))
		return write && value & UMWAIT_RESERVED ? DENIAL_MSR_UMWAIT : DENIAL_NONE;
	why = msr_policy_denial(&vcpu->msrs, msr, write, value);
	return why == DENIAL_NONE && msr == MSR_EFER ? DENIAL_MSR_EFER_LME : why;
}

/* ---- exits ---- */

static void refuse(struct vcpu *vcpu, uint32_t reason, uint32_t msr, uint64_t value)
{
	if (!msr_policy_has(&vcpu->msrs, msr))
		vm_log(vcpu->vm, LOG_DEBUG, "'%s': %s 0x%x (value 0x%lx) at rip %lx: #GP",
			vcpu->vm->config.name, exit_reason_name(reason), msr, value,
			vmread(VMCS_GUEST_RIP));
	if (vcpu->vm->nested_vm->explaining)
		vm_report_msr(vcpu, reason, msr, value);
	vcpu_inject_gp(vcpu);
}

void handle_rdmsr(struct vcpu *vcpu)
{
	uint32_t msr = (uint32_t)vcpu->regs.r[REG_RCX];
	uint64_t value;

	if (!vm_rdmsr(vcpu, msr, &value)) {
		refuse(vcpu, EXIT_RDMSR, msr, 0);
		return;
	}
	vcpu->regs.r[REG_RAX] = (uint32_t)value;
	vcpu->regs.r[REG_RDX] = value >> 32;
	nested_skip();
}

void handle_wrmsr(struct vcpu *vcpu)
{
	uint32_t msr = (uint32_t)vcpu->regs.r[REG_RCX];
	uint64_t value = vcpu->regs.r[REG_RDX] << 32 | (uint32_t)vcpu->regs.r[REG_RAX];

	if (vm_wrmsr(vcpu, msr, value))
		nested_skip();
	else
		refuse(vcpu, EXIT_WRMSR, msr, value);
}
