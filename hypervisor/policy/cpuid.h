/*
 * The CPUID that L1 sees, computed once from the machine's answers and a VM's configuration. Pure.
 */
#ifndef NESTOR_POLICY_CPUID_H
#define NESTOR_POLICY_CPUID_H

#include <stdbool.h>
#include <stdint.h>

struct cpuid_regs;

#define CPUID_BASIC_MAX 0x16u
#define CPUID_EXT_BASE  0x80000000u
#define CPUID_EXT_MAX   0x80000008u
#define CPUID_HV_BASE   0x40000000u
#define CPUID_HV_MAX    0x40000010u
#define CPUID_LEAF4     4u
#define CPUID_LEAFB     3u
#define CPUID_LEAFD     10u

#define CPUID1_ECX_VMX     (1u << 5)
#define CPUID1_ECX_OSXSAVE (1u << 27)

struct cpuid_leaf {
	uint32_t eax, ebx, ecx, edx;
};

/* Every leaf that is not here is zero. */
struct cpuid_table {
	struct cpuid_leaf basic[CPUID_BASIC_MAX + 1]; /* subleaf 0 */
	struct cpuid_leaf leaf4[CPUID_LEAF4];
	struct cpuid_leaf leafb[CPUID_LEAFB];
	struct cpuid_leaf leafd[CPUID_LEAFD];
	struct cpuid_leaf ext[CPUID_EXT_MAX - CPUID_EXT_BASE + 1];
	struct cpuid_leaf hv0, hv_timing;
	uint64_t xcr0_mask; /* XCR0 bits offered */
};

struct cpuid_config {
	unsigned vcpus, index;
	uint32_t tsc_khz;
	bool vmx;
	bool rdtscp, invpcid, xsaves; /* VT-x lets guests use these without an exit */
};

/* Seam: the machine's answer. */
struct cpuid_leaf cpuid_machine(uint32_t leaf, uint32_t subleaf);

void cpuid_policy_build(struct cpuid_table *t, const struct cpuid_config *c);

/* The parts that follow CR4.OSXSAVE, XCR0 and IA32_XSS. */
void cpuid_policy_update(struct cpuid_table *t, bool osxsave, uint64_t xcr0, uint64_t xss);

/* The answer; total. */
const struct cpuid_leaf *cpuid_policy_get(
	const struct cpuid_table *t, uint32_t leaf, uint32_t subleaf);

#endif
