/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy/memory.h"
#include "policy/one_to_one.h"
#include "random.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct one_to_one plan;

static bool make(const struct one_to_one_range *free, unsigned count, uint64_t memory)
{
	return one_to_one_plan(free, count, memory, &plan);
}

static void expect_region(unsigned i, uint64_t start, uint64_t size)
{
	assert_true(i < plan.count);
	assert_int_equal(plan.region[i].start, start);
	assert_int_equal(plan.region[i].size, size);
}

static void the_lowest_free_ranges_are_taken(void **state)
{
	static const struct one_to_one_range free[] = {{0x1000, 0x9e000},
		{3 * MIB + 0x1000, 125 * MIB - 0x1000}, {200 * MIB, 800 * MIB}};

	(void)state;
	assert_true(make(free, 3, 256 * MIB));
	assert_int_equal(plan.count, 3);
	expect_region(0, 0, 4 * MIB);
	expect_region(1, 4 * MIB, 124 * MIB);
	expect_region(2, 200 * MIB, 128 * MIB);
}

static void the_first_region_is_small_when_the_next_is_far_away(void **state)
{
	static const struct one_to_one_range free[] = {{512 * MIB, 512 * MIB}};

	(void)state;
	assert_true(make(free, 1, 64 * MIB));
	expect_region(0, 0, MEMORY_UNIT);
	expect_region(1, 512 * MIB, 62 * MIB);
}

static void memory_of_the_machine_where_the_vm_has_devices_is_left_out(void **state)
{
	static const struct one_to_one_range free[] = {
		{2 * GIB, GIB + 512 * MIB}, {4 * GIB, 4 * GIB}};

	(void)state;
	assert_true(make(free, 2, 2 * GIB));
	expect_region(1, 2 * GIB, GIB);
	expect_region(2, 4 * GIB, GIB - MEMORY_UNIT);
}

static void too_little_or_too_many_pieces_are_refused(void **state)
{
	struct one_to_one_range free[2 * ONE_TO_ONE_REGIONS];

	(void)state;
	free[0] = (struct one_to_one_range){2 * MIB, 62 * MIB};
	assert_true(make(free, 1, 64 * MIB));
	assert_false(make(free, 1, 66 * MIB));
	assert_false(make(free, 0, 64 * MIB));
	for (unsigned i = 0; i < 2 * ONE_TO_ONE_REGIONS; i++)
		free[i] = (struct one_to_one_range){(2 + 8 * i) * MIB, 2 * MIB};
	assert_true(make(free, 2 * ONE_TO_ONE_REGIONS, 2 * MIB * ONE_TO_ONE_REGIONS));
	assert_false(make(free, 2 * ONE_TO_ONE_REGIONS, 2 * MIB * (ONE_TO_ONE_REGIONS + 1)));
}

static bool inside(const struct one_to_one_range *free, unsigned count, unsigned region)
{
	const struct one_to_one_range *r = &plan.region[region];

	for (unsigned i = 0; i < count; i++)
		if (r->start >= free[i].start &&
			r->start + r->size <= free[i].start + free[i].size)
			return true;
	return false;
}

static void check_plan(const struct one_to_one_range *free, unsigned count, uint64_t memory)
{
	uint64_t total = 0, end = 0;

	for (unsigned i = 0; i < plan.count; i++) {
		assert_true(plan.region[i].start >= end);
		assert_true(plan.region[i].size > 0);
		assert_int_equal((plan.region[i].start | plan.region[i].size) % MEMORY_UNIT, 0);
		assert_true(i == 0 || inside(free, count, i));
		end = plan.region[i].start + plan.region[i].size;
		assert_true(end <= ONE_TO_ONE_HOLE_START ||
			    plan.region[i].start >= ONE_TO_ONE_HOLE_END);
		total += plan.region[i].size;
	}
	assert_int_equal(total, memory);
}

static void a_plan_of_any_free_ranges_lies_in_them_and_is_as_large_as_asked(void **state)
{
	uint64_t r = 1;
	unsigned made = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct one_to_one_range free[8];
		unsigned count = 1 + random_below(&r, 8);
		uint64_t at = 0, memory = (16 + random_below(&r, 600)) * MEMORY_UNIT;

		for (unsigned i = 0; i < count; i++) {
			at += random_below(&r, 600 * MIB) & ~0xfffull;
			free[i] = (struct one_to_one_range){
				at, 0x1000 + (random_below(&r, GIB) & ~0xfffull)};
			at += free[i].size + 0x1000;
		}
		if (!make(free, count, memory))
			continue;
		check_plan(free, count, memory);
		made++;
	}
	assert_true(made > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_free_ranges_are_taken),
		cmocka_unit_test(the_first_region_is_small_when_the_next_is_far_away),
		cmocka_unit_test(memory_of_the_machine_where_the_vm_has_devices_is_left_out),
		cmocka_unit_test(too_little_or_too_many_pieces_are_refused),
		cmocka_unit_test(
			a_plan_of_any_free_ranges_lies_in_them_and_is_as_large_as_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
