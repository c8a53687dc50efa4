/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSRs as firmware left them, which exist only where CPUID says so: an access to any other one
 * fails the test, as it would fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/left_msrs.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "spec/cpuid.h"
#include "spec/msr.h"

#define DS        (1u << 21)
#define INTEL_PT  (1u << 25)
#define ARCH_LBR  (1u << 19)
#define XSAVES    (1u << 3)
#define CORE_CAPS (1u << 30)
#define LOCK_AC   (1ull << 29)
#define TEST_BITS (1ull << 31) /* another one of MSR_TEST_CTRL */
#define TRACE_EN  1u
#define MSR_COUNT (sizeof(msrs) / sizeof(msrs[0]))

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu;
static struct cpuid_regs one, seven, ten, thirteen;
static uint32_t most;
static struct {
	uint32_t msr;
	uint64_t value;
	bool exists, sticks; /* it cannot be written */
	unsigned writes;
} msrs[] = {
	{.msr = MSR_RTIT_CTL},
	{.msr = MSR_PEBS_ENABLE},
	{.msr = MSR_DEBUGCTL},
	{.msr = MSR_LBR_CTL},
	{.msr = MSR_PERF_GLOBAL_CTRL},
	{.msr = MSR_FIXED_CTR_CTRL},
	{.msr = MSR_XSS},
	{.msr = MSR_MISC_ENABLE},
	{.msr = MSR_CORE_CAPABILITIES},
	{.msr = MSR_TEST_CTRL},
};
static char told[8][200];
static unsigned lines, warnings;

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){.eax = most};
	case 1:
		return one;
	case CPUID_LEAF_FEATURES:
		return seven;
	case CPUID_LEAF_PERF:
		return ten;
	default:
		assert_int_equal(leaf, CPUID_LEAF_XSAVE);
		assert_int_equal(subleaf, 1);
		return thirteen;
	}
}

static unsigned find(uint32_t msr)
{
	for (unsigned i = 0; i < MSR_COUNT; i++)
		if (msrs[i].msr == msr) {
			assert_true(msrs[i].exists);
			return i;
		}
	fail();
	return 0;
}

uint64_t hw_rdmsr(uint32_t msr)
{
	return msrs[find(msr)].value;
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	unsigned i = find(msr);

	msrs[i].writes++;
	if (!msrs[i].sticks)
		msrs[i].value = value;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(told[lines++ % 8], sizeof(told[0]), format, args);
	va_end(args);
	warnings += level == LOG_WARN;
}

/* All that there can be, and left at a value of firmware's. */
static int begin(void **state)
{
	(void)state;
	memset(&cpu, 0, sizeof(cpu));
	cpu.self = hw_cpu = &cpu;
	cpu.index = 3;
	most = 0x1f;
	one = (struct cpuid_regs){.edx = DS};
	seven = (struct cpuid_regs){.ebx = INTEL_PT, .edx = ARCH_LBR | CORE_CAPS};
	ten = (struct cpuid_regs){.eax = 0x07300805};
	thirteen = (struct cpuid_regs){.eax = XSAVES};
	for (unsigned i = 0; i < MSR_COUNT; i++) {
		msrs[i].exists = true;
		msrs[i].sticks = false;
		msrs[i].writes = 0;
		msrs[i].value = msrs[i].msr == MSR_MISC_ENABLE ? 1 : 0x10 + i;
	}
	msrs[0].value = TRACE_EN;
	msrs[find(MSR_CORE_CAPABILITIES)].value = CORE_CAP_SPLIT_LOCK_AC;
	msrs[find(MSR_TEST_CTRL)].value = LOCK_AC | TEST_BITS;
	lines = warnings = 0;
	return 0;
}

static void lack(uint32_t msr)
{
	msrs[find(msr)].exists = false;
}

static void expect_reset_values(void)
{
	left_msrs_clear();
	for (unsigned i = 0; i < MSR_COUNT; i++) {
		bool own = msrs[i].msr != MSR_MISC_ENABLE &&
			   msrs[i].msr != MSR_CORE_CAPABILITIES && msrs[i].exists;

		assert_int_equal(msrs[i].writes, own);
		if (own)
			assert_true(msrs[i].value ==
				    (msrs[i].msr == MSR_TEST_CTRL ? TEST_BITS : 0));
	}
}

static void what_is_there_gets_what_a_reset_gives_and_is_told_of(void **state)
{
	(void)state;
	expect_reset_values();
	assert_int_equal(lines, 7); /* all but IA32_PERF_GLOBAL_CTRL, which a reset leaves so */
	assert_int_equal(warnings, 0);
	assert_string_equal(told[0], "CPU 3: IA32_RTIT_CTL was 0x1, and is 0x0 now");
}

