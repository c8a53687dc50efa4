/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the TSC counts, from what CPUID tells or from samples of another timer. Who reads
 * registers and timers is not here.
 *
 * A sample is how far the TSC came from before the timer was started until after it was seen to
 * have ended. Whatever interrupts that - an SMI, a host that runs something else - makes it
 * longer and never shorter, so the least sample is the best one; several that agree with it
 * make it likely that it was not disturbed.
 */
#ifndef NESTOR_LIB_TSC_RATE_H
#define NESTOR_LIB_TSC_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* A rate outside of these is nobody's: it is refused. In kHz. */
#define TSC_RATE_LEAST 1000u
#define TSC_RATE_MOST  20000000u

#define TSC_RATE_AGREE   3u    /* samples that must agree, the least one among them */
#define TSC_RATE_WITHIN  1024u /* they agree when within a 1024th of the least */
#define TSC_RATE_SAMPLES 32u   /* taken at most */

static inline bool tsc_rate_plausible(uint64_t khz)
{
	return khz >= TSC_RATE_LEAST && khz <= TSC_RATE_MOST;
}

/* In kHz, or 0: not told. CPUID 15H: EAX, EBX, and ECX, which is in Hz. */
uint64_t tsc_rate_of_crystal(uint32_t denominator, uint32_t numerator, uint32_t hz);

/*
 * The same where EAX and EBX are told and ECX is 0, by a rate of the TSC that is about right:
 * crystals of processors have few rates, and the one that gives it within 1 % it is. 0: none
 * does.
 */
uint64_t tsc_rate_of_nearest_crystal(uint32_t denominator, uint32_t numerator, uint64_t khz);

/* Starts as zero. */
struct tsc_samples {
	uint64_t ticks[TSC_RATE_SAMPLES];
	unsigned count;
};

/* Samples that agree with the least one, which is among them; 0 when there is none. */
unsigned tsc_samples_agreeing(const struct tsc_samples *s);

/* Whether another sample is wanted; there is room for it then. */
bool tsc_samples_more(const struct tsc_samples *s);

/*
 * The rate by the least sample, of a timer that counts `count` clocks at `hz`; in kHz. 0: there
 * is no sample, or it is longer than 64 bits can tell.
 */
uint64_t tsc_samples_rate(const struct tsc_samples *s, uint32_t count, uint32_t hz);

/*
 * Whether samples, which say `measured` kHz, contradict a rate that is told: by more than a
 * 64th. Since disturbed samples are too long, one is enough to contradict a higher rate;
 * a lower one is contradicted only by samples that agree.
 */
bool tsc_samples_contradict(const struct tsc_samples *s, uint64_t measured, uint64_t told);

/*
 * How many counts of a timer at one rate are so many ticks of the TSC at another: at least as
 * long, but for what 32 bits cannot tell; never 0, and 1 when a rate is not known.
 */
uint32_t tsc_ticks_in_counts(uint64_t ticks, uint32_t timer_khz, uint32_t tsc_khz);

#endif
