/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L2 that rests, of an L1 that does not intercept HLT: what ends it, and what L1 reads then.
 * Under Nestor only: the emulator differs from the SDM in most of it
 * (tests/conformance/DEVIATIONS.md).
 */
#include "apic.h"
#include "cpu.h"
#include "rt.h"
#include "vmx.h"

#define VECTOR 0x61
#define LONG   10000000u       /* ticks */
#define LATE   (LONG / 10 * 9) /* the timer runs while L0 still works on its register */

static struct l2 l2;
static uint8_t virtual_apic[4096] __attribute__((aligned(4096)));
static unsigned taken;

static bool on_trap(struct trap_frame *f)
{
	if (f->vector < 32 && f->vector != 2)
		return false;
	taken++;
	if (f->vector >= 32)
		apic_eoi();
	return true;
}

__attribute__((naked)) static void halts(void)
{
	__asm__("sti\n\thlt\n\tcli\n\tret");
}

__attribute__((naked)) static void halts_masked(void)
{
	__asm__("cli\n\thlt\n\tret");
}

static void begin(void (*code)(void), uint64_t activity)
{
	l2_restart(&l2, code);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	ctl_clear(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS |
					     PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, activity);
	taken = 0;
}

static void timer_in(uint32_t ticks)
{
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, VECTOR);
	apic_write(APIC_INITIAL_COUNT, ticks);
}

/* Runs L2 to its next exit. */
static void run(const char *name)
{
	uint64_t start = vmread(VMCS_GUEST_RIP), before = rdtsc_exact(), passed;
	enum vmx_status s = l2_run(&l2);

	passed = rdtsc_exact() - before;
	print("%s: %s exit %lu, rip +%lu, activity %lu, %s, %u taken\n", name, vmx_outcome(s),
		vmread(VMCS_EXIT_REASON), vmread(VMCS_GUEST_RIP) - start,
		vmread(VMCS_GUEST_ACTIVITY_STATE), passed >= LATE ? "late" : "soon", taken);
	__asm__ volatile("sti\n\tnop\n\tcli");
}

static void interrupts(void)
{
	begin(halts, ACTIVITY_ACTIVE);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	timer_in(LONG);
	run("hlt, interrupt of L1");
	timer_in(LONG);
	run("the same again");
	begin(halts_masked, ACTIVITY_HLT);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	timer_in(LONG);
	run("entered, interrupt of L1");
	begin(halts, ACTIVITY_ACTIVE);
	timer_in(LONG);
	run("hlt, interrupt of L2");
	begin(halts_masked, ACTIVITY_ACTIVE);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 4 * LONG >> (rdmsr(MSR_VMX_MISC) & 31));
	timer_in(LONG);
	run("masked, interrupt of L2, then the timer");
}

static void windows(void)
{
	begin(halts, ACTIVITY_ACTIVE);
	ctl_set(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
	run("hlt, interrupt window");
	ctl_clear(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
	begin(halts, ACTIVITY_SHUTDOWN);
	ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	ctl_set(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
	run("shutdown, NMI window");
	ctl_clear(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
	begin(halts, ACTIVITY_ACTIVE);
	ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
	run("sti, MTF");
	run("hlt, MTF");
	ctl_clear(VMCS_PROC_CONTROLS, PROC_MTF);
}

static void shutdown_and_debug(void)
{
	begin(halts, ACTIVITY_SHUTDOWN);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING | PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 4 * LONG >> (rdmsr(MSR_VMX_MISC) & 31));
	timer_in(LONG);
	run("shutdown, interrupt, then the timer");
	print("the interrupt: %u taken\n", taken);
	begin(halts, ACTIVITY_HLT);
	vmwrite(VMCS_EXCEPTION_BITMAP, 2);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_TF);
	vmwrite(VMCS_GUEST_PENDING_DBG, 1u << 14);
	run("entered, single step");
}

static void virtual_interrupts(void)
{
	begin(halts_masked, ACTIVITY_HLT);
	ctl_set(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_VIRT_INTR_DELIVERY);
	vmwrite(VMCS_VIRTUAL_APIC_ADDR, address_of(virtual_apic));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	for (unsigned i = 0; i < 4; i++)
		vmwrite(VMCS_EOI_EXIT_BITMAP0 + 2 * i, 0);
	vmwrite(VMCS_GUEST_INTR_STATUS, VECTOR);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	*(uint32_t *)(void *)(virtual_apic + APIC_IRR + VECTOR / 32 * 16) = 1u << VECTOR % 32;
	timer_in(LONG);
	run("entered, virtual interrupt");
	vmwrite(VMCS_GUEST_INTR_STATUS, VECTOR);
	virtual_apic[APIC_TPR] = VECTOR;
	begin(halts, ACTIVITY_HLT);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	timer_in(LONG);
	run("entered, virtual interrupt below the TPR");
}

int payload_main(void)
{
	if (!vmx_supported() || !vmx_enable())
		return 1;
	trap_hook = on_trap;
	apic_write(APIC_SVR, SVR_ON);
	l2_setup(&l2, halts);
	interrupts();
	windows();
	shutdown_and_debug();
	virtual_interrupts();
	return 0;
}
