/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refused VM entries and VMX instructions of L1s: into the VM's ring, the log and, if the
 * configuration says so, control records `explain vm=... ... text=WORDS`.
 */
#ifndef NESTOR_VM_EXPLAIN_H
#define NESTOR_VM_EXPLAIN_H

struct vm;

/*
 * Tells how often each rule was broken that was shown EXPLAIN_SHOWN times and then only
 * counted. The VM's address space is current.
 */
void vm_explain_summary(const struct vm *vm);

#endif
