/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L2 under an identity EPT writes where no memory is, by instructions that emul/ does not know,
 * and has its stack there when an exception is delivered.
 */
#include "apic.h"
#include "conf.h"

#define ABSENT "0x90000000"
static struct ept ept;

L2_CODE(c_mov, "mov $" ABSENT ",%edi\n\tmov %eax,(%rdi)\n\tmov (%rdi),%ebx");
L2_CODE(c_sgdt, "mov $" ABSENT ",%edi\n\tsgdt (%rdi)");
L2_CODE(c_fxsave, "mov $" ABSENT ",%edi\n\tfxsave (%rdi)");
L2_CODE(c_fnstcw, "mov $" ABSENT ",%edi\n\tfnstcw (%rdi)");
L2_CODE(c_cx16, "mov $" ABSENT ",%edi\n\tlock cmpxchg16b (%rdi)");
L2_CODE(c_int3, "mov $" ABSENT "+0x800,%esp\n\tint3\n\tvmcall");
L2_CODE(handler, "vmcall");

static void one(const char *name, void (*code)(void), bool idt_too)
{
	l2_restart(&conf_l2, code);
	ept_use(&ept);
	if (idt_too)
		conf_l2_handler(handler);
	/* L1's timer would end it on hardware, whatever L2 does */
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 50000000u >> (rdmsr(MSR_VMX_MISC) & 31));
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING | PIN_NMI_EXITING);
	/* and so would this interrupt */
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, 0x61);
	apic_write(APIC_INITIAL_COUNT, 20000000);
	print("%s: begins\n", name);
	conf_status(name, l2_run(&conf_l2));
	apic_write(APIC_INITIAL_COUNT, 0);
	__asm__ volatile("sti; nop; nop; cli");
	print("%s: exit %lu handler %u\n", name, vmread(VMCS_EXIT_REASON),
		vmread(VMCS_GUEST_RIP) == (uint64_t)(uintptr_t)handler);
}

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	apic_eoi();
	return true;
}

int payload_main(void)
{
	conf_start();
	trap_hook = on_interrupt;
	apic_write(APIC_SVR, SVR_ON);
	ept_init(&ept);
	ept_identity(&ept, 0x100000000ull, 2);
	one("mov", c_mov, false);
	one("sgdt", c_sgdt, false);
	one("fxsave", c_fxsave, false);
	one("fnstcw", c_fnstcw, false);
	one("cmpxchg16b", c_cx16, false);
	one("int3", c_int3, true);
	return 0;
}
