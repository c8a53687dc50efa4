/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the local APIC of an L2 costs: exits to L1 and ticks of one operation. L2's APIC is in
 * x2APIC mode, and L1 a minimal hypervisor that makes it in one of three ways, by the command
 * line: `apicv` with all of APIC virtualization (SDM chapter 29) but IPI virtualization, `ipiv`
 * with that, too, `software` with intercepted MSRs and injected interrupts. Each line is `name
 * exits ticks`.
 */
#include "cmdline.h"
#include "conf.h"
#include "smp.h"
#include "spec/posted.h"

#define COUNT  500u
#define VECTOR 0x61u
#define NOTIFY 0xf2u /* of L1: of posted interrupts, or to make L1 look */

#define WRITE_BITMAP 0x800u

static struct virtual_cpu {
	uint8_t page[4096] __attribute__((aligned(4096))); /* virtual APIC */
	struct {
		uint64_t pir[4];
		volatile uint64_t control;
		uint64_t rest[3];
	} posted;
	struct l2 l2;
	volatile uint32_t requested; /* VECTOR, in software */
	volatile uint32_t taken;
	volatile uint32_t exits;
} cpus[2];

static bool apicv, ipiv;
static uint64_t pid_table[2];
static volatile uint32_t running, finished;

/* ---- L1 ---- */

static void intercept_write(struct virtual_cpu *c, uint32_t msr)
{
	uint8_t *bitmap = c->l2.msr_bitmap;

	bitmap[WRITE_BITMAP + msr / 8] |= (uint8_t)(1u << msr % 8);
}

/* The notification goes to the processor that runs it, by the mode of its local APIC. */
static void virtualize_ipis(struct virtual_cpu *c)
{
	uint64_t id = (uint64_t)(c - cpus);

	c->posted.control =
		NOTIFY << PID_NV_SHIFT |
		id << (x2apic ? PID_NDST_SHIFT : PID_NDST_SHIFT + PID_NDST_8BIT_SHIFT);
	__atomic_store_n(
		&pid_table[id], address_of(&c->posted) | PID_POINTER_VALID, __ATOMIC_SEQ_CST);
	ctl_set(VMCS_PROC_CONTROLS, PROC_TERTIARY);
	vmwrite(VMCS_PROC3_CONTROLS, PROC3_IPI_VIRTUALIZATION);
	vmwrite(VMCS_PID_POINTER_TABLE, address_of(pid_table));
	vmwrite(VMCS_LAST_PID_POINTER_INDEX, 1);
}

static void set_up(struct virtual_cpu *c, void (*code)(void))
{
	l2_setup(&c->l2, code);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_ACK_INTR);
	intercept_write(c, MSR_TSC_DEADLINE);
	if (!ipiv)
		intercept_write(c, apic_msr(APIC_ICR));
	if (!apicv) {
		intercept_write(c, MSR_X2APIC_TPR);
		intercept_write(c, MSR_X2APIC_EOI);
		intercept_write(c, MSR_X2APIC_SELF_IPI);
		return;
	}
	ctl_set(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
	ctl_set(VMCS_PROC2_CONTROLS,
		PROC2_X2APIC_MODE | PROC2_APIC_REGISTER_VIRT | PROC2_VIRT_INTR_DELIVERY);
	ctl_set(VMCS_PIN_CONTROLS, PIN_POSTED_INTR);
	vmwrite(VMCS_VIRTUAL_APIC_ADDR, address_of(c->page));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	for (unsigned i = 0; i < 4; i++)
		vmwrite(VMCS_EOI_EXIT_BITMAP0 + 2 * i, 0);
	vmwrite(VMCS_POSTED_INTR_NV, NOTIFY);
	vmwrite(VMCS_POSTED_INTR_DESC, address_of(&c->posted));
	if (ipiv)
		virtualize_ipis(c);
}

/* An interrupt for the L2 of this processor. */
static void request_own(struct virtual_cpu *c)
{
	if (!apicv) {
		store(&c->requested, 1);
		return;
	}
	c->page[APIC_IRR + VECTOR / 32 * 16 + VECTOR % 32 / 8] |= 1u << VECTOR % 8;
	vmwrite(VMCS_GUEST_INTR_STATUS, (vmread(VMCS_GUEST_INTR_STATUS) & 0xff00) | VECTOR);
}

static void request(struct virtual_cpu *c, unsigned to)
{
	struct virtual_cpu *target = &cpus[to];

	if (target == c) {
		request_own(c);
		return;
	}
	if (apicv) {
		__atomic_or_fetch(&target->posted.pir[VECTOR / 64], 1ull << VECTOR % 64,
			__ATOMIC_SEQ_CST);
		if (__atomic_fetch_or(&target->posted.control, 1, __ATOMIC_SEQ_CST) & 1)
			return;
	} else {
		store(&target->requested, 1);
	}
	ipi(to, ICR_ASSERT | NOTIFY);
}

