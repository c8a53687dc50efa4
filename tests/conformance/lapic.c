/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of L1's own local APIC (SDM vol. 3A chapter 10) in xAPIC and then in x2APIC mode,
 * and of the IOAPIC as far as it takes part: registers, priorities, order of delivery, IPIs,
 * errors, timer, level-triggered interrupts. Nothing depends on how long things take.
 */
#include "apic.h"
#include "conf.h"

#define IOAPIC 0xfec00000ull

#define RTE_LEVEL    0x8000u
#define LEVEL_VECTOR 0x57
#define COM1         0x3f8
#define COM1_PIN     4
#define LONG_WAIT    2000000 /* rounds: longer than every timer here */

static const char *mode = "xapic";

static void ioapic_set(uint8_t index, uint32_t v)
{
	*(volatile uint32_t *)(uintptr_t)IOAPIC = index;
	*(volatile uint32_t *)(uintptr_t)(IOAPIC + 16) = v;
}

static uint32_t ioapic_get(uint8_t index)
{
	*(volatile uint32_t *)(uintptr_t)IOAPIC = index;
	return *(volatile uint32_t *)(uintptr_t)(IOAPIC + 16);
}

/* Without remote IRR, which the emulator does not show. */
static uint32_t rte(void)
{
	return ioapic_get(0x10 + 2 * COM1_PIN) & ~0x4000u;
}

/* ---- what arrives ---- */

static struct {
	uint8_t vector;
	uint32_t ppr, isr; /* the latter of its own vector's register */
} taken[32];
static volatile unsigned taken_count;
static bool nested, no_eoi;
static unsigned nmis;

static bool on_trap(struct trap_frame *f)
{
	uint8_t vector = (uint8_t)f->vector;
	unsigned i = taken_count;

	if (f->vector == VEC_NMI) {
		nmis++;
		return true;
	}
	if (f->vector < 32 || i == 32)
		return false;
	taken[i].vector = vector;
	taken[i].ppr = apic_read(APIC_PPR);
	taken[i].isr = apic_read(APIC_ISR + vector / 32u * 16);
	taken_count = i + 1;
	if (nested)
		__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
	if (vector == LEVEL_VECTOR)
		inb(COM1 + 2); /* the line goes down */
	if (!no_eoi)
		apic_eoi();
	return true;
}

static void window(void)
{
	__asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory");
}

static bool wait_for(unsigned count)
{
	for (unsigned i = 0; i < LONG_WAIT && taken_count < count; i++)
		window();
	return taken_count >= count;
}

static void show(const char *name)
{
	print("%s %s:", mode, name);
	for (unsigned i = 0; i < taken_count; i++)
		print(" %x(ppr %x isr %x)", taken[i].vector, taken[i].ppr, taken[i].isr);
	print(" nmis %u\n", nmis);
	taken_count = nmis = 0;
}

static void show_map(const char *name, unsigned reg)
{
	print("%s %s:", mode, name);
	for (unsigned i = 0; i < 8; i++)
		print(" %x", apic_read(reg + 16 * i));
	print("\n");
}

/* ---- registers ---- */

static void write_and_read(const char *name, unsigned reg, uint32_t v)
{
	apic_write(reg, v);
	print("%s %s <- %x: %x\n", mode, name, v, apic_read(reg));
}

/* Without delivery status and remote IRR, which the emulator takes as written. */
static void write_and_read_lvt(unsigned reg, uint32_t v)
{
	apic_write(reg, v);
	print("%s LVT %x <- %x: %x\n", mode, APIC_NUMBER(reg), v, apic_read(reg) & ~0x5000u);
}

static void lvts(void)
{
	static const uint32_t valid[] = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

	for (unsigned i = 0; i < 6; i++) {
		uint32_t all = x2apic ? valid[i] : ~0u;

		if (i == 0)
			all &= ~(TIMER_PERIODIC | TIMER_DEADLINE);
		write_and_read_lvt(APIC_LVT_TIMER + 16 * i, all);
		write_and_read_lvt(APIC_LVT_TIMER + 16 * i, LVT_MASKED | 0x20);
	}
}

