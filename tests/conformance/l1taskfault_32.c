/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of faults of hardware task switches that L1 makes itself (SDM vol. 3A table 7-1
 * "Exception Conditions Checked During a Task Switch", 6.15): in the old and in the new task,
 * by ordinary gates and by task gates; without paging, with 32-bit and with PAE paging.
 */
#include "l1task/l1task.h"

static const struct segment_case {
	const char *what;
	unsigned field; /* of the TSS */
	uint32_t selector;
	uint64_t descriptor; /* in SCRATCH */
} segment_cases[] = {
	{"ldt in the ldt", T_LDT, 0x0c, 0},
	{"ldt beyond the gdt", T_LDT, 0xfff8, 0},
	{"ldt is data", T_LDT, SEL_DATA, 0},
	{"ldt absent", T_LDT, SCRATCH, 0x0000020000000017},
	{"ss null", T_SS, 0, 0},
	{"ss null with rpl", T_SS, 3, 0},
	{"ss in a missing ldt", T_SS, 0x0c, 0},
	{"ss beyond the gdt", T_SS, 0xfff8, 0},
	{"ss read-only", T_SS, SCRATCH, 0x00cf91000000ffff},
	{"ss is code", T_SS, SEL_CODE32, 0},
	{"ss is a gate", T_SS, GATE32, 0},
	{"ss absent", T_SS, SCRATCH, 0x00cf13000000ffff},
	{"ss of users", T_SS, 0x23, 0},
	{"ss with rpl", T_SS, SEL_DATA | 1, 0},
	{"ds beyond the gdt", T_DS, 0xfffb, 0},
	{"ds execute-only", T_DS, SCRATCH, 0x00cf99000000ffff},
	{"es is a TSS", T_ES, TASK16, 0},
	{"es absent", T_ES, SCRATCH, 0x00cf13000000ffff},
	{"fs with rpl", T_FS, SEL_DATA | 3, 0},
	{"fs absent and execute-only", T_FS, SCRATCH, 0x00cf19000000ffff},
	{"gs conforming code with rpl", T_GS, SCRATCH | 3, 0x00cf9f000000ffff},
	{"gs absent", T_GS, SCRATCH | 3, 0x00cf73000000ffff},
	{"ds null with rpl", T_DS, 3, 0},
	{"cs null", T_CS, 0, 0},
	{"cs beyond the gdt", T_CS, 0xfff8, 0},
	{"cs is data", T_CS, SEL_DATA, 0},
	{"cs is an LDT", T_CS, LDT, 0},
	{"cs of users", T_CS, SCRATCH, 0x00cffb000000ffff},
	{"cs conforming of users", T_CS, SCRATCH, 0x00cfff000000ffff},
	{"cs conforming", T_CS, SCRATCH, 0x00cf9e000000ffff},
	{"cs absent", T_CS, SCRATCH, 0x00cf1b000000ffff},
	{"eip beyond cs", T_CS, SCRATCH, 0x00409b0000000fff},
};

/* Through ordinary gates, then with tasks for the handlers. */
static void segment_faults(void)
{
	static const uint8_t vectors[] = {VEC_TS, VEC_NP, VEC_SS, VEC_GP};
	static void (*const ops[])(void) = {o_call, o_int, o_ud};
	char text[64];

	for (unsigned i = 0; i < 2 * sizeof(segment_cases) / sizeof(segment_cases[0]); i++) {
		const struct segment_case *c = &segment_cases[i / 2];

		put32(task32, c->field, c->selector);
		gdt[SCRATCH / 8] = c->descriptor;
		for (unsigned k = 0; i & 1 && k < sizeof(vectors); k++)
			idt[vectors[k]] = TASK_GATE | (uint64_t)HANDLER << 16;
		format_text(text, sizeof(text), "%s%s", c->what, i & 1 ? ", task" : "");
		task_gate(VEC_UD);
		skip_fault = 1;
		run(text, ops[i / 2 % 3]);
	}
}

