/*
 * Conformance of L1's own local APIC (SDM vol. 3A chapter 10) in xAPIC and then in x2APIC mode, and of
 * the IOAPIC as far as it takes part: registers, priorities, order of delivery, IPIs, errors, timer,
 * level-triggered interrupts. Nothing depends on how long things take.
 */
#include "conf.h"

#define LAPIC       0xfee00000ull
#define IOAPIC      0xfec00000ull
#define BASE_X2APIC 0x400u

enum apic_register {
	ID = 0x02,
	VERSION = 0x03,
	TPR = 0x08,
	APR = 0x09,
	PPR = 0x0a,
	EOI = 0x0b,
	LDR = 0x0d,
	DFR = 0x0e,
	SVR = 0x0f,
	ISR = 0x10,
	TMR = 0x18,
	IRR = 0x20,
	ESR = 0x28,
	ICR = 0x30,
	ICR2 = 0x31,
	LVT_TIMER = 0x32,
	LVT_THERMAL = 0x33,
	LVT_PMC = 0x34,
	LVT_LINT0 = 0x35,
	LVT_LINT1 = 0x36,
	LVT_ERROR = 0x37,
	COUNT = 0x38,
	CURRENT = 0x39,
	DIVIDE = 0x3e,
	SELF_IPI = 0x3f
};

#define MASKED       0x10000u
#define ICR_NMI      0x400u
#define ICR_LOGICAL  0x800u
#define ICR_ASSERT   0x4000u
#define ICR_SELF     0x40000u
#define ICR_ALL      0x80000u
#define ICR_OTHERS   0xc0000u
#define PERIODIC     0x20000u
#define DEADLINE     0x40000u
#define RTE_LEVEL    0x8000u
#define LEVEL_VECTOR 0x57
#define COM1         0x3f8
#define COM1_PIN     4
#define LONG_WAIT    2000000 /* rounds: longer than every timer here */
#define MSR_DEADLINE 0x6e0

static bool x2;
static const char *mode = "xapic";

static uint32_t get(unsigned reg)
{
	if (x2)
		return (uint32_t)rdmsr(0x800 + reg);
	return *(volatile uint32_t *)(uintptr_t)(LAPIC + reg * 16);
}

static void set(unsigned reg, uint32_t v)
{
	if (x2)
		wrmsr(0x800 + reg, v);
	else
		*(volatile uint32_t *)(uintptr_t)(LAPIC + reg * 16) = v;
}

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

static void self_ipi(uint8_t vector)
{
	set(ICR, ICR_SELF | ICR_ASSERT | vector);
}

static void send_to_self(uint32_t low)
{
	if (x2) {
		wrmsr(0x800 + ICR, (uint64_t)get(ID) << 32 | low);
		return;
	}
	set(ICR2, get(ID));
	set(ICR, low);
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
	taken[i].ppr = get(PPR);
	taken[i].isr = get(ISR + vector / 32u);
	taken_count = i + 1;
	if (nested)
		__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
	if (vector == LEVEL_VECTOR)
		inb(COM1 + 2); /* the line goes down */
	if (!no_eoi)
		set(EOI, 0);
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
		print(" %x", get(reg + i));
	print("\n");
}

/* ---- registers ---- */

static void write_and_read(const char *name, unsigned reg, uint32_t v)
{
	set(reg, v);
	print("%s %s <- %x: %x\n", mode, name, v, get(reg));
}

/* Without delivery status and remote IRR, which the emulator takes as written. */
static void write_and_read_lvt(unsigned reg, uint32_t v)
{
	set(reg, v);
	print("%s LVT %x <- %x: %x\n", mode, reg, v, get(reg) & ~0x5000u);
}

static void lvts(void)
{
	static const uint32_t valid[] = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

	for (unsigned i = 0; i < 6; i++) {
		uint32_t all = x2 ? valid[i] : ~0u;

		if (i == LVT_TIMER - LVT_TIMER)
			all &= ~(PERIODIC | DEADLINE);
		write_and_read_lvt(LVT_TIMER + i, all);
		write_and_read_lvt(LVT_TIMER + i, MASKED | 0x20);
	}
}

static void registers(void)
{
	print("%s ID %x version %x LDR %x\n", mode, get(ID), get(VERSION), get(LDR));
	write_and_read("SVR", SVR, 0x1ff);
	lvts();
	write_and_read("TPR", TPR, 0x5a);
	print("%s PPR %x CR8 %lx\n", mode, get(PPR), read_cr8());
	write_cr8(7);
	print("%s CR8 7: TPR %x PPR %x\n", mode, get(TPR), get(PPR));
	write_and_read("TPR", TPR, 0);
	for (uint32_t i = 0; i < 16; i++)
		if (!(i & 4))
			write_and_read("divide", DIVIDE, i);
	write_and_read("count", COUNT, 0);
	print("%s current %x\n", mode, get(CURRENT));
	if (x2)
		return;
	print("xapic DFR %x\n", get(DFR));
	write_and_read("LDR", LDR, 0xffffffff);
	write_and_read("LDR", LDR, 0x01000000);
	write_and_read("DFR", DFR, 0x0fffffff);
	write_and_read("DFR", DFR, 0xffffffff);
	write_and_read("ICR2", ICR2, 0xffffffff);
	write_and_read("ICR2", ICR2, 0);
	write_and_read("version", VERSION, 0);
	write_and_read("PPR", PPR, 0x33);
	write_and_read("ISR", ISR, 0xffffffff);
	write_and_read("IRR", IRR, 0xffffffff);
	print("xapic EOI reads %x\n", get(EOI));
}

