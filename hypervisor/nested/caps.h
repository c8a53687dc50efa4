/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMX capability MSRs (SDM appendix A), both the machine's and those L1 sees, and how the
 * second follow from the first and a policy.
 */
#ifndef NESTOR_NESTED_CAPS_H
#define NESTOR_NESTED_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/addr.h"
#include "spec/vmcs.h"
#include "spec/vmx.h"
#include "spec/vmx_caps.h"
#include "spec/vmx_features.h"

/* What a VM is to get of the machine. Zero in a *_valid mask: no bit may be 1. */
struct caps_policy {
	uint64_t features; /* mask of 1 << enum caps_feature; "base" is always there */
	uint64_t cr4_valid;
	uint64_t efer_valid;
	uint64_t debugctl_valid;
	uint64_t perf_global_valid;
	uint64_t cet_valid; /* of IA32_S_CET */
	uint8_t maxphyaddr; /* 0: as the machine */
};

/* What Nestor's own VMCS regions carry: revision identifier of L1's VMCSs. */
#define CAPS_REVISION (0x4e535431u & BASIC_REVISION_MASK)

static inline uint32_t caps_cr3_targets(const struct vmx_caps *c)
{
	return (uint32_t)(caps_msr(c, MSR_VMX_MISC) >> MISC_CR3_TARGET_SHIFT) & 0x1ff;
}

static inline bool caps_has_mtf(const struct vmx_caps *c)
{
	return (caps_allowed1(c, caps_control_msr(c, MSR_VMX_PROC)) & PROC_MTF) != 0;
}

/* Software events may be injected with instruction length 0. */
static inline bool caps_zero_length(const struct vmx_caps *c)
{
	return (caps_msr(c, MSR_VMX_MISC) & MISC_ZERO_LENGTH) != 0;
}

/* Whether a hardware exception has an error code in protected mode is the injector's choice. */
static inline bool caps_any_error_code(const struct vmx_caps *c)
{
	return (caps_msr(c, MSR_VMX_BASIC) & BASIC_ANY_ERROR_CODE) != 0;
}

/* An activity state other than active that VM entry can set; any value may be asked for. */
static inline bool caps_activity_ok(const struct vmx_caps *c, uint64_t activity)
{
	return activity >= ACTIVITY_HLT && activity <= ACTIVITY_WAIT_FOR_SIPI &&
	       (caps_msr(c, MSR_VMX_MISC) >> (5 + activity) & 1) != 0;
}

/* The four rules of an EPTP (24.6.11, 26.2.1.1); all must hold. */
static inline bool caps_eptp_memtype_ok(const struct vmx_caps *c, uint64_t eptp)
{
	uint64_t cap = caps_msr(c, MSR_VMX_EPT_VPID_CAP);

	switch (eptp & EPTP_MEMTYPE_MASK) {
	case MEMTYPE_UC:
		return (cap & EPT_CAP_UC) != 0;
	case MEMTYPE_WB:
		return (cap & EPT_CAP_WB) != 0;
	default:
		return false;
	}
}

/* Four levels; five are not offered. */
static inline bool caps_eptp_walk_ok(const struct vmx_caps *c, uint64_t eptp)
{
	return (eptp & EPTP_WALK_MASK) == EPTP_WALK_4 &&
	       (caps_msr(c, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_WALK_4) != 0;
}

static inline bool caps_eptp_ad_ok(const struct vmx_caps *c, uint64_t eptp)
{
	return (eptp & EPTP_AD) == 0 || (caps_msr(c, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_AD) != 0;
}

static inline bool caps_eptp_reserved_ok(const struct vmx_caps *c, uint64_t eptp)
{
	return (eptp & EPTP_RESERVED) == 0 && eptp >> c->maxphyaddr == 0;
}

/* An EPTP that VM entry takes; INVEPT and EPTP switching take the same. */
static inline bool caps_eptp_ok(const struct vmx_caps *c, uint64_t eptp)
{
	return caps_eptp_memtype_ok(c, eptp) && caps_eptp_walk_ok(c, eptp) &&
	       caps_eptp_ad_ok(c, eptp) && caps_eptp_reserved_ok(c, eptp);
}

/* All that Nestor implements; CR4, EFER and DEBUGCTL bits of a plain 64-bit CPU. */
struct caps_policy caps_policy_default(void);

/* The mask of all features that the machine itself has, offered to L1 or not. */
uint64_t caps_machine_features(const struct vmx_caps *hw);

/*
 * What L1 sees: of the machine's capabilities those that the policy wants and whose needs are
 * met. Any hw and policy are accepted; l1 is consistent with itself (plain and TRUE MSRs,
 * dependent features, fields).
 */
void caps_derive(
	struct vmx_caps *l1, const struct vmx_caps *hw, const struct caps_policy *policy);

/* The preemption timer of L1 counts once in 2^n units of the machine's (SDM A.6). */
uint8_t caps_timer_shift(const struct vmx_caps *l1, const struct vmx_caps *hw);

/* Whether a field exists for software with these capabilities; fid < FID_COUNT. */
bool caps_field_exists(const struct vmx_caps *c, enum vmcs_fid fid);

#endif
