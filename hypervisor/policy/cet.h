/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of control-flow enforcement and of its XSAVE state that exist for L1 because
 * its CPUID says so. Pure.
 */
#ifndef NESTOR_POLICY_CET_H
#define NESTOR_POLICY_CET_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/cpuid.h"
#include "spec/denials.h"

struct cet_offer {
	uint64_t control; /* bits of IA32_U_CET and IA32_S_CET; 0: there is no CET */
	bool stacks;      /* shadow stacks: there are pointers to them */
	bool xsaves;      /* there is IA32_XSS, of these bits: */
	uint64_t xss;
	unsigned linear_bits;
};

void cet_offer_make(struct cet_offer *o, const struct cpuid_table *t);

/* IA32_U_CET, IA32_S_CET, IA32_PL0_SSP to IA32_PL3_SSP, IA32_INTERRUPT_SSP_TABLE_ADDR. */
bool is_cet_msr(uint32_t msr);
/*
 * Why RDMSR, or WRMSR of the value, faults; DENIAL_NONE: it does not. Of such an MSR, or of
 * IA32_XSS, which comes with XSAVES (SDM 13.3 "Enabling the XSAVE Feature Set").
 */
enum denial cet_denial(const struct cet_offer *o, uint32_t msr, bool write, uint64_t value);
/* Lets those that exist through (a bitmap as the VMCS has it): the processor judges values. */
void cet_allow(const struct cet_offer *o, uint64_t *bitmap);

#endif
