/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An interrupt that a halted L2 with IF = 0 cannot take is L1's after an exit for another
 * reason.
 */
#include "apic.h"
#include "conf.h"

#define VECTOR 0x61

static volatile unsigned taken;

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	taken++;
	if (f->vector == VECTOR)
		apic_eoi();
	else
		outb(0x20, 0x20);
	return true;
}

L2_CODE(c_halt, "cli\n\thlt");
L2_CODE(c_loop, "cli\n1:\tpause\n\tjmp 1b");

static void one(const char *name, void (*code)(void), bool pit)
{
	l2_restart(&conf_l2, code);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	ctl_clear(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 20000000u >> (rdmsr(MSR_VMX_MISC) & 31));
	taken = 0;
	if (pit) {
		outb(0x43, 0x30);
		outb(0x40, 0x40);
		outb(0x40, 1);
	} else {
		apic_write(APIC_DIVIDE, 0xb);
		apic_write(APIC_LVT_TIMER, VECTOR);
		apic_write(APIC_INITIAL_COUNT, 5000000);
	}
	conf_status(name, l2_run(&conf_l2));
	print("%s: exit %lu, before sti %u taken\n", name, vmread(VMCS_EXIT_REASON), taken);
	__asm__ volatile("sti");
	for (unsigned i = 0; i < 3000000 && !taken; i++)
		__asm__ volatile("pause");
	__asm__ volatile("cli");
	print("%s: after sti %u taken\n", name, taken);
	__asm__ volatile("sti; nop; nop; cli");
	if (!taken) {
		self_ipi(0x62);
		__asm__ volatile("sti; nop; nop; cli");
		print("%s: after another %u taken\n", name, taken);
	}
}

int payload_main(void)
{
	static const uint8_t words[][2] = {{0x20, 0x11}, {0x21, 0x40}, {0x21, 4}, {0x21, 1},
		{0xa0, 0x11}, {0xa1, 0x48}, {0xa1, 2}, {0xa1, 1}, {0x21, 0xfe}, {0xa1, 0xff}};

	conf_start();
	trap_hook = on_interrupt;
	apic_write(APIC_SVR, SVR_ON);
	apic_write(APIC_LVT_LINT0, 0x700);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		outb(words[i][0], words[i][1]);
	one("loop, lapic", c_loop, false);
	one("hlt, lapic", c_halt, false);
	one("loop, pit", c_loop, true);
	one("hlt, pit", c_halt, true);
	return 0;
}
