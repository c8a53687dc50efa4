/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of events that one processor sends to another, which is in L2 or in VMX root
 * operation: NMI, INIT, SIPI, interrupts (SDM 25.2 "Other Causes of VM Exits", 25.5 "Events",
 * 26.6, 27.2.2). Processor 1 runs L2, 0 sends.
 */
/* cpus: 2 */
#include "conf.h"
#include "smp.h"

#define VECTOR 0x51u
#define DELAY  3000u

#define INTERRUPT (ICR_ASSERT | VECTOR)
#define NMI       (ICR_ASSERT | ICR_NMI)
#define INIT      (ICR_ASSERT | ICR_INIT)
#define SIPI      (ICR_ASSERT | ICR_STARTUP | 0x12)

static struct l2 g;
static volatile uint32_t in_l2, taken, done;

/* RDX: told that L2 runs. RSI: ended by a handler in L2. One instruction a loop, so that RIP is
 * the same. */
L2_CODE(c_loop, "movl $1, (%rdx)\n1:\tjmp 1b");
L2_CODE(c_until, "movl $1, (%rdx)\n1:\tcmpl $0, (%rsi)\n\tjz 1b\n\tmov (%rsi), %eax");
L2_CODE(c_hlt, "movl $1, (%rdx)\n\thlt\n\tmov (%rsi), %eax");
L2_CODE(c_done, "mov $77, %eax");

struct test {
	const char *name;
	void (*code)(void);
	void (*prepare)(void);
	uint32_t ipi;   /* 0: none */
	bool again;     /* may come too early: send until it has an effect */
	uint32_t first; /* another one, which has no effect before; 0: none */
};

/* ---- processor 1 ---- */

static bool on_event(struct trap_frame *f)
{
	if (f->vector != VEC_NMI && f->vector < 32)
		return false;
	add(&taken, 1);
	if (f->vector != VEC_NMI)
		apic_eoi();
	return true;
}

static void set_up(const struct test *t)
{
	l2_restart(&g, t->code);
	conf_base = vmread(VMCS_GUEST_RIP);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	g.rdx = address_of((const void *)(uintptr_t)&in_l2);
	g.rsi = address_of((const void *)(uintptr_t)&taken);
	if (t->prepare)
		t->prepare();
	if (vmread(VMCS_GUEST_ACTIVITY_STATE))
		store(&in_l2, 1);
}

/* Not the activity state: what is saved of a halted L2 differs from machine to machine. */
static void show_exit(const char *name)
{
	uint32_t info = (uint32_t)vmread(VMCS_EXIT_INTR_INFO);

	print("%s: exit %lu qual=%lx", name, vmread(VMCS_EXIT_REASON),
		vmread(VMCS_EXIT_QUALIFICATION));
	if (info & INTR_INFO_VALID)
		print(" event=%x", info);
	if (vmread(VMCS_EXIT_REASON) != EXIT_SIPI)
		print(" rip=%lx blocking=%lx", vmread(VMCS_GUEST_RIP) - conf_base,
			vmread(VMCS_GUEST_INTERRUPTIBILITY));
	print(" rax=%lx\n", g.rax);
}

/* What waits for L1 after the exit. */
static void show_waiting(const char *name)
{
	uint32_t bit = 1u << (VECTOR & 31), irr, isr;
	uint32_t before = load(&taken);

	irr = apic_read(APIC_IRR + VECTOR / 32 * 16) & bit;
	isr = apic_read(APIC_ISR + VECTOR / 32 * 16) & bit;
	if (isr)
		apic_eoi();
	interrupts_on();
	interrupts_off();
	print("%s: irr %d isr %d, L1 takes %u\n", name, irr != 0, isr != 0,
		load(&taken) - before);
}

static void run_case(void *arg)
{
	const struct test *t = arg;

	set_up(t);
	if (l2_run(&g) != VMX_OK)
		print("%s: no entry\n", t->name);
	store(&done, 1);
	show_exit(t->name);
	if (t->ipi == INTERRUPT || t->first)
		show_waiting(t->name);
}

/* ---- processor 0 ---- */

static void delay(void)
{
	wait_until(&done, 1, DELAY);
}

