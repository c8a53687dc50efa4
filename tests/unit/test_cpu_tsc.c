/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How L0 finds out the rate of its TSC, on a machine whose CPUID tells something or nothing and
 * whose host may stop it at any access to a port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/tsc.h"
#include "random.h"
#include "spec/cpuid.h"

#define PIT_HZ 1193182u

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;

/* What CPUID tells; highest leaves of both ranges are those that tell something. */
static struct told {
	uint32_t hv, hv_max, mhz;
	struct cpuid_regs crystal;
} told;

static struct l0_config config;
static uint64_t true_khz;
static bool has_pit, stuck, varies;
static unsigned disturbed; /* of 100,000 accesses */
static uint64_t seed;
static unsigned stop_at, accesses; /* once, a long stop; 0: never */
static uint64_t loaded;            /* when channel 2 got its count */
static unsigned count, bytes, lines[LOG_DEBUG + 1];

const struct l0_config *l0_config(void)
{
	return &config;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)format;
	lines[level]++;
}

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){.eax = told.mhz != 0           ? 0x16
						  : told.crystal.eax != 0 ? 0x15
									  : 0x14};
	case 1:
		return (struct cpuid_regs){
			.ecx = told.hv_max != 0 ? cpuid_mask(CPUID_HYPERVISOR) : 0};
	case CPUID_HV_BASE:
		return (struct cpuid_regs){.eax = told.hv_max};
	case CPUID_HV_TIMING:
		return (struct cpuid_regs){.eax = told.hv};
	case CPUID_EXT_BASE:
		return (struct cpuid_regs){.eax = leaf + 8};
	case CPUID_EXT_BASE + 7:
		return (struct cpuid_regs){.edx = varies ? 0 : cpuid_mask(CPUID_INVARIANT_TSC)};
	case CPUID_LEAF_TSC:
		return told.crystal;
	case CPUID_LEAF_FREQUENCIES:
		return (struct cpuid_regs){.eax = told.mhz};
	}
	fail();
	return (struct cpuid_regs){0};
}

/* A microsecond, and now and then 1 to 8 ms of something else. */
static void access(void)
{
	hw_now += true_khz / 1000;
	if (stop_at != 0 && ++accesses == stop_at)
		hw_now += 500 * true_khz;
	if (random_below(&seed, 100000) < disturbed)
		hw_now += true_khz + random_next(&seed) % (7 * true_khz);
}

static bool pit_ended(void)
{
	return !stuck && bytes == 2 &&
	       (hw_now - loaded) * PIT_HZ / (true_khz * 1000) >= count + 1;
}

uint8_t hw_in(uint16_t port)
{
	access();
	if (!has_pit || port != 0x61)
		return 0xff;
	return pit_ended() ? 0x21 : 0x01;
}

void hw_out(uint16_t port, uint8_t value)
{
	access();
	if (port == 0x43) {
		assert_int_equal(value, 0xb0);
		bytes = count = 0;
	} else if (port == 0x42) {
		count |= (unsigned)value << 8 * bytes++;
		loaded = hw_now;
	}
	access(); /* after the device has it, too */
}

void hw_sleep(void)
{
}

void hw_pause(void)
{
	hw_now += 100;
}

static int set_up(void **state)
{
	(void)state;
	told = (struct told){0};
	config = (struct l0_config){0};
	true_khz = 2500000;
	has_pit = true;
	stuck = false;
	disturbed = 0;
	seed = 7;
	memset(lines, 0, sizeof(lines));
	return 0;
}

static uint32_t found(void)
{
	tsc_khz = 1;
	tsc_init();
	return tsc_khz;
}

static void near(uint32_t khz)
{
	assert_in_range(khz, true_khz - true_khz / 500, true_khz + true_khz / 500);
}

static void what_tells_it_best_is_believed(void **state)
{
	(void)state;
	near(found());
	told.mhz = 2510; /* as near as a nominal one is */
	assert_int_equal(found(), 2510000);
	told.crystal = (struct cpuid_regs){2, 225, 24000000, 0};
	assert_int_equal(found(), 2700000);
	told.hv = 2800000;
	told.hv_max = CPUID_HV_TIMING;
	assert_int_equal(found(), 2800000);
	config.tsc_khz = 2900000;
	assert_int_equal(found(), 2900000);
	assert_int_equal(lines[LOG_INFO], 5);
	assert_int_equal(lines[LOG_WARN] + lines[LOG_ERROR], 0);
}

static void a_hypervisor_without_the_leaf_is_not_asked(void **state)
{
	(void)state;
	told.hv = 2800000;
	told.hv_max = CPUID_HV_TIMING - 1;
	near(found());
}

static void what_cannot_be_is_refused_and_told(void **state)
{
	(void)state;
	told.hv = 5;
	told.hv_max = CPUID_HV_TIMING;
	told.crystal = (struct cpuid_regs){1, UINT32_MAX, UINT32_MAX, 0};
	told.mhz = 21000;
	near(found());
	assert_int_equal(lines[LOG_WARN], 3);
	assert_int_equal(lines[LOG_ERROR], 0);
}

