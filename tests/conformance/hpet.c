/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of the HPET (IA-PC HPET Specification 1.0a): its counter and what it says of its
 * rate, registers, timers of 64 and 32 bits, one-shot and periodic, edges and levels at a pin
 * of the IOAPIC, and in place of PIT and RTC. What a machine may choose (rate, pins, messages)
 * is not printed; nothing depends on how long things take.
 */
#include "apic.h"
#include "conf.h"
#include "spec/hpet.h"

#define IOAPIC ((volatile uint32_t *)(uintptr_t)IOAPIC_DEFAULT_BASE)

#define RTE_LEVEL  0x8000u
#define RTE_MASKED 0x10000u
#define PIN_PIT    2u
#define PIN_RTC    8u

#define VECTOR     0x51
#define VECTOR_PIT 0x62
#define VECTOR_RTC 0x73

#define PIT_CLOCK 1193182u
#define PIT_COUNT 0xf000u /* 51 ms */

#define GATE_CHANNEL_2 0x01u /* port 0x61 */
#define SPEAKER        0x02u
#define OUT_CHANNEL_2  0x20u

#define T(n, reg) (HPET_TIMER + (n)*HPET_TIMER_SIZE + HPET_TIMER_##reg)

/* What of a timer's configuration every machine has: no messages. */
#define COMMON                                                               \
	(HPET_TN_LEVEL | HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_32BIT | \
		HPET_TN_CAN_PERIOD | HPET_TN_64BIT)

static uint64_t tick_fs; /* femtoseconds */
static unsigned pin;

static uint64_t get(unsigned reg)
{
	return *(volatile uint64_t *)(uintptr_t)(HPET_DEFAULT_BASE + reg);
}

static uint32_t get32(unsigned reg)
{
	return *(volatile uint32_t *)(uintptr_t)(HPET_DEFAULT_BASE + reg);
}

static void put(unsigned reg, uint64_t v)
{
	*(volatile uint64_t *)(uintptr_t)(HPET_DEFAULT_BASE + reg) = v;
}

static void put32(unsigned reg, uint32_t v)
{
	*(volatile uint32_t *)(uintptr_t)(HPET_DEFAULT_BASE + reg) = v;
}

/* Of these units the shortest time here has 100: many accesses, where each is an exit. */
#define UNIT_FS UINT64_C(4000000000)

static uint64_t ticks(uint64_t units)
{
	return units * UNIT_FS / tick_fs;
}

/* Without the bits that differ from machine to machine. */
static uint32_t config(unsigned timer)
{
	return get32(T(timer, CONFIG)) & COMMON;
}

/* Written as it is, with the pin. */
static void configure(unsigned timer, uint32_t bits)
{
	put32(T(timer, CONFIG), bits | pin << HPET_TN_ROUTE_SHIFT);
}

/* All timers off, the counter stands at a value. */
static void stop(uint64_t counter)
{
	put(HPET_CONFIG, 0);
	for (unsigned i = 0; i < 3; i++) {
		put32(T(i, CONFIG), 0);
		put(T(i, COMPARATOR), UINT64_MAX);
	}
	put(HPET_STATUS, 7);
	put(HPET_COUNTER, counter);
}

/* ---- what arrives ---- */

static volatile bool levels; /* the handler clears the status */

static bool on_trap(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	interrupt_count[f->vector]++;
	if (levels)
		put32(HPET_STATUS, 7);
	apic_eoi();
	return true;
}

static void forget(void)
{
	interrupt_count[VECTOR] = interrupt_count[VECTOR_PIT] = interrupt_count[VECTOR_RTC] = 0;
}

static void set_pin(unsigned n, uint32_t low)
{
	IOAPIC[0] = 0x10 + 2 * n + 1;
	IOAPIC[4] = 0;
	IOAPIC[0] = 0x10 + 2 * n;
	IOAPIC[4] = low;
}

static void take_pending(void)
{
	__asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory");
}