/* ---- vectors ---- */

static void priorities(void)
{
	self_ipi(0x31);
	self_ipi(0x62);
	self_ipi(0x35);
	show_map("IRR of three", IRR);
	print("%s PPR %x\n", mode, get(PPR));
	window();
	show("three by priority");
	show_map("IRR after", IRR);
	show_map("ISR after", ISR);
	show_map("TMR after", TMR);
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
	set(TPR, 0x40);
	self_ipi(0x4f);
	self_ipi(0x50);
	window();
	show("TPR 40");
	set(TPR, 0x3f);
	print("%s PPR %x\n", mode, get(PPR));
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
	show_map("ISR", ISR);
	print("%s PPR %x\n", mode, get(PPR));
	set(EOI, 0);
	show_map("ISR after an EOI", ISR);
	print("%s PPR %x\n", mode, get(PPR));
	no_eoi = false;
	window();
	show("35 while 41 is in service");
	set(EOI, 0);
	window();
	show("after the next EOI");
	set(EOI, 0);
	show_map("ISR after one EOI too many", ISR);
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
	show_map("IRR while served", IRR);
	no_eoi = false;
	set(EOI, 0);
	window();
	show("again while served");
}

static void halt(void)
{
	self_ipi(0x51);
	__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
	show("HLT with one pending");
	nested = true;
	set(LVT_TIMER, 0x52);
	set(DIVIDE, 0xb);
	set(COUNT, 20000);
	__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
	show("HLT until the timer");
	nested = false;
}

/* ---- IPIs ---- */

static void ipis(void)
{
	send_to_self(ICR_ASSERT | 0x44);
	window();
	show("to its ID");
	set(ICR, ICR_ALL | ICR_ASSERT | 0x45);
	window();
	show("to all");
	set(ICR, ICR_OTHERS | ICR_ASSERT | 0x46);
	window();
	show("to others");
	send_to_self(ICR_ASSERT | ICR_NMI);
	show("NMI to its ID");
	if (!x2) {
		set(LDR, 0x02000000);
		set(ICR2, 0x03000000);
		set(ICR, ICR_LOGICAL | ICR_ASSERT | 0x47);
		window();
		show("logical");
		set(ICR2, 0x04000000);
		set(ICR, ICR_LOGICAL | ICR_ASSERT | 0x47);
		window();
		show("not to it");
		set(ICR2, 0xff000000);
		set(ICR, ICR_ASSERT | 0x48);
		window();
		show("broadcast");
		print("xapic ICR %x %x\n", get(ICR) & ~0x1000u, get(ICR2));
		set(ICR2, 0);
		return;
	}
	wrmsr(0x800 + ICR, (uint64_t)get(LDR) << 32 | ICR_LOGICAL | ICR_ASSERT | 0x47);
	window();
	show("logical");
	wrmsr(0x800 + ICR, 0xffffffffull << 32 | ICR_ASSERT | 0x48);
	window();
	show("broadcast");
	wrmsr(0x800 + SELF_IPI, 0x49);
	window();
	show("SELF_IPI");
}

/* ---- errors ---- */

static void errors(void)
{
	set(ESR, 0); /* the emulator counts an IPI that nobody took */
	set(ESR, 0);
	print("%s ESR %x\n", mode, get(ESR));
	self_ipi(0x0f);
	window();
	show("vector f");
	set(ESR, 0);
	print("%s ESR after vector f: %s\n", mode, get(ESR) & 0x60 ? "illegal vector" : "none");
	set(ESR, 0);
	print("%s ESR then %x\n", mode, get(ESR));
}

static void software_disable(void)
{
	self_ipi(0x61);
	set(LVT_ERROR, 0x66);
	set(SVR, 0xff);
	print("%s disabled: LVT %x %x\n", mode, get(LVT_TIMER), get(LVT_ERROR));
	set(LVT_ERROR, 0x66);
	print("%s disabled: LVT %x\n", mode, get(LVT_ERROR));
	set(SVR, 0x1ff);
	print("%s enabled: LVT %x\n", mode, get(LVT_ERROR));
	window();
	show("pending while disabled");
	set(LVT_ERROR, MASKED);
}

/* ---- timer ---- */

