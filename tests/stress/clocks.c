/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Soak of all clocks: `count` seconds of emulated time, most of which the processors sleep, so
 * that it costs little. TSC of L1 and L2 on every processor, ACPI timer, PIT, RTC, local APIC's
 * periodic count, timers that wake, L2's preemption timer. Invariants, over the whole run:
 *
 * - A counter never leaves what one constant phase allows (struct clock). So its drift over
 *   the whole run is less than what one reading takes, some 20 us: a millionth in 20 s, and
 *   ever less the longer it runs.
 * - L2's TSC lies between L1's readings before and after, as its offset says.
 * - The TSC never goes back from one processor to another; with behind=N, by N ticks at most.
 * - No timer is early. The least lateness of each kind does not grow: GROWTH at most from the
 *   first quarter of the run to the last.
 *
 * `lives` resets the VM at the end and prints the RTC at start and end with a mark, for
 * tests/boot/run.sh.
 */
#include "cmdline.h"
#include "stress.h"

#define PIT_CLOCK  1193182u
#define PM_CLOCK   3579545u
#define PM_TIMER   0x608
#define HV_TIMING  0x40000010u
#define IOAPIC_PIN 0x10u
#define PIN_RTC    8u
#define PIN_PIT    2u
#define GROWTH     20000u /* ticks */

/* What 64 bits do not hold: ticks times a frequency. */
__extension__ typedef __int128 wide;

enum kind {
	ONE_SHOT,
	DEADLINE,
	PERIODIC,
	PIT,
	RTC,
	L2_RUNS,
	L2_HALTED,
	KINDS
};
#define VECTOR(kind) (0x40u + (kind))

static const char *const names[KINDS] = {"one-shot timer", "TSC deadline", "periodic timer",
	"PIT", "RTC", "preemption timer", "preemption timer of a halted L2"};

/*
 * A clock of `hz` whose value is floor(tsc * hz / tsc_hz + phase): each reading, between two of
 * the TSC, leaves an interval of phases, in units of 1 / tsc_hz. A clock that drifts has none.
 */
struct clock {
	uint32_t hz;
	uint64_t modulus; /* of what can be read; 0: 64 bits */
	wide low, high;
	uint64_t readings, phase; /* so far; the phase of the last, in whole counts */
};

static uint64_t tsc_hz, end;
static uint64_t behind; /* ticks that a processor's TSC may be */
static uint64_t latest; /* TSC that any processor has seen; atomic */
static volatile uint32_t arrived[CPUS_MAX][KINDS];
static struct l2 guests[CPUS_MAX];
static struct lateness {
	uint64_t first, last; /* least, in the first and the last quarter */
	uint64_t count, most;
} late[CPUS_MAX][KINDS];
static uint64_t start_tsc;

void read_tsc_code(void);
__asm__(".text\nread_tsc_code:\n"
	"1:	rdtsc\n	shl	$32, %rdx\n	or	%rdx, %rax\n	mov	%rax, %rbx\n"
	"	pause\n	jmp	1b\n");

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector < VECTOR(0) || f->vector >= VECTOR(KINDS))
		return false;
	add(&arrived[cpu_index()][f->vector - VECTOR(0)], 1);
	apic_eoi();
	return true;
}

