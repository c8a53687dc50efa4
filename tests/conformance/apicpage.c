/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1 virtualizes APIC accesses and names as the APIC-access page an address that is no RAM (SDM
 * 24.6.8: any physical address): its own local APIC's. L2's EPT maps each address to itself.
 */
#include "apic.h"
#include "conf.h"

static struct ept ept;

L2_CODE(c_write, "mov $0xfee00080,%esi\n\tmov $0x50,%eax\n\tmov %eax,(%rsi)");
L2_CODE(c_icr, "mov $0xfee00300,%esi\n\tmov $0x44061,%eax\n\tmov %eax,(%rsi)");
static unsigned taken;

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	taken++;
	apic_eoi();
	return true;
}

L2_CODE(c_cr8, "mov $5,%eax\n\tmov %rax,%cr8");
static bool with_ept = true;

static void one(const char *name, void (*code)(void), uint64_t access)
{
	l2_restart(&conf_l2, code);
	if (with_ept)
		ept_use(&ept);
	else
		ctl_clear(VMCS_PROC2_CONTROLS, PROC2_ENABLE_EPT);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_APIC_ACCESSES);
	vmwrite(VMCS_APIC_ACCESS_ADDR, access);
	if (code == c_cr8) {
		ctl_set(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
		ctl_clear(VMCS_PROC_CONTROLS, PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING);
		vmwrite(VMCS_VIRTUAL_APIC_ADDR, 0x90000000);
		vmwrite(VMCS_TPR_THRESHOLD, 0);
	}
	apic_write(APIC_TPR, 0);
	taken = 0;
	conf_status(name, l2_run(&conf_l2));
	print("%s: exit %lu qualification %lx, TPR of L1 %x", name, vmread(VMCS_EXIT_REASON),
		vmread(VMCS_EXIT_QUALIFICATION), apic_read(APIC_TPR));
	apic_write(APIC_TPR, 0);
	__asm__ volatile("sti; nop; nop; cli");
	print(" interrupts of L1 %u\n", taken);
}

int payload_main(void)
{
	conf_start();
	trap_hook = on_interrupt;
	apic_write(APIC_SVR, SVR_ON);
	ept_init(&ept);
	ept_identity(&ept, 0x100000000ull, 2);
	one("write TPR", c_write, 0xfee00000);
	one("write ICR", c_icr, 0xfee00000);
	with_ept = false;
	one("no EPT: write TPR", c_write, 0xfee00000);
	with_ept = true;
	one("CR8, virtual-APIC page absent", c_cr8, 0xfee00000);
	return 0;
}
