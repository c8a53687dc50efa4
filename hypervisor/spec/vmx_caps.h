/*
 * The VMX capability MSRs as values (SDM appendix A): of the machine, or of a virtual CPU.
 */
#ifndef NESTOR_SPEC_VMX_CAPS_H
#define NESTOR_SPEC_VMX_CAPS_H

#include <stdint.h>

#include "spec/vmx.h"

#define CAPS_MSR_COUNT 18 /* 0x480 to 0x491 */

struct vmx_caps {
	/* by index - MSR_VMX_BASIC; zero when the MSR is absent */
	uint64_t msr[CAPS_MSR_COUNT];
	uint8_t maxphyaddr; /* bits of a physical address, CPUID 0x80000008; 32 to 52 */
	/* Bits that may be 1 in L1's MSRs; caps_derive() sets them, unused in the machine's caps. */
	uint64_t efer_valid;
	uint64_t debugctl_valid;
	uint64_t perf_global_valid;
};

static inline uint64_t caps_msr(const struct vmx_caps *c, uint32_t index)
{
	return c->msr[index - MSR_VMX_BASIC];
}

/* Low half of a control capability: bits that must be 1. High half: bits that may be 1. */
static inline uint32_t caps_fixed1(const struct vmx_caps *c, uint32_t index)
{
	return (uint32_t)caps_msr(c, index);
}

static inline uint32_t caps_allowed1(const struct vmx_caps *c, uint32_t index)
{
	return (uint32_t)(caps_msr(c, index) >> 32);
}

/*
 * The MSR that rules a control word: MSR_VMX_PIN, PROC, EXIT and ENTRY give way to their TRUE
 * versions where those exist; any other index is returned as it is.
 */
static inline uint32_t caps_control_msr(const struct vmx_caps *c, uint32_t index)
{
	if (index > MSR_VMX_ENTRY || !(caps_msr(c, MSR_VMX_BASIC) & BIT64(55)))
		return index;
	return index - MSR_VMX_PIN + MSR_VMX_TRUE_PIN;
}

#endif