/* Until the counter has gone on by so many units, with interrupts. */
static void wait(uint64_t units)
{
	uint64_t from = get(HPET_COUNTER);

	while (get(HPET_COUNTER) - from < ticks(units))
		take_pending();
}

/* What has come so far, printed later: that takes time. */
static struct {
	const char *name;
	uint32_t interrupts;
	uint64_t status;
} noted[8];
static unsigned noted_count;

static void note(const char *name)
{
	noted[noted_count].name = name;
	noted[noted_count].interrupts = interrupt_count[VECTOR];
	noted[noted_count++].status = get(HPET_STATUS);
	forget();
}

static void show(void)
{
	put(HPET_CONFIG, 0);
	for (unsigned i = 0; i < noted_count; i++)
		print("%s: %u interrupts, status %lx\n", noted[i].name, noted[i].interrupts,
			noted[i].status);
	noted_count = 0;
}

/* ---- the counter ---- */

static void capabilities(void)
{
	uint64_t cap = get(HPET_CAPABILITIES);

	print("capabilities: revision %s, %s timers, counter of %u bits, legacy replacement %s\n",
		(cap & 0xff) != 0 ? "is there" : "0",
		HPET_CAP_LAST(cap) >= 2 ? "three or more" : "few",
		cap & HPET_CAP_64BIT ? 64 : 32, cap & HPET_CAP_LEGACY ? "yes" : "no");
	print("period: %s\n",
		tick_fs != 0 && tick_fs <= HPET_PERIOD_MAX ? "valid" : "not valid");
	put(HPET_CAPABILITIES, 0);
	print("capabilities written: %s\n",
		get(HPET_CAPABILITIES) == cap ? "the same" : "others");
}

static void counts(void)
{
	uint64_t v;

	stop(0x123456789a);
	v = get(HPET_COUNTER);
	print("halted: %lx %lx\n", v, get(HPET_COUNTER));
	put32(HPET_COUNTER, 0x11223344);
	print("lower half written: %lx\n", get(HPET_COUNTER));
	put32(HPET_COUNTER + 4, 0x55667788);
	print("upper half written: %lx\n", get(HPET_COUNTER));
	print("halves: %x %x\n", get32(HPET_COUNTER), get32(HPET_COUNTER + 4));
	stop(0xfffffff0);
	put(HPET_CONFIG, HPET_ENABLE);
	wait(100);
	put(HPET_CONFIG, 0);
	v = get(HPET_COUNTER);
	print("counted: %s, carried: %s, stands: %s\n", v > 0xfffffff0 ? "yes" : "no",
		v >> 32 == 1 ? "yes" : "no", get(HPET_COUNTER) == v ? "yes" : "no");
}

/* Against channel 2 of the PIT, within a hundredth. */
static void rate(void)
{
	uint64_t found, told, apart;

	stop(0);
	put(HPET_CONFIG, HPET_ENABLE);
	outb(0x61, (uint8_t)((inb(0x61) & ~SPEAKER) | GATE_CHANNEL_2));
	outb(0x43, 0xb0);
	outb(0x42, PIT_COUNT & 0xff);
	outb(0x42, PIT_COUNT >> 8);
	found = get(HPET_COUNTER);
	while (!(inb(0x61) & OUT_CHANNEL_2))
		;
	found = (get(HPET_COUNTER) - found) * PIT_CLOCK / PIT_COUNT;
	told = HPET_FEMTOSECONDS / tick_fs;
	apart = told > found ? told - found : found - told;
	if (apart <= told / 100)
		print("rate: as the period says\n");
	else
		print("rate: %lu Hz are told, and it has %lu\n", told, found);
}

/* ---- registers ---- */

