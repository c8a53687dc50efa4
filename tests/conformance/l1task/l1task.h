/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the payloads with task switches of L1 share: a GDT with tasks of both kinds, the code
 * that runs in them, and reports of what it found. The running payload is the task TASK_MAIN.
 */
#ifndef NESTOR_TESTS_CONFORMANCE_L1TASK_H
#define NESTOR_TESTS_CONFORMANCE_L1TASK_H

#include "conf.h"

#define TASK_MAIN SEL_TSS
#define TASK32    0x50
#define TASK16    0x58
#define GATE32    0x60
#define GATE16    0x68
#define HANDLER   0x70 /* a task for exceptions */
#define LDT       0x78
#define SCRATCH   0x80
#define CODE_AT   0x88 /* 32-bit code that starts at task_entry */
#define SLOTS     20

#define BUSY      0x0000020000000000ull
#define PRESENT   0x0000800000000000ull
#define TASK_GATE 0x0000e50000000000ull
#define VEC_TASK  0x60
#define VEC_TO_16 0x61
#define VEC_MAIN  0x62 /* a task gate to the main task */

#define CODE32_FLAT 0x00cf9b000000ffffull
#define DATA_FLAT   0x00cf93000000ffffull
#define FLAGS_VM    0x20000u
#define V86_BASE    0x20000u
#define WINDOW      0x03000000u
#define WINDOW_ALT  0x02800000u
#define TSS_SPLIT   (WINDOW - 0x50) /* a TSS that reaches into the window */
#define DR7_ALL     0x7ffu          /* breakpoints at 0, which nobody executes */
#define MODE_NAME   (mode == 0 ? "flat" : mode == 1 ? "32-bit" : "pae")

/* Offsets in a 32-bit TSS. */
enum tss32 {
	T_LINK = 0,
	T_ESP0 = 4,
	T_SS0 = 8,
	T_CR3 = 0x1c,
	T_EIP = 0x20,
	T_EFLAGS = 0x24,
	T_REGS = 0x28,
	T_ESP = 0x38,
	T_ES = 0x48,
	T_CS = 0x4c,
	T_SS = 0x50,
	T_DS = 0x54,
	T_FS = 0x58,
	T_GS = 0x5c,
	T_LDT = 0x60,
	T_TRAP = 0x64
};

/* What a task found: see task_entry. */
struct seen {
	uint32_t cs, ss, gs, fs, es, ds, regs[8], eflags, stack, tr, ldtr, cr0, cr3, dr7,
		window;
};

extern uint64_t gdt[SLOTS], ldt[4];
extern uint8_t task32[0x68], task16[0x2c];
extern uint8_t handler[0x68]; /* TSS of the task HANDLER */
extern uint8_t stack32[4096];
extern uint64_t *idt;
extern unsigned mode; /* 0: no paging, 1: 32-bit, 2: PAE */
extern bool brief;    /* of faults: nothing about the registers */
extern uint32_t cr3_main, cr3_alt;
extern uint32_t *pd_main, *pd_alt; /* the entries that map the window, their low halves */

/* What the next switch does; run clears it. */
extern uint32_t skip_fault;   /* the main task goes on behind the instruction that faulted */
extern uint32_t leave_by_jmp; /* the task does not return by IRET */
extern uint32_t window_at;    /* the task reads there; run does not clear it */
extern uint32_t nmis_to_send; /* by the task, to itself */

/* One instruction each that switches, or faults. */
#define OP(name) void name(void)
OP(o_call);
OP(o_call16);
OP(o_jmp);
OP(o_jmp16);
OP(o_call_gate);
OP(o_jmp_gate16);
OP(o_call_memory);
OP(o_int);
OP(o_int16);
OP(o_int3);
OP(o_ud);
OP(o_gp);
OP(o_icebp);
OP(o_iret);
OP(o_call_tf);
OP(o_df);
OP(o_interrupt);
OP(o_nmi);
#undef OP

void task_entry(void);
extern const char v86_code[], v86_code_end[];

/* One case: op in the main task, then what became of the tasks. Makes all tables anew. */
void run(const char *what, void (*op)(void));
/* IDT entry: to TASK32. */
void task_gate(unsigned vector);
uint64_t system_descriptor(const void *at, uint32_t limit, uint64_t type);
void put32(uint8_t *tss, unsigned at, uint32_t v);

/* Runs the cases without paging, with 32-bit and with PAE paging. */
void in_all_modes(void (*cases)(void));

#endif
