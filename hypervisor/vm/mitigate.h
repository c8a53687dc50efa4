/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 does against vulnerabilities of speculative execution, by policy/mitigations: on each
 * CPU, on the way into guests, and for the MSRs that L1 has for the same. What happens in the
 * last moment before an entry and the first behind an exit is in vmx/stub.S.
 */
#ifndef NESTOR_VM_MITIGATE_H
#define NESTOR_VM_MITIGATE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/mitigations.h"

struct vcpu;

/*
 * Finds out what this machine needs. Boot CPU, on the page tables of the start: makes L0's
 * indirect branches direct where they need no thunks (cpu/branches.h).
 */
void mitigate_judge(void);
/* Logs it, and chooses the way out of guests. Boot CPU, before VMs and other CPUs. */
void mitigate_init(void);
/* Sets up the CPU that calls, before it runs VMs. */
void mitigate_cpu(void);

/* The threads of a core: CPUs whose APIC ids are alike but for these bits share one; 0: none
 * do, or that does not matter. Of each core only the first is used then. */
uint32_t mitigate_unused_threads(void);
/* How many bits of a local APIC's number tell the threads of a core apart. */
unsigned mitigate_thread_bits(void);

/* So many VMs may be here at a time; false, with a line in the log: mitigations=strict, and a
 * vulnerability stays open. */
bool mitigate_allows(unsigned vms);

/* Whether no large page of a guest's memory may be executable (iTLB multihit). */
bool mitigate_small_code(void);

/* A vCPU whose CPUID is there, and whose VMCS01 is current; the bitmaps of its VM too. */
void mitigate_vcpu_create(struct vcpu *vcpu);
/* Power-on: IA32_SPEC_CTRL is 0. */
void mitigate_vcpu_reset(struct vcpu *vcpu);
/* A new VMCS02 of the vCPU is current, without MSR lists. */
void mitigate_vmcs_create(const struct vcpu *vcpu);
/* The bitmap for VMCS01: apicv.c asks at a change of mode. */
uint64_t *mitigate_msr_bitmap(const struct vcpu *vcpu, bool x2apic);

/* L2 has ended, and L1 runs next. Only for a vCPU with barrier_at_exit. */
void mitigate_left_l2(void);

/* is_speculation_msr() only; false: #GP. */
bool mitigate_rdmsr(const struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool mitigate_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* IA32_SPEC_CTRL has this value, which speculation_takes() takes; any VMCS of the vCPU is
 * current. */
void mitigate_set_spec_ctrl(struct vcpu *vcpu, uint64_t value);

/* How often this CPU has executed an IBPB and flushed the cache, for all CPUs. */
void mitigate_report(void);

#endif
