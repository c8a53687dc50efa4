/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/tsc.h"

#include <stddef.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "lib/tsc_rate.h"
#include "spec/cpuid.h"

#define FALLBACK_KHZ 1000000u

/* Channel 2 of the PIT, once from a count to 0 (mode 0). */
#define PORT_COUNT   0x42
#define PORT_COMMAND 0x43
#define PORT_SPEAKER 0x61
#define COMMAND      0xb0
#define GATE         0x01u
#define SPEAKER      0x02u
#define ENDED        0x20u
#define PIT_CLOCK_HZ 1193182u
#define COUNT        5965u /* 5 ms: short, so that a busy host leaves most alone */

/* Longer than that count takes, by the fastest TSC: no clock drives it, as where firmware has
 * gated the 8254's to save power. */
#define COUNT_TICKS (TSC_RATE_MOST * 6ull)

uint32_t tsc_khz = FALLBACK_KHZ;

/* What has been found out on the way; starts as zero. */
struct survey {
	struct tsc_samples pit;
	bool sampled;
};

/* What a hypervisor tells its guest by a leaf that several of them share. */
static uint64_t from_hypervisor(struct survey *v)
{
	(void)v;
	if (!(cpuid(1, 0).ecx & cpuid_mask(CPUID_HYPERVISOR)) ||
		cpuid(CPUID_HV_BASE, 0).eax < CPUID_HV_TIMING)
		return 0;
	return cpuid(CPUID_HV_TIMING, 0).eax;
}

static uint64_t from_crystal(struct survey *v)
{
	struct cpuid_regs r = cpuid_or_none(CPUID_LEAF_TSC, 0);

	(void)v;
	return tsc_rate_of_crystal(r.eax, r.ebx, r.ecx);
}

/* A sample as lib/tsc_rate.h wants it; false: there is no such timer. */
static bool sample(uint64_t *ticks)
{
	uint64_t start, runs;
	bool late = false; /* as of before the look: what comes in between is no end */

	outb(PORT_COMMAND, COMMAND);
	/* Mode 0 is low until its count has ended; ports that nobody answers are high. */
	if (inb(PORT_SPEAKER) & ENDED)
		return false;
	outb(PORT_COUNT, COUNT & 0xff);
	start = rdtsc();
	outb(PORT_COUNT, COUNT >> 8); /* the count starts here, not before */
	runs = rdtsc();
	while (!(inb(PORT_SPEAKER) & ENDED)) {
		if (late)
			return false;
		late = rdtsc() - runs > COUNT_TICKS;
	}
	*ticks = rdtsc() - start;
	return true;
}

static const struct tsc_samples *take_samples(struct survey *v)
{
	struct tsc_samples *s = &v->pit;
	uint8_t speaker;

	if (v->sampled)
		return s;
	v->sampled = true;
	speaker = inb(PORT_SPEAKER);
	outb(PORT_SPEAKER, (uint8_t)((speaker & ~SPEAKER) | GATE));
	while (tsc_samples_more(s) && sample(&s->ticks[s->count]))
		s->count++;
	outb(PORT_SPEAKER, speaker);
	return s;
}

/* The end is seen a clock later. */
static uint64_t rate_of(const struct tsc_samples *s)
{
	return tsc_samples_rate(s, COUNT + 1, PIT_CLOCK_HZ);
}

static uint64_t nominal(void)
{
	return (cpuid_or_none(CPUID_LEAF_FREQUENCIES, 0).eax & 0xffff) * 1000ull;
}

/* What CPUID tells, but not where the PIT says otherwise. */
static uint64_t unless_contradicted(struct survey *v, uint64_t khz, const char *source)
{
	const struct tsc_samples *s = take_samples(v);

	if (khz == 0 || !tsc_samples_contradict(s, rate_of(s), khz))
		return khz;
	log_warn("TSC: not the %lu kHz of %s: the PIT says %lu", khz, source, rate_of(s));
	return 0;
}

static bool tells_ratio_alone(void)
{
	struct cpuid_regs r = cpuid_or_none(CPUID_LEAF_TSC, 0);

	return r.eax != 0 && r.ebx != 0 && r.ecx == 0;
}