static void what_is_so_already_is_neither_written_nor_told_of(void **state)
{
	(void)state;
	left_msrs_clear();
	lines = 0;
	left_msrs_clear();
	for (unsigned i = 0; i < MSR_COUNT; i++)
		assert_true(msrs[i].writes <= 1);
	assert_int_equal(lines, 0);
}

static void what_cpuid_does_not_tell_of_is_not_touched(void **state)
{
	(void)state;
	seven.ebx = seven.edx = thirteen.eax = 0;
	lack(MSR_RTIT_CTL);
	lack(MSR_LBR_CTL);
	lack(MSR_XSS);
	lack(MSR_TEST_CTRL);
	lack(MSR_CORE_CAPABILITIES);
	expect_reset_values();
	assert_int_equal(lines, 3);
}

/* The MSR is there on other processors, too, with other bits. */
static void split_locks_are_left_alone_where_nothing_tells_of_their_bit(void **state)
{
	(void)state;
	msrs[find(MSR_CORE_CAPABILITIES)].value = ~CORE_CAP_SPLIT_LOCK_AC;
	lack(MSR_TEST_CTRL);
	expect_reset_values();
	assert_int_equal(lines, 6);
}

static void counters_of_the_first_version_have_no_global_control(void **state)
{
	(void)state;
	ten.eax = 0x07300801;
	lack(MSR_PERF_GLOBAL_CTRL);
	lack(MSR_FIXED_CTR_CTRL);
	lack(MSR_PEBS_ENABLE);
	expect_reset_values();
}

static void a_processor_without_pebs_says_so_in_two_ways(void **state)
{
	(void)state;
	msrs[find(MSR_MISC_ENABLE)].value |= MISC_ENABLE_NO_PEBS;
	lack(MSR_PEBS_ENABLE);
	expect_reset_values();
	begin(state);
	one.edx = 0;
	lack(MSR_PEBS_ENABLE);
	lack(MSR_MISC_ENABLE);
	expect_reset_values();
}

/* A leaf beyond the last one gives what the last one has (SDM vol. 2 "CPUID"). */
static void leaves_that_are_not_there_say_nothing(void **state)
{
	(void)state;
	most = 1;
	for (unsigned i = 0; i < MSR_COUNT; i++)
		msrs[i].exists = msrs[i].msr == MSR_DEBUGCTL || msrs[i].msr == MSR_MISC_ENABLE;
	expect_reset_values();
	assert_int_equal(lines, 1);
}

/* The last one: a thread whose core has it on by then. */
static void split_locks_of_a_core_are_left_to_who_runs_there(void **state)
{
	(void)state;
	left_msrs_clear();
	assert_int_equal(msrs[find(MSR_TEST_CTRL)].value, TEST_BITS);
	left_msrs_keep_split_locks();
	left_msrs_clear();
	assert_int_equal(msrs[find(MSR_TEST_CTRL)].value, TEST_BITS); /* nor turned on */
	msrs[find(MSR_TEST_CTRL)].value |= LOCK_AC;
	left_msrs_clear();
	assert_int_equal(msrs[find(MSR_TEST_CTRL)].value, LOCK_AC | TEST_BITS);
}

static void one_that_cannot_be_changed_is_a_warning(void **state)
{
	(void)state;
	msrs[find(MSR_DEBUGCTL)].sticks = true;
	left_msrs_clear();
	assert_int_equal(lines, 7);
	assert_int_equal(warnings, 1);
	assert_string_equal(
		told[2], "CPU 3: IA32_DEBUGCTL was 0x12, and does not become 0x0: it is 0x12");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			what_is_there_gets_what_a_reset_gives_and_is_told_of, begin),
		cmocka_unit_test_setup(
			what_is_so_already_is_neither_written_nor_told_of, begin),
		cmocka_unit_test_setup(what_cpuid_does_not_tell_of_is_not_touched, begin),
		cmocka_unit_test_setup(
			split_locks_are_left_alone_where_nothing_tells_of_their_bit, begin),
		cmocka_unit_test_setup(
			counters_of_the_first_version_have_no_global_control, begin),
		cmocka_unit_test_setup(a_processor_without_pebs_says_so_in_two_ways, begin),
		cmocka_unit_test_setup(leaves_that_are_not_there_say_nothing, begin),
		cmocka_unit_test_setup(one_that_cannot_be_changed_is_a_warning, begin),
		cmocka_unit_test_setup(split_locks_of_a_core_are_left_to_who_runs_there, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
