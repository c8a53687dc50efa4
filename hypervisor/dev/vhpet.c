/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The high precision event timer. A timer matches when the counter arrives at its comparator:
 * between two looks that is arithmetic, however often it happened, so that no period is too
 * short for L0.
 */
#include "dev/vhpet.h"

#include "dev/dev.h"
#include "dev/platform.h"

#define CONFIG_ALL ((uint64_t)(HPET_ENABLE | HPET_LEGACY))
#define STATUS_ALL ((UINT64_C(1) << VHPET_TIMERS) - 1)
#define LEGACY_ON  CONFIG_ALL
#define NO_LINE    UINT32_MAX
#define FIRST_PIN  16u /* from here on lines are the IOAPIC's alone, and PCI's */
#define TIMER_CAN  (HPET_TN_CAN_PERIOD | HPET_TN_64BIT | HPET_TN_CAN_MESSAGE)
#define TIMER_PLAIN                                                                     \
	((uint64_t)(HPET_TN_LEVEL | HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_32BIT | \
		    HPET_TN_MESSAGE))
#define TIMER_ALL (TIMER_PLAIN | HPET_TN_ROUTE_BITS | HPET_TN_SET_VALUE)

/* ---- time ---- */

static uint64_t counter_at(const struct platform *p, uint64_t now)
{
	const struct vhpet_state *s = &p->hpet.s;
	struct vhpet_rate r = vhpet_rate(p->config.tsc_khz);

	if (!(s->config & HPET_ENABLE) || now <= s->start)
		return s->counter;
	return s->counter + (now - s->start) * r.up / r.down;
}

/* Guest TSC at which the counter is so many ticks beyond where it was at `start`. */
static uint64_t tsc_after(const struct platform *p, uint64_t ticks)
{
	struct vhpet_rate r = vhpet_rate(p->config.tsc_khz);
	uint64_t tsc;

	if (ticks > (UINT64_MAX >> 1) / r.down)
		return DEV_NEVER;
	tsc = p->hpet.s.start + (ticks * r.down + r.up - 1) / r.up;
	return tsc < p->hpet.s.start ? DEV_NEVER : tsc;
}

/* ---- matches ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Ticks from a value of the counter to the next match, at least one. A one-shot timer of 32
 * bits has one when its part of the counter wraps, too (2.3.9.2.1 "Non-Periodic Mode").
 */
static uint64_t distance(const struct vhpet_timer *t, uint64_t from)
{
	uint64_t d = t->comparator - from;

	if (!(t->config & HPET_TN_32BIT))
		return d != 0 ? d : UINT64_MAX;
	d = (uint32_t)d != 0 ? (uint32_t)d : BIT64(32);
	return t->config & HPET_TN_PERIODIC ? d : earlier(d, BIT64(32) - (uint32_t)from);
}

/* Whether there was one on the way; the comparator of a periodic timer goes on (2.3.9.2.2). */
static bool match(struct vhpet_timer *t, uint64_t from, uint64_t to)
{
	uint64_t passed = to - from, d = distance(t, from);

	if (passed < d)
		return false;
	if ((t->config & HPET_TN_PERIODIC) && t->period != 0)
		t->comparator += ((passed - d) / t->period + 1) * t->period;
	if (t->config & HPET_TN_32BIT)
		t->comparator = (uint32_t)t->comparator;
	return true;
}

/* ---- interrupts ---- */

/* Messages are edges whatever software says. */
static bool is_level(const struct vhpet_timer *t)
{
	return (t->config & HPET_TN_LEVEL) && !(t->config & HPET_TN_MESSAGE);
}

/* As platform_set_irq counts lines. */
static unsigned line_of(const struct vhpet_state *s, unsigned timer)
{
	static const uint8_t legacy[] = {0, 8};
	unsigned route = HPET_TN_ROUTE(s->timer[timer].config) % 32; /* for static analysis */

	if (timer < sizeof(legacy) && (s->config & LEGACY_ON) == LEGACY_ON)
		return legacy[timer];
	return VHPET_PINS >> route & 1 ? route : NO_LINE;
}

