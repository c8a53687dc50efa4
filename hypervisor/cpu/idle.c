/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/idle.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "lib/idle.h"
#include "spec/cpuid.h"
#include "spec/errata.h"

static struct idle_plan plan; /* constant after idle_init */

/* Sleep of an emulated processor saves nothing, and by MWAIT it costs the emulator much. */
static enum l0_idle mode(void)
{
	enum l0_idle told = l0_config()->idle;

	return told == L0_IDLE_AUTO && l0_config()->machine.is_emulator ? L0_IDLE_HLT : told;
}

void idle_init(void)
{
	struct cpuid_regs features = cpuid(1, 0),
			  monitor = cpuid_or_none(CPUID_LEAF_MONITOR, 0);
	struct idle_facts f = idle_facts_of(features.ecx, monitor.ecx, monitor.edx,
		cpuid_or_none(CPUID_LEAF_POWER, 0).eax,
		cpuid_or_none(CPUID_EXT_BASE + 7, 0).edx);
	char text[96];

	f.deaf = errata_monitor_deaf(features.eax) && !l0_config()->machine.is_emulator;
	idle_plan_make(&plan, &f, mode());
	idle_describe(text, sizeof(text), &plan);
	log_info("idle CPUs: %s%s", text,
		plan.mwait && !plan.wakes ? "; stores do not end it (erratum)" : "");
}

void idle_begin(void)
{
	__atomic_store_n(&this_cpu()->shared.sleep, plan.wakes ? CPU_SLEEPS : CPU_HALTS,
		__ATOMIC_SEQ_CST);
}

void idle_end(void)
{
	__atomic_store_n(&this_cpu()->shared.sleep, CPU_WAKES, __ATOMIC_SEQ_CST);
}

static uint64_t microseconds(uint64_t ticks)
{
	return ticks / (tsc_khz / 1000 + 1);
}

void idle_sleep(uint64_t until)
{
	struct percpu *c = this_cpu();
	uint64_t now, most;

	if (!plan.mwait) {
		cpu_sleep();
		return;
	}
	now = rdtsc();
	most = until > now ? until - now : 0;
	/* A store does not end it, and nobody makes one: an interrupt comes. */
	if (!plan.wakes)
		__atomic_store_n(&c->shared.sleep, CPU_SLEEPS, __ATOMIC_RELAXED);
	cpu_mwait(
		idle_hint(&plan, microseconds(idle_expect(most, c->slept))), &c->shared.sleep);
	c->slept = rdtsc() - now;
}

/* CPUs of another kind rest, too, and firmware has MWAIT on or off on each by itself. */
static bool has_mwait(void)
{
	return cpuid(1, 0).ecx & cpuid_mask(CPUID_MONITOR);
}

void idle_rest(uint64_t until)
{
	struct percpu *c = this_cpu();
	uint64_t now = rdtsc();

	__atomic_fetch_and(&c->detour, (uint8_t)~DETOUR_KICKED, __ATOMIC_RELAXED);
	if (!plan.mwait || !has_mwait()) {
		cpu_sleep();
		return;
	}
	__atomic_store_n(&c->shared.sleep, CPU_SLEEPS, __ATOMIC_RELAXED);
	cpu_mwait(idle_hint(&plan, until > now ? microseconds(until - now) : 0),
		&c->shared.sleep);
}

bool idle_wake(unsigned cpu)
{
	uint32_t sleeps = CPU_SLEEPS;

	return plan.wakes && __atomic_compare_exchange_n(&percpus[cpu]->shared.sleep, &sleeps,
				     CPU_WAKES, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
