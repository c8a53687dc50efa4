/*
 * The local APIC's timer, SDM vol. 3A 10.5.4 "APIC Timer".
 */
#include "dev/platform.h"
#include "dev/vlapic_int.h"

/* A guest timer that fires more often than this is slowed down: L0 must stay in control. */
#define MIN_PERIOD 500u

static uint64_t tick_of(const struct vlapic *l)
{
	uint32_t code = (l->divide & 3) | (l->divide >> 1 & 4);

	return code == 7 ? 1 : 2ull << code;
}

void vlapic_timer_schedule(struct vlapic *l)
{
	uint64_t period = l->initial_count * tick_of(l);

	l->deadline = DEV_NEVER;
	if (vlapic_timer_mode(l) == TIMER_DEADLINE) {
		if (l->tsc_deadline)
			l->deadline = l->tsc_deadline;
	} else if (l->initial_count) {
		l->deadline = l->timer_start + period;
	}
}

uint32_t vlapic_current_count(struct platform *p, const struct vlapic *l)
{
	uint64_t ticks;

	if (vlapic_timer_mode(l) == TIMER_DEADLINE || l->initial_count == 0)
		return 0;
	ticks = (dev_now(p) - l->timer_start) / tick_of(l);
	if (vlapic_timer_mode(l) == TIMER_PERIODIC)
		return l->initial_count - (uint32_t)(ticks % l->initial_count);
	return ticks >= l->initial_count ? 0 : l->initial_count - (uint32_t)ticks;
}

void vlapic_run_timer(struct platform *p, unsigned vcpu, uint64_t now)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint64_t period = l->initial_count * tick_of(l);

	if (now < l->deadline)
		return;
	l->deadline = DEV_NEVER;
	if (vlapic_timer_mode(l) == TIMER_DEADLINE) {
		l->tsc_deadline = 0;
	} else if (vlapic_timer_mode(l) == TIMER_PERIODIC && period) {
		/* Ticks that were missed make one interrupt. */
		l->timer_start += (now - l->timer_start) / period * period;
		l->deadline = l->timer_start + period;
		if (l->deadline < now + MIN_PERIOD)
			l->deadline = now + MIN_PERIOD;
	} else {
		l->initial_count = 0;
	}
	if (!(l->lvt[LVT_TIMER] & LVT_MASKED))
		vlapic_accept(p, vcpu, (uint8_t)l->lvt[LVT_TIMER], false);
}

void vlapic_write_initial_count(struct platform *p, struct vlapic *l, uint32_t value)
{
	if (vlapic_timer_mode(l) == TIMER_DEADLINE)
		return;
	l->initial_count = value;
	l->timer_start = dev_now(p);
	vlapic_timer_schedule(l);
}

void vlapic_write_tsc_deadline(struct platform *p, unsigned vcpu, uint64_t value)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (vlapic_timer_mode(l) != TIMER_DEADLINE)
		return;
	l->tsc_deadline = value;
	vlapic_timer_schedule(l);
	if (l->deadline <= dev_now(p))
		vlapic_run_timer(p, vcpu, l->deadline);
}
