/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/idle.h"

#include "lib/bits.h"
#include "lib/fmt.h"

#define FEATURE_MONITOR   BIT(3) /* CPUID.1:ECX */
#define MONITOR_STATES    BIT(0) /* CPUID.5:ECX: EDX tells of states */
#define POWER_ARAT        BIT(2) /* CPUID.6:EAX */
#define EXT_INVARIANT_TSC BIT(8) /* CPUID.80000007H:EDX */

/*
 * A state of class C1 is left within microseconds; how long others take no manual says, but
 * each is slower than the one before, and takes a sleep to be worth it. So long for C2, twice
 * as long for each class behind it.
 */
#define C1E_US      100u
#define DEEP_US     500u
#define CAUTIOUS_US 4000u

struct idle_facts idle_facts_of(
	uint32_t features, uint32_t monitor, uint32_t states, uint32_t power, uint32_t extended)
{
	return (struct idle_facts){
		.mwait = features & FEATURE_MONITOR && monitor & MONITOR_STATES,
		.always_running = power & POWER_ARAT && extended & EXT_INVARIANT_TSC,
		.states = states,
	};
}

static void add(struct idle_plan *p, unsigned class, unsigned sub, uint32_t least_us)
{
	p->steps[p->count++] = (struct idle_step){
		.hint = (uint8_t)((class - 1) << 4 | sub), .least_us = least_us};
}

/* How many of this class, C1 to C7, there are. */
static unsigned states_of(const struct idle_facts *f, unsigned class)
{
	return f->states >> 4 * class & 15;
}

void idle_plan_make(struct idle_plan *p, const struct idle_facts *f, enum l0_idle mode)
{
	uint32_t least_us = mode == L0_IDLE_DEEP ? DEEP_US : CAUTIOUS_US;

	*p = (struct idle_plan){.mwait = f->mwait && mode != L0_IDLE_HLT && states_of(f, 1)};
	if (!p->mwait)
		return;
	p->wakes = !f->deaf;
	add(p, 1, 0, 0);
	if (states_of(f, 1) > 1)
		add(p, 1, 1, C1E_US);
	if (mode == L0_IDLE_C1 || !f->always_running)
		return;
	for (unsigned class = 2; class <= IDLE_STATES; class ++, least_us *= 2)
		if (states_of(f, class) != 0)
			add(p, class, 0, least_us);
}

uint8_t idle_hint(const struct idle_plan *p, uint64_t us)
{
	uint8_t hint = 0;

	for (unsigned i = 0; i < p->count && p->steps[i].least_us <= us; i++)
		hint = p->steps[i].hint;
	return hint;
}

uint64_t idle_expect(uint64_t until, uint64_t last)
{
	uint64_t most = last > UINT64_MAX / 4 ? UINT64_MAX : 4 * last;

	return until < most ? until : most;
}

void idle_describe(char *to, size_t size, const struct idle_plan *p)
{
	size_t used = fmt(to, size, p->mwait ? "MWAIT, by hints" : "HLT");

	for (unsigned i = 0; i < p->count && used < size; i++)
		used += fmt(to + used, size - used, " 0x%02x", p->steps[i].hint);
}