/*
 * Processors that tell the ratio and not the crystal: their base frequency is rounded, by up to
 * a fifth of a percent, and the TSC's is not; or they tell none, and the PIT does.
 */
static uint64_t from_ratio(struct survey *v)
{
	struct cpuid_regs r = cpuid_or_none(CPUID_LEAF_TSC, 0);
	uint64_t about = nominal();
	const struct tsc_samples *s;

	if (!tells_ratio_alone())
		return 0;
	if (about == 0) {
		s = take_samples(v);
		about = tsc_samples_agreeing(s) >= TSC_RATE_AGREE ? rate_of(s) : 0;
	}
	return unless_contradicted(v, tsc_rate_of_nearest_crystal(r.eax, r.ebx, about),
		"the ratio of CPUID leaf 15H");
}

/*
 * The base frequency of the processor, which the manual gives for information only. Where a
 * ratio is told it would have given the crystal.
 */
static uint64_t from_nominal(struct survey *v)
{
	if (tells_ratio_alone())
		return 0;
	return unless_contradicted(v, nominal(), "CPUID leaf 16H");
}

static uint64_t from_pit(struct survey *v)
{
	const struct tsc_samples *s = take_samples(v);
	uint64_t khz = rate_of(s);

	if (khz != 0 && tsc_samples_agreeing(s) < TSC_RATE_AGREE)
		log_warn("TSC: no %u of %u samples of the PIT agree; %lu kHz by the least: "
			 "tsc_khz= sets it",
			TSC_RATE_AGREE, s->count, khz);
	return khz;
}

/* Better than a guess, where there is no PIT. */
static uint64_t from_nominal_alone(struct survey *v)
{
	uint64_t khz = v->pit.count == 0 ? nominal() : 0;

	if (khz != 0)
		log_warn("TSC: %lu kHz is rounded, and there is no PIT to measure it: "
			 "tsc_khz= sets it",
			khz);
	return khz;
}

static const struct source {
	const char *name;
	uint64_t (*khz)(struct survey *v); /* 0: does not tell */
} sources[] = {
	{"the hypervisor's CPUID leaf", from_hypervisor},
	{"CPUID leaf 15H", from_crystal},
	{"the ratio of CPUID leaf 15H", from_ratio},
	{"CPUID leaf 16H", from_nominal},
	{"the PIT", from_pit},
	{"CPUID leaf 16H", from_nominal_alone},
};

/* The first that tells what can be; 0: none does. */
static uint32_t find_out(const char **name)
{
	struct survey survey = {0};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		uint64_t khz = sources[i].khz(&survey);

		*name = sources[i].name;
		if (tsc_rate_plausible(khz))
			return (uint32_t)khz;
		if (khz != 0)
			log_warn("TSC: %lu kHz, from %s, is not plausible", khz, *name);
	}
	return 0;
}

/* SDM 17.17.1 "Invariant TSC" */
static void warn_of_rate(void)
{
	uint32_t last = cpuid(CPUID_EXT_BASE, 0).eax;

	if (l0_config()->machine.is_emulator ||
		cpuid(1, 0).ecx & cpuid_mask(CPUID_HYPERVISOR) ||
		(last >= CPUID_EXT_BASE + 7 &&
			cpuid(CPUID_EXT_BASE + 7, 0).edx & cpuid_mask(CPUID_INVARIANT_TSC)))
		return;
	log_warn("TSC: not invariant: it may change its rate with the processor's speed, and "
		 "clocks of VMs with it");
}

void tsc_init(void)
{
	const char *name = "the command line";
	uint32_t khz = l0_config()->tsc_khz;

	if (khz == 0)
		khz = find_out(&name);
	tsc_khz = khz != 0 ? khz : FALLBACK_KHZ;
	if (khz == 0)
		log_error(
			"TSC: neither CPUID nor the PIT tells a plausible frequency; %u kHz is "
			"a guess: tsc_khz= sets it",
			tsc_khz);
	else
		log_info("TSC: %u kHz, from %s", tsc_khz, name);
	warn_of_rate();
}

void tsc_delay_us(uint64_t us)
{
	uint64_t end = rdtsc() + us * tsc_khz / 1000;

	while (rdtsc() < end)
		cpu_pause();
}