/* The TSC, and whether it went on since any processor read it. */
static uint64_t now(void)
{
	uint64_t seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST), t = rdtsc_exact();

	if (t < seen && seen - t > behind)
		stress_broke("TSC behind another processor's", t, seen);
	while (t > seen && !__atomic_compare_exchange_n(&latest, &seen, t, false,
				   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return t;
}

/* ---- counters ---- */

/* What was read, in full: the value that is nearest to what the last one lets expect. */
static uint64_t whole(const struct clock *c, uint64_t raw, uint64_t expected)
{
	uint64_t at;

	if (c->modulus == 0)
		return raw;
	if (c->readings == 0)
		return raw + c->modulus;
	at = expected + c->phase + c->modulus / 2;
	return at - (at - raw) % c->modulus;
}

static void clock_check(
	struct clock *c, const char *name, uint64_t before, uint64_t raw, uint64_t after)
{
	uint64_t expected = before / tsc_hz * c->hz + before % tsc_hz * c->hz / tsc_hz;
	uint64_t value = whole(c, raw, expected);
	wide low = (wide)value * tsc_hz - (wide)after * c->hz;
	wide high = (wide)(value + 1) * tsc_hz - (wide)before * c->hz;

	c->phase = value - expected;
	if (c->readings == 0 || low > c->low)
		c->low = low;
	if (c->readings == 0 || high < c->high)
		c->high = high;
	c->readings++;
	if (c->low >= c->high)
		stress_broke(name, value, expected);
}

static void check_pm(struct clock *c)
{
	uint64_t before = now();
	uint32_t v;

	__asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"(PM_TIMER));
	clock_check(c, "ACPI timer", before, v & 0xffffff, now());
}

/* Channel 2, mode 2, which nobody else uses. */
static void start_pit_counter(void)
{
	outb(0x61, (uint8_t)((inb(0x61) & ~2u) | 1));
	outb(0x43, 0xb4);
	outb(0x42, 0);
	outb(0x42, 0);
}

static void check_pit(struct clock *c)
{
	uint64_t before = now(), after;
	uint32_t v;

	outb(0x43, 0x80); /* latch */
	after = now();
	v = inb(0x42);
	v |= (uint32_t)inb(0x42) << 8;
	clock_check(c, "PIT's count", before, (0x10000 - v) & 0xffff, after);
}

static unsigned cmos(uint8_t reg)
{
	uint8_t v;

	outb(0x70, reg);
	v = inb(0x71);
	return (v >> 4) * 10u + (v & 15u);
}

/* Of the month, so not over the end of one. */
static uint64_t rtc_seconds(void)
{
	uint64_t a, b;

	do {
		a = ((cmos(7) * 24ull + cmos(4)) * 60 + cmos(2)) * 60 + cmos(0);
		b = ((cmos(7) * 24ull + cmos(4)) * 60 + cmos(2)) * 60 + cmos(0);
	} while (a != b);
	return a;
}

static void check_rtc(struct clock *c)
{
	uint64_t before = now(), v = rtc_seconds();

	clock_check(c, "RTC", before, v, now());
}

static void check_count(struct clock *c)
{
	uint64_t before = now();
	uint32_t v = apic_read(APIC_CURRENT_COUNT);

	clock_check(c, "local APIC's count", before, c->modulus - v, now());
}

/* ---- timers ---- */

static void timer_fired(enum kind k, uint64_t not_before, uint64_t due, uint64_t t)
{
	struct lateness *l = &late[cpu_index()][k];
	uint64_t lateness = t > due ? t - due : 0, quarter = (end - start_tsc) / 4;

	if (t < not_before)
		stress_broke(names[k], t, not_before);
	l->count++;
	if (lateness > l->most)
		l->most = lateness;
	if (t < start_tsc + quarter && (l->first == 0 || lateness < l->first))
		l->first = lateness + 1;
	if (t > end - quarter && (l->last == 0 || lateness < l->last))
		l->last = lateness + 1;
}

static uint64_t wait_for_interrupt(enum kind k, uint32_t before)
{
	while (load(&arrived[cpu_index()][k]) == before)
		halt();
	return now();
}

static void one_shot(uint64_t ticks)
{
	uint32_t count = load(&arrived[cpu_index()][ONE_SHOT]);
	uint64_t before, after;

	apic_write(APIC_LVT_TIMER, VECTOR(ONE_SHOT));
	before = now();
	apic_write(APIC_INITIAL_COUNT, (uint32_t)ticks);
	after = now();
	timer_fired(
		ONE_SHOT, before + ticks, after + ticks, wait_for_interrupt(ONE_SHOT, count));
}

static void deadline(uint64_t ticks)
{
	uint32_t count = load(&arrived[cpu_index()][DEADLINE]);
	uint64_t due;

	apic_write(APIC_LVT_TIMER, TIMER_DEADLINE | VECTOR(DEADLINE));
	__asm__ volatile("mfence" : : : "memory");
	due = now() + ticks;
	wrmsr(MSR_TSC_DEADLINE, due);
	timer_fired(DEADLINE, due, due, wait_for_interrupt(DEADLINE, count));
}

/* The next end of a period; how late it is, the count itself says. */
static void periodic(const struct clock *c)
{
	uint32_t before = load(&arrived[cpu_index()][PERIODIC]);
	uint64_t t = wait_for_interrupt(PERIODIC, before);
	uint64_t since = c->modulus - apic_read(APIC_CURRENT_COUNT);

	timer_fired(PERIODIC, 0, t > since ? t - since : 0, t);
	if (load(&arrived[cpu_index()][PERIODIC]) > (t - start_tsc) / c->modulus + 1)
		stress_broke("periods", load(&arrived[cpu_index()][PERIODIC]),
			(t - start_tsc) / c->modulus + 1);
}

static void pin(unsigned number, uint32_t low)
{
	volatile uint32_t *ioapic = (volatile uint32_t *)(uintptr_t)IOAPIC_DEFAULT_BASE;

	ioapic[0] = IOAPIC_PIN + 2 * number + 1;
	ioapic[4] = 0;
	ioapic[0] = IOAPIC_PIN + 2 * number;
	ioapic[4] = low;
}

/* Channel 0, mode 0: up to 54 ms. */
static void pit(uint64_t ticks)
{
	uint32_t count = load(&arrived[0][PIT]);
	uint64_t clocks = ticks % (tsc_hz / 20) * PIT_CLOCK / tsc_hz + 2, before, after;

	before = now();
	outb(0x43, 0x30);
	outb(0x40, (uint8_t)clocks);
	outb(0x40, (uint8_t)(clocks >> 8));
	after = now();
	timer_fired(PIT, before + (clocks - 1) * tsc_hz / PIT_CLOCK,
		after + (clocks + 1) * tsc_hz / PIT_CLOCK, wait_for_interrupt(PIT, count));
}

/* Until a second begins. */
static void rtc_edge(void)
{
	uint32_t count = load(&arrived[0][RTC]);

	outb(0x70, 0x0c);
	(void)inb(0x71);
	outb(0x70, 0x0b);
	outb(0x71, 0x12); /* update-ended interrupts, 24 hours, BCD */
	(void)wait_for_interrupt(RTC, count);
	outb(0x70, 0x0b);
	outb(0x71, 0x02);
}

/* The reading that follows narrows the phase most. */
static void rtc(struct clock *c)
{
	rtc_edge();
	check_rtc(c);
}

/* L2 reads its TSC, or sleeps, until the preemption timer ends it. */
static void l2(uint64_t random, uint64_t ticks, bool halted)
{
	struct l2 *g = &guests[cpu_index()];
	unsigned shift = (unsigned)(rdmsr(MSR_VMX_MISC) & 31);
	uint64_t offset = random >> 20, value = ticks >> shift, before, t;

	l2_restart(g, read_tsc_code);
	ctl_set(VMCS_PROC_CONTROLS, PROC_TSC_OFFSETTING);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_TSC_OFFSET, offset);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, value);
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, halted ? ACTIVITY_HLT : ACTIVITY_ACTIVE);
	before = now();
	if (l2_run(g) != VMX_OK)
		stress_broke("entry", vmread(VMCS_INSTRUCTION_ERROR), 0);
	t = now();
	if (vmread(VMCS_EXIT_REASON) != EXIT_PREEMPTION_TIMER)
		stress_broke("exit", vmread(VMCS_EXIT_REASON), EXIT_PREEMPTION_TIMER);
	if (!halted && (g->rbx - offset < before || g->rbx - offset > t))
		stress_broke("TSC of L2", g->rbx - offset, before);
	/* It counts when a bit of the TSC changes, so once right after the entry. */
	timer_fired(halted ? L2_HALTED : L2_RUNS, before + ((value - 1) << shift),
		before + (value << shift), t);
}

