/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control-flow enforcement of guests. IA32_S_CET, SSP and IA32_INTERRUPT_SSP_TABLE_ADDR are in
 * the VMCS of a VM that has it; the rest, and IA32_XSS, stays in the CPU while the vCPU is
 * loaded. L0 itself runs with CR4.CET = 0, where what a guest left in them means nothing, and
 * for a VM without CET nothing of all this is touched.
 */
#ifndef NESTOR_VM_CET_H
#define NESTOR_VM_CET_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* A vCPU whose CPUID is there: what it has; the bitmaps of its VM too. */
void cet_vcpu_create(struct vcpu *vcpu);
/* What VM entries of the vCPU need besides: a VM-entry control, or 0. */
uint32_t cet_entry_controls(const struct vcpu *vcpu);

/* Power-on and INIT: the VMCS, which is current; what stays in the CPU, where it is. */
void cet_reset_vmcs(struct vcpu *vcpu);
void cet_reset_loaded(struct vcpu *vcpu);
void cet_reset_saved(struct vcpu *vcpu);

/* Another vCPU runs next; the vCPU does. Only for a vCPU that has CET. */
void cet_save(struct vcpu *vcpu);
void cet_load(const struct vcpu *vcpu);

/* MSRs of CET, and IA32_XSS; false: #GP. The vCPU is loaded. */
bool cet_owns(uint32_t msr);
bool cet_rdmsr(const struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool cet_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/*
 * A VM entry has failed, with this exit reason: because the guest has left IA-32e mode, and
 * what it has in these registers does not fit other modes (SDM 26.3.1.1, 26.3.1.4)? The
 * processor checks at VM entries what it lets guests do. True: it fits now, and the entry can
 * be tried again.
 */
bool cet_fit_mode(const struct vcpu *vcpu, uint32_t reason);

/* Of a state that is to be put back: the registers as cet_save() has them, and IA32_XSS. */
bool cet_state_valid(const struct vcpu *vcpu, const uint64_t *registers, uint64_t xss);

/* Does the guest of the current VMCS, at this CPL, have shadow stacks or tracking on? The bits
 * of IA32_U_CET or IA32_S_CET, or 0. */
uint64_t cet_in_use(const struct vcpu *vcpu, unsigned cpl);

#endif
