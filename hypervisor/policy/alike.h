/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a CPU is enough like the boot CPU to run what L0 has prepared by the latter: VMCSs,
 * EPT, vCPUs whose CPUID and XSAVE areas are the boot CPU's, and what is done against
 * vulnerabilities. Rules in alike.def. Pure.
 */
#ifndef NESTOR_POLICY_ALIKE_H
#define NESTOR_POLICY_ALIKE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/cpuid.h"
#include "spec/vmx_caps.h"

struct cpu_facts {
	struct cpuid_leaves cpuid;
	uint64_t arch_caps;  /* IA32_ARCH_CAPABILITIES; 0: it is not there */
	struct vmx_caps vmx; /* complete; zeros where CPUID has no VMX */
};

/* The first thing in which they are not alike. */
struct cpu_difference {
	const char *what;
	uint64_t boot, own;
};

/* May a CPU run VMs beside the boot CPU? False: *d says why not. */
bool cpus_are_alike(
	const struct cpu_facts *boot, const struct cpu_facts *own, struct cpu_difference *d);

#endif