static void registers(void)
{
	print("%s ID %x version %x LDR %x\n", mode, apic_read(APIC_ID), apic_read(APIC_VERSION),
		apic_read(APIC_LDR));
	write_and_read("SVR", APIC_SVR, 0x1ff);
	lvts();
	write_and_read("TPR", APIC_TPR, 0x5a);
	print("%s PPR %x CR8 %lx\n", mode, apic_read(APIC_PPR), read_cr8());
	write_cr8(7);
	print("%s CR8 7: TPR %x PPR %x\n", mode, apic_read(APIC_TPR), apic_read(APIC_PPR));
	write_and_read("TPR", APIC_TPR, 0);
	for (uint32_t i = 0; i < 16; i++)
		if (!(i & 4))
			write_and_read("divide", APIC_DIVIDE, i);
	write_and_read("count", APIC_INITIAL_COUNT, 0);
	print("%s current %x\n", mode, apic_read(APIC_CURRENT_COUNT));
	if (x2apic)
		return;
	print("xapic DFR %x\n", apic_read(APIC_DFR));
	write_and_read("LDR", APIC_LDR, 0xffffffff);
	write_and_read("LDR", APIC_LDR, 0x01000000);
	write_and_read("DFR", APIC_DFR, 0x0fffffff);
	write_and_read("DFR", APIC_DFR, 0xffffffff);
	write_and_read("ICR2", APIC_ICR_HIGH, 0xffffffff);
	write_and_read("ICR2", APIC_ICR_HIGH, 0);
	write_and_read("version", APIC_VERSION, 0);
	write_and_read("PPR", APIC_PPR, 0x33);
	write_and_read("ISR", APIC_ISR, 0xffffffff);
	write_and_read("IRR", APIC_IRR, 0xffffffff);
	print("xapic EOI reads %x\n", apic_read(APIC_EOI));
}

/* ---- vectors ---- */

static void priorities(void)
{
	self_ipi(0x31);
	self_ipi(0x62);
	self_ipi(0x35);
	show_map("IRR of three", APIC_IRR);
	print("%s PPR %x\n", mode, apic_read(APIC_PPR));
	window();
	show("three by priority");
	show_map("IRR after", APIC_IRR);
	show_map("ISR after", APIC_ISR);
	show_map("TMR after", APIC_TMR);
}

static void nested_ipi(void)
{
	nested = true;
	self_ipi(0x31);
	window();
	show("one, nesting");
	/* 62 waits until 35 has begun: its class is above. */
	self_ipi(0x31);
	self_ipi(0x35);
	self_ipi(0x62);
	window();
	show("three, nesting");
	nested = false;
}

static void task_priority(void)
{
	apic_write(APIC_TPR, 0x40);
	self_ipi(0x4f);
	self_ipi(0x50);
	window();
	show("TPR 40");
	apic_write(APIC_TPR, 0x3f);
	print("%s PPR %x\n", mode, apic_read(APIC_PPR));
	window();
	show("TPR 3f");
	write_cr8(8);
	self_ipi(0x81);
	window();
	show("CR8 8");
	write_cr8(7);
	window();
	show("CR8 7");
	write_cr8(0);
}

/* An interrupt that becomes deliverable by lowering TPR with interrupts on arrives at once. */
static void lowered_with_interrupts_on(void)
{
	write_cr8(15);
	self_ipi(0x71);
	__asm__ volatile("sti" : : : "memory");
	print("%s CR8 15: %u\n", mode, taken_count);
	write_cr8(6);
	__asm__ volatile("nop\n\tnop" : : : "memory");
	print("%s CR8 6: %u\n", mode, taken_count);
	self_ipi(0x72);
	__asm__ volatile("nop\n\tnop\n\tcli" : : : "memory");
	show("with interrupts on");
	write_cr8(0);
}

