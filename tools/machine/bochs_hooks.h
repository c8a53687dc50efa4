/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plugins of ours that watch an emulated processor share: its places, its clock, the empty
 * functions that Debian's Bochs 3.0 calls, and a device that Bochs takes such a plugin for.
 * Offsets are those of one build: tools/machine/fetch-bochs.sh makes plugins for it only.
 */
#ifndef NESTOR_TOOLS_BOCHS_HOOKS_H
#define NESTOR_TOOLS_BOCHS_HOOKS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bochs_plugin.h"

/* Places in an emulated processor. */
#define CPU_INDEX    0x30 /* 32 bits */
#define CPUID_OBJECT 0x38
#define REGISTERS    0x60 /* RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15 */
#define RSP          0x80
#define RIP          0xe0
#define ICOUNT       0x138 /* instructions that it has executed, ... */
#define SYNCED       0x140 /* ... and how many of them the clock knows of */
#define GS_BASE      0x208
#define CR3          0x2b0
#define IN_GUEST     0x8eb9 /* VMX non-root operation */
#define VMCS         0x8ec0 /* the current one's address */

/* Places in a decoded instruction. */
#define INSN_OPCODE 0x20 /* 16 bits; its name: opcode_name */
#define INSN_SIZE   0x22 /* its length */
#define INSN_FORM   0x23 /* INSN_REGISTER: no operand is in memory */
#define INSN_SOURCE 0x25 /* the register of its source */

#define INSN_REGISTER 0x10

/* Places in bx_pc_system: its clock. */
#define COUNTDOWN 0x1638
#define PERIOD    0x163c
#define TOTAL     0x1640 /* ticks at the begin of the period */

extern unsigned char **bx_cpu_array;
extern unsigned char bx_cpu_count;

/* The empty functions. */
void hook_before(void) __asm__("_Z25bx_instr_before_executionjP15bxInstruction_c");
void hook_near(void) __asm__("_Z22bx_instr_ucnear_branchjjmm");
void hook_conditional(void) __asm__("_Z27bx_instr_cnear_branch_takenjmm");
void hook_far(void) __asm__("_Z19bx_instr_far_branchjjtmtm");
void hook_vmexit(void) __asm__("_Z15bx_instr_vmexitjjm");
void hook_hwinterrupt(void) __asm__("_Z20bx_instr_hwinterruptjjtm");
void hook_exception(void) __asm__("_Z18bx_instr_exceptionjjj");

/* Kinds of branches that hook_near and hook_far get. */
enum {
	BRANCH_JUMP = 10,
	BRANCH_JUMP_INDIRECT = 11,
	BRANCH_CALL = 12,
	BRANCH_CALL_INDIRECT = 13,
	BRANCH_RET = 14,
	BRANCH_IRET = 15
};

static inline uint64_t place(const unsigned char *cpu, unsigned at)
{
	uint64_t v;

	memcpy(&v, cpu + at, sizeof(v));
	return v;
}

/*
 * Ticks, with those that a HLT skips and those of repeated instructions. Processors in turn
 * have no ticks of their own: instructions.
 */
static inline uint64_t ticks_now(const unsigned char *cpu)
{
	uint32_t countdown, period;

	if (bx_cpu_count != 1)
		return place(cpu, ICOUNT);
	memcpy(&countdown, bx_pc_system + COUNTDOWN, sizeof(countdown));
	memcpy(&period, bx_pc_system + PERIOD, sizeof(period));
	return place(bx_pc_system, TOTAL) + (period - countdown) +
	       (uint32_t)place(cpu, ICOUNT) - (uint32_t)place(cpu, SYNCED);
}

/* Ends Bochs, in the words by which the tool finds what it has to say. */
static inline __attribute__((noreturn)) void plugin_fail(const char *name, const char *why)
{
	fprintf(stderr, "Bochs is exiting with the following message:\n%s: %s\n", name, why);
	exit(1);
}

/* Lets an empty function lead to ours: it has 16 bytes, ENDBR64, RET and filling. */
static inline void hook_lead(void (*from)(void), void *to, const char *name)
{
	static const unsigned char empty[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xc3};
	static const unsigned char jump[] = {0xff, 0x25, 0, 0, 0, 0}; /* JMP [RIP] */
	uintptr_t page = (uintptr_t)from & ~(uintptr_t)0xfff;
	unsigned char *code = (unsigned char *)(uintptr_t)from;

	if (memcmp(code, jump, sizeof(jump)) == 0)
		plugin_fail(name, "there is another plugin that watches the processor "
				  "(nestorprof is that of --profile)");
	if (memcmp(code, empty, sizeof(empty)) != 0)
		plugin_fail(name, "not the Bochs that is known");
	if (mprotect((void *)page, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		plugin_fail(name, "its code cannot be changed");
	memcpy(code, jump, sizeof(jump));
	memcpy(code + sizeof(jump), &to, sizeof(to));
	mprotect((void *)page, 0x2000, PROT_READ | PROT_EXEC);
}

static inline void hook_nothing(void)
{
}

/*
 * Bochs takes the plugin for a device, which has nothing to do but, if they are not NULL, at
 * the start, when there are processors, and at each reset.
 */
static inline void register_watcher(void *plugin, uint16_t type, const char *name,
	const char *prefix, void (*init)(void *self), void (*reset)(void *self, unsigned type))
{
	static void *table[2 + SLOTS];
	static uint64_t object[OBJECT_SIZE / 8];

	for (unsigned i = 0; i < SLOTS; i++)
		table[2 + i] = (void *)hook_nothing;
	if (init != NULL)
		table[2 + SLOT_INIT] = (void *)init;
	if (reset != NULL)
		table[2 + SLOT_RESET] = (void *)reset;
	logfunctions_init(object);
	object[0] = (uint64_t)(uintptr_t)&table[2];
	logfunctions_put(object, name, prefix);
	pluginRegisterDeviceDevmodel(plugin, type, object, name);
}

#endif
