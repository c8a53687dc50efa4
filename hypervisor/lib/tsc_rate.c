/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tsc_rate.h"

uint64_t tsc_rate_of_crystal(uint32_t denominator, uint32_t numerator, uint32_t hz)
{
	return denominator == 0 ? 0 : (uint64_t)hz * numerator / denominator / 1000;
}

/*
 * In Hz. SDM 18.7.3 "Determining the Processor Base Frequency" has the rates of crystals of
 * processors that do not tell it.
 */
static const uint32_t crystals[] = {19200000, 24000000, 25000000, 38400000};

uint64_t tsc_rate_of_nearest_crystal(uint32_t denominator, uint32_t numerator, uint64_t khz)
{
	for (unsigned i = 0; i < sizeof(crystals) / sizeof(crystals[0]); i++) {
		uint64_t exact = tsc_rate_of_crystal(denominator, numerator, crystals[i]);
		uint64_t off = exact > khz ? exact - khz : khz - exact;

		if (exact != 0 && off <= exact / 100)
			return exact;
	}
	return 0;
}

static uint64_t least(const struct tsc_samples *s)
{
	uint64_t ticks = UINT64_MAX;

	for (unsigned i = 0; i < s->count; i++)
		if (s->ticks[i] < ticks)
			ticks = s->ticks[i];
	return ticks;
}

unsigned tsc_samples_agreeing(const struct tsc_samples *s)
{
	uint64_t best = least(s);
	unsigned n = 0;

	for (unsigned i = 0; i < s->count; i++)
		n += s->ticks[i] - best <= best / TSC_RATE_WITHIN;
	return n;
}

bool tsc_samples_more(const struct tsc_samples *s)
{
	return s->count < TSC_RATE_SAMPLES && tsc_samples_agreeing(s) < TSC_RATE_AGREE;
}

uint64_t tsc_samples_rate(const struct tsc_samples *s, uint32_t count, uint32_t hz)
{
	uint64_t scaled;

	if (s->count == 0 || count == 0 || __builtin_mul_overflow(least(s), hz, &scaled))
		return 0;
	return scaled / (count * 1000ull);
}

bool tsc_samples_contradict(const struct tsc_samples *s, uint64_t measured, uint64_t told)
{
	if (measured == 0)
		return false;
	if (told > measured)
		return told - measured > measured / 64;
	return tsc_samples_agreeing(s) >= TSC_RATE_AGREE && measured - told > measured / 64;
}

uint32_t tsc_ticks_in_counts(uint64_t ticks, uint32_t timer_khz, uint32_t tsc_khz)
{
	uint64_t scaled;

	if (timer_khz == 0 || tsc_khz == 0)
		return 1;
	if (__builtin_mul_overflow(ticks, timer_khz, &scaled))
		return UINT32_MAX;
	scaled = scaled / tsc_khz + 1;
	return scaled < UINT32_MAX ? (uint32_t)scaled : UINT32_MAX;
}
