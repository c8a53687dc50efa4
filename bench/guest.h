/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest of some hypervisor pays, for payloads of 64 and of 32 bits: ticks of operations
 * that a hypervisor completes, as half of many tries have them, without the cost of measuring.
 * And whether all its processors start.
 */
#ifndef NESTOR_BENCH_GUEST_H
#define NESTOR_BENCH_GUEST_H

#include "cpu.h"
#include "rt.h"
#include "smp.h"

#define GUEST_TRIES 1000u
#define GUEST_WARM  9000u /* exits after which who learns from them has done so */
#define GUEST_PORT  0x70  /* CMOS' index: nothing waits for it, and every PC has it */
#define GUEST_INDEX 0x0d

static inline void guest_cpuid(void)
{
	(void)cpuid(0, 0);
}

static inline void guest_out(void)
{
	outb(GUEST_PORT, GUEST_INDEX);
}

static inline void guest_in(void)
{
	(void)inb(GUEST_PORT + 1);
}

static inline void guest_nothing(void)
{
}

/* The least of the values that half of all do not exceed. */
static inline uint64_t guest_half(const uint64_t *values, unsigned count)
{
	uint64_t half = 0;

	for (int bit = 63; bit >= 0; bit--) {
		uint64_t most = half | ((1ull << bit) - 1);
		unsigned below = 0;

		for (unsigned i = 0; i < count; i++)
			below += values[i] <= most;
		if (below < (count + 1) / 2)
			half |= 1ull << bit;
	}
	return half;
}

/*
 * Ticks of op that half of the tries do not exceed: hypervisors stop a guest's clock now and
 * then, so that the least may be too little. At most GUEST_TRIES.
 */
static inline uint64_t guest_ticks(void (*op)(void), unsigned tries)
{
	static uint64_t took[GUEST_TRIES];

	if (tries > GUEST_TRIES)
		tries = GUEST_TRIES;
	for (unsigned i = 0; i < tries; i++) {
		uint64_t t = rdtsc_exact();

		op();
		took[i] = rdtsc_exact() - t;
	}
	return guest_half(took, tries);
}

/* `name value` for each operation. */
static inline void guest_costs(unsigned tries)
{
	static const struct {
		const char *name;
		void (*op)(void);
	} ops[] = {
		{"guest_cpuid", guest_cpuid}, {"guest_out", guest_out}, {"guest_in", guest_in}};
	uint64_t overhead;

	for (unsigned i = 0; i < GUEST_WARM; i++)
		guest_cpuid();
	overhead = guest_ticks(guest_nothing, GUEST_TRIES);

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		print("%s %lu\n", ops[i].name, guest_ticks(ops[i].op, tries) - overhead);
}

static volatile uint32_t guest_joined;

static inline void guest_join(void *arg)
{
	(void)arg;
	guest_cpuid();
	add(&guest_joined, 1u << 4 * cpu_index());
}

/*
 * Starts `count` processors, and has each of them take part once, by its own number; false:
 * more than there may be, or one took part twice or not at all. One that does not start ends
 * the payload.
 */
static inline bool guest_processors(unsigned count)
{
	uint32_t all = (uint32_t)(0x11111111ull & ((1ull << 4 * count) - 1));

	if (count > CPUS_MAX)
		return false;
	smp_start(count);
	run_on_all(count, guest_join, NULL);
	print("guest: %u processors, %x\n", count, load(&guest_joined));
	return load(&guest_joined) == all;
}

#endif
