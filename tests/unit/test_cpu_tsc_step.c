/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CPU's TSC is put in step with the boot CPU's. Both are simulated: each has the time since
 * its reset and IA32_TSC_ADJUST, and the boot CPU answers whenever the other one looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc_step.h"
#include "spec/cpuid.h"
#include "spec/msr.h"

#define LOOK 50u /* ticks that RDTSC takes */

uint64_t hw_now = 1000000000;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
uint32_t tsc_khz = 1000000;
unsigned cpu_count = 2;

static struct percpu boot, other;
struct percpu *percpus[MAX_CPUS] = {&boot, &other};

/* By index of the CPU. */
static uint64_t reset[2], adjust[2];
static bool has_adjust, answers;
static unsigned writes, lines[LOG_DEBUG + 1];
static struct l0_config config;

const struct l0_config *l0_config(void)
{
	return &config;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)format;
	lines[level]++;
}

void spin_lock(struct spinlock *l)
{
	(void)l;
}

void spin_unlock(struct spinlock *l)
{
	(void)l;
}

void hw_pause(void)
{
}

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	if (leaf == 0)
		return (struct cpuid_regs){.eax = 7};
	if (leaf == 7 && has_adjust)
		return (struct cpuid_regs){.ebx = cpuid_mask(CPUID_TSC_ADJUST)};
	return (struct cpuid_regs){0};
}

static uint64_t tsc_of(unsigned cpu)
{
	return hw_now - reset[cpu] + adjust[cpu];
}

uint64_t hw_tsc(void)
{
	unsigned cpu = hw_cpu->index;

	hw_now += LOOK;
	if (cpu == 1 && answers) {
		hw_cpu = &boot;
		tsc_step_answer(0);
		hw_cpu = &other;
	}
	return tsc_of(cpu);
}

uint64_t hw_rdmsr(uint32_t msr)
{
	assert_true(has_adjust);
	assert_int_equal(msr, MSR_TSC_ADJUST);
	return adjust[hw_cpu->index];
}

/* SDM 17.17.3: a write of the TSC is added to IA32_TSC_ADJUST, if that is seen or not. */
void hw_wrmsr(uint32_t msr, uint64_t value)
{
	unsigned cpu = hw_cpu->index;

	assert_int_equal(cpu, 1);
	writes++;
	if (msr == MSR_TSC_ADJUST && has_adjust)
		adjust[cpu] = value;
	else if (msr == MSR_TSC)
		adjust[cpu] += value - tsc_of(cpu);
	else
		fail();
}

static int set_up(void **state)
{
	(void)state;
	boot = (struct percpu){.self = &boot};
	other = (struct percpu){.self = &other, .index = 1};
	memset(reset, 0, sizeof(reset));
	memset(adjust, 0, sizeof(adjust));
	memset(lines, 0, sizeof(lines));
	has_adjust = answers = true;
	writes = 0;
	return 0;
}

static bool joins(void)
{
	hw_cpu = &boot;
	tsc_step_init();
	hw_cpu = &other;
	return tsc_step_join();
}

static bool in_step(void)
{
	uint64_t gap = tsc_of(0) - tsc_of(1);

	return gap + 20 * LOOK <= 40 * LOOK;
}

static void one_that_is_in_step_is_left_alone(void **state)
{
	(void)state;
	assert_true(joins());
	assert_int_equal(writes, 0);
	assert_int_equal(lines[LOG_INFO], 0);
}

/* The second package came out of reset later, and firmware has told it so. */
static void values_of_firmware_that_put_it_in_step_stay(void **state)
{
	(void)state;
	reset[1] = 123456789;
	adjust[1] = 123456789;
	assert_true(joins());
	assert_int_equal(writes, 0);
	assert_true(adjust[1] == 123456789);
	set_up(NULL);
	reset[0] = 987654321; /* or the boot CPU's did */
	adjust[0] = 987654321;
	assert_true(joins());
	assert_int_equal(writes, 0);
}

static void what_software_has_written_is_undone_to_the_tick(void **state)
{
	(void)state;
	adjust[1] = 777777;
	assert_true(joins());
	assert_int_equal(writes, 1);
	assert_true(adjust[1] == 0);
	assert_true(tsc_of(0) == tsc_of(1));
	assert_int_equal(lines[LOG_INFO], 1);
	set_up(NULL);
	adjust[0] = 0 - UINT64_C(5000000000);
	hw_now += 5000000000;
	assert_true(joins());
	assert_true(tsc_of(0) == tsc_of(1));
}

static void what_no_value_explains_is_added(void **state)
{
	(void)state;
	reset[1] = 123456789;
	assert_true(joins());
	assert_true(in_step());
	set_up(NULL);
	reset[0] = 123456789;
	adjust[1] = 4242; /* which does not explain it */
	assert_true(joins());
	assert_true(in_step());
	set_up(NULL);
	has_adjust = false;
	reset[1] = 123456789;
	assert_true(joins());
	assert_true(in_step());
}

static void without_an_answer_it_is_not_used(void **state)
{
	(void)state;
	answers = false;
	adjust[1] = 777777;
	assert_false(joins());
	assert_int_equal(writes, 0);
	assert_int_equal(lines[LOG_ERROR], 1);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_is_in_step_is_left_alone),
		TEST(values_of_firmware_that_put_it_in_step_stay),
		TEST(what_software_has_written_is_undone_to_the_tick),
		TEST(what_no_value_explains_is_added),
		TEST(without_an_answer_it_is_not_used),
	};

	return cmocka_run_group_tests_name("cpu_tsc_step", tests, NULL, NULL);
}