/* A bit for each line that a level-triggered timer asserts. */
static uint32_t asserted(const struct vhpet_state *s)
{
	uint32_t lines = 0;

	for (unsigned i = 0; i < VHPET_TIMERS; i++) {
		unsigned line = line_of(s, i);

		if ((s->config & HPET_ENABLE) && (s->timer[i].config & HPET_TN_ENABLE) &&
			(s->status >> i & 1) && line != NO_LINE)
			lines |= 1u << line;
	}
	return lines;
}

bool vhpet_asserts(const struct platform *p, unsigned pin)
{
	return asserted(&p->hpet.s) >> pin & 1;
}

static void drive(struct platform *p, uint32_t before)
{
	uint32_t lines = asserted(&p->hpet.s);

	for (uint32_t changed = before ^ lines; changed != 0; changed &= changed - 1) {
		unsigned line = (unsigned)__builtin_ctz(changed);

		if (line < FIRST_PIN)
			platform_set_irq(p, line, lines >> line & 1);
		else
			vpci_update_pin(p, line);
	}
}

/* The PICs forget a request whose line falls, so that theirs stay up, as the PIT's does. */
static void pulse(struct platform *p, unsigned line)
{
	if (line < FIRST_PIN)
		platform_set_irq(p, line, false);
	platform_set_irq(p, line, true);
	if (line >= FIRST_PIN)
		vpci_update_pin(p, line);
}

static void fire(struct platform *p, unsigned timer)
{
	struct vhpet_state *s = &p->hpet.s;
	const struct vhpet_timer *t = &s->timer[timer];
	uint32_t before = asserted(s);

	if (is_level(t)) {
		s->status |= BIT64(timer);
		drive(p, before);
		return;
	}
	if (!(t->config & HPET_TN_ENABLE))
		return;
	if (t->config & HPET_TN_MESSAGE)
		vpci_message(p, VHPET_SOURCE, t->message >> 32, (uint32_t)t->message);
	else if (line_of(s, timer) != NO_LINE)
		pulse(p, line_of(s, timer));
}

void vhpet_run_timer(struct platform *p, uint64_t now)
{
	struct vhpet_state *s = &p->hpet.s;
	uint64_t from = s->looked, to = counter_at(p, now);

	if (!(s->config & HPET_ENABLE))
		return;
	s->looked = to;
	for (unsigned i = 0; i < VHPET_TIMERS; i++)
		if (match(&s->timer[i], from, to))
			fire(p, i);
}

/* Whether somebody could see its next match before its registers are accessed. */
static bool is_awaited(const struct platform *p, unsigned timer)
{
	const struct vhpet_state *s = &p->hpet.s;
	unsigned line = line_of(s, timer);

	if (!(s->config & HPET_ENABLE) || !(s->timer[timer].config & HPET_TN_ENABLE))
		return false;
	if (s->timer[timer].config & HPET_TN_MESSAGE)
		return true;
	return line != NO_LINE && !(s->status >> timer & 1) && platform_irq_visible(p, line);
}

uint64_t vhpet_deadline(const struct platform *p)
{
	const struct vhpet_state *s = &p->hpet.s;
	uint64_t deadline = DEV_NEVER;

	for (unsigned i = 0; i < VHPET_TIMERS; i++) {
		uint64_t ahead = s->looked - s->counter, d;

		if (!is_awaited(p, i))
			continue;
		d = distance(&s->timer[i], s->looked);
		if (d <= UINT64_MAX - ahead)
			deadline = earlier(deadline, tsc_after(p, ahead + d));
	}
	return deadline;
}

/* ---- registers ---- */

static uint64_t read_timer(const struct vhpet_timer *t, unsigned reg)
{
	switch (reg) {
	case HPET_TIMER_CONFIG:
		return (t->config & ~(uint64_t)HPET_TN_SET_VALUE) | TIMER_CAN |
		       (uint64_t)VHPET_PINS << HPET_TN_PINS_SHIFT;
	case HPET_TIMER_COMPARATOR:
		return t->comparator;
	case HPET_TIMER_MESSAGE:
		return t->message;
	default:
		return 0;
	}
}

