/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/tsc_step.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/leaves.h"
#include "cpu/lock.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "lib/tsc_step.h"
#include "spec/cpuid.h"
#include "spec/msr.h"

#define ANSWERS    8u
#define ANSWER_MS  20u /* how long one is waited for: the boot CPU serves one CPU at a time */
#define SLACK_US   1u  /* what cannot be told apart from a disturbed answer */
#define LAG_US     10u /* likewise, of a TSC that is looked at while VMs run */
#define TEST_TICKS 50000000u

enum {
	FREE,
	ASKED,
	ANSWERED
};

static struct {
	bool takes_part;     /* constant; so is what follows */
	bool has_adjust;     /* IA32_TSC_ADJUST */
	uint64_t adjust;     /* the boot CPU's */
	struct spinlock one; /* asks at a time */
	uint32_t state;
	uint64_t answer;
	uint32_t latest; /* the CPU that has told the latest time since the start; atomic */
} step;

/* RDTSC waits for nothing: after what was read before (SDM vol. 2B "RDTSC"). */
static uint64_t ordered_tsc(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mfence();
	return rdtsc();
}

void tsc_step_init(void)
{
	struct cpuid_regs features = cpuid_or_none(CPUID_LEAF_FEATURES, 0);
	bool virtual = cpuid(1, 0).ecx & cpuid_mask(CPUID_HYPERVISOR);

	step.has_adjust = features.ebx & cpuid_mask(CPUID_TSC_ADJUST);
	step.adjust = step.has_adjust ? rdmsr(MSR_TSC_ADJUST) : 0;
	step.one.rank = LOCK_MACHINE;
	/* An emulator has one clock, and a hypervisor keeps its own virtual ones in step. */
	step.takes_part = l0_config()->selftest == L0_SELFTEST_TSC ||
			  l0_config()->selftest == L0_SELFTEST_DRIFT ||
			  (!virtual && !l0_config()->machine.is_emulator);
}

void tsc_step_answer(uint64_t us)
{
	uint64_t end = rdtsc() + us * tsc_khz / 1000;

	do {
		if (__atomic_load_n(&step.state, __ATOMIC_ACQUIRE) != ASKED) {
			cpu_pause();
			continue;
		}
		step.answer = ordered_tsc();
		__atomic_store_n(&step.state, ANSWERED, __ATOMIC_RELEASE);
	} while (rdtsc() < end);
}

/* False: nobody answers. */
static bool ask(struct tsc_answer *a)
{
	uint64_t end;

	a->before = ordered_tsc();
	__atomic_store_n(&step.state, ASKED, __ATOMIC_SEQ_CST);
	end = a->before + (uint64_t)tsc_khz * ANSWER_MS;
	while (__atomic_load_n(&step.state, __ATOMIC_ACQUIRE) != ANSWERED)
		if (rdtsc() >= end)
			return false;
	a->after = ordered_tsc();
	a->other = step.answer;
	return true;
}

static struct tsc_gap measure(void)
{
	struct tsc_answer answers[ANSWERS];
	unsigned count = 0;

	spin_lock(&step.one);
	while (count < ANSWERS && ask(&answers[count]))
		count++;
	__atomic_store_n(&step.state, FREE, __ATOMIC_SEQ_CST);
	spin_unlock(&step.one);
	return tsc_gap_of(answers, count);
}

/* SDM 17.17.3: what is added to IA32_TSC_ADJUST is added to the TSC. */
static void move_tsc(int64_t ticks)
{
	if (step.has_adjust)
		wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + (uint64_t)ticks);
	else
		wrmsr(MSR_TSC, rdtsc() + (uint64_t)ticks);
}

/*
 * Where all have started at reset together, software that wrote a TSC since then has left that
 * in IA32_TSC_ADJUST, so that the same value everywhere puts them in step again, to the tick.
 * Only for one that is not: packages may come out of reset one after the other, and firmware
 * puts them in step by different values. False: it is the same already.
 */
