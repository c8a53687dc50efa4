/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID where it may have no such leaf. */
#ifndef NESTOR_CPU_LEAVES_H
#define NESTOR_CPU_LEAVES_H

#include "cpu/asm.h"
#include "spec/cpuid.h"
#include "spec/msr.h"

/*
 * Firmware's "Limit CPUID Maxval" hides leaves above 2 or 3 from systems that cannot do with
 * them, and with them all that this CPU has: SDM vol. 4, table 2-2, IA32_MISC_ENABLE. That MSR
 * is there where Intel's processor has 64-bit mode, and without the limit those have more
 * leaves. Each CPU, before it asks.
 */
static inline void cpuid_lift_limit(void)
{
	struct cpuid_regs r = cpuid(0, 0);
	uint64_t v;

	if (r.eax > CPUID_LIMIT_MOST || !cpuid_is_intel(r.ebx, r.ecx, r.edx))
		return;
	v = rdmsr(MSR_MISC_ENABLE);
	if (v & MISC_ENABLE_LIMIT_CPUID)
		wrmsr(MSR_MISC_ENABLE, v & ~MISC_ENABLE_LIMIT_CPUID);
}

/* A leaf, basic or extended; zeros, if there is none of that number. */
static inline struct cpuid_regs cpuid_or_none(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs none = {0};

	return cpuid(leaf & CPUID_EXT_BASE, 0).eax >= leaf ? cpuid(leaf, subleaf) : none;
}

/* Bits of a physical address (SDM vol. 2 "CPUID", leaf 80000008H). */
static inline unsigned cpuid_physical_bits(void)
{
	unsigned bits = cpuid_or_none(CPUID_EXT_BASE + 8, 0).eax & 0xff;

	return bits != 0 ? bits : 36;
}

#endif
