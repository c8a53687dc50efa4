/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace of nestorspec: what a hypervisor executes around VM entries and exits, in the order
 * of execution, a line each:
 *
 *   TICK CPU LEVEL CR3 VMCS WHAT ...
 *
 * LEVEL is root or guest; CR3 and the address of the current VMCS are as they are before. What
 * WHAT may be: docs/machine-speculation.md. The trace changes nothing of the machine, neither
 * its ticks nor its events.
 */
#define _GNU_SOURCE
#include "bochs_speculation.h"

#include <inttypes.h>

#include "bochs_hooks.h"

/* What an instruction is to the trace. */
enum kind {
	OTHER,
	ENTRY,
	VERW,
	LOAD_CR3,
	SLEEP,
	FENCE
};

const char *opcode_name(uint16_t opcode) __asm__("_Z18get_bx_opcode_namet");

#define OPCODES 0x2000u
static uint8_t kinds[OPCODES];

static const struct {
	const char *name;
	enum kind kind;
} instructions[] = {
	{"BX_IA_VMLAUNCH", ENTRY},
	{"BX_IA_VMRESUME", ENTRY},
	{"BX_IA_VERW_Ew", VERW},
	{"BX_IA_MOV_CR3Rq", LOAD_CR3},
	{"BX_IA_HLT", SLEEP},
	{"BX_IA_MWAIT", SLEEP},
	{"BX_IA_LFENCE", FENCE},
};

#define GPRS       16u
#define RSP_NUMBER 4u

/*
 * From an exit to the first branch in root mode whose target is predicted by what came before
 * it. Of an NMI's handler in between that is an indirect branch: its returns belong to its own
 * calls.
 */
static struct since {
	bool counts;
	bool fence; /* since the last call or taken branch */
	bool interrupted;
	uint32_t depth; /* calls of that handler */
	uint32_t calls, taken;
	uint64_t guest[GPRS];
} since_exit[SPECULATION_CPUS];

static FILE *out;

static void begin_line(unsigned index)
{
	const unsigned char *cpu = bx_cpu_array[index];

	fprintf(out, "%" PRIu64 " %u %s %" PRIx64 " %" PRIx64 " ", ticks_now(cpu), index,
		cpu[IN_GUEST] ? "guest" : "root", place(cpu, CR3), place(cpu, VMCS));
}

void trace_wrmsr(unsigned index, uint32_t msr, uint64_t value, bool by_list)
{
	if (out == NULL)
		return;
	begin_line(index);
	fprintf(out, "wrmsr %" PRIx32 " %" PRIx64 " %s\n", msr, value,
		by_list ? "list" : "instruction");
}

static void before(unsigned index, const unsigned char *insn)
{
	const unsigned char *cpu = bx_cpu_array[index];
	struct since *s = &since_exit[index % SPECULATION_CPUS];
	enum kind kind = kinds[(uint16_t)place(insn, INSN_OPCODE) % OPCODES];

	if (kind == OTHER || cpu[IN_GUEST])
		return;
	if (kind == FENCE) {
		s->fence = s->fence || !s->interrupted;
		return;
	}
	begin_line(index);
	if (kind == ENTRY)
		fputs("entry\n", out);
	else if (kind == VERW)
		fprintf(out, "verw %s\n",
			insn[INSN_FORM] & INSN_REGISTER ? "register" : "memory");
	else if (kind == SLEEP)
		fputs("sleep\n", out);
	else
		fprintf(out, "cr3 %" PRIx64 "\n",
			place(cpu, REGISTERS + 8u * insn[INSN_SOURCE]));
}

/* The registers are still the guest's. */
static void vmexit(unsigned index, unsigned reason)
{
	struct since *s = &since_exit[index % SPECULATION_CPUS];

	begin_line(index);
	fprintf(out, "exit %u\n", reason & 0xffff);
	*s = (struct since){.counts = true};
	memcpy(s->guest, bx_cpu_array[index] + REGISTERS, sizeof(s->guest));
}

/* A bit for each register, by its number, that has what the guest left in it, but 0. */
static unsigned kept(const unsigned char *cpu, const struct since *s)
{
	unsigned mask = 0;

	for (unsigned r = 0; r < GPRS; r++)
		if (r != RSP_NUMBER && s->guest[r] != 0 &&
			s->guest[r] == place(cpu, REGISTERS + 8 * r))
			mask |= 1u << r;
	return mask;
}

static void predicted(unsigned index, struct since *s)
{
	s->counts = false;
	begin_line(index);
	fprintf(out, "predicted calls %u taken %u %s kept %x\n", s->calls, s->taken,
		s->fence ? "fenced" : "open", kept(bx_cpu_array[index], s));
}

static void branch_of_handler(unsigned index, struct since *s, unsigned what)
{
	if (what == BRANCH_CALL)
		s->depth++;
	else if (what == BRANCH_RET && s->depth != 0)
		s->depth--;
	else if (what != BRANCH_JUMP)
		predicted(index, s);
}

/* Bochs tells of a branch when it was taken. */
static void near_branch(unsigned index, unsigned what)
{
	struct since *s = &since_exit[index % SPECULATION_CPUS];

	if (bx_cpu_array[index][IN_GUEST] || !s->counts)
		return;
	if (s->interrupted) {
		branch_of_handler(index, s, what);
	} else if (what == BRANCH_CALL || what == BRANCH_JUMP) {
		s->calls += what == BRANCH_CALL;
		s->taken++;
		s->fence = false;
	} else {
		predicted(index, s);
	}
}

static void interrupted(unsigned index, unsigned vector)
{
	struct since *s = &since_exit[index % SPECULATION_CPUS];

	if (bx_cpu_array[index][IN_GUEST] || !s->counts)
		return;
	s->interrupted = true;
	s->depth = 0;
	begin_line(index);
	fprintf(out, "interrupt %u\n", vector);
}

static void far_branch(unsigned index, unsigned what)
{
	if (!bx_cpu_array[index][IN_GUEST] && what == BRANCH_IRET)
		since_exit[index % SPECULATION_CPUS].interrupted = false;
}

static void conditional_branch(unsigned index)
{
	struct since *s = &since_exit[index % SPECULATION_CPUS];

	if (bx_cpu_array[index][IN_GUEST] || !s->counts || s->interrupted)
		return;
	s->taken++;
	s->fence = false;
}

static void find_kinds(void)
{
	for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
		unsigned opcode = 0;
		const char *name;

		while (opcode < OPCODES && ((name = opcode_name((uint16_t)opcode)) == NULL ||
						   strcmp(name, instructions[i].name) != 0))
			opcode++;
		if (opcode == OPCODES)
			plugin_fail(SPECULATION_NAME, "not the Bochs that is known");
		kinds[opcode] = (uint8_t)instructions[i].kind;
	}
}

void trace_start(const char *path)
{
	out = fopen(path, "we");
	if (out == NULL)
		plugin_fail(SPECULATION_NAME, "the trace cannot be written");
	setvbuf(out, NULL, _IOLBF, 0);
	find_kinds();
	hook_lead(hook_before, (void *)before, SPECULATION_NAME);
	hook_lead(hook_near, (void *)near_branch, SPECULATION_NAME);
	hook_lead(hook_conditional, (void *)conditional_branch, SPECULATION_NAME);
	hook_lead(hook_far, (void *)far_branch, SPECULATION_NAME);
	hook_lead(hook_hwinterrupt, (void *)interrupted, SPECULATION_NAME);
	hook_lead(hook_exception, (void *)interrupted, SPECULATION_NAME);
	hook_lead(hook_vmexit, (void *)vmexit, SPECULATION_NAME);
}