static bool undo_writes(void)
{
	uint64_t own = step.has_adjust ? rdmsr(MSR_TSC_ADJUST) : step.adjust;

	if (own == step.adjust)
		return false;
	wrmsr(MSR_TSC_ADJUST, step.adjust);
	log_info("CPU %u: IA32_TSC_ADJUST was 0x%lx, and is the boot CPU's now, 0x%lx",
		this_cpu()->index, own, step.adjust);
	return true;
}

static uint64_t distance(const struct tsc_gap *g)
{
	return g->ahead < 0 ? 0 - (uint64_t)g->ahead : (uint64_t)g->ahead;
}

static const char *side(const struct tsc_gap *g)
{
	return g->ahead < 0 ? "ahead of" : "behind";
}

/* False: nobody has told. */
static bool measured(const struct tsc_gap *g)
{
	if (g->error != UINT64_MAX)
		return true;
	log_error("CPU %u is not used: the boot CPU has not told its TSC in time",
		this_cpu()->index);
	return false;
}

bool tsc_step_join(void)
{
	uint64_t slack = (uint64_t)tsc_khz * SLACK_US / 1000;
	struct tsc_gap g;

	if (!step.takes_part)
		return true;
	if (l0_config()->selftest == L0_SELFTEST_TSC)
		wrmsr(MSR_TSC, rdtsc() + this_cpu()->index * (uint64_t)TEST_TICKS);
	g = measure();
	if (!measured(&g))
		return false;
	if (!tsc_gap_is_none(&g, 0) && undo_writes()) {
		g = measure();
		if (!measured(&g))
			return false;
	}
	if (tsc_gap_is_none(&g, 0))
		return true;
	move_tsc(g.ahead);
	log_info("CPU %u: its TSC was %lu ticks %s the boot CPU's, and is in step now, within "
		 "%lu",
		this_cpu()->index, distance(&g), side(&g), g.error);
	g = measure();
	if (!measured(&g))
		return false;
	if (tsc_gap_is_none(&g, slack))
		return true;
	log_error(
		"CPU %u is not used: its TSC is %lu ticks %s the boot CPU's and does not keep "
		"step",
		this_cpu()->index, distance(&g), side(&g));
	return false;
}

/* Forward only: its guests have seen the times up to now. */
static void catch_up(uint32_t other, uint64_t lag)
{
	struct percpu *c = this_cpu();

	move_tsc((int64_t)lag);
	c->tsc_lags++;
	if ((c->tsc_lags & (c->tsc_lags - 1)) == 0) /* the first, and ever more rarely */
		log_error(
			"CPU %u: its TSC was %lu ticks behind CPU %u's (seen %u times since the start), "
			"and has been set forward: it does not keep step",
			c->index, lag, other, c->tsc_lags);
}

void tsc_step_look(void)
{
	uint64_t slack = (uint64_t)tsc_khz * LAG_US / 1000;
	struct percpu *c = this_cpu();
	uint64_t told, now, lag;
	uint32_t other;

	if (!step.takes_part || cpu_count == 1)
		return;
	other = __atomic_load_n(&step.latest, __ATOMIC_ACQUIRE);
	told = __atomic_load_n(&percpus[other]->shared.told, __ATOMIC_ACQUIRE);
	now = ordered_tsc();
	lag = tsc_lag(told, now, slack);
	if (lag != 0) {
		catch_up(other, lag);
	} else if (tsc_is_later(told, now, slack)) {
		__atomic_store_n(&c->shared.told, now, __ATOMIC_RELEASE);
		__atomic_store_n(&step.latest, c->index, __ATOMIC_RELEASE);
	}
}

void tsc_step_disturb(void)
{
	static bool done;

	if (this_cpu()->index == 1 && !__atomic_exchange_n(&done, true, __ATOMIC_RELAXED))
		move_tsc(-(int64_t)TEST_TICKS);
}
