/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware task switches (SDM vol. 3A chapter 7 "Task Management"), which VMX non-root
 * operation leaves to the VMM (25.4.2 "Treatment of Task Switches"). Pure: works on a copy of
 * the registers; memory, and the PDPTE registers, are behind emul/seam.h. Outside IA-32e mode
 * only, where there are task switches.
 */
#ifndef NESTOR_EMUL_TASK_SWITCH_H
#define NESTOR_EMUL_TASK_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "emul/seam.h"
#include "spec/exits.h"
#include "spec/regs.h"

struct task_segment {
	uint16_t selector;
	uint32_t base, limit, ar; /* as the VMCS has them */
};

/* The registers of the vCPU that a task switch reads and writes. */
struct task_cpu {
	uint32_t r[REG_COUNT_32];
	uint32_t eip; /* where the old task shall go on */
	uint32_t eflags, dr7;
	struct task_segment seg[SEG_COUNT];
	uint32_t gdt_base, gdt_limit;
	uint64_t cr0, cr3, cr4;
};

struct task_request {
	uint16_t selector; /* of the new TSS */
	enum task_source source;
	/* EXT of error codes (6.13): the event did not come from INT n, INT3 or INTO */
	bool external;
	bool has_error; /* the event has an error code, for the new task's stack */
	uint32_t error;
};

/* What comes of it: at most one exception, which the new task's state or, without a switch, the
 * old one's raises. */
struct task_result {
	/* struct task_cpu is the new task's; it can be entered, even with a fault */
	bool switched;
	bool fault; /* vector and error, but for #PF: env remembers it */
	bool debug; /* #DB with DR6.BT */
	uint8_t vector;
	uint32_t error;
};

/*
 * Without a switch nothing has changed, unless the guest changes its paging structures
 * meanwhile. The PDPTE registers have been written when PAE paging is on and CR3 differs. The
 * rights in env are not those of the vCPU afterwards.
 */
struct task_result task_switch(
	struct emul_env *env, struct task_cpu *cpu, const struct task_request *request);

#endif
