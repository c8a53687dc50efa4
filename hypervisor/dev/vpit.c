/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel 8254 as PCs wire it. What differs from the chip: a count is loaded when its last byte
 * is written (the chip waits for the next clock, in modes 2 and 3 for the end of the period).
 */
#include "dev/vpit.h"

#include "dev/dev.h"
#include "dev/platform.h"
#include "dev/state_check.h"
#include "dev/ticks.h"

#define PORT_SYSTEM 0x61

#define CONTROL_READ_BACK 3    /* in bits 7:6 */
#define READ_BACK_COUNT   0x20 /* clear: latch the count */
#define READ_BACK_STATUS  0x10 /* clear: latch the status */

#define ACCESS_LATCH 0
#define ACCESS_LOW   1
#define ACCESS_HIGH  2
#define ACCESS_BOTH  3

#define SYSTEM_GATE2   0x01
#define SYSTEM_SPEAKER 0x02
#define SYSTEM_REFRESH 0x10
#define SYSTEM_OUT2    0x20
#define REFRESH_CLOCKS 18 /* memory refresh every 15 us */

static bool is_periodic(const struct vpit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static bool is_triggered(const struct vpit_channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

/* Clocks counted since the load or trigger. */
static uint64_t elapsed(const struct platform *p, const struct vpit_channel *c, uint64_t now)
{
	if (!c->running || now < c->start)
		return 0;
	if (!c->gate && !is_triggered(c))
		return c->frozen;
	return ticks_of_tsc(now - c->start, p->config.tsc_khz, VPIT_HZ);
}

static bool output(const struct platform *p, const struct vpit_channel *c, uint64_t now)
{
	uint64_t e = elapsed(p, c, now);

	if (!c->running)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1:
		return e >= c->count;
	case 2:
		return !c->gate || e % c->count != c->count - 1;
	case 3:
		return !c->gate || e % c->count < (c->count + 1) / 2;
	default:
		return e != c->count;
	}
}

static uint16_t to_bcd(uint32_t v)
{
	return (uint16_t)(v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

static uint32_t from_bcd(uint32_t v)
{
	return (v >> 12 & 15) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

/* Clocks after which the counting element shows the same value again. */
static uint32_t wrap(const struct vpit_channel *c)
{
	if (is_periodic(c) && c->count)
		return c->count;
	return c->bcd ? 10000 : 0x10000;
}

/* The counting element as its two bytes read. */
static uint16_t counter(const struct platform *p, const struct vpit_channel *c, uint64_t now)
{
	uint32_t modulus = c->bcd ? 10000 : 0x10000;
	uint64_t e = elapsed(p, c, now);
	uint32_t value;

	if (c->mode == 2)
		value = c->count - (uint32_t)(e % c->count);
	else if (c->mode == 3)
		value = (c->count - (uint32_t)(e * 2 % c->count)) & ~1u;
	else
		value = c->count + modulus - (uint32_t)(e % modulus);
	value %= modulus;
	return c->bcd ? to_bcd(value) : (uint16_t)value;
}

/* Ends of count so far: rising edges of the output. */
static uint64_t ends(const struct platform *p, const struct vpit_channel *c, uint64_t now)
{
	uint64_t n = elapsed(p, c, now) / c->count;

	return is_periodic(c) || n == 0 ? n : 1;
}

static void load(struct platform *p, struct vpit_channel *c, uint16_t raw)
{
	uint32_t count = c->bcd ? from_bcd(raw) % 10000 : raw;

	if (count == 0)
		count = c->bcd ? 10000 : 0x10000;
	c->count = count;
	c->start = dev_now(p);
	c->signalled = 0;
	c->frozen = 0;
	c->loaded = true;
	c->running = !is_triggered(c);
	if (c == &p->pit.s.ch[0])
		platform_deadline_changed(p);
}

static void latch_count(struct platform *p, struct vpit_channel *c)
{
	if (c->latch_bytes)
		return;
	c->latch = counter(p, c, dev_now(p));
	c->latch_bytes = c->access == ACCESS_BOTH ? 2 : 1;
}

static void latch_status(struct platform *p, struct vpit_channel *c)
{
	unsigned status = (unsigned)c->access << 4 | (unsigned)c->mode << 1 | c->bcd;

	if (c->status_latched)
		return;
	status |= output(p, c, dev_now(p)) ? 0x80 : 0;
	status |= c->loaded ? 0 : 0x40;
	c->status = (uint8_t)status;
	c->status_latched = true;
}

static void read_back(struct platform *p, uint8_t value)
{
	for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
		if (!(value & 2u << i))
			continue;
		if (!(value & READ_BACK_COUNT))
			latch_count(p, &p->pit.s.ch[i]);
		if (!(value & READ_BACK_STATUS))
			latch_status(p, &p->pit.s.ch[i]);
	}
}

static void write_control(struct platform *p, uint8_t value)
{
	unsigned select = value >> 6;
	unsigned access = value >> 4 & 3;
	unsigned mode = value >> 1 & 7;
	struct vpit_channel *c;

	if (select == CONTROL_READ_BACK) {
		read_back(p, value);
		return;
	}
	c = &p->pit.s.ch[select];
	if (access == ACCESS_LATCH) {
		latch_count(p, c);
		return;
	}
	c->access = (uint8_t)access;
	c->mode = (uint8_t)(mode > 5 ? mode - 4 : mode);
	c->bcd = value & 1;
	c->loaded = c->running = false;
	c->write_high = c->read_high = false;
	c->latch_bytes = 0;
	c->status_latched = false;
	if (select == 0) {
		if (c->mode == 0 && !vhpet_replaces(p))
			platform_set_irq(p, 0, false);
		platform_deadline_changed(p);
	}
}

static void write_counter(struct platform *p, struct vpit_channel *c, uint8_t value)
{
	switch (c->access) {
	case ACCESS_LOW:
		load(p, c, value);
		return;
	case ACCESS_HIGH:
		load(p, c, (uint16_t)(value << 8));
		return;
	default:
		break;
	}
	if (c->write_high) {
		load(p, c, (uint16_t)(value << 8 | c->low_byte));
	} else {
		c->low_byte = value;
		if (c->mode == 0) /* the first byte stops the count */
			c->running = false;
	}
	c->write_high = !c->write_high;
}

static uint8_t read_counter(struct platform *p, struct vpit_channel *c)
{
	uint16_t value;
	bool high = c->access == ACCESS_HIGH;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->latch_bytes) {
		high = high || (c->access == ACCESS_BOTH && c->latch_bytes == 1);
		c->latch_bytes--;
		value = c->latch;
	} else {
		value = counter(p, c, dev_now(p));
		if (c->access == ACCESS_BOTH) {
			high = c->read_high;
			c->read_high = !c->read_high;
		}
	}
	return (uint8_t)(high ? value >> 8 : value);
}

/* Modes 0 and 4 go on where they stopped; the others start again at the rising edge. */
static void set_gate(struct platform *p, struct vpit_channel *c, bool gate)
{
	uint64_t now = dev_now(p);

	if (gate == c->gate)
		return;
	if (!gate) {
		/* Beyond one wrap only the position in the count matters: the modulus keeps it,
		 * and an end of count that was reached stays reached. */
		uint64_t e = elapsed(p, c, now);
		uint32_t modulus = wrap(c);

		c->frozen = (uint32_t)(e < modulus ? e : modulus + e % modulus);
	} else if (is_triggered(c) || is_periodic(c)) {
		c->start = now;
		c->running = c->loaded;
	} else {
		c->start = now - ticks_to_tsc(c->frozen, p->config.tsc_khz, VPIT_HZ);
	}
	c->gate = gate;
}

static uint8_t read_system(struct platform *p)
{
	uint64_t now = dev_now(p);
	unsigned value = 0;

	if (p->pit.s.ch[2].gate)
		value |= SYSTEM_GATE2;
	if (p->pit.s.speaker)
		value |= SYSTEM_SPEAKER;
	if (ticks_of_tsc(now, p->config.tsc_khz, VPIT_HZ) / REFRESH_CLOCKS & 1)
		value |= SYSTEM_REFRESH;
	if (output(p, &p->pit.s.ch[2], now))
		value |= SYSTEM_OUT2;
	return (uint8_t)value;
}

static void write_system(struct platform *p, uint8_t value)
{
	p->pit.s.speaker = value & SYSTEM_SPEAKER;
	set_gate(p, &p->pit.s.ch[2], value & SYSTEM_GATE2);
}

void vpit_reset(struct platform *p)
{
	p->pit = (struct vpit){0};
	for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
		p->pit.s.ch[i].count = 0x10000;
		p->pit.s.ch[i].access = ACCESS_BOTH;
		p->pit.s.ch[i].mode = 3;
		p->pit.s.ch[i].gate = i != 2;
	}
}

bool vpit_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	unsigned channel = port & 3;

	if (size != 1 || (port != PORT_SYSTEM && (port & ~3u) != 0x40))
		return false;
	if (port == PORT_SYSTEM) {
		if (write)
			write_system(p, (uint8_t)*value);
		else
			*value = read_system(p);
	} else if (channel == 3) {
		if (write)
			write_control(p, (uint8_t)*value);
		else
			*value = 0xff; /* the control register cannot be read */
	} else if (write) {
		write_counter(p, &p->pit.s.ch[channel], (uint8_t)*value);
	} else {
		*value = read_counter(p, &p->pit.s.ch[channel]);
	}
	return true;
}

