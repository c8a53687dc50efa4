/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of hardware task switches that L1 makes itself (SDM vol. 3A 7.2, 7.3 "Task
 * Switching", 7.4 "Task Linking", 20.2 "Virtual-8086 Mode"): CALL, JMP, IRET, task gates in GDT
 * and IDT, 16- and 32-bit TSS; without paging, with 32-bit and with PAE paging. Faults are in
 * l1taskfault_32.c.
 */
#include "l1task/l1task.h"

#include "apic.h"
#include "cmdline.h"

static void plain(void)
{
	run("call", o_call);
	run("call to 16-bit TSS", o_call16);
	leave_by_jmp = 1;
	run("jmp", o_jmp);
	leave_by_jmp = 1;
	run("jmp to 16-bit TSS", o_jmp16);
	run("call to gate", o_call_gate);
	leave_by_jmp = 1;
	run("jmp to gate", o_jmp_gate16);
	run("call through memory", o_call_memory);
	run("int n", o_int);
	run("int n to 16-bit TSS", o_int16);
	put32(task32, T_CR3, cr3_alt);
	window_at = WINDOW;
	run("other page tables", o_call);
	put32(task32, T_LDT, LDT);
	put32(task32, T_FS, 0x0c);
	run("segment of an LDT", o_call);
	print("%s: ldt %lx\n", MODE_NAME, ldt[1]);
	put32(task32, T_CS, 0x2b);
	put32(task32, T_ES, 0x23);
	for (unsigned i = T_SS; i <= T_GS; i += 4)
		put32(task32, i, 0x23);
	put32(task32, T_FS, 0);
	run("a user's task", o_call);
	window_at = 0;
}

static void events(void)
{
	task_gate(VEC_BP);
	run("int3", o_int3);
	task_gate(VEC_DB);
	/* A machine that does not tell its type executes it again and again. */
	if (!cmdline_flag("common"))
		run("int1", o_icebp);
	task_gate(VEC_UD);
	skip_fault = 1;
	run("#UD", o_ud);
	task_gate(VEC_GP);
	skip_fault = 1;
	run("#GP", o_gp);
	idt[VEC_GP] = TASK_GATE | (uint64_t)HANDLER << 16;
	run("#GP with a handler task", o_gp);
	idt[VEC_UD] = TASK_GATE | (uint64_t)HANDLER << 16;
	run("#UD with a handler task", o_ud);
	idt[VEC_GP] = TASK_GATE | (uint64_t)SCRATCH
					  << 16; /* no TSS: #GP while delivering #GP */
	idt[VEC_DF] = TASK_GATE | (uint64_t)HANDLER << 16;
	run("#DF with a handler task", o_df);
	put32(task32, T_TRAP, 0x680001);
	run("T flag", o_call);
	run("single step into a call", o_call_tf);
	put32(task32, T_EFLAGS, 0x102);
	run("single step of the new task", o_call);
	gdt[TASK32 / 8] |= BUSY;
	put32(rt_tss, T_LINK, TASK32);
	leave_by_jmp = 1;
	run("iret", o_iret);
	put32(rt_tss, T_LINK, TASK_MAIN);
	run("iret to itself", o_iret);
	run("#GP", o_gp); /* the event before has an error code */
	task_gate(0x50);
	run("interrupt", o_interrupt);
	apic_eoi();
	task_gate(VEC_UD);
	skip_fault = 1;
	run("#UD", o_ud);
	task_gate(0x50);
	run("interrupt after #UD", o_interrupt);
	apic_eoi();
	task_gate(VEC_NMI);
	run("NMI", o_nmi);
	task_gate(VEC_NMI);
	nmis_to_send = 1;
	run("NMI in the task of an NMI", o_nmi);
}

static void v86_tasks(void)
{
	memcpy((void *)(uintptr_t)V86_BASE, v86_code, (size_t)(v86_code_end - v86_code));
	for (unsigned i = 0; i < 2; i++) {
		put32(task32, T_EFLAGS, FLAGS_VM | 0x3002);
		put32(task32, T_CS, V86_BASE >> 4);
		put32(task32, T_EIP, 0);
		put32(task32, T_SS, 0x3000);
		put32(task32, T_ESP, 0x800);
		put32(task32, T_DS, 0x1234);
		put32(task32, T_FS, 0xffff);
		gdt[TASK_MAIN / 8] |= BUSY;
		idt[VEC_MAIN] |= 0x0000600000000000ull;
		/* called, the main task is busy: INT is #GP; else it goes there, linked to the
		 * v86 task */
		run(i ? "v86, jmp" : "v86, call", i ? o_jmp : o_call);
	}
}

static void cases(void)
{
	plain();
	events();
	v86_tasks();
}

int payload_main(void)
{
	apic_write(APIC_SVR, SVR_ON);
	in_all_modes(cases);
	return 0;
}