static void registers(void)
{
	stop(0);
	for (unsigned i = 0; i < 3; i++) {
		print("timer %u: config %x", i, config(i));
		put32(T(i, CONFIG), HPET_TN_LEVEL | HPET_TN_ENABLE | HPET_TN_PERIODIC);
		print(" %x", config(i));
		put32(T(i, CONFIG), 0x31); /* what cannot be written */
		print(" %x", config(i));
		put(T(i, COMPARATOR), 0x1122334455667788);
		print(", comparator %lx", get(T(i, COMPARATOR)));
		put32(T(i, CONFIG), HPET_TN_32BIT);
		print(", of 32 bits %lx", get(T(i, COMPARATOR)));
		put32(T(i, CONFIG), 0);
		print(", again of 64 %lx\n", get(T(i, COMPARATOR)));
	}
	put(HPET_CONFIG, ~(uint64_t)HPET_ENABLE);
	print("configuration: %lx\n", get(HPET_CONFIG));
	put(HPET_CONFIG, 0);
	put32(T(0, CONFIG), 0);
	put32(T(0, COMPARATOR), 0x55);
	put32(T(0, COMPARATOR) + 4, 0x66);
	print("comparator by halves: %lx\n", get(T(0, COMPARATOR)));
}

/* A write without "value set" is the period alone. */
static void values(void)
{
	stop(0);
	configure(0, HPET_TN_PERIODIC | HPET_TN_SET_VALUE);
	put(T(0, COMPARATOR), 5000);
	put(T(0, COMPARATOR), 700);
	print("value set: %lu\n", get(T(0, COMPARATOR)));
	configure(0, HPET_TN_PERIODIC);
	put(T(0, COMPARATOR), 9000);
	print("period written: %lu\n", get(T(0, COMPARATOR)));
}

/* ---- timers ---- */

static void one_shot(void)
{
	stop(0);
	put(T(2, COMPARATOR), ticks(500));
	configure(2, HPET_TN_ENABLE);
	put(HPET_CONFIG, HPET_ENABLE);
	wait(300);
	note("one-shot, before");
	wait(500);
	note("one-shot, behind");
	put(T(2, COMPARATOR), get(HPET_COUNTER) + ticks(500));
	wait(800);
	note("one-shot, again");
	configure(2, 0);
	put(T(2, COMPARATOR), get(HPET_COUNTER) + ticks(300));
	wait(600);
	note("one-shot, not enabled");
	show();
}

static void one_shot_32(void)
{
	stop(0x700000000 - ticks(500));
	put(T(1, COMPARATOR), ticks(500));
	configure(1, HPET_TN_ENABLE | HPET_TN_32BIT);
	put(HPET_CONFIG, HPET_ENABLE);
	wait(300);
	note("32 bits, before");
	wait(400);
	note("32 bits, the counter wraps");
	wait(500);
	note("32 bits, behind");
	show();
}

static void periodic(const char *name, uint32_t bits, uint64_t from)
{
	uint64_t period = ticks(400), first, left;
	uint32_t before;

	stop(from);
	first = from + ticks(1000);
	configure(0, HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_SET_VALUE | bits);
	if (bits & HPET_TN_32BIT) {
		put32(T(0, COMPARATOR), (uint32_t)first);
		put32(T(0, COMPARATOR), (uint32_t)period);
	} else {
		put(T(0, COMPARATOR), first);
		put(T(0, COMPARATOR), period);
	}
	put(HPET_CONFIG, HPET_ENABLE);
	wait(800);
	before = interrupt_count[VECTOR];
	wait(2000); /* matches at 1000, 1400, 1800, 2200, 2600 */
	put(HPET_CONFIG, 0);
	left = get(T(0, COMPARATOR)) - first;
	if (bits & HPET_TN_32BIT)
		left = (uint32_t)left;
	print("%s: %u before the first match, %u in all, the comparator went on by %lu periods "
	      "and %lu\n",
		name, before, interrupt_count[VECTOR], left / period, left % period);
	forget();
}

