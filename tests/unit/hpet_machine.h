/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the HPET on a whole platform, with two vCPUs. A tick of its counter is ten of
 * the TSC here.
 */
#ifndef NESTOR_TESTS_HPET_MACHINE_H
#define NESTOR_TESTS_HPET_MACHINE_H

#include "fake_dev.h"

#define TICK   10ull /* nanoseconds, and ticks of the TSC */
#define SECOND 1000000000ull

#define T(n, reg)  (HPET_TIMER + (n)*HPET_TIMER_SIZE + HPET_TIMER_##reg)
#define ROUTE(pin) ((uint64_t)(pin) << HPET_TN_ROUTE_SHIFT)

#define VECTOR_0 0x50
#define VECTOR_1 0x61

static inline uint64_t get(unsigned reg, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 1, HPET_DEFAULT_BASE + reg, false, size, &v));
	return v;
}

static inline void put_bytes(unsigned reg, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 1, HPET_DEFAULT_BASE + reg, true, size, &v));
}

static inline void put(unsigned reg, uint64_t v)
{
	put_bytes(reg, 8, v);
}

static inline int start(void **state)
{
	(void)state;
	fake_start(2);
	fake_enable_apics();
	return 0;
}

/* Pins 20 and 21 are vectors of vCPU 0. */
static inline int start_with_pins(void **state)
{
	start(state);
	fake_ioapic_entry(20, 0, VECTOR_0);
	fake_ioapic_entry(21, 0, VECTOR_1);
	return 0;
}

/* The vector that vCPU 0 takes and ends, or -1. */
static inline int taken(void)
{
	int vector = platform_irq_ack(&machine, 0);

	if (vector >= 0)
		platform_eoi(&machine, 0);
	return vector;
}

static inline int taken_at(uint64_t ticks)
{
	fake_run_until(ticks * TICK);
	return taken();
}

/* The first match and the period, by two writes. */
static inline void periodic(unsigned timer, uint64_t more, uint64_t first, uint64_t period)
{
	put(T(timer, CONFIG),
		HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_SET_VALUE | ROUTE(20) | more);
	put(T(timer, COMPARATOR), first);
	put(T(timer, COMPARATOR), period);
}

#endif