static void timer(void)
{
	set(DIVIDE, 0xb);
	set(LVT_TIMER, 0x71);
	set(COUNT, 50000);
	print("%s one-shot: count %u, runs %d\n", mode, get(COUNT),
		get(CURRENT) != 0 && get(CURRENT) < 50000);
	print("%s one-shot fired: %d\n", mode, wait_for(1));
	for (unsigned i = 0; i < 20000; i++)
		window();
	show("one-shot");
	print("%s count %u current %u\n", mode, get(COUNT), get(CURRENT));
	set(LVT_TIMER, PERIODIC | 0x72);
	set(COUNT, 50000);
	print("%s periodic fired: %d\n", mode, wait_for(3));
	set(LVT_TIMER, PERIODIC | MASKED | 0x72);
	window();
	taken_count = 0;
	for (unsigned i = 0; i < 60000; i++)
		window();
	print("%s masked: %u, runs %d\n", mode, taken_count, get(CURRENT) != 0);
	set(COUNT, 0);
	print("%s stopped: %u\n", mode, get(CURRENT));
	taken_count = 0;
}

static void deadline(void)
{
	set(LVT_TIMER, DEADLINE | 0x73);
	set(COUNT, 1000);
	print("%s deadline mode: count %u current %u\n", mode, get(COUNT), get(CURRENT));
	wrmsr(MSR_DEADLINE, rdtsc_exact() + 50000);
	print("%s armed: %d\n", mode, rdmsr(MSR_DEADLINE) != 0);
	print("%s fired: %d\n", mode, wait_for(1));
	show("deadline");
	wrmsr(MSR_DEADLINE, 1);
	print("%s past fired: %d\n", mode, wait_for(1));
	show("deadline in the past");
	wrmsr(MSR_DEADLINE, rdtsc_exact() + 50000);
	wrmsr(MSR_DEADLINE, 0);
	for (unsigned i = 0; i < 60000; i++)
		window();
	show("disarmed");
	wrmsr(MSR_DEADLINE, rdtsc_exact() + 10000000);
	set(LVT_TIMER, MASKED | 0x73);
	print("%s mode left: deadline %lx count %u\n", mode, rdmsr(MSR_DEADLINE), get(COUNT));
	wrmsr(MSR_DEADLINE, rdtsc_exact() + 1000);
	print("%s other mode: deadline %lx\n", mode, rdmsr(MSR_DEADLINE));
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
	show_map("IRR of a level", IRR);
	show_map("TMR of a level", TMR);
	print("%s RTE %x\n", mode, rte());
	no_eoi = true;
	window();
	show("level");
	print("%s RTE while served %x\n", mode, rte());
	show_map("IRR while served", IRR);
	no_eoi = false;
	set(EOI, 0);
	window();
	show("level gone");
	outb(COM1 + 1, 0);
	outb(COM1 + 1, 2); /* and up again */
	window();
	show("level again");
	outb(COM1 + 1, 0);
	/* TMR follows. Not by the shorthand: the CPU may do that without TMR. */
	send_to_self(ICR_ASSERT | LEVEL_VECTOR);
	show_map("TMR of an edge", TMR);
	window();
	show("edge");
	ioapic_set(0x10 + 2 * COM1_PIN, MASKED);
}

/* ---- x2APIC ---- */

static void faults(const char *name, uint32_t reg, uint64_t v)
{
	wrmsr_try(0x800 + reg, v);
	print("x2apic %s <- %lx: %s\n", name, v, trapped() ? "#GP" : "taken");
}

static void x2apic_faults(void)
{
	for (uint32_t reg = 0; reg < 0x40; reg++) {
		uint64_t v;

		if (reg == 0x2f)
			continue; /* CMCI: exists by model */
		v = rdmsr_try(0x800 + reg);
		print("x2apic read %x: %s", reg, trapped() ? "#GP" : "taken");
		if (trapped() || reg == CURRENT || reg == ICR)
			print("\n");
		else
			print(" %lx\n", v);
	}
	rdmsr_try(0x840);
	print("x2apic read 40: %s\n", trapped() ? "#GP" : "taken");
	rdmsr_try(0x8ff);
	print("x2apic read ff: %s\n", trapped() ? "#GP" : "taken");
	faults("ID", ID, 0);
	faults("PPR", PPR, 0);
	faults("LDR", LDR, 0);
	faults("DFR", DFR, 0);
	faults("ISR", ISR, 0);
	faults("TMR", TMR + 7, 0);
	faults("IRR", IRR + 3, 0);
	faults("current", CURRENT, 0);
	faults("ICR2", ICR2, 0);
	faults("EOI", EOI, 1);
	faults("EOI", EOI, 1ull << 32);
	faults("ESR", ESR, 1);
	faults("TPR", TPR, 0x100);
	faults("TPR", TPR, 1ull << 32);
	faults("SELF_IPI", SELF_IPI, 1ull << 32);
	faults("SVR", SVR, 0x2000);
	faults("count", COUNT, 1ull << 32);
	faults("reserved", 0x3a, 0);
	faults("base: back", 0x1b - 0x800u, rdmsr(0x1b) & ~(uint64_t)BASE_X2APIC);
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
	set(LVT_LINT0, MASKED);
	set(LVT_LINT1, MASKED);
	all();
	if (!(cpuid(1, 0).ecx & BIT(21)))
		return 0;
	wrmsr(0x1b, rdmsr(0x1b) | BASE_X2APIC);
	x2 = true;
	mode = "x2apic";
	all();
	x2apic_faults();
	return 0;
}
