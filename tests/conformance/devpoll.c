/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1's preemption timer while L2 polls a device that L1 maps through. A hypervisor below L0
 * does not count what L0's exits and entries take it: with "common" on the command line late
 * is only what is many times its time.
 */
#include "apic.h"
#include "cmdline.h"
#include "conf.h"

#define TIMER 5000000u /* ticks of the TSC */
#define LATE  10u      /* times that, of the 80 after which it ends in any case */

static struct ept ept;
L2_CODE(c_poll, "mov $0xfee00030,%esi\n1:\tmov (%rsi),%eax\n\tjmp 1b");
L2_CODE(c_ioapic, "mov $0xfec00010,%esi\n1:\tmov (%rsi),%eax\n\tjmp 1b");
L2_CODE(c_loop, "1:\tpause\n\tjmp 1b");

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	apic_eoi();
	return true;
}

static void one(const char *name, void (*code)(void))
{
	uint64_t begin, t;

	l2_restart(&conf_l2, code);
	ept_use(&ept);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER | PIN_EXT_INTR_EXITING);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, TIMER >> (rdmsr(MSR_VMX_MISC) & 31));
	/* a way out */
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, 0x61);
	apic_write(APIC_INITIAL_COUNT, 80u * TIMER);
	begin = rdtsc_exact();
	conf_status(name, l2_run(&conf_l2));
	t = rdtsc_exact() - begin;
	apic_write(APIC_INITIAL_COUNT, 0);
	__asm__ volatile("sti; nop; nop; cli");
	if (cmdline_flag("common"))
		print("%s: exit %lu%s\n", name, vmread(VMCS_EXIT_REASON),
			t < LATE * TIMER ? "" : ", late");
	else
		print("%s: exit %lu after %lu times the timer\n", name,
			vmread(VMCS_EXIT_REASON), t / TIMER);
}

int payload_main(void)
{
	conf_start();
	trap_hook = on_interrupt;
	apic_write(APIC_SVR, SVR_ON);
	ept_init(&ept);
	ept_identity(&ept, 0x100000000ull, 2);
	one("loop", c_loop);
	one("poll LAPIC", c_poll);
	one("poll IOAPIC", c_ioapic);
	return 0;
}