static void end_order(void)
{
	no_eoi = true;
	self_ipi(0x41);
	window();
	self_ipi(0x91);
	window();
	self_ipi(0x35);
	window();
	show("without EOI");
	show_map("ISR", APIC_ISR);
	print("%s PPR %x\n", mode, apic_read(APIC_PPR));
	apic_eoi();
	show_map("ISR after an EOI", APIC_ISR);
	print("%s PPR %x\n", mode, apic_read(APIC_PPR));
	no_eoi = false;
	window();
	show("35 while 41 is in service");
	apic_eoi();
	window();
	show("after the next EOI");
	apic_eoi();
	show_map("ISR after one EOI too many", APIC_ISR);
}

/* The same vector twice is one request while it waits, and a second one while it is served. */
static void same_vector(void)
{
	self_ipi(0x41);
	self_ipi(0x41);
	window();
	show("twice");
	no_eoi = true;
	self_ipi(0x41);
	window();
	self_ipi(0x41);
	show_map("IRR while served", APIC_IRR);
	no_eoi = false;
	apic_eoi();
	window();
	show("again while served");
}

static void halt(void)
{
	self_ipi(0x51);
	__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
	show("HLT with one pending");
	nested = true;
	apic_write(APIC_LVT_TIMER, 0x52);
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_INITIAL_COUNT, 20000);
	__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
	show("HLT until the timer");
	nested = false;
}

/* ---- IPIs ---- */

static void ipis(void)
{
	ipi(0, ICR_ASSERT | 0x44);
	window();
	show("to its ID");
	apic_write(APIC_ICR, ICR_ALL | ICR_ASSERT | 0x45);
	window();
	show("to all");
	apic_write(APIC_ICR, ICR_OTHERS | ICR_ASSERT | 0x46);
	window();
	show("to others");
	ipi(0, ICR_ASSERT | ICR_NMI);
	show("NMI to its ID");
	if (!x2apic) {
		apic_write(APIC_LDR, 0x02000000);
		apic_write(APIC_ICR_HIGH, 0x03000000);
		apic_write(APIC_ICR, ICR_LOGICAL | ICR_ASSERT | 0x47);
		window();
		show("logical");
		apic_write(APIC_ICR_HIGH, 0x04000000);
		apic_write(APIC_ICR, ICR_LOGICAL | ICR_ASSERT | 0x47);
		window();
		show("not to it");
		apic_write(APIC_ICR_HIGH, 0xff000000);
		apic_write(APIC_ICR, ICR_ASSERT | 0x48);
		window();
		show("broadcast");
		print("xapic ICR %x %x\n", apic_read(APIC_ICR) & ~ICR_BUSY,
			apic_read(APIC_ICR_HIGH));
		apic_write(APIC_ICR_HIGH, 0);
		return;
	}
	ipi(apic_read(APIC_LDR), ICR_LOGICAL | ICR_ASSERT | 0x47);
	window();
	show("logical");
	ipi(0xffffffff, ICR_ASSERT | 0x48);
	window();
	show("broadcast");
	wrmsr(MSR_X2APIC_SELF_IPI, 0x49);
	window();
	show("SELF_IPI");
}

/* ---- errors ---- */

static void errors(void)
{
	apic_write(APIC_ESR, 0); /* the emulator counts an IPI that nobody took */
	apic_write(APIC_ESR, 0);
	print("%s ESR %x\n", mode, apic_read(APIC_ESR));
	self_ipi(0x0f);
	window();
	show("vector f");
	apic_write(APIC_ESR, 0);
	print("%s ESR after vector f: %s\n", mode,
		apic_read(APIC_ESR) & 0x60 ? "illegal vector" : "none");
	apic_write(APIC_ESR, 0);
	print("%s ESR then %x\n", mode, apic_read(APIC_ESR));
}

