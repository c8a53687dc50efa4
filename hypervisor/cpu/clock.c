/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/clock.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/tsc.h"
#include "lib/clock.h"

#define DEFAULT_EPOCH 1767225600ull /* 2026-01-01 */
#define EARLIEST      1577836800ull /* 2020-01-01: before, a battery is empty */
#define PORT_INDEX    0x70
#define PORT_DATA     0x71
#define REG_A         0x0a
#define REG_B         0x0b
#define REG_D         0x0d
#define UPDATING      0x80
#define VALID         0x80
#define TRIES         10000u

static uint64_t epoch, epoch_tsc; /* the time, and the TSC then */

static uint8_t cmos(uint8_t reg)
{
	outb(PORT_INDEX, reg);
	return inb(PORT_DATA);
}

static struct clock_registers registers(void)
{
	return (struct clock_registers){.second = cmos(0),
		.minute = cmos(2),
		.hour = cmos(4),
		.day = cmos(7),
		.month = cmos(8),
		.year = cmos(9),
		.b = cmos(REG_B)};
}

/* Two equal readings outside an update. False: no clock that one could trust. */
static bool read_clock(uint64_t *seconds)
{
	uint64_t first, second;

	if (cmos(REG_D) == 0xff || !(cmos(REG_D) & VALID))
		return false;
	for (unsigned i = 0; i < TRIES; i++) {
		struct clock_registers a, b;

		if (cmos(REG_A) & UPDATING)
			continue;
		a = registers();
		b = registers();
		if (!clock_seconds(&a, &first) || !clock_seconds(&b, &second))
			return false;
		*seconds = second;
		if (first == second)
			return second >= EARLIEST;
	}
	return false;
}

void clock_init(void)
{
	const char *source = "the command line";

	epoch = l0_config()->epoch;
	epoch_tsc = rdtsc();
	if (epoch == 0) {
		source = "the machine's clock";
		if (!read_clock(&epoch)) {
			epoch = DEFAULT_EPOCH;
			source = "a constant: there is no clock, or it is not set";
		}
	}
	log_info("time of day: %lu seconds since 1970, from %s", epoch, source);
}

uint64_t clock_now(uint64_t *ticks)
{
	uint64_t passed = rdtsc() - epoch_tsc, hz = tsc_khz * 1000ull;

	*ticks = passed % hz;
	return epoch + passed / hz;
}