/* What processors tell, whose crystals have 24, 24, 19.2, 25 and 38.4 MHz. */
static void a_crystal_of_unknown_rate_is_the_one_that_gives_the_base_frequency(void **state)
{
	static const struct {
		uint32_t denominator, numerator, mhz, khz;
	} of[] = {{2, 334, 4000, 4008000}, {2, 300, 3600, 3600000}, {3, 186, 1190, 1190400},
		{3, 216, 1800, 1800000}, {2, 125, 2400, 2400000}};

	(void)state;
	for (unsigned i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		told.crystal = (struct cpuid_regs){of[i].denominator, of[i].numerator, 0, 0};
		told.mhz = of[i].mhz;
		true_khz = of[i].khz;
		assert_int_equal(found(), of[i].khz);
		has_pit = false; /* gated, on newer ones */
		assert_int_equal(found(), of[i].khz);
		has_pit = true;
	}
	assert_int_equal(lines[LOG_WARN], 0);
}

/* As where the highest leaf is 15H: the PIT is no better than its own crystal. */
static void without_a_base_frequency_the_measured_one_tells_the_crystal(void **state)
{
	(void)state;
	told.crystal = (struct cpuid_regs){3, 186, 0, 0};
	true_khz = 1190700;
	assert_int_equal(found(), 1190400);
	true_khz = 1300000; /* nobody's crystal */
	near(found());
	true_khz = 1190700;
	has_pit = false;
	assert_int_equal(found(), 1000000);
	assert_int_equal(lines[LOG_ERROR], 1);
}

static void a_base_frequency_that_no_crystal_gives_is_measured(void **state)
{
	(void)state;
	told.crystal = (struct cpuid_regs){2, 225, 0, 0};
	told.mhz = 2500;
	true_khz = 2498000;
	near(found());
	assert_int_not_equal(tsc_khz, 2500000);
	assert_int_equal(lines[LOG_WARN], 0);
	has_pit = false;
	assert_int_equal(found(), 2500000);
	assert_int_equal(lines[LOG_WARN], 1);
}

static void a_nominal_rate_that_the_pit_contradicts_is_refused(void **state)
{
	(void)state;
	true_khz = 50000;
	told.mhz = 3500;
	near(found());
	assert_int_equal(lines[LOG_WARN], 1);
	has_pit = false;
	assert_int_equal(found(), 3500000);
}

/* Half of the samples are hit, wherever that is: before, within or behind. */
static void a_host_that_is_busy_makes_no_difference(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		set_up(NULL);
		seed = i;
		true_khz = 500000 + 10000 * i;
		disturbed = 14; /* a sample is some 5,000 accesses */
		near(found());
	}
}

static void disturbances_around_the_start_only_make_it_longer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		set_up(NULL);
		seed = i;
		disturbed = 90000; /* nearly every access, of a sample's first ones, too */
		assert_true(found() >= true_khz - true_khz / 500);
	}
}

static void without_a_pit_it_is_a_guess_and_said_so(void **state)
{
	(void)state;
	has_pit = false;
	assert_int_equal(found(), 1000000);
	assert_int_equal(lines[LOG_ERROR], 1);
	set_up(NULL);
	stuck = true;
	assert_int_equal(found(), 1000000);
	assert_int_equal(lines[LOG_ERROR], 1);
}

/* Its output stays low; ports answer. */
static void a_pit_whose_clock_is_gated_costs_no_time(void **state)
{
	static const uint32_t rates[] = {800000, 2500000, 5000000};

	(void)state;
	stuck = true;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t start = hw_now;

		true_khz = rates[i];
		(void)found();
		assert_in_range((hw_now - start) / true_khz, 5, 160); /* milliseconds */
	}
}

/* Half a second of something else, at any access to a port: the next look sees the end. */
static void a_long_stop_at_the_last_look_is_no_end_of_the_pit(void **state)
{
	(void)state;
	for (stop_at = 1; stop_at < 5100; stop_at += stop_at < 20 ? 1 : 127) {
		accesses = 0;
		near(found());
	}
	stop_at = 0;
}

static void a_tsc_that_is_not_invariant_is_told(void **state)
{
	(void)state;
	told.crystal = (struct cpuid_regs){.eax = 2, .ebx = 168, .ecx = 25000000};
	varies = true;
	tsc_init();
	assert_int_equal(lines[LOG_WARN], 1);
	config.machine.is_emulator = true;
	tsc_init();
	assert_int_equal(lines[LOG_WARN], 1);
	config.machine.is_emulator = varies = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_tells_it_best_is_believed, set_up),
		cmocka_unit_test_setup(a_hypervisor_without_the_leaf_is_not_asked, set_up),
		cmocka_unit_test_setup(what_cannot_be_is_refused_and_told, set_up),
		cmocka_unit_test_setup(
			a_crystal_of_unknown_rate_is_the_one_that_gives_the_base_frequency,
			set_up),
		cmocka_unit_test_setup(
			without_a_base_frequency_the_measured_one_tells_the_crystal, set_up),
		cmocka_unit_test_setup(
			a_base_frequency_that_no_crystal_gives_is_measured, set_up),
		cmocka_unit_test_setup(a_pit_whose_clock_is_gated_costs_no_time, set_up),
		cmocka_unit_test_setup(
			a_long_stop_at_the_last_look_is_no_end_of_the_pit, set_up),
		cmocka_unit_test_setup(
			a_nominal_rate_that_the_pit_contradicts_is_refused, set_up),
		cmocka_unit_test_setup(a_host_that_is_busy_makes_no_difference, set_up),
		cmocka_unit_test_setup(
			disturbances_around_the_start_only_make_it_longer, set_up),
		cmocka_unit_test_setup(without_a_pit_it_is_a_guess_and_said_so, set_up),
		cmocka_unit_test_setup(a_tsc_that_is_not_invariant_is_told, set_up),
	};

	return cmocka_run_group_tests_name("cpu_tsc", tests, NULL, NULL);
}