static void software_disable(void)
{
	self_ipi(0x61);
	apic_write(APIC_LVT_ERROR, 0x66);
	apic_write(APIC_SVR, 0xff);
	print("%s disabled: LVT %x %x\n", mode, apic_read(APIC_LVT_TIMER),
		apic_read(APIC_LVT_ERROR));
	apic_write(APIC_LVT_ERROR, 0x66);
	print("%s disabled: LVT %x\n", mode, apic_read(APIC_LVT_ERROR));
	apic_write(APIC_SVR, SVR_ON);
	print("%s enabled: LVT %x\n", mode, apic_read(APIC_LVT_ERROR));
	window();
	show("pending while disabled");
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
}

/* ---- timer ---- */

static void timer(void)
{
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, 0x71);
	apic_write(APIC_INITIAL_COUNT, 50000);
	print("%s one-shot: count %u, runs %d\n", mode, apic_read(APIC_INITIAL_COUNT),
		apic_read(APIC_CURRENT_COUNT) != 0 && apic_read(APIC_CURRENT_COUNT) < 50000);
	print("%s one-shot fired: %d\n", mode, wait_for(1));
	for (unsigned i = 0; i < 20000; i++)
		window();
	show("one-shot");
	print("%s count %u current %u\n", mode, apic_read(APIC_INITIAL_COUNT),
		apic_read(APIC_CURRENT_COUNT));
	apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | 0x72);
	apic_write(APIC_INITIAL_COUNT, 50000);
	print("%s periodic fired: %d\n", mode, wait_for(3));
	apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | LVT_MASKED | 0x72);
	window();
	taken_count = 0;
	for (unsigned i = 0; i < 60000; i++)
		window();
	print("%s masked: %u, runs %d\n", mode, taken_count,
		apic_read(APIC_CURRENT_COUNT) != 0);
	apic_write(APIC_INITIAL_COUNT, 0);
	print("%s stopped: %u\n", mode, apic_read(APIC_CURRENT_COUNT));
	taken_count = 0;
}

static void deadline(void)
{
	apic_write(APIC_LVT_TIMER, TIMER_DEADLINE | 0x73);
	apic_write(APIC_INITIAL_COUNT, 1000);
	print("%s deadline mode: count %u current %u\n", mode, apic_read(APIC_INITIAL_COUNT),
		apic_read(APIC_CURRENT_COUNT));
	wrmsr(MSR_TSC_DEADLINE, rdtsc_exact() + 50000);
	print("%s armed: %d\n", mode, rdmsr(MSR_TSC_DEADLINE) != 0);
	print("%s fired: %d\n", mode, wait_for(1));
	show("deadline");
	wrmsr(MSR_TSC_DEADLINE, 1);
	print("%s past fired: %d\n", mode, wait_for(1));
	show("deadline in the past");
	wrmsr(MSR_TSC_DEADLINE, rdtsc_exact() + 50000);
	wrmsr(MSR_TSC_DEADLINE, 0);
	for (unsigned i = 0; i < 60000; i++)
		window();
	show("disarmed");
	wrmsr(MSR_TSC_DEADLINE, rdtsc_exact() + 10000000);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | 0x73);
	print("%s mode left: deadline %lx count %u\n", mode, rdmsr(MSR_TSC_DEADLINE),
		apic_read(APIC_INITIAL_COUNT));
	wrmsr(MSR_TSC_DEADLINE, rdtsc_exact() + 1000);
	print("%s other mode: deadline %lx\n", mode, rdmsr(MSR_TSC_DEADLINE));
}

/* ---- level-triggered interrupts ---- */

