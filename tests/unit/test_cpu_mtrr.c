/* SPDX-License-Identifier: Apache-2.0 */
/* MTRRs of two CPUs, of a machine that faults on those that it does not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/mtrr.h"
#include "cpu/percpu.h"
#include "spec/cpuid.h"

#define HAS_MTRR (1u << 12)
#define PAIRS    3u

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu;
static bool has_mtrrs, has_fixed;
static uint64_t def_type, physical[2 * PAIRS], fixed[16];
static unsigned reads, warnings;
static char last[200];

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 1:
		return (struct cpuid_regs){.edx = has_mtrrs ? HAS_MTRR : 0};
	case CPUID_EXT_BASE:
		return (struct cpuid_regs){.eax = CPUID_EXT_BASE + 8};
	default:
		assert_int_equal(leaf, CPUID_EXT_BASE + 8);
		return (struct cpuid_regs){.eax = 0x302e};
	}
}

uint64_t hw_rdmsr(uint32_t msr)
{
	assert_true(has_mtrrs);
	reads++;
	if (msr == MSR_MTRR_CAP)
		return PAIRS | (has_fixed ? MTRR_CAP_FIX : 0);
	if (msr == MSR_MTRR_DEF_TYPE)
		return def_type;
	if (msr - MSR_MTRR_PHYS_BASE_0 < 2 * PAIRS)
		return physical[msr - MSR_MTRR_PHYS_BASE_0];
	assert_true(has_fixed);
	if (msr == MSR_MTRR_FIX_64K)
		return fixed[0];
	if (msr == MSR_MTRR_FIX_16K_0 || msr == MSR_MTRR_FIX_16K_1)
		return fixed[1 + msr - MSR_MTRR_FIX_16K_0];
	assert_in_range(msr, MSR_MTRR_FIX_4K_0, MSR_MTRR_FIX_4K_7);
	return fixed[3 + msr - MSR_MTRR_FIX_4K_0];
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	(void)msr;
	(void)value;
	fail();
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	assert_int_equal(level, LOG_WARN);
	va_start(args, format);
	vsnprintf(last, sizeof(last), format, args);
	va_end(args);
	warnings++;
}

static int begin(void **state)
{
	(void)state;
	cpu = (struct percpu){.self = &cpu, .index = 2};
	hw_cpu = &cpu;
	has_mtrrs = has_fixed = true;
	def_type = 0xc06;
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		physical[i] = 0x1000 * i;
	for (unsigned i = 0; i < 16; i++)
		fixed[i] = 0x0606060606060600 + i;
	reads = warnings = 0;
	return 0;
}

static void those_of_the_boot_cpu_are_kept_as_they_are(void **state)
{
	const struct mtrrs *m;

	(void)state;
	mtrr_read();
	m = mtrr_of_boot_cpu();
	assert_int_equal(m->def_type, 0xc06);
	assert_int_equal(m->pairs, PAIRS);
	assert_int_equal(m->address_bits, 46);
	for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
		assert_int_equal(m->fixed[i], fixed[i]);
	assert_int_equal(m->variable[2].mask, 0x5000);
}

static void what_the_processor_has_not_is_not_read(void **state)
{
	(void)state;
	has_fixed = false;
	mtrr_read();
	assert_int_equal(mtrr_of_boot_cpu()->fixed[0], 0);
	has_mtrrs = false;
	reads = 0;
	mtrr_read();
	mtrr_compare();
	assert_null(mtrr_of_boot_cpu());
	assert_int_equal(reads, 0);
}

static void a_cpu_that_has_others_is_told_of(void **state)
{
	(void)state;
	mtrr_read();
	mtrr_compare();
	assert_int_equal(warnings, 0);
	physical[4] = 0x800000006;
	mtrr_compare();
	assert_int_equal(warnings, 1);
	assert_string_equal(
		last, "CPU 2: MSR 0x204 is 0x800000006, another MTRR than the boot CPU's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(those_of_the_boot_cpu_are_kept_as_they_are, begin),
		cmocka_unit_test_setup(what_the_processor_has_not_is_not_read, begin),
		cmocka_unit_test_setup(a_cpu_that_has_others_is_told_of, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
