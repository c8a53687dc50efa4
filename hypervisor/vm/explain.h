/*
 * Refused VM entries and VMX instructions of L1s: into the VM's ring, the log and, on request,
 * control records.
 */
#ifndef NESTOR_VM_EXPLAIN_H
#define NESTOR_VM_EXPLAIN_H

#include <stdbool.h>

struct vm;

/* Set before the first entry: records `explain vm=... ... text=WORDS`. */
extern bool vm_explain_records;

/*
 * Tells how often each rule was broken that was shown EXPLAIN_SHOWN times and then only counted.
 * The VM's address space is current.
 */
void vm_explain_summary(const struct vm *vm);

#endif
