/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is wrong (cpu/bad_memory.h), where a VM has it: nothing leads there any more, and
 * the VM ends when it is accessed. docs/decisions/0135-memory-that-is-wrong.md has the reasons.
 */
#ifndef NESTOR_VM_BAD_MEMORY_H
#define NESTOR_VM_BAD_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"

struct vcpu;
struct vm;

/* What machine checks have told of since the last time is told to all VMs: each looks whether
 * it has it (EVENT_BAD_MEMORY). Any CPU, where it holds no lock; costs next to nothing. */
void bad_memory_work(void);

/*
 * EVENT_BAD_MEMORY: EPT01, EPT02s and tables of devices do not lead to it any more, and no CPU
 * has a translation. No lock is held.
 */
void bad_memory_leave(struct vcpu *vcpu);

/*
 * For who maps RAM in EPT01 after that: what is wrong of [gpa, gpa + size), which is at `hpa`,
 * is not mapped. With vm_lock. False: the pool is too small.
 */
bool bad_memory_unmap(struct vm *vm, uint64_t gpa, struct hpa hpa, uint64_t size);

/* Something accesses this guest-physical range. True: some of it is wrong, and the VM ends. Out
 * of line: ordinary accesses shall not pay for its stack frame. */
__attribute__((noinline)) bool bad_memory_used(
	const struct vm *vm, uint64_t gpa, uint64_t size);

/* Something that the VM cannot go on without is wrong: it ends. */
void bad_memory_end(const struct vm *vm);

/* The largest page, of *page_size at most, that has this address and nothing that is wrong.
 * False: the address has, and the VM ends. */
__attribute__((noinline)) bool bad_memory_fit(
	const struct vm *vm, struct hpa hpa, uint64_t *page_size);

/* Wipes what is not wrong. The boot address space, or another one that maps it. */
void bad_memory_wipe(struct hpa at, uint64_t size);

#endif
