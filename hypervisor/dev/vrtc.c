/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MC146818. The divider always runs: register A's DV bits are kept but mean nothing. The day of
 * the week follows from the date.
 */
#include "dev/vrtc.h"

#include "dev/dev.h"
#include "dev/platform.h"
#include "dev/state_check.h"
#include "dev/ticks.h"

#define PORT_INDEX 0x70
#define PORT_DATA  0x71
#define RTC_IRQ    8

enum {
	REG_SECOND = 0,
	REG_SECOND_ALARM = 1,
	REG_MINUTE = 2,
	REG_MINUTE_ALARM = 3,
	REG_HOUR = 4,
	REG_HOUR_ALARM = 5,
	REG_WEEKDAY = 6,
	REG_DAY = 7,
	REG_MONTH = 8,
	REG_YEAR = 9,
	REG_A = 10,
	REG_B = 11,
	REG_C = 12,
	REG_D = 13,
	REG_EQUIPMENT = 0x14,
	REG_BASE_MEMORY = 0x15,      /* KiB, 16 bits */
	REG_EXTENDED_MEMORY = 0x17,  /* KiB above 1 MiB, 16 bits */
	REG_EXTENDED_MEMORY2 = 0x30, /* the same */
	REG_CENTURY = 0x32,
	REG_MEMORY_16M = 0x34, /* 64 KiB units above 16 MiB and below 4 GiB, 16 bits */
	REG_CPUS = 0x5f,       /* without the first */
	REG_MEMORY_4G = 0x5b   /* 64 KiB units above 4 GiB, 24 bits */
};

#define A_UIP  0x80
#define A_RATE 0x0f

#define B_SET     0x80
#define B_PIE     0x40
#define B_AIE     0x20
#define B_UIE     0x10
#define B_BINARY  0x04
#define B_24H     0x02
#define B_ENABLES (B_PIE | B_AIE | B_UIE)

#define C_IRQF 0x80
#define C_PF   0x40
#define C_AF   0x20
#define C_UF   0x10

#define D_VALID   0x80
#define HOUR_PM   0x80
#define ALARM_ANY 0xc0 /* both bits set: matches all values */

#define DAY_SECONDS   86400
#define PERIODIC_HZ   32768u
#define UIP_FRACTION  4096 /* UIP shows this part of a second before the update: 244 us */
#define ALARM_STEPS   512  /* more than any search over hours, minutes and seconds needs */
#define ALARM_INVALID (-1)
#define ALARM_WILD    (-2)
#define NO_ALARM      INT64_MAX
#define TIME_LIMIT    ((int64_t)1 << 40) /* some 34,000 years */

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
	unsigned hour, minute, second;
};

/* ---- calendar ---- */