/* Found before anything changes: in the old task. */
static void early_faults(void)
{
	uint64_t nothing = 0;

	gdt[TASK32 / 8] |= BUSY;
	run("call to a busy task", o_call);
	gdt[TASK32 / 8] &= ~PRESENT;
	run("call to an absent TSS", o_call);
	gdt[TASK32 / 8] = system_descriptor(task32, 0x66, 0x89);
	run("TSS too short", o_call);
	gdt[TASK32 / 8] = system_descriptor(task32, 0x66, 0x89);
	task_gate(VEC_UD);
	run("TSS too short, #UD", o_ud);
	gdt[TASK16 / 8] = system_descriptor(task16, 0x2a, 0x81);
	run("16-bit TSS too short", o_call16);
	put32(rt_tss, T_LINK, TASK32);
	run("iret to a task that is not busy", o_iret);
	memcpy(&gdt[SCRATCH / 8], &nothing, sizeof(nothing));
	gdt[TASK_MAIN / 8] = system_descriptor(rt_tss, 0x5e, 0x89);
	__asm__ volatile("ltr %w0" : : "r"(TASK_MAIN) : "memory");
	run("old TSS too short", o_call);
}

static void push_faults(void)
{
	gdt[SCRATCH / 8] = 0x0040920000000fffull; /* 4 KiB, not accessed */
	task_gate(VEC_GP);
	put32(task32, T_SS, SCRATCH);
	put32(task32, T_ESP, 0x1008);
	idt[VEC_DF] = TASK_GATE | (uint64_t)HANDLER << 16;
	run("error code beyond the stack", o_gp);
	task_gate(VEC_GP);
	put32(task32, T_ESP, 0);
	gdt[SCRATCH / 8] =
		system_descriptor(stack32 + sizeof(stack32), 0, 0x97) | 0x0040ull << 48 | 0xfff;
	put32(task32, T_SS, SCRATCH);
	skip_fault = 1;
	run("error code on an expand-down stack", o_gp);
	task_gate(VEC_GP);
	skip_fault = 1;
	run("error code", o_gp);
	idt[VEC_GP] = TASK_GATE | (uint64_t)TASK16 << 16;
	skip_fault = 1;
	run("error code for a 16-bit TSS", o_gp);
}

static void page_faults(void)
{
	pd_main[0] = 0;
	write_cr3(read_cr3());
	gdt[TASK32 / 8] = system_descriptor((const void *)WINDOW, 0x67, 0x89);
	run("new TSS not mapped", o_call);
	gdt[TASK32 / 8] = system_descriptor((const void *)TSS_SPLIT, 0x67, 0x89);
	pd_main[0] = 0;
	write_cr3(read_cr3());
	run("new TSS half mapped", o_call);
	memcpy((void *)WINDOW, task32, sizeof(task32));
	gdt[TASK32 / 8] = system_descriptor((const void *)WINDOW, 0x67, 0x89);
	pd_main[0] = WINDOW | 0x85;
	write_cr3(read_cr3());
	run("new TSS read-only", o_call);
	memcpy((void *)WINDOW, rt_tss, sizeof(rt_tss));
	gdt[TASK_MAIN / 8] = system_descriptor((const void *)WINDOW, 0x67, 0x89);
	__asm__ volatile("ltr %w0" : : "r"(TASK_MAIN) : "memory");
	pd_main[0] = WINDOW | 0x85;
	write_cr3(read_cr3());
	run("old TSS read-only", o_call);
	pd_alt[0] = 0;
	gdt[LDT / 8] = system_descriptor((const void *)WINDOW, 31, 0x82);
	put32(task32, T_CR3, cr3_alt);
	put32(task32, T_LDT, LDT);
	put32(task32, T_FS, 0x0c);
	run("LDT not mapped in the new task", o_call);
	pd_alt[0] = 0;
	put32(task32, T_CR3, cr3_alt);
	put32(task32, T_ESP, WINDOW + 0x100);
	task_gate(VEC_GP);
	idt[VEC_PF] = TASK_GATE | (uint64_t)HANDLER << 16;
	put32(handler, T_CR3, cr3_alt);
	run("stack not mapped in the new task", o_gp);
}

static void cases(void)
{
	brief = true;
	early_faults();
	if (mode == 1)
		segment_faults();
	push_faults();
	if (mode != 0)
		page_faults();
}

int payload_main(void)
{
	in_all_modes(cases);
	return 0;
}
