/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC's timer, SDM vol. 3A 10.5.4 "APIC Timer".
 */
#include "dev/platform.h"
#include "dev/vlapic_int.h"

/* TSC ticks of one count: the divide configuration. */
static uint64_t tick_of(const struct vlapic *l)
{
	uint32_t code = (l->divide & 3) | (l->divide >> 1 & 4);

	return code == 7 ? 1 : 2ull << code;
}

void vlapic_timer_schedule(struct vlapic *l)
{
	uint64_t period = l->initial_count * tick_of(l);

	l->deadline = DEV_NEVER;
	if (l->timer_mode == TIMER_DEADLINE) {
		if (l->tsc_deadline)
			l->deadline = l->tsc_deadline;
	} else if (l->initial_count) {
		l->deadline = l->timer_start + period;
	}
}

/* TSC ticks since the count started; none when the guest TSC went back. */
static uint64_t elapsed(const struct vlapic *l, uint64_t now)
{
	return (int64_t)(now - l->timer_start) > 0 ? now - l->timer_start : 0;
}

uint32_t vlapic_current_count(struct platform *p, const struct vlapic *l)
{
	uint64_t ticks;

	if (l->timer_mode == TIMER_DEADLINE || l->deadline == DEV_NEVER)
		return 0;
	ticks = elapsed(l, dev_now(p)) / tick_of(l);
	if (l->timer_mode == TIMER_PERIODIC)
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
	if (l->timer_mode == TIMER_DEADLINE) {
		l->tsc_deadline = 0;
	} else if (l->timer_mode == TIMER_PERIODIC && period) {
		/* Ticks that were missed make one interrupt. */
		l->timer_start += elapsed(l, now) / period * period;
		l->deadline = platform_bounded_deadline(p, l->timer_start + period, now);
	}
	if (!(vlapic_reg(l, REG_LVT_TIMER) & LVT_MASKED))
		vlapic_accept(p, vcpu, (uint8_t)vlapic_reg(l, REG_LVT_TIMER), false);
}

/* 10.5.4.1 "TSC-Deadline Mode" */
void vlapic_write_timer_mode(struct vlapic *l, uint32_t mode)
{
	uint32_t old = l->timer_mode;

	l->timer_mode = mode;
	if (mode == old || (mode != TIMER_DEADLINE && old != TIMER_DEADLINE))
		return;
	l->initial_count = 0;
	vlapic_set(l, REG_INITIAL_COUNT, 0);
	l->tsc_deadline = 0;
	l->deadline = DEV_NEVER;
}

/* Without effect in TSC-deadline mode. */
void vlapic_write_initial_count(struct platform *p, struct vlapic *l, uint32_t value)
{
	if (l->timer_mode == TIMER_DEADLINE)
		value = 0;
	vlapic_set(l, REG_INITIAL_COUNT, value);
	if (l->timer_mode == TIMER_DEADLINE)
		return;
	l->initial_count = value;
	l->timer_start = dev_now(p);
	vlapic_timer_schedule(l);
}

/* A count that runs goes on from where it is, at the new speed. */
void vlapic_write_divide(struct platform *p, struct vlapic *l, uint32_t value)
{
	uint64_t now = dev_now(p);
	uint32_t left = vlapic_current_count(p, l);

	l->divide = value & DIVIDE_WRITABLE;
	vlapic_set(l, REG_DIVIDE, l->divide);
	if (l->timer_mode == TIMER_DEADLINE || l->deadline == DEV_NEVER)
		return;
	/* This may lie before tick 0: elapsed takes the difference modulo 2^64. */
	l->timer_start = now - (l->initial_count - left) * tick_of(l);
	l->deadline = now + left * tick_of(l);
}

void vlapic_write_tsc_deadline(struct platform *p, unsigned vcpu, uint64_t value)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (l->timer_mode != TIMER_DEADLINE)
		return;
	l->tsc_deadline = value;
	vlapic_timer_schedule(l);
	if (l->deadline <= dev_now(p))
		vlapic_run_timer(p, vcpu, l->deadline);
}