static const uint16_t month_start[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970 to the first of January. For years from 1. */
static int64_t days_to_year(int64_t year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int64_t days_to_month(int64_t year, unsigned month)
{
	return month_start[(month - 1) % 12] + (month > 2 && is_leap(year));
}

/* Out-of-range fields, which a guest may write, give some other moment. */
static int64_t to_seconds(const struct date *d)
{
	int64_t days = days_to_year(d->year) + days_to_month(d->year, d->month) + d->day - 1;

	return ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
}

/* For times from 1970 on; earlier ones give 1970. */
static struct date to_date(int64_t time)
{
	struct date d = {.month = 12};
	int64_t t = time < 0 ? 0 : time;
	int64_t days = t / DAY_SECONDS;
	int64_t rest = t % DAY_SECONDS;

	d.year = 1970 + days / 366;
	d.year += (days - days_to_year(d.year)) / 366; /* nearly there */
	while (days_to_year(d.year + 1) <= days)
		d.year++;
	days -= days_to_year(d.year);
	while (days_to_month(d.year, d.month) > days)
		d.month--;
	d.day = (unsigned)(days - days_to_month(d.year, d.month)) + 1;
	d.hour = (unsigned)(rest / 3600);
	d.minute = (unsigned)(rest / 60 % 60);
	d.second = (unsigned)(rest % 60);
	return d;
}

/* ---- register encodings ---- */

static uint8_t encode(const struct vrtc_state *r, unsigned value)
{
	value %= 100;
	return (uint8_t)(r->nvram[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned decode(const struct vrtc_state *r, unsigned value)
{
	return r->nvram[REG_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct vrtc_state *r, unsigned hour)
{
	if (r->nvram[REG_B] & B_24H)
		return encode(r, hour);
	return (uint8_t)(encode(r, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0));
}

static unsigned decode_hour(const struct vrtc_state *r, unsigned value)
{
	unsigned hour;

	if (r->nvram[REG_B] & B_24H)
		return decode(r, value);
	hour = decode(r, value & ~(unsigned)HOUR_PM) % 12;
	return value & HOUR_PM ? hour + 12 : hour;
}

/* Writes the time into its registers. */
static void put_time(struct vrtc_state *r, int64_t time)
{
	struct date d = to_date(time);

	r->nvram[REG_SECOND] = encode(r, d.second);
	r->nvram[REG_MINUTE] = encode(r, d.minute);
	r->nvram[REG_HOUR] = encode_hour(r, d.hour);
	r->nvram[REG_WEEKDAY] = encode(r, (unsigned)((time / DAY_SECONDS + 4) % 7) + 1);
	r->nvram[REG_DAY] = encode(r, d.day);
	r->nvram[REG_MONTH] = encode(r, d.month);
	r->nvram[REG_YEAR] = encode(r, (unsigned)(d.year % 100));
	r->nvram[REG_CENTURY] = encode(r, (unsigned)(d.year / 100 % 100));
}

static int64_t get_time(const struct vrtc_state *r)
{
	struct date d = {
		.year = decode(r, r->nvram[REG_CENTURY]) * 100 + decode(r, r->nvram[REG_YEAR]),
		.month = decode(r, r->nvram[REG_MONTH]),
		.day = decode(r, r->nvram[REG_DAY]),
		.hour = decode_hour(r, r->nvram[REG_HOUR]),
		.minute = decode(r, r->nvram[REG_MINUTE]),
		.second = decode(r, r->nvram[REG_SECOND]),
	};
	int64_t time;

	if (d.month == 0)
		d.month = 1;
	if (d.year == 0)
		d.year = 1;
	time = to_seconds(&d);
	return time < 0 ? 0 : time;
}

/* ---- time ---- */

static bool is_stopped(const struct vrtc_state *r)
{
	return r->nvram[REG_B] & B_SET;
}

/* TSC ticks since the base; negative when the guest TSC went back. The base itself may lie
 * before TSC 0. */
static int64_t since_base(const struct vrtc_state *r, uint64_t tsc)
{
	return (int64_t)(tsc - r->base_tsc);
}

static int64_t time_at(const struct platform *p, uint64_t tsc)
{
	const struct vrtc_state *r = &p->rtc.s;
	int64_t since = since_base(r, tsc);

	if (since < 0)
		return r->base_time;
	return r->base_time + (int64_t)((uint64_t)since / ticks_tsc_hz(p->config.tsc_khz));
}

/* Guest TSC at which a second begins that is not before the base. */
static uint64_t tsc_of(const struct platform *p, int64_t time)
{
	const struct vrtc_state *r = &p->rtc.s;

	return r->base_tsc + (uint64_t)(time - r->base_time) * ticks_tsc_hz(p->config.tsc_khz);
}

static bool update_in_progress(const struct platform *p, uint64_t now)
{
	uint64_t hz = ticks_tsc_hz(p->config.tsc_khz);
	int64_t since = since_base(&p->rtc.s, now);

	if (is_stopped(&p->rtc.s) || since < 0)
		return false;
	return (uint64_t)since % hz >= hz - hz / UIP_FRACTION;
}

/* ---- interrupts ---- */

/* Periods of the periodic interrupt up to a moment: rate r gives
 * 32768 >> (r - 1) Hz, with 1 and 2 like 8 and 9. */
static unsigned period_shift(const struct vrtc_state *r)
{
	unsigned rate = r->nvram[REG_A] & A_RATE;

	return rate < 3 ? rate + 6 : rate - 1;
}

static bool is_periodic(const struct vrtc_state *r)
{
	return r->nvram[REG_A] & A_RATE;
}

static uint64_t periods(const struct platform *p, uint64_t tsc)
{
	return ticks_of_tsc(tsc, p->config.tsc_khz, PERIODIC_HZ) >> period_shift(&p->rtc.s);
}

static int alarm_field(const struct vrtc_state *r, unsigned reg)
{
	unsigned raw = r->nvram[reg];
	unsigned value = reg == REG_HOUR_ALARM ? decode_hour(r, raw) : decode(r, raw);

	if ((raw & ALARM_ANY) == ALARM_ANY)
		return ALARM_WILD;
	return value < 60 ? (int)value : ALARM_INVALID;
}

static bool matches(int field, int64_t value)
{
	return field == ALARM_WILD || field == value;
}

/* The first alarm after a second, or NO_ALARM. */
static int64_t next_alarm(const struct vrtc_state *r, int64_t after)
{
	int hour = alarm_field(r, REG_HOUR_ALARM);
	int minute = alarm_field(r, REG_MINUTE_ALARM);
	int second = alarm_field(r, REG_SECOND_ALARM);
	int64_t t = after + 1;

	for (unsigned i = 0; i < ALARM_STEPS; i++) {
		if (!matches(hour, t / 3600 % 24))
			t += 3600 - t % 3600;
		else if (!matches(minute, t / 60 % 60))
			t += 60 - t % 60;
		else if (!matches(second, t % 60))
			t++;
		else
			return t;
	}
	return NO_ALARM;
}

/* Register C with the flag that says whether an enabled interrupt happened. */
static uint8_t with_irqf(const struct vrtc_state *r)
{
	unsigned flags = r->nvram[REG_C] & ~(unsigned)C_IRQF;

	return (uint8_t)(r->nvram[REG_B] & flags & B_ENABLES ? flags | C_IRQF : flags);
}

void vrtc_drive(struct platform *p)
{
	struct vrtc_state *r = &p->rtc.s;

	r->nvram[REG_C] = with_irqf(r);
	if (!vhpet_replaces(p))
		platform_set_irq(p, RTC_IRQ, r->nvram[REG_C] & C_IRQF);
}

/* Sets what happened since the last call in register C. */
static void update(struct platform *p, uint64_t now)
{
	struct vrtc_state *r = &p->rtc.s;
	int64_t before = time_at(p, r->flags_tsc);
	int64_t time = time_at(p, now);
	uint8_t happened = 0;

	if (now <= r->flags_tsc)
		return;
	if (!is_stopped(r) && time > before) {
		happened |= C_UF;
		if (next_alarm(r, before) <= time)
			happened |= C_AF;
	}
	if (is_periodic(r) && periods(p, now) != periods(p, r->flags_tsc))
		happened |= C_PF;
	r->flags_tsc = now;
	r->nvram[REG_C] |= happened;
	vrtc_drive(p);
}

/* ---- registers ---- */

static bool is_time(unsigned reg)
{
	return reg == REG_CENTURY || (reg <= REG_YEAR && (reg > REG_HOUR_ALARM || !(reg & 1)));
}

static uint8_t read_register(struct platform *p, unsigned reg, uint64_t now)
{
	struct vrtc_state *r = &p->rtc.s;
	uint8_t value;

	if (is_time(reg) && !is_stopped(r))
		put_time(r, time_at(p, now));
	value = r->nvram[reg];
	if (reg == REG_A && update_in_progress(p, now))
		value |= A_UIP;
	if (reg == REG_C) {
		r->nvram[REG_C] = 0;
		vrtc_drive(p);
		platform_deadline_changed(p);
	}
	return value;
}

/* Stopping freezes the time in its registers; starting takes it from there. */
static void write_b(struct platform *p, uint8_t value, uint64_t now)
{
	struct vrtc_state *r = &p->rtc.s;
	bool was_stopped = is_stopped(r);

	if ((value & B_SET) && !was_stopped)
		put_time(r, time_at(p, now));
	r->nvram[REG_B] = (uint8_t)(value & B_SET ? value & ~B_UIE : value);
	if (was_stopped && !is_stopped(r)) {
		r->base_time = get_time(r);
		r->base_tsc = now;
	}
	vrtc_drive(p);
}

static void write_time(struct platform *p, unsigned reg, uint8_t value, uint64_t now)
{
	struct vrtc_state *r = &p->rtc.s;
	int64_t time = time_at(p, now);

	if (is_stopped(r)) {
		r->nvram[reg] = value;
		return;
	}
	put_time(r, time);
	r->nvram[reg] = value;
	r->base_tsc = since_base(r, now) < 0 ? now : tsc_of(p, time);
	r->base_time = get_time(r);
}

static void write_register(struct platform *p, unsigned reg, uint8_t value, uint64_t now)
{
	struct vrtc_state *r = &p->rtc.s;

	if (reg == REG_C || reg == REG_D)
		return;
	if (reg == REG_B)
		write_b(p, value, now);
	else if (reg == REG_A)
		r->nvram[REG_A] = value & (uint8_t)~A_UIP;
	else if (is_time(reg))
		write_time(p, reg, value, now);
	else
		r->nvram[reg] = value;
	if (reg <= REG_B)
		platform_deadline_changed(p);
}

/* ---- interface ---- */

static void put_units(struct vrtc_state *r, unsigned reg, unsigned bytes, uint64_t units)
{
	uint64_t max = (1ull << bytes * 8) - 1;
	uint64_t value = units < max ? units : max;

	for (unsigned i = 0; i < bytes; i++)
		r->nvram[reg + i] = (uint8_t)(value >> i * 8);
}

static void put_memory(struct vrtc_state *r, uint64_t memory, uint64_t below)
{
	uint64_t extended = below > 0x100000 ? (below - 0x100000) >> 10 : 0;

	put_units(r, REG_BASE_MEMORY, 2, 640);
	put_units(r, REG_EXTENDED_MEMORY, 2, extended);
	put_units(r, REG_EXTENDED_MEMORY2, 2, extended);
	put_units(r, REG_MEMORY_16M, 2, below > 0x1000000 ? (below - 0x1000000) >> 16 : 0);
	put_units(r, REG_MEMORY_4G, 3, (memory - below) >> 16);
}

void vrtc_reset(struct platform *p)
{
	struct vrtc_state *r = &p->rtc.s;

	*r = (struct vrtc_state){0};
	r->base_time = (int64_t)(p->config.boot_epoch % (uint64_t)TIME_LIMIT);
	r->base_tsc = 0 - p->config.boot_ticks;
	r->flags_tsc = dev_now(p);
	r->nvram[REG_A] = 0x26;
	r->nvram[REG_B] = B_24H;
	r->nvram[REG_D] = D_VALID;
	r->nvram[REG_EQUIPMENT] = 0x02; /* a coprocessor, no floppy disk */
	put_memory(r, p->config.memory, platform_low_memory(&p->config));
	/* Firmware takes a larger number from the configuration device. */
	r->nvram[REG_CPUS] = (uint8_t)(p->config.vcpus <= 256 ? p->config.vcpus - 1 : 0);
}

bool vrtc_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	struct vrtc_state *r = &p->rtc.s;
	uint64_t now = dev_now(p);

	if (size != 1 || (port != PORT_INDEX && port != PORT_DATA))
		return false;
	if (port == PORT_INDEX) {
		if (write)
			r->index = *value & (VRTC_NVRAM_SIZE - 1);
		else
			*value = 0xff; /* write-only */
		return true;
	}
	update(p, now);
	if (write)
		write_register(p, r->index % VRTC_NVRAM_SIZE, (uint8_t)*value, now);
	else
		*value = read_register(p, r->index % VRTC_NVRAM_SIZE, now);
	return true;
}

void vrtc_run_timer(struct platform *p, uint64_t now)
{
	if (p->rtc.s.nvram[REG_B] & B_ENABLES)
		update(p, now);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t vrtc_deadline(const struct platform *p)
{
	const struct vrtc_state *r = &p->rtc.s;
	uint8_t enabled = r->nvram[REG_B] & B_ENABLES;
	uint64_t deadline = DEV_NEVER;
	int64_t time = time_at(p, r->flags_tsc);
	int64_t alarm;

	/* While the line is up nothing new can be seen until register C is read. */
	if (!enabled || (r->nvram[REG_C] & C_IRQF) || vhpet_replaces(p) ||
		!platform_irq_visible(p, RTC_IRQ))
		return DEV_NEVER;
	if ((enabled & B_PIE) && is_periodic(r))
		deadline = ticks_to_tsc((periods(p, r->flags_tsc) + 1) << period_shift(r),
			p->config.tsc_khz, PERIODIC_HZ);
	if (is_stopped(r))
		return deadline;
	if (enabled & B_UIE)
		deadline = earlier(deadline, tsc_of(p, time + 1));
	alarm = enabled & B_AIE ? next_alarm(r, time) : NO_ALARM;
	if (alarm != NO_ALARM)
		deadline = earlier(deadline, tsc_of(p, alarm));
	return deadline;
}

void vrtc_get_state(const struct vrtc *rtc, struct vrtc_state *s)
{
	*s = rtc->s;
}

bool vrtc_valid_state(const struct vrtc *rtc, const struct vrtc_state *s)
{
	(void)rtc;
	if (s->base_time < 0 || s->base_time >= TIME_LIMIT || s->index >= VRTC_NVRAM_SIZE)
		return false;
	if ((s->nvram[REG_B] & B_SET) && (s->nvram[REG_B] & B_UIE))
		return false;
	return !(s->nvram[REG_A] & A_UIP) &&
	       !(s->nvram[REG_C] & ~(C_IRQF | C_PF | C_AF | C_UF)) &&
	       s->nvram[REG_C] == with_irqf(s) && s->nvram[REG_D] == D_VALID &&
	       STATE_ZERO(s->reserved);
}

bool vrtc_set_state(struct vrtc *rtc, const struct vrtc_state *s)
{
	if (!vrtc_valid_state(rtc, s))
		return false;
	rtc->s = *s;
	return true;
}
