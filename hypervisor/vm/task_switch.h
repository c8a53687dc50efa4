/*
 * Hardware task switches (SDM vol. 3A chapter 7 "Task Management"), which VMX non-root operation leaves to
 * the VMM (25.4.2 "Treatment of Task Switches"). Pure: works on a copy of the registers; memory, and the
 * PDPTE registers, are behind nested/seam.h. Outside IA-32e mode only, where there are task switches.
 */
#ifndef NESTOR_VM_TASK_SWITCH_H
#define NESTOR_VM_TASK_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "nested/paging.h"
#include "spec/exits.h"

/* In the order of the VMCS and of the TSS. */
enum task_segment_index {
	TASK_ES,
	TASK_CS,
	TASK_SS,
	TASK_DS,
	TASK_FS,
	TASK_GS,
	TASK_LDTR,
	TASK_TR,
	TASK_SEGMENTS
};

#define TASK_DATA_SEGMENTS 6u

struct task_segment {
	uint16_t selector;
	uint32_t base, limit, ar; /* as the VMCS has them */
};

/* The registers of the vCPU that a task switch reads and writes. */
struct task_cpu {
	uint32_t r[8]; /* in the order of instruction encodings, with ESP */
	uint32_t eip;  /* where the old task shall go on */
	uint32_t eflags, dr7;
	struct task_segment seg[TASK_SEGMENTS];
	uint32_t gdt_base, gdt_limit;
	struct paging_state paging; /* CR0, CR3 and CR4 are here */
};

struct task_request {
	uint16_t selector; /* of the new TSS */
	enum task_source source;
	bool external; /* EXT of error codes (6.13): the event did not come from INT n, INT3 or INTO */
	bool has_error; /* the event has an error code, for the new task's stack */
	uint32_t error;
};

/* What comes of it: at most one exception, which the new task's state or, without a switch, the old one's raises. */
struct task_result {
	bool switched; /* struct task_cpu is the new task's; it can be entered, even with a fault */
	bool fault; /* vector and error, or page when the vector is #PF */
	bool debug; /* #DB with DR6.BT */
	uint8_t vector;
	uint32_t error;
	struct paging_fault page;
};

/*
 * Without a switch nothing has changed, unless the guest changes its paging structures meanwhile. The PDPTE
 * registers have been written when PAE paging is on and CR3 differs.
 */
struct task_result task_switch(
	struct nested *n, struct task_cpu *cpu, const struct task_request *request);

#endif