/* ---- the processors ---- */

#define PERIOD (7919u * 997u) /* ticks; odd, so that it meets other clocks at every phase */

/* Processor 0 has the devices, the other even ones a periodic timer, odd ones one-shots. */
struct processor {
	struct clock pm, pit, rtc, count;
	uint64_t random;
	bool vmx;
};

static bool has_period(void)
{
	return cpu_index() % 2 == 0;
}

/* Without it nothing would end L2. */
static bool has_preemption_timer(void)
{
	return vmx_supported() && rdmsr(MSR_VMX_PIN) >> 32 & PIN_PREEMPTION_TIMER;
}

static void set_up(struct processor *p)
{
	*p = (struct processor){.pm = {.hz = PM_CLOCK, .modulus = 1u << 24},
		.pit = {.hz = PIT_CLOCK, .modulus = 1u << 16},
		.rtc = {.hz = 1},
		.count = {.hz = (uint32_t)tsc_hz, .modulus = PERIOD},
		.random = stress_seed(cpu_index()),
		.vmx = has_preemption_timer() && vmx_enable()};
	if (p->vmx)
		l2_setup(&guests[cpu_index()], read_tsc_code);
	apic_write(APIC_SVR, SVR_ON);
	apic_write(APIC_DIVIDE, 0xb); /* by 1 */
	if (has_period()) {
		apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | VECTOR(PERIODIC));
		apic_write(APIC_INITIAL_COUNT, PERIOD);
	}
	if (cpu_index() == 0) {
		outb(0x21, 0xff);
		outb(0xa1, 0xff);
		pin(PIN_PIT, VECTOR(PIT));
		pin(PIN_RTC, VECTOR(RTC));
		start_pit_counter();
	}
}

