/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPUID that L1 sees, computed once from the machine's answers and a VM's configuration,
 * and the CR4 bits that it offers. Rules in cpuid.def and cr4.def. Pure.
 */
#ifndef NESTOR_POLICY_CPUID_H
#define NESTOR_POLICY_CPUID_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/cpuid.h"

#define CPUID_BASIC_MAX CPUID_LEAF_FREQUENCIES
#define CPUID_EXT_MAX   0x80000008u
#define CPUID_HV_MAX    CPUID_HV_TIMING
#define CPUID_LEAF4     4u
#define CPUID_LEAF7     3u
#define CPUID_LEAFB     3u
#define CPUID_LEAFD     13u

#define CPUID_XCR0_OFFERED 0x2e7ull  /* x87, SSE, AVX, AVX-512, PKRU; not MPX, PT, tiles */
#define CPUID_XSS_OFFERED  0x1800ull /* CET's state of users and supervisors; not PT */

/* The leaves that the policy reads of the machine and answers from it. */
struct cpuid_leaves {
	struct cpuid_leaf basic[CPUID_BASIC_MAX + 1]; /* subleaf 0 */
	struct cpuid_leaf leaf4[CPUID_LEAF4];
	struct cpuid_leaf features[CPUID_LEAF7 - 1]; /* leaf 7, from subleaf 1 */
	struct cpuid_leaf leafd[CPUID_LEAFD];
	struct cpuid_leaf ext[CPUID_EXT_MAX - CPUID_EXT_BASE + 1];
};

/* Every leaf that is not here is zero. */
struct cpuid_table {
	struct cpuid_leaves l;
	struct cpuid_leaf leafb[CPUID_LEAFB];
	struct cpuid_leaf hv0, hv_timing;
	uint64_t xcr0_mask, xss_mask; /* bits of XCR0 and IA32_XSS offered */
};

struct cpuid_config {
	unsigned package; /* vCPUs of each: a power of two, or all there are */
	unsigned index;
	uint32_t tsc_khz;
	bool vmx;
	bool rdtscp, invpcid, xsaves; /* VT-x lets guests use these without an exit */
	bool user_wait;
	bool cet; /* VM entries load a guest's state of it */
	bool fast_strings;
	uint64_t features; /* of 1 << enum cpu_feature: what it sees at most */
};

/* machine: what CPUID answers on the machine; zero where it does not have the leaf. */
void cpuid_policy_build(struct cpuid_table *t, const struct cpuid_leaves *machine,
	const struct cpuid_config *c);

/* Bits of XCR0 that a vCPU is offered which sees all that the machine has. */
uint64_t cpuid_policy_xcr0(const struct cpuid_leaves *machine);

/* The parts that follow CR4 (OSXSAVE, PKE), XCR0 and IA32_XSS. */
void cpuid_policy_update(struct cpuid_table *t, uint64_t cr4, uint64_t xcr0, uint64_t xss);

/* The part that follows IA32_APIC_BASE. */
void cpuid_policy_apic(struct cpuid_table *t, bool enabled);

/* The answer; total. Valid until the next question. */
const struct cpuid_leaf *cpuid_policy_get(
	struct cpuid_table *t, uint32_t leaf, uint32_t subleaf);

/* A flag or field of the machine's. */
uint32_t cpuid_leaves_get(const struct cpuid_leaves *l, enum cpuid_field field);
/* Whether L1 sees it as the machine has it, if a condition holds perhaps. */
bool cpuid_policy_lets(enum cpuid_field field);

/* Whether L1 sees a flag, or any bit of a field. */
bool cpuid_policy_has(const struct cpuid_table *t, enum cpuid_field field);

/* The width of canonical addresses in registers: that of the processor, whatever mode is on. */
unsigned cpuid_policy_linear_bits(const struct cpuid_table *t);

/* The CR4 bits that L1 may set. */
uint64_t cpuid_policy_cr4(const struct cpuid_table *t);

#endif
