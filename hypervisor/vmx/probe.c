/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VT-x of this machine can do.
 */
#include "vmx/vmx.h"

#include "cpu/asm.h"
#include "cpu/mce.h"
#include "spec/cpuid.h"
#include "spec/errata.h"
#include "spec/vmx_needs.h"

struct vmx_caps vmx_caps;
struct vmx_timer vmx_timer;

bool vmx_unlock(void)
{
	uint64_t v = rdmsr(MSR_FEATURE_CONTROL);

	if (v & FEATURE_CONTROL_LOCK)
		return v & FEATURE_CONTROL_VMX_NOT_SMX;
	if (mce_has_local()) /* nobody can afterwards */
		v |= FEATURE_CONTROL_LMCE;
	wrmsr(MSR_FEATURE_CONTROL, v | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_NOT_SMX);
	return true;
}

static bool has_lam(void)
{
	return cpuid(0, 0).eax >= 7 && cpuid(7, 0).eax >= 1 && cpuid(7, 1).eax & BIT(26);
}

/* MSRs that exist only if another one says so stay zero. */
void vmx_read_caps(struct vmx_caps *c)
{
	*c = (struct vmx_caps){0};
	for (uint32_t m = MSR_VMX_BASIC; m <= MSR_VMX_VMCS_ENUM; m++)
		c->msr[m - MSR_VMX_BASIC] = rdmsr(m);
	if (caps_allowed1(c, MSR_VMX_PROC) & PROC_SECONDARY)
		c->msr[MSR_VMX_PROC2 - MSR_VMX_BASIC] = rdmsr(MSR_VMX_PROC2);
	if (caps_allowed1(c, MSR_VMX_PROC2) & (PROC2_ENABLE_EPT | PROC2_ENABLE_VPID))
		c->msr[MSR_VMX_EPT_VPID_CAP - MSR_VMX_BASIC] = rdmsr(MSR_VMX_EPT_VPID_CAP);
	if (caps_allowed1(c, MSR_VMX_PROC2) & PROC2_ENABLE_VMFUNC)
		c->msr[MSR_VMX_VMFUNC - MSR_VMX_BASIC] = rdmsr(MSR_VMX_VMFUNC);
	if (caps_allowed1(c, MSR_VMX_PROC) & PROC_TERTIARY)
		c->msr[MSR_VMX_PROC3 - MSR_VMX_BASIC] = rdmsr(MSR_VMX_PROC3);
	for (uint32_t m = MSR_VMX_TRUE_PIN; m <= MSR_VMX_TRUE_ENTRY; m++)
		if (caps_msr(c, MSR_VMX_BASIC) & BASIC_TRUE_CONTROLS)
			c->msr[m - MSR_VMX_BASIC] = rdmsr(m);
	vmx_caps_complete(c);
	c->maxphyaddr = (uint8_t)cpuid(0x80000008, 0).eax;
	c->linear_bits = read_cr4() & CR4_LA57 ? LINEAR_BITS_LA57 : LINEAR_BITS;
	c->cr3_lam = has_lam() ? CR3_LAM_U57 | CR3_LAM_U48 : 0;
}

static const char *find_missing(void)
{
	return cpuid(1, 0).ecx & BIT(26) ? vmx_needs_missing(&vmx_caps) : "XSAVE";
}

static uint32_t greatest_value(void)
{
	struct cpuid_regs r = {0};

	if (cpuid(0, 0).eax >= CPUID_LEAF_TSC)
		r = cpuid(CPUID_LEAF_TSC, 0);
	return errata_timer_most(r.eax, r.ebx);
}

static void find_timer(void)
{
	vmx_timer = (struct vmx_timer){
		.on = vmx_caps_has_timer(&vmx_caps),
		.shift = caps_msr(&vmx_caps, MSR_VMX_MISC) & MISC_TIMER_RATE,
		.most = greatest_value(),
	};
	if (!vmx_timer.on)
		vmx_caps_drop_timer(&vmx_caps);
}

void vmx_timer_off(void)
{
	vmx_timer.on = false;
	vmx_caps_drop_timer(&vmx_caps);
}

enum vmx_status vmx_probe(const char **missing)
{
	if (!(cpuid(1, 0).ecx & BIT(5)))
		return VMX_ABSENT;
	if (!vmx_unlock())
		return VMX_LOCKED_OFF;
	vmx_read_caps(&vmx_caps);
	find_timer();
	*missing = find_missing();
	return *missing == NULL ? VMX_OK : VMX_INSUFFICIENT;
}

uint32_t vmx_allowed1(uint32_t msr)
{
	return caps_allowed1(&vmx_caps, msr);
}

static uint32_t true_variant(uint32_t msr)
{
	if (msr >= MSR_VMX_PIN && msr <= MSR_VMX_ENTRY)
		return msr - MSR_VMX_PIN + MSR_VMX_TRUE_PIN;
	return msr;
}

uint32_t vmx_adjust(uint32_t msr, uint32_t wanted)
{
	msr = true_variant(msr);
	return (wanted | caps_fixed1(&vmx_caps, msr)) & caps_allowed1(&vmx_caps, msr);
}