static void sleep_somehow(struct processor *p, uint64_t r, uint64_t ticks)
{
	if (p->vmx && r % 4 == 0)
		l2(r, ticks / 50, false);
	else if (p->vmx && r % 4 == 1)
		l2(r, ticks, true);
	else if (!has_period())
		r & 8 ? deadline(ticks) : one_shot(ticks);
	else if (cpu_index() != 0 || r % 16 == 2)
		periodic(&p->count);
	else if (r % 16 == 3)
		rtc(&p->rtc);
	else
		pit(ticks);
}

static void run(void *arg)
{
	static struct processor processors[CPUS_MAX];
	struct processor *p = &processors[cpu_index()];

	set_up(p);
	barrier_wait(arg, stress.cpus);
	while (now() < end) {
		uint64_t r = random_next(&p->random);

		sleep_somehow(p, r, tsc_hz / 500 + (r >> 8) % (tsc_hz / 10));
		if (has_period())
			check_count(&p->count);
		if (cpu_index() == 0) {
			check_pm(&p->pm);
			check_pit(&p->pit);
			check_rtc(&p->rtc);
		}
	}
	if (has_period() && p->count.readings < stress.count)
		stress_broke("readings", p->count.readings, stress.count);
}

static void report(void)
{
	for (unsigned k = 0; k < KINDS; k++) {
		struct lateness all = {0, 0, 0, 0};

		for (unsigned c = 0; c < stress.cpus; c++) {
			const struct lateness *l = &late[c][k];

			all.count += l->count;
			if (l->most > all.most)
				all.most = l->most;
			if (l->first && (!all.first || l->first < all.first))
				all.first = l->first;
			if (l->last && (!all.last || l->last < all.last))
				all.last = l->last;
		}
		if (all.count != 0)
			print("%s: %lu times, late by up to %lu ticks, at least by %lu\n",
				names[k], all.count, all.most, all.first ? all.first - 1 : 0);
		if (all.first && all.last > all.first + GROWTH)
			stress_broke(names[k], all.last, all.first);
	}
}

/* For who compares lives: the RTC and, by a mark, the TSC of the host as a second begins. */
static void tell_time(const char *when)
{
	uint64_t t;

	if (!cmdline_flag("lives"))
		return;
	t = rdtsc_exact();
	rtc_edge();
	outb(0xf5, 1);
	print("%s: RTC %lu, TSC %lu\n", when, rtc_seconds(), t);
}

int payload_main(void)
{
	static struct barrier start;

	stress_start(20);
	behind = cmdline_number("behind", 0);
	trap_hook = on_interrupt;
	pin(PIN_RTC, VECTOR(RTC));
	tell_time("start");
	tsc_hz = cpuid(HV_TIMING, 0).eax * 1000ull;
	if (tsc_hz == 0)
		stress_broke("no TSC rate", 0, 1);
	start_tsc = rdtsc_exact();
	end = start_tsc + stress.count * tsc_hz;
	run_on_all(stress.cpus, run, &start);
	report();
	tell_time("end");
	if (cmdline_flag("lives"))
		outb(0xcf9, 6);
	return stress_ok();
}