static void level(void)
{
	set_pin(pin, VECTOR | RTE_LEVEL);
	levels = true;
	stop(0);
	put(T(0, COMPARATOR), ticks(300));
	configure(0, HPET_TN_LEVEL);
	put(HPET_CONFIG, HPET_ENABLE);
	wait(500);
	note("level, not enabled");
	configure(0, HPET_TN_LEVEL | HPET_TN_ENABLE);
	wait(100);
	note("level, enabled");
	configure(0, HPET_TN_LEVEL);
	put(T(0, COMPARATOR), get(HPET_COUNTER) + ticks(300));
	wait(500);
	show();
	print("level, halted: status %lx\n", get(HPET_STATUS));
	put(HPET_STATUS, 6);
	print("level, others cleared: status %lx\n", get(HPET_STATUS));
	put32(HPET_STATUS, 1);
	print("level, cleared: status %lx\n", get(HPET_STATUS));
	configure(1, HPET_TN_LEVEL | HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_SET_VALUE);
	put(HPET_COUNTER, 0);
	put(T(1, COMPARATOR), ticks(400));
	put(HPET_CONFIG, HPET_ENABLE);
	wait(2200);
	note("level, periodic");
	show();
	levels = false;
	set_pin(pin, VECTOR);
}

/* The PIT's and the RTC's own interrupts are off then. */
static void legacy(void)
{
	uint32_t before;

	set_pin(PIN_PIT, VECTOR_PIT);
	set_pin(PIN_RTC, VECTOR_RTC);
	stop(0);
	outb(0x43, 0x34);
	outb(0x40, 0xa9);
	outb(0x40, 0x04); /* 1 ms */
	put(HPET_CONFIG, HPET_ENABLE);
	wait(5000);
	print("PIT: %s\n", interrupt_count[VECTOR_PIT] != 0 ? "interrupts" : "nothing");
	put(HPET_CONFIG, 0);
	for (unsigned i = 0; i < 3; i++) {
		put(T(i, COMPARATOR), ticks(2000 + i * 1000));
		configure(i, HPET_TN_ENABLE);
	}
	put(HPET_COUNTER, 0);
	put(HPET_CONFIG, HPET_ENABLE | HPET_LEGACY);
	take_pending();
	forget();
	wait(1800);
	before = interrupt_count[VECTOR_PIT];
	wait(4000);
	print("replaced: %u of the PIT's line, then %u, %u of the RTC's, %u of a third timer\n",
		before, interrupt_count[VECTOR_PIT], interrupt_count[VECTOR_RTC],
		interrupt_count[VECTOR]);
	put(HPET_CONFIG, HPET_ENABLE);
	forget();
	wait(5000);
	print("no more: the PIT has %s\n",
		interrupt_count[VECTOR_PIT] != 0 ? "interrupts" : "nothing");
	set_pin(PIN_PIT, RTE_MASKED);
	set_pin(PIN_RTC, RTE_MASKED);
	forget();
}

int payload_main(void)
{
	uint32_t pins;

	tick_fs = get(HPET_CAPABILITIES) >> HPET_CAP_PERIOD_SHIFT;
	if (tick_fs == 0 || tick_fs == UINT32_MAX) {
		conf_skipped("hpet", "HPET");
		return 0;
	}
	pins = (uint32_t)(get(T(0, CONFIG)) >> 32 & get(T(1, CONFIG)) >> 32 &
			  get(T(2, CONFIG)) >> 32) &
	       0xffffff;
	pin = pins != 0 ? 31 - (unsigned)__builtin_clz(pins) : 0;
	print("pins: %s\n", pins >> 16 != 0 ? "beyond ISA's" : "none beyond ISA's");
	apic_take_all();
	trap_hook = on_trap;
	__asm__ volatile("cli");
	set_pin(pin, VECTOR);
	capabilities();
	counts();
	rate();
	registers();
	values();
	one_shot();
	one_shot_32();
	periodic("periodic", 0, 0x300000000);
	periodic("periodic, 32 bits", HPET_TN_32BIT, 0x300000000);
	periodic("periodic, 32 bits, over a wrap", HPET_TN_32BIT, 0xfffffff0 - ticks(1500));
	level();
	legacy();
	stop(0);
	return 0;
}
