/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of writes to the time-stamp counter (SDM 17.17 "Time-Stamp Counter"): by
 * IA32_TIME_STAMP_COUNTER and IA32_TSC_ADJUST, in L1, in L2, by the VM-entry MSR-load list; and
 * of the TSC deadline, which is compared with the TSC as it was set.
 */
#include "apic.h"
#include "cmdline.h"
#include "conf.h"

/* A line takes millions where each byte is an exit below L0. */
#define SLACK     (cmdline_flag("common") ? 1ul << 30 : 2000000ul)
#define BIG       (1ul << 45)
#define VEC_TIMER 0x50
#define L2_SETS   (0x4000ul << 32) /* by c_wrmsr */

static struct {
	uint32_t index, reserved;
	uint64_t value;
} list __attribute__((aligned(16)));

L2_CODE(c_rdtsc, "rdtsc\n\tshl $32, %rdx\n\tor %rdx, %rax\n\tvmcall");
L2_CODE(c_wrmsr, "mov $0x10, %ecx\n\tmov $0x4000, %edx\n\txor %eax, %eax\n\twrmsr\n\t"
		 "rdtsc\n\tshl $32, %rdx\n\tor %rdx, %rax\n\tvmcall");

static uint64_t now(void)
{
	return rdtsc_exact();
}

/* How far v is above `from`, in words that do not depend on time. */
static void report(const char *name, uint64_t v, uint64_t from)
{
	uint64_t d = v - from;

	print("%s: %s\n", name, d < SLACK ? "as set" : "elsewhere");
}

static bool has_adjust(void)
{
	return cpuid(7, 0).ebx & BIT(1);
}

static void writes(void)
{
	uint64_t t = now();

	wrmsr(MSR_TSC, t + BIG);
	report("TSC up", now(), t + BIG);
	wrmsr(MSR_TSC, 0);
	report("TSC 0", now(), 0);
	report("RDMSR", rdmsr(MSR_TSC), 0);
}

static void adjustments(void)
{
	uint64_t adjust = rdmsr(MSR_TSC_ADJUST), t = now();

	print("adjust at start: %lx\n", adjust);
	wrmsr(MSR_TSC, t + BIG);
	report("adjust follows", rdmsr(MSR_TSC_ADJUST) - adjust + SLACK / 2, BIG);
	wrmsr(MSR_TSC, 0);
	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + BIG);
	report("adjust up", now(), BIG);
	wrmsr(MSR_TSC_ADJUST, adjust);
	report("adjust back", now(), t);
	print("adjust at end: %lx\n", rdmsr(MSR_TSC_ADJUST));
}

static uint64_t l2(void (*code)(void), uint64_t offset, bool with_list)
{
	l2_restart(&conf_l2, code);
	conf_base = vmread(VMCS_GUEST_RIP);
	ctl_set(VMCS_PROC_CONTROLS, PROC_TSC_OFFSETTING);
	vmwrite(VMCS_TSC_OFFSET, offset);
	if (with_list) {
		vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, address_of(&list));
		vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	}
	if (l2_run(&conf_l2) != VMX_OK || vmread(VMCS_EXIT_REASON) != EXIT_VMCALL)
		print("L2 failed\n");
	return conf_l2.rax;
}

static void guests(void)
{
	uint64_t t = now();

	report("L2", l2(c_rdtsc, BIG, false), t + BIG);
	wrmsr(MSR_TSC, 5 * BIG);
	report("L2 after L1's write", l2(c_rdtsc, BIG, false), 6 * BIG);
	report("L2 writes", l2(c_wrmsr, BIG, false), L2_SETS + BIG);
	report("L1 after L2's write", now(), L2_SETS);
	list.index = MSR_TSC;
	list.value = 7 * BIG;
	report("list, L2", l2(c_rdtsc, 3 * BIG, true), 10 * BIG);
	report("list, L1", now(), 7 * BIG);
	if (!has_adjust())
		return;
	wrmsr(MSR_TSC_ADJUST, 0);
	report("adjust at the end: L2", l2(c_rdtsc, 3, false), t);
}

static void wait_deadline(const char *name, uint64_t tsc, uint64_t deadline, uint64_t then)
{
	uint32_t before = interrupt_count[VEC_TIMER];

	wrmsr(MSR_TSC, tsc);
	wrmsr(MSR_TSC_DEADLINE, deadline);
	if (then)
		wrmsr(MSR_TSC, then);
	print("%s: armed %d", name, rdmsr(MSR_TSC_DEADLINE) == deadline);
	for (unsigned i = 0; i < 300000 && interrupt_count[VEC_TIMER] == before; i++)
		__asm__ volatile("pause");
	print(", fired %u, late %d, left %lx\n", interrupt_count[VEC_TIMER] - before,
		now() >= deadline, rdmsr(MSR_TSC_DEADLINE));
	apic_eoi();
	wrmsr(MSR_TSC_DEADLINE, 0);
}

/* Under Nestor only, by the command line "deadlines": see DEVIATIONS.md. */
static void deadlines(void)
{
	apic_write(APIC_SVR, SVR_ON);
	apic_write(APIC_LVT_TIMER, TIMER_DEADLINE | VEC_TIMER);
	__asm__ volatile("mfence\n\tsti");
	wait_deadline("deadline", BIG, BIG + 100000, 0);
	wait_deadline("deadline, low TSC", 1000, 101000, 0);
	wait_deadline("deadline far away", 1000, BIG, 0);
	wait_deadline("deadline passed by a write", 1000, BIG, 2 * BIG);
	wait_deadline("deadline moved by a write", BIG, 2 * BIG, 2 * BIG - 100000);
	__asm__ volatile("cli");
}

int payload_main(void)
{
	conf_start();
	if (has_adjust())
		adjustments();
	else
		conf_skipped("adjust", "IA32_TSC_ADJUST");
	writes();
	guests();
	if (cmdline_flag("deadlines"))
		deadlines();
	return 0;
}
