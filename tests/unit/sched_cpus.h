/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the scheduler, in one thread (sched_fakes.h) or with one for each CPU
 * (sched_world.h): CPUs with a simulated clock and timer, and what is quiet in both. Before it
 * is included CPUS says how many there are.
 */
#ifndef NESTOR_TESTS_SCHED_CPUS_H
#define NESTOR_TESTS_SCHED_CPUS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/apic.h"
#include "cpu/fault.h"
#include "cpu/idle.h"
#include "cpu/log.h"
#include "cpu/mce.h"
#include "vm/bad_memory.h"
#include "vm/nmi.h"
#include "cpu/mux.h"
#include "cpu/percpu.h"
#include "cpu/power.h"
#include "cpu/tsc.h"
#include "vm/console.h"
#include "vm/life.h"
#include "vm/passed.h"
#include "vm/sched.h"
#include "vm/vm_int.h"
#include "vm/watch.h"

#ifndef BOOT_SPACE
#define BOOT_SPACE 0x800u
#endif

uint64_t hw_now = 1000000;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu_data[CPUS];
struct percpu *percpus[MAX_CPUS];
unsigned cpu_count = CPUS, cpu_slots = CPUS;
uint32_t tsc_khz = 50000;

static _Thread_local uint64_t armed = DEV_NEVER;

/* A processor with MWAIT, its states C1 and C2, and timers that always run. */
struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){.eax = 7};
	case 1:
		return (struct cpuid_regs){.ecx = 1u << 3};
	case 5:
		return (struct cpuid_regs){.ecx = 3, .edx = 0x110};
	case 6:
		return (struct cpuid_regs){.eax = 1u << 2};
	case 0x80000000:
		return (struct cpuid_regs){.eax = 0x80000008};
	case 0x80000001:
		return (struct cpuid_regs){0};
	case 0x80000007:
		return (struct cpuid_regs){.edx = 1u << 8};
	}
	abort();
}

void apic_timer_arm(uint64_t tsc, uint64_t now)
{
	(void)now;
	armed = tsc;
}

void apic_timer_stop(void)
{
	armed = DEV_NEVER;
}

/* What a test looks at when a CPU schedules, and before it sleeps. */
#ifndef LOOKS
#define LOOKS()
#endif

uint64_t passed_sleep_end(void)
{
	LOOKS();
	return UINT64_MAX;
}

bool passed_polls(void)
{
	return false;
}

void passed_poll(void)
{
}

/* Where vm/bad_memory.c is linked that counts. */
__attribute__((weak)) void bad_memory_work(void)
{
}

void mce_poll(void)
{
}

void power_poll(void)
{
}

void watch_work(void)
{
	LOOKS();
}

uint64_t watch_sleep_end(uint64_t deadline)
{
	return deadline;
}

void nmi_work(void)
{
}

void mux_poll(void)
{
}

bool mux_pending(void)
{
	return false;
}

static unsigned logged;
static uint64_t logged_in; /* the address space in which somebody logged last */

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
	logged++;
	logged_in = hw_cr3;
}

void vcpu_dump(struct vcpu *vcpu)
{
	(void)vcpu;
}

/* CPUs that can run VMs; this thread is the first one. */
static inline void fake_cpus(void)
{
	for (unsigned i = 0; i < CPUS; i++) {
		percpus[i] = &cpu_data[i];
		percpus[i]->index = percpus[i]->apic_id = i;
		percpus[i]->shared.usable = percpus[i]->shared.online = true;
	}
	hw_cpu = percpus[0];
}

#endif