static void start_timer(uint64_t deadline)
{
	uint64_t left = deadline - rdtsc_exact();

	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE,
		(int64_t)left < 0 ? 0 : left >> (rdmsr(MSR_VMX_MISC) & 31));
}

static void wrmsr_of_l2(struct virtual_cpu *c)
{
	uint32_t msr = (uint32_t)c->l2.rcx;

	if (msr == MSR_TSC_DEADLINE)
		start_timer(c->l2.rdx << 32 | (uint32_t)c->l2.rax);
	else if (msr == apic_msr(APIC_ICR))
		request(c, (unsigned)c->l2.rdx & 1);
	else if (msr == MSR_X2APIC_SELF_IPI)
		request_own(c);
	l2_skip();
}

/* Without APIC virtualization: injects, or asks for the time when that can be done. */
static void inject(struct virtual_cpu *c)
{
	if (!load(&c->requested))
		return;
	if (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF && !vmread(VMCS_GUEST_INTERRUPTIBILITY)) {
		store(&c->requested, 0);
		vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | VECTOR);
		ctl_clear(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
	} else {
		ctl_set(VMCS_PROC_CONTROLS, PROC_INTR_WINDOW);
	}
}

static void handle(struct virtual_cpu *c, uint64_t reason)
{
	switch (reason) {
	case EXIT_WRMSR:
		wrmsr_of_l2(c);
		break;
	case EXIT_PREEMPTION_TIMER:
		ctl_clear(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
		request_own(c);
		break;
	case EXIT_EXTERNAL_INTERRUPT:
		apic_eoi();
		break;
	case EXIT_INTERRUPT_WINDOW:
		break;
	default:
		print("L1: unexpected exit %lx at %lx\n", reason, vmread(VMCS_GUEST_RIP));
		payload_exit(3);
	}
}

static void run(void *code)
{
	struct virtual_cpu *c = &cpus[cpu_index()];

	if (!vmx_enable()) {
		print("L1: no VT-x\n");
		payload_exit(2);
	}
	set_up(c, (void (*)(void))(uintptr_t)code);
	for (;;) {
		uint64_t reason;

		if (!apicv)
			inject(c);
		if (l2_run(&c->l2) != VMX_OK) {
			print("L1: entry failed, error %lu\n", vmread(VMCS_INSTRUCTION_ERROR));
			payload_exit(4);
		}
		reason = vmread(VMCS_EXIT_REASON);
		if (reason == EXIT_VMCALL)
			return;
		c->exits++;
		handle(c, reason);
	}
}

/* ---- L2 ---- */

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	cpus[cpu_index()].taken++;
	wrmsr(MSR_X2APIC_EOI, 0);
	return true;
}

static void op_tpr(void)
{
	wrmsr(MSR_X2APIC_TPR, 0);
}

static void op_self_ipi(void)
{
	uint32_t before = cpus[0].taken;

	wrmsr(MSR_X2APIC_SELF_IPI, VECTOR);
	while (cpus[0].taken == before)
		pause();
}

static void op_timer(void)
{
	uint32_t before = cpus[0].taken;

	wrmsr(MSR_TSC_DEADLINE, rdtsc_exact() + 5000);
	while (cpus[0].taken == before)
		pause();
}

/* Until the other has taken it. */
static void op_ipi(void)
{
	uint32_t before = load(&cpus[1].taken);

	wrmsr(apic_msr(APIC_ICR), 1ull << 32 | ICR_ASSERT | VECTOR);
	while (load(&cpus[1].taken) == before)
		pause();
}

static void measure(const char *name, void (*op)(void))
{
	uint32_t exits = cpus[0].exits + cpus[1].exits;
	uint64_t start = rdtsc_exact();

	for (unsigned i = 0; i < COUNT; i++)
		op();
	start = rdtsc_exact() - start;
	exits = cpus[0].exits + cpus[1].exits - exits;
	print("%s %u.%u%u %lu\n", name, exits / COUNT, exits * 10 / COUNT % 10,
		exits * 100 / COUNT % 10, start / COUNT);
}

static void first_code(void)
{
	interrupts_on();
	while (!load(&running))
		pause();
	measure("tpr", op_tpr);
	measure("self_ipi", op_self_ipi);
	measure("timer", op_timer);
	measure("ipi", op_ipi);
	interrupts_off();
	store(&finished, 1);
}

static void second_code(void)
{
	interrupts_on();
	store(&running, 1);
	while (!load(&finished))
		pause();
	interrupts_off();
}

int payload_main(void)
{
	ipiv = cmdline_flag("ipiv");
	apicv = ipiv || cmdline_flag("apicv");
	if (ipiv && !vmx_can(MSR_VMX_PROC3, PROC3_IPI_VIRTUALIZATION)) {
		print("L1: no IPI virtualization\n");
		return 2;
	}
	smp_start(2);
	trap_hook = on_interrupt;
	start_on(1, run, (void *)(uintptr_t)second_code);
	run((void *)(uintptr_t)first_code);
	wait_for(1);
	return 0;
}
