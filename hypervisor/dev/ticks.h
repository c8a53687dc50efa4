/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversion between guest TSC ticks and the ticks of a device's clock. Exact for all inputs
 * whose result fits; device clocks go up to 4 MHz.
 */
#ifndef NESTOR_DEV_TICKS_H
#define NESTOR_DEV_TICKS_H

#include <stdint.h>

static inline uint64_t ticks_tsc_hz(uint32_t tsc_khz)
{
	return tsc_khz ? tsc_khz * 1000ull : 1000;
}

/* Ticks of a clock of `hz` in `tsc` ticks of the TSC, rounded down. */
static inline uint64_t ticks_of_tsc(uint64_t tsc, uint32_t tsc_khz, uint32_t hz)
{
	uint64_t tsc_hz = ticks_tsc_hz(tsc_khz);

	return tsc / tsc_hz * hz + tsc % tsc_hz * hz / tsc_hz;
}

/* The TSC ticks after which `ticks` of a clock of `hz` have passed, rounded up. */
static inline uint64_t ticks_to_tsc(uint64_t ticks, uint32_t tsc_khz, uint32_t hz)
{
	uint64_t tsc_hz = ticks_tsc_hz(tsc_khz);

	return ticks / hz * tsc_hz + (ticks % hz * tsc_hz + hz - 1) / hz;
}

#endif
