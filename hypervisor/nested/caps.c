/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/caps.h"

#include "spec/cet.h"

/* CR4 bits whose features a VM can have: not SMXE, key locker, nor what is newer. */
#define CR4_OFFERED (0xffffffull & ~(CR4_SMXE | CR4_KL))

#define HAS(id) (1ull << CAPS_FEATURE_##id)

struct control {
	uint16_t msr;
	uint8_t feature;
	bool software; /* needs nothing of the machine */
	uint64_t bit;
};

static const struct control controls[] = {
#define CONTROL(word, bit, feature) \
	{MSR_VMX_##word, CAPS_FEATURE_##feature, false, word##_##bit},
#define SOFTWARE(word, bit, feature) \
	{MSR_VMX_##word, CAPS_FEATURE_##feature, true, word##_##bit},
#include "nested/caps_policy.def"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void set_msr(struct vmx_caps *c, uint32_t index, uint64_t value)
{
	c->msr[index - MSR_VMX_BASIC] = value;
}

struct caps_policy caps_policy_default(void)
{
	return (struct caps_policy){
		.features = caps_features_default(),
		.cr4_valid = CR4_OFFERED,
		.efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
		.debugctl_valid = DEBUGCTL_LBR | DEBUGCTL_BTF | DEBUGCTL_DS |
				  DEBUGCTL_FREEZE_ON_PMI | DEBUGCTL_FREEZE_WHILE_SMM,
		.perf_global_valid = 0,
		.cet_valid = CET_OF_SS | CET_OF_IBT,
	};
}

/* Bits of a word that may be 1 on the machine; the MSR of tertiary controls has no others. */
static uint64_t machine_allows(const struct vmx_caps *hw, uint32_t msr)
{
	return msr == MSR_VMX_PROC3 ? caps_msr(hw, msr)
				    : caps_allowed1(hw, caps_control_msr(hw, msr));
}

/*
 * The controls of a word whose feature is in the mask, out of those the machine has, and with
 * `software` those that need nothing of it.
 */
static uint64_t offered(const struct vmx_caps *hw, uint32_t msr, uint64_t mask, bool software)
{
	uint64_t bits = 0, allowed = machine_allows(hw, msr);

	for (size_t i = 0; i < COUNT(controls); i++)
		if (controls[i].msr == msr && (mask >> controls[i].feature & 1))
			bits |= controls[i].bit &
				(software && controls[i].software ? UINT64_MAX : allowed);
	return bits;
}

/* False when the machine lacks a control that the feature needs. */
static bool machine_has(const struct vmx_caps *hw, size_t feature, bool software)
{
	uint64_t cap = caps_msr(hw, MSR_VMX_EPT_VPID_CAP);
	uint64_t ept_needs = EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_INVEPT;

	for (size_t i = 0; i < COUNT(controls); i++)
		if (controls[i].feature == feature && feature != CAPS_FEATURE_BASE &&
			offered(hw, controls[i].msr, 1ull << feature, software) == 0)
			return false;
	switch (feature) {
	case CAPS_FEATURE_EPT:
		return (cap & ept_needs) == ept_needs;
	case CAPS_FEATURE_EPT_AD:
		return (cap & EPT_CAP_AD) != 0;
	case CAPS_FEATURE_EPT_EXECUTE_ONLY:
		return (cap & EPT_CAP_EXECUTE_ONLY) != 0;
	case CAPS_FEATURE_EPT_1G:
		return (cap & EPT_CAP_1G) != 0;
	case CAPS_FEATURE_VMFUNC:
		return (caps_msr(hw, MSR_VMX_VMFUNC) & VMFUNC_EPTP_SWITCHING) != 0;
	default:
		return true;
	}
}

/* The wanted features that the machine has, needs included. Rows come after their needs. */
static uint64_t effective_features(const struct vmx_caps *hw, uint64_t wanted, bool software)
{
	uint64_t have = 0;

	wanted |= HAS(BASE);
	for (size_t i = 0; i < CAPS_FEATURE_COUNT; i++)
		if ((wanted >> i & 1) &&
			(caps_feature_needs((enum caps_feature)i) & ~have) == 0 &&
			machine_has(hw, i, software))
			have |= 1ull << i;
	return have;
}

uint64_t caps_machine_features(const struct vmx_caps *hw)
{
	return effective_features(hw, UINT64_MAX, false);
}

/* One control word: its plain MSR, and the TRUE one where true_msr is not 0. */
static void derive_controls(struct vmx_caps *l1, const struct vmx_caps *hw, uint64_t have,
	uint32_t msr, uint32_t true_msr, uint32_t default1)
{
	uint32_t can_be_1 = (uint32_t)offered(hw, msr, have, true);
	uint32_t must_be_1 = caps_fixed1(hw, caps_control_msr(hw, msr));
	uint64_t allowed1 = (uint64_t)(can_be_1 | default1) << 32;

	/* A default1 control that is not named in the policy keeps its default. */
	set_msr(l1, msr, allowed1 | default1 | (can_be_1 & must_be_1));
	if (true_msr != 0)
		set_msr(l1, true_msr,
			allowed1 | (default1 & ~can_be_1) | (can_be_1 & must_be_1));
}

/*
 * What processors usually tell. Hypervisors take a faster timer for one that is too short:
 * docs/decisions/0104-rate-of-the-preemption-timer.md.
 */
#define TIMER_RATE 5u

static uint64_t derive_misc(const struct vmx_caps *hw, uint64_t have)
{
	uint64_t m = caps_msr(hw, MSR_VMX_MISC);
	uint64_t targets = caps_cr3_targets(hw) < 4 ? caps_cr3_targets(hw) : 4;
	uint64_t misc = m & (MISC_STORE_LMA | MISC_ACTIVITY_HLT | MISC_ACTIVITY_SHUTDOWN |
				    MISC_ZERO_LENGTH);

	/* These need nothing of the machine: such an L2 is not run, VMWRITE is software. */
	misc |= MISC_ACTIVITY_SIPI | MISC_VMWRITE_ANY | targets << MISC_CR3_TARGET_SHIFT;
	if (have & HAS(PREEMPTION_TIMER))
		misc |= (m & MISC_TIMER_RATE) > TIMER_RATE ? m & MISC_TIMER_RATE : TIMER_RATE;
	return misc; /* 512 entries in MSR lists: 0 in bits 27:25 */
}

uint8_t caps_timer_shift(const struct vmx_caps *l1, const struct vmx_caps *hw)
{
	uint64_t rate = caps_msr(l1, MSR_VMX_MISC) & MISC_TIMER_RATE;
	uint64_t of_machine = caps_msr(hw, MSR_VMX_MISC) & MISC_TIMER_RATE;

	return rate > of_machine ? (uint8_t)(rate - of_machine) : 0;
}

static uint64_t derive_ept_vpid(const struct vmx_caps *hw, uint64_t have)
{
	uint64_t m = caps_msr(hw, MSR_VMX_EPT_VPID_CAP);
	uint64_t cap = 0;

	if (have & HAS(EPT))
		cap |= EPT_CAP_WALK_4 | EPT_CAP_UC | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_INVEPT |
		       EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_GLOBAL |
		       (m & EPT_CAP_ADVANCED_INFO);
	if (have & HAS(EPT_EXECUTE_ONLY))
		cap |= EPT_CAP_EXECUTE_ONLY;
	if (have & HAS(EPT_1G))
		cap |= EPT_CAP_1G;
	if (have & HAS(EPT_AD))
		cap |= EPT_CAP_AD;
	if (have & HAS(VPID))
		cap |= EPT_CAP_INVVPID | EPT_CAP_INVVPID_ADDR | EPT_CAP_INVVPID_SINGLE |
		       EPT_CAP_INVVPID_GLOBAL | EPT_CAP_INVVPID_KEEP_G;
	return cap;
}

/* SDM A.9: the highest index of any field that L1 has. */
static uint64_t derive_vmcs_enum(const struct vmx_caps *l1)
{
	uint64_t highest = 0;

	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint64_t index = vmcs_fields[i].encoding & 0x3feu;

		if (caps_field_exists(l1, (enum vmcs_fid)i) && index > highest)
			highest = index;
	}
	return highest;
}

void caps_derive(
	struct vmx_caps *l1, const struct vmx_caps *hw, const struct caps_policy *policy)
{
	/* L2 cannot have more of CET than L1. */
	uint64_t without = policy->cr4_valid & CR4_CET ? 0 : HAS(CET);
	uint64_t have = effective_features(hw, policy->features & ~without, true);
	uint64_t basic =
		CAPS_REVISION | (uint64_t)PAGE_SIZE << 32 | BASIC_MEMTYPE(MEMTYPE_WB) |
		BASIC_TRUE_CONTROLS |
		(caps_msr(hw, MSR_VMX_BASIC) & (BASIC_INS_OUTS | BASIC_ANY_ERROR_CODE));

	*l1 = (struct vmx_caps){
		.maxphyaddr = hw->maxphyaddr,
		.linear_bits = policy->cr4_valid & CR4_LA57 ? hw->linear_bits : LINEAR_BITS,
		.cr3_lam = hw->cr3_lam, /* no exit keeps a guest from setting them */
		.efer_valid = policy->efer_valid,
		.debugctl_valid = policy->debugctl_valid,
		.perf_global_valid = policy->perf_global_valid,
		.cet_valid = policy->cet_valid,
	};
	if (policy->maxphyaddr != 0 && policy->maxphyaddr < hw->maxphyaddr)
		l1->maxphyaddr = policy->maxphyaddr;
	set_msr(l1, MSR_VMX_BASIC, basic);
	derive_controls(l1, hw, have, MSR_VMX_PIN, MSR_VMX_TRUE_PIN, DEFAULT1_PIN);
	derive_controls(l1, hw, have, MSR_VMX_PROC, MSR_VMX_TRUE_PROC, DEFAULT1_PROC);
	derive_controls(l1, hw, have, MSR_VMX_EXIT, MSR_VMX_TRUE_EXIT, DEFAULT1_EXIT);
	derive_controls(l1, hw, have, MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY, DEFAULT1_ENTRY);
	if (have & HAS(SECONDARY))
		derive_controls(l1, hw, have, MSR_VMX_PROC2, 0, 0);
	set_msr(l1, MSR_VMX_PROC3, offered(hw, MSR_VMX_PROC3, have, true));
	set_msr(l1, MSR_VMX_MISC, derive_misc(hw, have));
	set_msr(l1, MSR_VMX_CR0_FIXED0, caps_msr(hw, MSR_VMX_CR0_FIXED0));
	set_msr(l1, MSR_VMX_CR0_FIXED1, caps_msr(hw, MSR_VMX_CR0_FIXED1));
	set_msr(l1, MSR_VMX_CR4_FIXED0, caps_msr(hw, MSR_VMX_CR4_FIXED0));
	set_msr(l1, MSR_VMX_CR4_FIXED1,
		caps_msr(hw, MSR_VMX_CR4_FIXED1) &
			(policy->cr4_valid | caps_msr(hw, MSR_VMX_CR4_FIXED0)));
	set_msr(l1, MSR_VMX_EPT_VPID_CAP, derive_ept_vpid(hw, have));
	if (have & HAS(VMFUNC))
		set_msr(l1, MSR_VMX_VMFUNC, VMFUNC_EPTP_SWITCHING);
	set_msr(l1, MSR_VMX_VMCS_ENUM, derive_vmcs_enum(l1));
}

static bool may_be_1(const struct vmx_caps *c, uint32_t msr, unsigned bit)
{
	return (caps_allowed1(c, caps_control_msr(c, msr)) >> bit & 1) != 0;
}

bool caps_field_exists(const struct vmx_caps *c, enum vmcs_fid fid)
{
	unsigned bit = vmcs_fields[fid].exists_bit;

	switch (vmcs_fields[fid].exists_word) {
	case EXISTS_ALWAYS:
		return true;
	case EXISTS_PIN:
		return may_be_1(c, MSR_VMX_PIN, bit);
	case EXISTS_PROC:
		return may_be_1(c, MSR_VMX_PROC, bit);
	case EXISTS_PROC2:
		return may_be_1(c, MSR_VMX_PROC, 31) && may_be_1(c, MSR_VMX_PROC2, bit);
	case EXISTS_PROC3:
		return may_be_1(c, MSR_VMX_PROC, __builtin_ctz(PROC_TERTIARY)) &&
		       (caps_msr(c, MSR_VMX_PROC3) >> bit & 1) != 0;
	case EXISTS_EXIT:
		return may_be_1(c, MSR_VMX_EXIT, bit);
	case EXISTS_ENTRY:
		return may_be_1(c, MSR_VMX_ENTRY, bit);
	case EXISTS_VMFUNC:
		return (caps_msr(c, MSR_VMX_VMFUNC) & VMFUNC_EPTP_SWITCHING) != 0;
	default:
		return false;
	}
}
