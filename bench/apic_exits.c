/*
 * What its own local APIC costs an L1: COUNT times one operation, which the command line names; run.sh's
 * sibling apic_exits.sh counts the exits. Prints the ticks that one took.
 */
#include "cmdline.h"
#include "conf.h"

#define LAPIC        0xfee00000ull
#define EOI          0x0b0
#define SVR          0x0f0
#define ICR          0x300
#define LVT_TIMER    0x320
#define ICR_SELF     0x40000u
#define TSC_DEADLINE 0x40000u
#define MSR_DEADLINE 0x6e0
#define VECTOR       0x61
#define COUNT        1000u

static volatile unsigned taken;
static bool x2;

static void set(uint32_t offset, uint32_t v)
{
	if (x2)
		wrmsr(0x800 + offset / 16, v);
	else
		*(volatile uint32_t *)(uintptr_t)(LAPIC + offset) = v;
}

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	taken++;
	set(EOI, 0);
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
	set(EOI, 0);
}

static void op_tpr(void)
{
	write_cr8(3);
}

static void op_self_ipi(void)
{
	set(ICR, ICR_SELF | VECTOR);
	wait_for_one();
}

static void op_timer(void)
{
	wrmsr(MSR_DEADLINE, rdtsc_exact() + 5000);
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
	x2 = cmdline_flag("x2apic");
	if (x2)
		wrmsr(0x1b, rdmsr(0x1b) | 0x400);
	set(SVR, 0x1ff);
	set(LVT_TIMER, TSC_DEADLINE | VECTOR);
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
