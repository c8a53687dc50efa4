/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMX capability MSRs as values (SDM appendix A): of the machine, or of a virtual CPU.
 */
#ifndef NESTOR_SPEC_VMX_CAPS_H
#define NESTOR_SPEC_VMX_CAPS_H

#include <stdint.h>

#include "spec/vmx.h"

#define CAPS_MSR_COUNT 19 /* 0x480 to 0x492 */

struct vmx_caps {
	/* by index - MSR_VMX_BASIC; zero when the MSR is absent */
	uint64_t msr[CAPS_MSR_COUNT];
	uint8_t maxphyaddr;  /* bits of a physical address, CPUID 0x80000008; 32 to 52 */
	uint8_t linear_bits; /* of a canonical address in a register: LINEAR_BITS or ..._LA57 */
	uint64_t cr3_lam; /* CR3_LAM_U57 and CR3_LAM_U48 where the processor has LAM, else 0 */
	/* Bits that may be 1 in L1's MSRs; caps_derive() sets them, unused in the machine's
	 * caps. */
	uint64_t efer_valid;
	uint64_t debugctl_valid;
	uint64_t perf_global_valid;
	uint64_t cet_valid;
};

/* A.1 "Basic VMX Information", IA32_VMX_BASIC */
#define BASIC_REVISION_MASK \
	0x7fffffffu                   /* of the low half; as the first word of a VMCS has it */
#define BASIC_WIDTH_32      BIT64(48) /* no address in a VMCS is wider */
#define BASIC_DUAL_MONITOR  BIT64(49)
#define BASIC_MEMTYPE(t)    ((uint64_t)(t) << 50) /* enum memory_type */
#define BASIC_INS_OUTS      BIT64(54)
#define BASIC_TRUE_CONTROLS BIT64(55)
#define BASIC_ANY_ERROR_CODE \
	BIT64(56) /* an exception is injected with an error code or not, whatever its vector */

/* A.2 to A.5: controls of the default1 class, which the plain MSRs report as fixed to 1; no
 * secondary control is of that class. */
#define DEFAULT1_PIN   0x00000016u
#define DEFAULT1_PROC  0x0401e172u
#define DEFAULT1_EXIT  0x00036dffu
#define DEFAULT1_ENTRY 0x000011ffu

/* A.6 "Miscellaneous Data", IA32_VMX_MISC */
#define MISC_TIMER_RATE        0x1full
#define MISC_STORE_LMA         BIT64(5)
#define MISC_ACTIVITY_HLT      BIT64(6)
#define MISC_ACTIVITY_SHUTDOWN BIT64(7)
#define MISC_ACTIVITY_SIPI     BIT64(8)
#define MISC_CR3_TARGET_SHIFT  16
#define MISC_MSR_LIST_SHIFT    25 /* limit is 512 * (value + 1) */
#define MISC_VMWRITE_ANY       BIT64(29)
#define MISC_ZERO_LENGTH       BIT64(30)
#define MISC_MSEG_REVISION     0xffffffff00000000ull /* of the monitor in SMM */

/* A.11 "VM Functions", 24.6.14 "VM-Function Controls" */
#define VMFUNC_EPTP_SWITCHING BIT64(0)

/* 23.7 "Enabling and Entering VMX Operation", IA32_FEATURE_CONTROL */
#define FEATURE_CONTROL_LOCK        BIT64(0)
#define FEATURE_CONTROL_VMX_NOT_SMX BIT64(2)
#define FEATURE_CONTROL_LMCE        BIT64(20) /* 15.3.1.5 "Enabling Local Machine Check" */

static inline uint64_t caps_msr(const struct vmx_caps *c, uint32_t index)
{
	return c->msr[index - MSR_VMX_BASIC];
}

/* The VMCS revision identifier (24.2 "Format of the VMCS Region"). */
static inline uint32_t caps_revision(const struct vmx_caps *c)
{
	return (uint32_t)caps_msr(c, MSR_VMX_BASIC) & BASIC_REVISION_MASK;
}

/* Bits of an address in a VMCS field. */
static inline uint32_t caps_pointer_width(const struct vmx_caps *c)
{
	return (caps_msr(c, MSR_VMX_BASIC) & BASIC_WIDTH_32) ? 32 : c->maxphyaddr;
}

/*
 * May a VMCS hold this value for CR3? Bits beyond the physical-address width must be 0 (26.2.2,
 * 26.3.1.1), but those of LAM where the processor has it ("Linear-Address Masking").
 */
static inline bool caps_cr3_ok(const struct vmx_caps *c, uint64_t cr3)
{
	return (cr3 & ~c->cr3_lam) >> c->maxphyaddr == 0;
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
	if (index > MSR_VMX_ENTRY || !(caps_msr(c, MSR_VMX_BASIC) & BASIC_TRUE_CONTROLS))
		return index;
	return index - MSR_VMX_PIN + MSR_VMX_TRUE_PIN;
}

#endif
