/* SPDX-License-Identifier: Apache-2.0 */
/* cpus: 2 */
/*
 * An NMI and an INIT that wait when L1 enters an L2 in the HLT state, against L1's windows and
 * preemption timer.
 */
#include "apic.h"
#include "conf.h"
#include "smp.h"

L2_CODE(c_nop, "nop");
static unsigned nmis;
static volatile unsigned go;

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector == 2)
		nmis++;
	return f->vector == 2;
}

static void begin(uint64_t activity)
{
	l2_restart(&conf_l2, c_nop);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING | PROC_INTR_WINDOW);
	ctl_clear(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS |
					     PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, activity);
	vmwrite(VMCS_GUEST_RFLAGS, 0x202);
	nmis = 0;
}

static void run(const char *name)
{
	conf_status(name, l2_run(&conf_l2));
	print("%s: exit %lu info %lx NMIs of L1 %u\n", name, vmread(VMCS_EXIT_REASON),
		vmread(VMCS_EXIT_INTR_INFO), nmis);
}

/* NMIs, by an IRET to the next instruction. */
static void unblock(void)
{
	__asm__ volatile("push %%rax\n\tmov %%ss,%%eax\n\tmov %%rsp,%%rcx\n\tpush %%rax\n\t"
			 "push %%rcx\n\tpushf\n\tmov %%cs,%%eax\n\tpush %%rax\n\t"
			 "lea 1f(%%rip),%%rax\n\tpush %%rax\n\tiretq\n1:\tpop %%rax"
			 :
			 :
			 : "rax", "rcx", "memory");
}

static void nmi_to_self(void)
{
	ipi(0, ICR_ASSERT | 0x400);
	for (volatile unsigned i = 0; i < 2000; i++)
		;
}

static void nmi_against_window(const char *name, uint64_t activity)
{
	/* an NMI exit blocks NMIs in L1: the next one waits for L2 */
	begin(ACTIVITY_ACTIVE);
	ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	go = 1;
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
	run("first NMI");
	nmi_to_self();
	print("while blocked: %u\n", nmis);
	begin(activity);
	ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING);
	ctl_set(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
	run(name);
	unblock();
	print("after IRET: %u\n", nmis);
}

/* The exit comes before the NMI (25.2); L1 then has it once. */
static void nmi_after_an_exit_of_the_entry(void)
{
	static const char *const names[] = {"HLT, NMI and NMI window", "HLT, NMI and timer 0"};

	for (unsigned i = 0; i < 2; i++) {
		begin(ACTIVITY_HLT);
		ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING);
		ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 50000000u >> (rdmsr(MSR_VMX_MISC) & 31));
		go = 10 + i;
		run("first NMI");
		nmi_to_self();
		begin(ACTIVITY_HLT);
		ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
		if (i == 0) {
			ctl_set(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
		} else {
			ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
			vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0);
		}
		run(names[i]);
		ctl_clear(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
		unblock();
		print("after IRET: %u\n", nmis);
	}
}

static void other(void *unused)
{
	(void)unused;
	apic_write(APIC_SVR, SVR_ON);
	while (!go)
		;
	for (volatile unsigned i = 0; i < 400000; i++)
		;
	ipi(0, ICR_ASSERT | 0x400);
	for (unsigned i = 0; i < 2; i++) {
		while (go != 10 + i)
			;
		for (volatile unsigned k = 0; k < 400000; k++)
			;
		ipi(0, ICR_ASSERT | 0x400);
	}
	while (go != 2)
		;
	ipi(0, ICR_ASSERT | 0x500);
	go = 3;
}

int payload_main(void)
{
	smp_start(2);
	conf_start();
	trap_hook = on_interrupt;
	apic_write(APIC_SVR, SVR_ON);
	start_on(1, other, NULL);
	nmi_against_window("HLT, NMI and interrupt window", ACTIVITY_HLT);
	go = 0;
	nmi_after_an_exit_of_the_entry();
	go = 2;
	while (go != 3)
		;
	for (volatile unsigned i = 0; i < 20000; i++)
		;
	begin(ACTIVITY_HLT);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0);
	run("HLT, INIT and timer 0");
	return 0;
}
