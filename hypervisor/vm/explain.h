/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was refused to L1s and L2s, and why: into the VM's ring, the log and, if the
 * configuration says so, control records `explain vm=... ... text=WORDS`.
 */
#ifndef NESTOR_VM_EXPLAIN_H
#define NESTOR_VM_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

struct explain_record;
struct vcpu;
struct vm;

/* Does anybody read explanations? Otherwise what is frequent is not reported at all. */
bool vm_explaining(void);

/*
 * RDMSR or WRMSR, as the exit reason says, of L1 or L2 gets #GP. value: what was to be written.
 * The vCPU's VMCS is current; nothing is queued yet.
 */
void vm_report_msr(struct vcpu *vcpu, uint32_t reason, uint32_t msr, uint64_t value);
/* A VMX instruction gets #UD, since the VM has no VT-x. */
void vm_report_no_vmx(struct vcpu *vcpu, uint32_t reason);

/*
 * The refusals that are kept have numbers from *first to *end - 1, in the order in which they
 * came; *first == *end: there are none. Another vCPU may add one at any time.
 */
void vm_explain_range(struct vm *vm, uint64_t *first, uint64_t *end);
/* False: it is not kept any more. */
bool vm_explain_get(struct vm *vm, uint64_t number, struct explain_record *r);

/*
 * Tells how often each rule was broken that was shown EXPLAIN_SHOWN times and then only
 * counted. The VM's address space is current.
 */
void vm_explain_summary(const struct vm *vm);

#endif
