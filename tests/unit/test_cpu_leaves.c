/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID on processors whose firmware has limited it, and on those that have no such MSR. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/leaves.h"

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;

static bool intel, has_msr;
static uint64_t misc;
static uint32_t limit; /* what CPUID.0 tells with it */
static unsigned accesses, writes;

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	if (leaf == 0 && !intel)
		return (struct cpuid_regs){2, 0x68747541, 0x444d4163, 0x69746e65};
	if (leaf == 0)
		return (struct cpuid_regs){
			misc >> 22 & 1 ? limit : 0x16, 0x756e6547, 0x6c65746e, 0x49656e69};
	return (struct cpuid_regs){.ebx = leaf};
}

uint64_t hw_rdmsr(uint32_t msr)
{
	assert_int_equal(msr, 0x1a0);
	assert_true(has_msr); /* else #GP, before there is an IDT */
	accesses++;
	return misc;
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	assert_int_equal(msr, 0x1a0);
	misc = value;
	writes++;
}

static int set_up(void **state)
{
	(void)state;
	intel = has_msr = true;
	accesses = writes = 0;
	return 0;
}

static void a_limit_of_firmware_is_lifted_and_nothing_else_changed(void **state)
{
	(void)state;
	for (limit = 2; limit <= 3; limit++) {
		misc = 0x850089ull | 1ull << 22;
		assert_int_equal(cpuid_or_none(7, 0).ebx, 0);
		cpuid_lift_limit();
		assert_true(misc == 0x850089);
		assert_int_equal(cpuid_or_none(7, 0).ebx, 7);
	}
}

static void without_a_limit_the_register_is_not_touched(void **state)
{
	(void)state;
	misc = 0x850089;
	cpuid_lift_limit();
	assert_int_equal(accesses + writes, 0);
}

static void other_processors_need_not_have_it(void **state)
{
	(void)state;
	intel = has_msr = false;
	cpuid_lift_limit();
	assert_int_equal(accesses + writes, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_limit_of_firmware_is_lifted_and_nothing_else_changed),
		TEST(without_a_limit_the_register_is_not_touched),
		TEST(other_processors_need_not_have_it),
	};

	return cmocka_run_group_tests_name("cpu_leaves", tests, NULL, NULL);
}
