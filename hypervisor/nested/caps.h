/*
 * VMX capability MSRs (SDM appendix A), both the machine's and those L1 sees.
 */
#ifndef NESTOR_NESTED_CAPS_H
#define NESTOR_NESTED_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/vmx.h"

#define CAPS_MSR_COUNT 18 /* 0x480 to 0x491 */

struct vmx_caps {
	uint64_t
		msr[CAPS_MSR_COUNT]; /* by index - MSR_VMX_BASIC; zero when the MSR is absent */
	uint8_t maxphyaddr;          /* bits of a physical address, CPUID 0x80000008 */
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

#endif