static void run_test(const struct test *t)
{
	store(&in_l2, 0);
	store(&taken, 0);
	store(&done, 0);
	start_on(1, run_case, (void *)(uintptr_t)t);
	if (!wait_until(&in_l2, 1, LONG_TIME))
		print("%s: L2 does not run\n", t->name);
	delay();
	if (t->first) {
		ipi(1, t->first);
		delay();
	}
	do {
		if (t->ipi)
			ipi(1, t->ipi);
		delay();
	} while (t->again && !load(&done));
	wait_for(1);
}

/* ---- cases ---- */

static void nmi_exiting(void)
{
	ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING);
}

static void virtual_blocked(void)
{
	ctl_set(VMCS_PIN_CONTROLS, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
}

static void interrupt_exiting(void)
{
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
}

static void acknowledge(void)
{
	interrupt_exiting();
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_ACK_INTR);
}

static void wait_for_sipi(void)
{
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_WAIT_FOR_SIPI);
}

static void wait_for_sipi_all_exiting(void)
{
	interrupt_exiting();
	nmi_exiting();
	wait_for_sipi();
}

static const struct test tests[] = {
	{"interrupt, exiting", c_loop, interrupt_exiting, INTERRUPT, false, 0},
	{"interrupt, acknowledged", c_loop, acknowledge, INTERRUPT, false, 0},
	{"interrupt, exiting, HLT", c_hlt, interrupt_exiting, INTERRUPT, false, 0},
	{"interrupt, acknowledged, HLT", c_hlt, acknowledge, INTERRUPT, false, 0},
	{"interrupt, to L2", c_until, NULL, INTERRUPT, false, 0},
	{"interrupt, to L2, HLT", c_hlt, NULL, INTERRUPT, false, 0},
	{"NMI, exiting", c_loop, nmi_exiting, NMI, false, 0},
	{"NMI, exiting, HLT", c_hlt, nmi_exiting, NMI, false, 0},
	{"NMI, virtually blocked", c_loop, virtual_blocked, NMI, false, 0},
	{"NMI, to L2", c_until, NULL, NMI, false, 0},
	{"NMI, to L2, HLT", c_hlt, NULL, NMI, false, 0},
	{"INIT", c_loop, NULL, INIT, false, 0},
	{"INIT, HLT", c_hlt, NULL, INIT, false, 0},
	{"SIPI, waiting", c_done, wait_for_sipi, SIPI, true, 0},
	{"SIPI, waiting, all exiting", c_done, wait_for_sipi_all_exiting, SIPI, true, 0},
	{"interrupt, then SIPI, waiting", c_done, wait_for_sipi, SIPI, true, INTERRUPT},
	{"interrupt, then SIPI, waiting, all exiting", c_done, wait_for_sipi_all_exiting, SIPI,
		true, INTERRUPT},
};

/* SIPI does nothing to L2 in another state, nor to L1. */
static const struct test after_sipi = {
	"interrupt after SIPI", c_loop, interrupt_exiting, INTERRUPT, false, 0};
static const struct test plain = {"after all", c_done, NULL, 0, false, 0};

static void sipi_ignored(void)
{
	ipi(1, SIPI);
	store(&in_l2, 0);
	store(&taken, 0);
	store(&done, 0);
	start_on(1, run_case, (void *)(uintptr_t)&after_sipi);
	wait_until(&in_l2, 1, LONG_TIME);
	ipi(1, SIPI);
	delay();
	ipi(1, INTERRUPT);
	wait_for(1);
}

static void run_plain(void *arg)
{
	(void)arg;
	set_up(&plain);
	conf_status("entry", l2_run(&g));
	show_exit(plain.name);
}

static void leave_vmx(void *arg)
{
	conf_status("vmxoff", vmx_vmxoff());
	(void)arg;
}

static void vmx_on(void *arg)
{
	*(bool *)arg = vmx_enable();
	if (!g.vmcs)
		l2_setup(&g, l2_done);
}

int payload_main(void)
{
	bool on = false;

	if (!vmx_supported()) {
		print("no VT-x\n");
		return 1;
	}
	smp_start(2);
	trap_hook = on_event;
	run_on(1, vmx_on, &on);
	print("VMXON on 1: %d\n", on);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		run_test(&tests[i]);
	sipi_ignored();
	run_on(1, run_plain, NULL);
	run_on(1, leave_vmx, NULL);
	ipi(1, INIT);
	delay();
	smp_restart(1);
	run_on(1, vmx_on, &on);
	print("VMXON again: %d\n", on);
	run_on(1, run_plain, NULL);
	return 0;
}
