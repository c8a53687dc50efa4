/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More than one processor: start of the others, work for them, waiting, locks, interrupts
 * between them. There is no firmware: processor i has APIC ID i.
 *
 * What is marked PERCPU lies at the same address on every processor and is its own on each. L2
 * sees the same, since it runs on the page tables of the processor that set it up.
 */
#ifndef NESTOR_GUESTS_RUNTIME_SMP_H
#define NESTOR_GUESTS_RUNTIME_SMP_H

#include <stdbool.h>
#include <stdint.h>

#include "apic.h"

#define CPUS_MAX 8

/* Only processor 0's copy has the initial value; the others start with it as it is then. */
#define PERCPU __attribute__((section(".percpu")))

/* Which processor this is. */
extern unsigned cpu_number;
static inline unsigned cpu_index(void)
{
	return cpu_number;
}

/*
 * Starts processors 1 to count - 1, with interrupts disabled and the local APIC enabled; ends
 * the payload with a message when one does not come. Processor 0's local APIC is enabled, too.
 */
void smp_start(unsigned count);
/* INIT, SIPI, SIPI to one processor, and waits until it is ready for work. */
void smp_restart(unsigned cpu);

/* Hands work to another processor, which must be idle. */
void start_on(unsigned cpu, void (*fn)(void *arg), void *arg);
/* Until it is done. */
void wait_for(unsigned cpu);
/* start_on and wait_for; runs at once if cpu is this one. */
void run_on(unsigned cpu, void (*fn)(void *arg), void *arg);
/* On processors 0 to count - 1 at the same time, until all are done. */
void run_on_all(unsigned count, void (*fn)(void *arg), void *arg);

/* Memory that others write. */
static inline uint32_t load(const volatile uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void store(volatile uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

static inline uint32_t add(volatile uint32_t *p, uint32_t v)
{
	return __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST);
}

static inline void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* Spins until *p is v; false when that takes more than `turns` turns. */
bool wait_until(const volatile uint32_t *p, uint32_t v, uint64_t turns);
#define LONG_TIME 100000000ull

struct barrier {
	volatile uint32_t arrived, round;
};

/* Returns when `count` processors have called it. */
void barrier_wait(struct barrier *b, unsigned count);

void lock(volatile uint32_t *l);
void unlock(volatile uint32_t *l);

static inline void interrupts_on(void)
{
	__asm__ volatile("sti; nop" : : : "memory");
}

static inline void interrupts_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* Halts with interrupts enabled; what waited already wakes it. They are disabled afterwards. */
static inline void halt(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

#endif
