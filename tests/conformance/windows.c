/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of what ends L2 between two instructions (SDM 6.9, 25.2, 25.5.1): preemption timer,
 * windows, MTF, pending debug exceptions and an interrupt of L1, several of them at once.
 */
#include "conf.h"

#include "smp.h"

#define VECTOR 0x61
#define STEPS  10

L2_CODE(w_nop, "nop\n\tnop\n\tnop");
L2_CODE(w_sti, "sti\n\tnop\n\tnop");
L2_CODE(w_mov_ss, "sti\n\tnop\n\tmov %ss,%eax\n\tmov %eax,%ss\n\tnop\n\tnop");
L2_CODE(w_out, "out %al,$0x80\n\tnop");
L2_CODE(w_cpuid, "cpuid\n\tnop");
L2_CODE(w_hlt, "hlt\n\tnop");

enum want {
	TIMER = 1,
	INTR_WINDOW = 2,
	NMI_WINDOW = 4,
	MTF = 8,
	INTERRUPT = 16, /* of L1, which asks for exits by interrupts */
	PENDING_DB = 32,
	IN_HLT = 64,
	ACKNOWLEDGE = 128,
	STI_SHADOW = 256,
	SINGLE_STEP = 512,
	SS_SHADOW = 1024,
	INJECT_UD = 2048,
	IF_CLEAR = 4096,
	TO_L2 = 8192 /* an interrupt that L1 does not ask for */
};

static unsigned steps;

/* L2's own exceptions end it. */
static bool end_l2(struct trap_frame *f)
{
	if (f->vector != 6 && f->vector != 1)
		return false;
	print("   L2 takes vector %d\n", (int)f->vector);
	f->rip = address_of((void *)(uintptr_t)l2_done);
	f->rflags &= ~(uint64_t)RFLAGS_TF;
	return true;
}

static void take_interrupt(void)
{
	__asm__ volatile("sti\n\tnop\n\tnop\n\tcli");
	apic_write(APIC_EOI, 0);
}

