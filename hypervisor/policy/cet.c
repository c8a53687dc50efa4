/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/cet.h"

#include "policy/msr.h"
#include "spec/addr.h"
#include "spec/cet.h"
#include "spec/msr.h"

static const uint32_t msrs[] = {MSR_U_CET, MSR_S_CET, MSR_PL0_SSP, MSR_PL0_SSP + 1,
	MSR_PL0_SSP + 2, MSR_PL3_SSP, MSR_SSP_TABLE};

#define MSRS (sizeof(msrs) / sizeof(msrs[0]))

void cet_offer_make(struct cet_offer *o, const struct cpuid_table *t)
{
	*o = (struct cet_offer){.stacks = cpuid_policy_has(t, CPUID_CET_SS),
		.xsaves = cpuid_policy_has(t, CPUID_XSAVES),
		.xss = t->xss_mask};
	o->linear_bits = cpuid_policy_linear_bits(t);
	o->control = (o->stacks ? CET_OF_SS : 0) |
		     (cpuid_policy_has(t, CPUID_CET_IBT) ? CET_OF_IBT : 0);
}

static bool is_control(uint32_t msr)
{
	return msr == MSR_U_CET || msr == MSR_S_CET;
}

bool is_cet_msr(uint32_t msr)
{
	return is_control(msr) || (msr >= MSR_PL0_SSP && msr <= MSR_SSP_TABLE);
}

static bool exists(const struct cet_offer *o, uint32_t msr)
{
	if (msr == MSR_XSS)
		return o->xsaves;
	return is_control(msr) ? o->control != 0 : o->stacks;
}

enum denial cet_denial(const struct cet_offer *o, uint32_t msr, bool write, uint64_t value)
{
	if (!exists(o, msr))
		return DENIAL_MSR_UNKNOWN;
	if (!write)
		return DENIAL_NONE;
	if (msr == MSR_XSS)
		return value & ~o->xss ? DENIAL_MSR_XSS : DENIAL_NONE;
	if (is_control(msr) && !cet_control_valid(value, o->control))
		return DENIAL_MSR_CET;
	if (!is_control(msr) && msr != MSR_SSP_TABLE && value & SSP_ALIGNMENT)
		return DENIAL_MSR_SSP;
	return canonical_in(value, o->linear_bits) ? DENIAL_NONE : DENIAL_MSR_CANONICAL;
}

void cet_allow(const struct cet_offer *o, uint64_t *bitmap)
{
	for (unsigned i = 0; i < MSRS; i++) {
		if (!exists(o, msrs[i]))
			continue;
		msr_bitmap_allow(bitmap, msrs[i], false);
		msr_bitmap_allow(bitmap, msrs[i], true);
	}
}