static uint64_t read_register(const struct platform *p, unsigned reg, uint64_t now)
{
	const struct vhpet_state *s = &p->hpet.s;
	unsigned timer = (reg - HPET_TIMER) / HPET_TIMER_SIZE;

	switch (reg) {
	case HPET_CAPABILITIES:
		return vhpet_capabilities(p->config.tsc_khz);
	case HPET_CONFIG:
		return s->config;
	case HPET_STATUS:
		return s->status;
	case HPET_COUNTER:
		return counter_at(p, now);
	default:
		return reg >= HPET_TIMER && timer < VHPET_TIMERS
			       ? read_timer(&s->timer[timer], reg % HPET_TIMER_SIZE)
			       : 0;
	}
}

/* PIT and RTC lose their lines, or get them back. */
static void change_legacy(struct platform *p, uint32_t before)
{
	platform_set_irq(p, 0, false);
	platform_set_irq(p, 8, false);
	drive(p, before);
	if (!vhpet_replaces(p))
		vrtc_drive(p);
}

static void write_config(struct platform *p, uint64_t value, uint64_t now)
{
	struct vhpet_state *s = &p->hpet.s;
	uint64_t old = s->config;
	bool replaced = vhpet_replaces(p);
	uint32_t before = asserted(s);

	s->config = value & CONFIG_ALL;
	if ((old ^ s->config) & HPET_ENABLE) {
		s->counter = s->looked; /* as it is now */
		s->start = s->config & HPET_ENABLE ? now : 0;
	}
	if (replaced != vhpet_replaces(p))
		change_legacy(p, before);
	else
		drive(p, before);
}

static void write_status(struct platform *p, uint64_t value)
{
	uint32_t before = asserted(&p->hpet.s);

	p->hpet.s.status &= ~value;
	drive(p, before);
}

/* While it counts that is undefined: it goes on from there. */
static void write_counter(struct vhpet_state *s, uint64_t value, uint64_t now)
{
	s->counter = s->looked = value;
	s->start = s->config & HPET_ENABLE ? now : 0;
}

/* A pin that it cannot have is not taken: what is read back differs. */
static void write_timer_config(struct platform *p, unsigned timer, uint64_t value)
{
	struct vhpet_state *s = &p->hpet.s;
	struct vhpet_timer *t = &s->timer[timer];
	uint64_t route = VHPET_PINS >> HPET_TN_ROUTE(value) & 1 ? value : t->config;
	uint32_t before = asserted(s);

	t->config = (value & TIMER_PLAIN) | (route & HPET_TN_ROUTE_BITS);
	if (t->config & HPET_TN_PERIODIC)
		t->config |= value & HPET_TN_SET_VALUE;
	if (t->config & HPET_TN_32BIT) {
		t->comparator = (uint32_t)t->comparator;
		t->period = (uint32_t)t->period;
	}
	if (!is_level(t))
		s->status &= ~BIT64(timer);
	drive(p, before);
}

/*
 * Of a periodic timer it is the period, and with HPET_TN_SET_VALUE the next match, too: the
 * specification's own example writes once (2.3.9.2.2 "Periodic Mode"), systems that write twice
 * write the period behind it.
 */
static void write_comparator(struct vhpet_timer *t, uint64_t value, uint64_t mask)
{
	if (t->config & HPET_TN_32BIT)
		mask = (uint32_t)mask;
	if (mask == 0)
		return;
	if (!(t->config & HPET_TN_PERIODIC) || (t->config & HPET_TN_SET_VALUE))
		t->comparator = (t->comparator & ~mask) | (value & mask);
	t->period = (t->period & ~mask) | (value & mask);
	t->config &= ~(uint64_t)HPET_TN_SET_VALUE;
}

static void write_timer(
	struct platform *p, unsigned timer, unsigned reg, uint64_t value, uint64_t mask)
{
	struct vhpet_timer *t = &p->hpet.s.timer[timer];

	switch (reg) {
	case HPET_TIMER_CONFIG:
		if ((uint32_t)mask != 0)
			write_timer_config(p, timer, value);
		break;
	case HPET_TIMER_COMPARATOR:
		write_comparator(t, value, mask);
		break;
	case HPET_TIMER_MESSAGE:
		t->message = (t->message & ~mask) | (value & mask);
		break;
	default:
		break;
	}
}