void vpit_run_timer(struct platform *p, uint64_t now)
{
	struct vpit_channel *c = &p->pit.s.ch[0];
	uint64_t n = ends(p, c, now);

	if (n <= c->signalled)
		return;
	c->signalled = n;
	if (vhpet_replaces(p))
		return;
	/*
	 * The line stays high, as the output does: the PIC forgets a request whose line falls.
	 */
	platform_set_irq(p, 0, false);
	platform_set_irq(p, 0, true);
}

uint64_t vpit_deadline(const struct platform *p)
{
	const struct vpit_channel *c = &p->pit.s.ch[0];

	if (!c->running || vhpet_replaces(p) || !platform_irq_visible(p, 0))
		return DEV_NEVER;
	if (c->signalled && !is_periodic(c))
		return DEV_NEVER;
	return c->start +
	       ticks_to_tsc((c->signalled + 1) * c->count, p->config.tsc_khz, VPIT_HZ);
}

void vpit_get_state(const struct vpit *pit, struct vpit_state *s)
{
	*s = pit->s;
}

static bool channel_valid(const struct vpit_channel *c)
{
	return STATE_FLAGS_VALID(c, struct vpit_channel, status_latched, running) &&
	       c->count >= 1 && c->count <= 0x10000 && c->frozen < 2 * 0x10000 &&
	       c->latch_bytes <= 2 && c->access >= ACCESS_LOW && c->access <= ACCESS_BOTH &&
	       c->mode <= 5 && (c->loaded || !c->running) && STATE_ZERO(c->reserved);
}

bool vpit_valid_state(const struct vpit *pit, const struct vpit_state *s)
{
	(void)pit;
	for (unsigned i = 0; i < VPIT_CHANNELS; i++)
		if (!channel_valid(&s->ch[i]) || (i != 2 && !s->ch[i].gate))
			return false;
	return STATE_FLAGS_VALID(s, struct vpit_state, speaker, speaker) &&
	       STATE_ZERO(s->reserved);
}

bool vpit_set_state(struct vpit *pit, const struct vpit_state *s)
{
	if (!vpit_valid_state(pit, s))
		return false;
	pit->s = *s;
	return true;
}