/* What ended L2 is answered, so that what waits behind it comes next. */
static bool answer(uint32_t reason)
{
	switch (reason) {
	case EXIT_INTERRUPT_WINDOW:
		ctl_clear(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
		break;
	case EXIT_NMI_WINDOW:
		ctl_clear(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
		break;
	case EXIT_PREEMPTION_TIMER:
		ctl_clear(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
		vmwrite(VMCS_GUEST_ACTIVITY_STATE, 0);
		break;
	case EXIT_EXTERNAL_INTERRUPT:
		take_interrupt();
		vmwrite(VMCS_GUEST_ACTIVITY_STATE, 0);
		break;
	case EXIT_HLT:
	case EXIT_CPUID:
		return conf_default_handler(reason);
	default:
		break;
	}
	return ++steps < STEPS;
}

static void set_controls(unsigned want)
{
	if (want & TIMER) {
		ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0);
	}
	if (want & INTR_WINDOW)
		ctl_set(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
	if (want & NMI_WINDOW) {
		ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
		ctl_set(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
	}
	if (want & MTF)
		ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
	if (want & INTERRUPT)
		ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	if (want & ACKNOWLEDGE)
		ctl_set(VMCS_EXIT_CONTROLS, EXIT_ACK_INTR);
}

static void set_state(unsigned want)
{
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | (want & IF_CLEAR ? 0 : RFLAGS_IF) |
					   (want & SINGLE_STEP ? RFLAGS_TF : 0));
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	if (want & PENDING_DB)
		vmwrite(VMCS_GUEST_PENDING_DBG, PENDING_DBG_BS);
	if (want & STI_SHADOW)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI);
	if (want & SS_SHADOW)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_MOV_SS);
	if (want & IN_HLT)
		vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
	if (want & INJECT_UD)
		vmwrite(VMCS_ENTRY_INTR_INFO,
			INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD);
}

static void run(const char *name, void (*code)(void), unsigned want)
{
	unsigned before = interrupt_count[VECTOR];

	l2_restart(&conf_l2, code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = answer;
	trap_hook = end_l2;
	steps = 0;
	set_controls(want);
	set_state(want);
	if (want & (INTERRUPT | TO_L2))
		apic_write(APIC_ICR, ICR_SELF | VECTOR); /* to itself */
	conf_run(name);
	take_interrupt();
	print("   interrupts %u\n", interrupt_count[VECTOR] - before);
	trap_hook = NULL;
}

int payload_main(void)
{
	conf_start();
	apic_write(APIC_SVR, SVR_ENABLE | 0xff);
	run("timer, window", w_nop, TIMER | INTR_WINDOW);
	run("timer, NMI window", w_nop, TIMER | NMI_WINDOW);
	run("timer, both windows", w_nop, TIMER | NMI_WINDOW | INTR_WINDOW);
	run("both windows", w_nop, NMI_WINDOW | INTR_WINDOW);
	run("timer, debug", w_nop, TIMER | PENDING_DB);
	run("debug, window", w_nop, PENDING_DB | INTR_WINDOW);
	run("debug, both windows", w_nop, PENDING_DB | INTR_WINDOW | NMI_WINDOW);
	run("debug, interrupt", w_nop, PENDING_DB | INTERRUPT);
	run("timer, interrupt", w_nop, TIMER | INTERRUPT);
	run("window, interrupt", w_nop, INTR_WINDOW | INTERRUPT);
	run("window, interrupt of L2", w_nop, INTR_WINDOW | TO_L2);
	run("NMI window, interrupt", w_nop, NMI_WINDOW | INTERRUPT);
	run("both windows, interrupt", w_nop, NMI_WINDOW | INTR_WINDOW | INTERRUPT);
	run("timer, window, interrupt", w_nop, TIMER | INTR_WINDOW | INTERRUPT);
	run("interrupt, acknowledged", w_nop, INTERRUPT | ACKNOWLEDGE);
	run("window, interrupt, acknowledged", w_nop, INTR_WINDOW | INTERRUPT | ACKNOWLEDGE);
	run("MTF, interrupt", w_nop, MTF | INTERRUPT);
	run("MTF, timer", w_nop, MTF | TIMER);
	run("MTF, window", w_nop, MTF | INTR_WINDOW);
	run("MTF, debug", w_nop, MTF | PENDING_DB);
	run("MTF, debug, timer, window", w_nop, MTF | PENDING_DB | TIMER | INTR_WINDOW);
	run("after STI: window, interrupt, timer", w_nop,
		STI_SHADOW | INTR_WINDOW | INTERRUPT | TIMER);
	run("after MOV SS: windows, interrupt, timer", w_nop,
		SS_SHADOW | INTR_WINDOW | INTERRUPT | TIMER | NMI_WINDOW);
	run("STI: windows", w_sti, IF_CLEAR | INTR_WINDOW | NMI_WINDOW);
	run("MOV SS: window", w_mov_ss, IF_CLEAR | INTR_WINDOW);
	run("OUT: MTF, window", w_out, MTF | INTR_WINDOW);
	run("CPUID: MTF, window, timer", w_cpuid, MTF | INTR_WINDOW | TIMER);
	run("TF, interrupt", w_nop, SINGLE_STEP | INTERRUPT);
	run("TF, MTF, window", w_nop, SINGLE_STEP | MTF | INTR_WINDOW);
	run("HLT, timer", w_nop, IN_HLT | TIMER);
	run("injected, timer", w_nop, INJECT_UD | TIMER);
	run("injected, interrupt", w_nop, INJECT_UD | INTERRUPT);
	run("injected, MTF, timer", w_nop, INJECT_UD | MTF | TIMER);
	run("injected, window", w_nop, INJECT_UD | INTR_WINDOW);
	run("injected, window, interrupt", w_nop, INJECT_UD | INTR_WINDOW | INTERRUPT);
	run("injected, NMI window", w_nop, INJECT_UD | NMI_WINDOW);
	run("HLT: timer", w_hlt, TIMER);
	return 0;
}