/* The upper halves of configuration and status have nothing that can be written. */
static void write_register(
	struct platform *p, unsigned reg, uint64_t value, uint64_t mask, uint64_t now)
{
	struct vhpet_state *s = &p->hpet.s;
	unsigned timer = (reg - HPET_TIMER) / HPET_TIMER_SIZE;

	switch (reg) {
	case HPET_CONFIG:
		if ((uint32_t)mask != 0)
			write_config(p, value, now);
		break;
	case HPET_STATUS:
		write_status(p, value & mask);
		break;
	case HPET_COUNTER:
		write_counter(s, (counter_at(p, now) & ~mask) | (value & mask), now);
		break;
	default:
		if (reg >= HPET_TIMER && timer < VHPET_TIMERS)
			write_timer(p, timer, reg % HPET_TIMER_SIZE, value, mask);
		break;
	}
}

/* ---- interface ---- */

void vhpet_reset(struct platform *p)
{
	p->hpet = (struct vhpet){0};
	for (unsigned i = 0; i < VHPET_TIMERS; i++)
		p->hpet.s.timer[i].comparator = p->hpet.s.timer[i].period = UINT64_MAX;
}

bool vhpet_claims(const struct platform *p, uint64_t gpa, uint64_t size)
{
	return p->config.hpet && gpa < HPET_DEFAULT_BASE + HPET_SIZE &&
	       HPET_DEFAULT_BASE < gpa + size;
}

static bool is_proper(uint64_t gpa, unsigned size)
{
	return (size == 4 || size == 8) && gpa % size == 0;
}

uint64_t vhpet_read(struct platform *p, uint64_t gpa, unsigned size)
{
	unsigned at = (unsigned)(gpa - HPET_DEFAULT_BASE), reg = at & ~7u;
	uint64_t now = dev_now(p);

	if (!is_proper(gpa, size))
		return UINT64_MAX;
	if (reg != HPET_COUNTER) /* which is read often, and follows from the time */
		vhpet_run_timer(p, now);
	return read_register(p, reg, now) >> (at & 4) * 8;
}

void vhpet_write(struct platform *p, uint64_t gpa, unsigned size, uint64_t value)
{
	unsigned at = (unsigned)(gpa - HPET_DEFAULT_BASE), shift = (at & 4) * 8;
	uint64_t now = dev_now(p);

	if (!is_proper(gpa, size))
		return;
	vhpet_run_timer(p, now);
	write_register(p, at & ~7u, value << shift, mask_of(size) << shift, now);
	platform_deadline_changed(p);
}

void vhpet_get_state(const struct vhpet *hpet, struct vhpet_state *s)
{
	*s = hpet->s;
}

static bool timer_valid(const struct vhpet_state *s, unsigned i)
{
	const struct vhpet_timer *t = &s->timer[i];
	unsigned route = HPET_TN_ROUTE(t->config);

	if ((t->config & ~TIMER_ALL) || (route != 0 && !(VHPET_PINS >> route & 1)))
		return false;
	if ((t->config & HPET_TN_SET_VALUE) && !(t->config & HPET_TN_PERIODIC))
		return false;
	if ((t->config & HPET_TN_32BIT) && (t->comparator | t->period) >> 32 != 0)
		return false;
	return is_level(t) || !(s->status >> i & 1);
}

bool vhpet_valid_state(const struct platform *p, const struct vhpet_state *s)
{
	struct vhpet_state none = {0};

	for (unsigned i = 0; i < VHPET_TIMERS; i++) {
		if (!timer_valid(s, i))
			return false;
		none.timer[i].comparator = none.timer[i].period = UINT64_MAX;
	}
	if ((s->config & ~CONFIG_ALL) || (s->status & ~STATUS_ALL))
		return false;
	if (!(s->config & HPET_ENABLE) && (s->start != 0 || s->looked != s->counter))
		return false;
	return p->config.hpet || __builtin_memcmp(s, &none, sizeof(none)) == 0;
}

bool vhpet_set_state(struct platform *p, const struct vhpet_state *s)
{
	if (!vhpet_valid_state(p, s))
		return false;
	p->hpet.s = *s;
	return true;
}
