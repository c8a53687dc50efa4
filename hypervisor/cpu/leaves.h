/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID where it may have no such leaf. */
#ifndef NESTOR_CPU_LEAVES_H
#define NESTOR_CPU_LEAVES_H

#include "cpu/asm.h"
#include "spec/cpuid.h"

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
