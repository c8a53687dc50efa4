/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by task_switch.c and task_segments.c.
 */
#ifndef NESTOR_EMUL_TASK_INT_H
#define NESTOR_EMUL_TASK_INT_H

#include "emul/task_switch.h"

/* One task switch on its way. The functions are false after a fault, which is in the result. */
struct task {
	struct emul_env *env;
	struct task_cpu *cpu;
	const struct task_request *request;
	struct task_result result;
};

/* The parts of a descriptor, SDM 3.4.5 "Segment Descriptors". */
struct task_segment task_parse(uint16_t selector, uint64_t descriptor);

bool task_fault(struct task *t, uint8_t vector, uint32_t error);
/* The error code names a selector. */
bool task_fault_selector(struct task *t, uint8_t vector, uint16_t selector);
/* The processor's own accesses: supervisor, whatever the CPL. */
bool task_read(struct task *t, uint32_t linear, void *dst, uint32_t len);
bool task_write(struct task *t, uint32_t linear, const void *src, uint32_t len);
bool task_can_write(struct task *t, uint32_t linear, uint32_t len);
/* One of the new task, in user or supervisor mode. */
bool task_write_as(
	struct task *t, uint8_t cpl, bool ac, uint32_t linear, const void *src, uint32_t len);

/*
 * LDTR and the segment registers, whose selectors are those of the new TSS, from their
 * descriptors. After a fault the registers that are not loaded are unusable.
 */
bool task_load_segments(struct task *t);
/* The error code onto the new task's stack, `size` bytes; then EIP against the limit of CS. */
bool task_push_error(struct task *t, uint32_t size);

#endif
