/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate of the HPET's counter: the guest TSC's, divided by the least number that makes it
 * one that a HPET may have. So the two never drift, and no tick takes more than a division.
 */
#include "dev/platform.h"
#include "dev/ticks.h"

#define LEAST_KHZ 10000u /* of the specification (2.2.1 "Main Counter") */
#define MOST_KHZ  100000u

#define VENDOR 0x8086u

struct vhpet_rate vhpet_rate(uint32_t tsc_khz)
{
	uint64_t khz = ticks_tsc_hz(tsc_khz) / 1000;

	if (khz < LEAST_KHZ)
		return (struct vhpet_rate){(LEAST_KHZ + khz - 1) / khz, 1};
	return (struct vhpet_rate){1, (khz + MOST_KHZ - 1) / MOST_KHZ};
}

/* Femtoseconds of a tick, to the nearest. */
static uint64_t period(uint32_t tsc_khz)
{
	struct vhpet_rate r = vhpet_rate(tsc_khz);
	uint64_t khz = ticks_tsc_hz(tsc_khz) / 1000 * r.up;

	return (HPET_FEMTOSECONDS / 1000 * r.down + khz / 2) / khz;
}

uint64_t vhpet_capabilities(uint32_t tsc_khz)
{
	return HPET_CAP_REVISION | (VHPET_TIMERS - 1) << HPET_CAP_LAST_SHIFT | HPET_CAP_64BIT |
	       HPET_CAP_LEGACY | (uint64_t)VENDOR << HPET_CAP_VENDOR_SHIFT |
	       period(tsc_khz) << HPET_CAP_PERIOD_SHIFT;
}

uint16_t vhpet_least_period(uint32_t tsc_khz)
{
	struct vhpet_rate r = vhpet_rate(tsc_khz);

	return (uint16_t)(ticks_tsc_hz(tsc_khz) * r.up / r.down / 1000 / PLATFORM_TIMER_KHZ);
}
