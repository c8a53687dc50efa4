/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Application processors of a payload, of 64 or of 32 bits. Each has page tables of its own
 * that are as processor 0's but for the section .percpu, which they map to a copy.
 */
#include "smp.h"

#include "cpu.h"
#include "rt.h"

#define TRAMPOLINE  0x8000u
#define STACK_PAGES 4u
#define TSS_BUSY    (1ull << 41)
#define SIPI_TURNS  20000u

extern char ap_trampoline[], ap_trampoline_end[];

uint64_t ap_cr3, ap_stack;
void ap_main(void);

struct cpu {
	uint64_t cr3, stack;
	void *copy; /* of .percpu */
	volatile uint32_t ready, busy;
	void (*fn)(void *arg);
	void *arg;
};

static struct cpu cpus[CPUS_MAX];

/* ---- waiting ---- */

bool wait_until(const volatile uint32_t *p, uint32_t v, uint64_t turns)
{
	for (; load(p) != v; turns--) {
		if (!turns)
			return false;
		pause();
	}
	return true;
}

void barrier_wait(struct barrier *b, unsigned count)
{
	uint32_t round = load(&b->round);

	if (add(&b->arrived, 1) == count) {
		store(&b->arrived, 0);
		add(&b->round, 1);
		return;
	}
	while (load(&b->round) == round)
		pause();
}

void lock(volatile uint32_t *l)
{
	while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE))
		pause();
}

void unlock(volatile uint32_t *l)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

/* ---- start ---- */

/* A per-CPU variable in the copy of a processor. */
static void *in_copy(const struct cpu *c, const volatile void *variable)
{
	return (char *)c->copy + ((uintptr_t)variable - (uintptr_t)percpu_start);
}

static void prepare(struct cpu *c, unsigned index)
{
	size_t size = (size_t)(percpu_end - percpu_start);
	uint64_t *gdt;

	if (!c->copy) {
		c->copy = pages_alloc((unsigned)(size / 4096));
		c->cr3 = percpu_tables(c->copy);
		c->stack = address_of(pages_alloc(STACK_PAGES)) + STACK_PAGES * 4096;
	}
	memcpy(c->copy, percpu_start, size);
	gdt = in_copy(c, rt_gdt);
	gdt[SEL_TSS / 8] &= ~TSS_BUSY;
	memcpy((char *)in_copy(c, rt_tss) + 4, &c->stack, sizeof(void *));
	memset(in_copy(c, interrupt_count), 0, sizeof(interrupt_count));
	*(uint64_t *)in_copy(c, &trap_resume) = 0;
	*(unsigned *)in_copy(c, &cpu_number) = index;
	store(&c->ready, 0);
	store(&c->busy, 0);
}

void ap_main(void)
{
	struct cpu *c = &cpus[cpu_number];

	trap_init();
	apic_write(APIC_SVR, SVR_ON);
	store(&c->ready, 1);
	for (;;) {
		while (!load(&c->busy))
			pause();
		c->fn(c->arg);
		store(&c->busy, 0);
	}
}

void smp_restart(unsigned cpu)
{
	struct cpu *c = &cpus[cpu];

	prepare(c, cpu);
	memcpy((void *)(uintptr_t)TRAMPOLINE, ap_trampoline,
		(size_t)(ap_trampoline_end - ap_trampoline));
	ap_cr3 = c->cr3;
	ap_stack = c->stack;
	ipi(cpu, ICR_INIT | ICR_ASSERT);
	ipi(cpu, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE >> 12);
	if (!wait_until(&c->ready, 1, SIPI_TURNS))
		ipi(cpu, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE >> 12);
	if (wait_until(&c->ready, 1, LONG_TIME))
		return;
	print("processor %u does not start\n", cpu);
	payload_exit(0x7d);
}

void smp_start(unsigned count)
{
	apic_write(APIC_SVR, SVR_ON);
	for (unsigned i = 1; i < count; i++)
		smp_restart(i);
}

/* ---- work ---- */

void start_on(unsigned cpu, void (*fn)(void *arg), void *arg)
{
	cpus[cpu].fn = fn;
	cpus[cpu].arg = arg;
	store(&cpus[cpu].busy, 1);
}

void wait_for(unsigned cpu)
{
	if (wait_until(&cpus[cpu].busy, 0, LONG_TIME))
		return;
	print("processor %u does not come back\n", cpu);
	payload_exit(0x7c);
}

void run_on(unsigned cpu, void (*fn)(void *arg), void *arg)
{
	if (cpu == cpu_index()) {
		fn(arg);
		return;
	}
	start_on(cpu, fn, arg);
	wait_for(cpu);
}

void run_on_all(unsigned count, void (*fn)(void *arg), void *arg)
{
	for (unsigned i = 0; i < count; i++)
		if (i != cpu_index())
			start_on(i, fn, arg);
	fn(arg);
	for (unsigned i = 0; i < count; i++)
		if (i != cpu_index())
			wait_for(i);
}
