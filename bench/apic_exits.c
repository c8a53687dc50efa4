/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What its own local APIC costs an L1: COUNT times one operation, which the command line names;
 * run.sh's sibling apic_exits.sh counts the exits. Prints the ticks that one took.
 */
#include "apic.h"
#include "cmdline.h"
#include "conf.h"

#define VECTOR 0x61
#define COUNT  1000u

static volatile unsigned taken;

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	taken++;
	apic_eoi();
	return true;
}

static void wait_for_one(void)
{
	unsigned before = taken;

	__asm__ volatile("sti" : : : "memory");
	while (taken == before)
		__asm__ volatile("nop" : : : "memory");
	__asm__ volatile("cli" : : : "memory");
}

static void op_none(void)
{
}

static void op_eoi(void)
{
	apic_eoi();
}

static void op_tpr(void)
{
	write_cr8(3);
}

static void op_self_ipi(void)
{
	self_ipi(VECTOR);
	wait_for_one();
}

static void op_timer(void)
{
	wrmsr(MSR_TSC_DEADLINE, rdtsc_exact() + 5000);
	wait_for_one();
}

static const struct {
	const char *name;
	void (*run)(void);
} ops[] = {
	{"none", op_none},
	{"eoi", op_eoi},
	{"tpr", op_tpr},
	{"self_ipi", op_self_ipi},
	{"timer", op_timer},
};

int payload_main(void)
{
	trap_hook = on_interrupt;
	if (cmdline_flag("x2apic"))
		x2apic_on();
	apic_write(APIC_SVR, SVR_ON);
	apic_write(APIC_LVT_TIMER, TIMER_DEADLINE | VECTOR);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		uint64_t t = rdtsc_exact();

		if (!cmdline_flag(ops[i].name))
			continue;
		for (unsigned n = 0; n < COUNT; n++)
			ops[i].run();
		print("ticks %lu\n", (rdtsc_exact() - t) / COUNT);
	}
	return 0;
}