/* The transmitter is empty and says so until IIR is read; the pin is active high here. */
static void level(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	inb(COM1 + 2);
	ioapic_set(0x11 + 2 * COM1_PIN, 0);
	ioapic_set(0x10 + 2 * COM1_PIN, RTE_LEVEL | LEVEL_VECTOR);
	print("%s RTE %x\n", mode, rte());
	outb(COM1 + 4, 0x0b);
	outb(COM1 + 1, 0x02);
	show_map("IRR of a level", APIC_IRR);
	show_map("TMR of a level", APIC_TMR);
	print("%s RTE %x\n", mode, rte());
	no_eoi = true;
	window();
	show("level");
	print("%s RTE while served %x\n", mode, rte());
	show_map("IRR while served", APIC_IRR);
	no_eoi = false;
	apic_eoi();
	window();
	show("level gone");
	outb(COM1 + 1, 0);
	outb(COM1 + 1, 2); /* and up again */
	window();
	show("level again");
	outb(COM1 + 1, 0);
	/* TMR follows. Not by the shorthand: the CPU may do that without TMR. */
	ipi(0, ICR_ASSERT | LEVEL_VECTOR);
	show_map("TMR of an edge", APIC_TMR);
	window();
	show("edge");
	ioapic_set(0x10 + 2 * COM1_PIN, LVT_MASKED);
}

/* ---- x2APIC ---- */

static void faults(const char *name, uint32_t msr, uint64_t v)
{
	wrmsr_try(msr, v);
	print("x2apic %s <- %lx: %s\n", name, v, trapped() ? "#GP" : "taken");
}

static void x2apic_faults(void)
{
	for (uint32_t reg = 0; reg < 0x40; reg++) {
		uint64_t v;

		if (reg == 0x2f)
			continue; /* CMCI: exists by model */
		v = rdmsr_try(MSR_X2APIC_FIRST + reg);
		print("x2apic read %x: %s", reg, trapped() ? "#GP" : "taken");
		if (trapped() || reg == APIC_NUMBER(APIC_CURRENT_COUNT) ||
			reg == APIC_NUMBER(APIC_ICR))
			print("\n");
		else
			print(" %lx\n", v);
	}
	rdmsr_try(0x840);
	print("x2apic read 40: %s\n", trapped() ? "#GP" : "taken");
	rdmsr_try(0x8ff);
	print("x2apic read ff: %s\n", trapped() ? "#GP" : "taken");
	faults("ID", apic_msr(APIC_ID), 0);
	faults("PPR", apic_msr(APIC_PPR), 0);
	faults("LDR", apic_msr(APIC_LDR), 0);
	faults("DFR", apic_msr(APIC_DFR), 0);
	faults("ISR", apic_msr(APIC_ISR), 0);
	faults("TMR", apic_msr(APIC_TMR + 7 * 16), 0);
	faults("IRR", apic_msr(APIC_IRR + 3 * 16), 0);
	faults("current", apic_msr(APIC_CURRENT_COUNT), 0);
	faults("ICR2", apic_msr(APIC_ICR_HIGH), 0);
	faults("EOI", apic_msr(APIC_EOI), 1);
	faults("EOI", apic_msr(APIC_EOI), 1ull << 32);
	faults("ESR", apic_msr(APIC_ESR), 1);
	faults("TPR", apic_msr(APIC_TPR), 0x100);
	faults("TPR", apic_msr(APIC_TPR), 1ull << 32);
	faults("SELF_IPI", apic_msr(APIC_SELF_IPI), 1ull << 32);
	faults("SVR", apic_msr(APIC_SVR), 0x2000);
	faults("count", apic_msr(APIC_INITIAL_COUNT), 1ull << 32);
	faults("reserved", MSR_X2APIC_FIRST + 0x3a, 0);
	faults("base: back", MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~APIC_BASE_X2APIC);
}

static void all(void)
{
	registers();
	priorities();
	nested_ipi();
	task_priority();
	lowered_with_interrupts_on();
	end_order();
	same_vector();
	halt();
	ipis();
	errors();
	software_disable();
	timer();
	deadline();
	level();
}

int payload_main(void)
{
	trap_hook = on_trap;
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, LVT_MASKED);
	all();
	if (!(cpuid(1, 0).ecx & BIT(21))) {
		conf_skipped("x2apic", "x2APIC mode");
		return 0;
	}
	x2apic_on();
	mode = "x2apic";
	all();
	x2apic_faults();
	return 0;
}
