/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breakpoints of a debugger beside the guest's own: which register has which, and whose a debug
 * exception is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "emul/breakpoint.h"
#include "emul/debugger.h"
#include "spec/regs.h"

#define L2_A 0x1234501eull
#define L2_B 0x5432101eull

static const uint64_t guest_dr[4] = {0x1110, 0x2220, 0x3330, 0x4440};
static const struct debugger_place in_l1 = {.level = 1};
static const struct debugger_place in_l2 = {.level = 2, .l2 = L2_A};

static struct debugger_points points;

static int begin(void **state)
{
	(void)state;
	memset(&points, 0, sizeof(points));
	return 0;
}

static void set(unsigned n, uint64_t at, enum debugger_on on, unsigned size)
{
	points.p[n] = (struct debugger_point){
		.at = at, .on = (uint8_t)on, .size = (uint8_t)size, .level = 0};
}

/* Four of different kinds. */
static void set_all(void)
{
	set(0, 0xffffffff81000001, DEBUGGER_EXECUTE, 1);
	set(1, 0x7000, DEBUGGER_WRITE, 2);
	set(2, 0x8004, DEBUGGER_ACCESS, 4);
	set(3, 0x9008, DEBUGGER_WRITE, 8);
}

static unsigned bits_in(unsigned v)
{
	return (unsigned)__builtin_popcount(v);
}

/* A DR7 of a guest that has enabled these registers, by L, G or both, as data breakpoints. */
static uint64_t guest_dr7(unsigned enabled, unsigned how)
{
	uint64_t dr7 = DR7_RESET | 0x300;

	for (unsigned i = 0; i < 4; i++)
		dr7 |= DR7_KIND(i, 0xf) | (enabled >> i & 1 ? (uint64_t)how << 2 * i : 0);
	return dr7;
}

/* Of one register. */
static uint64_t part(uint64_t dr7, unsigned n)
{
	return dr7 & (DR7_ENABLE(n) | DR7_KIND(n, 15));
}

static void check_plan(const struct debugger_plan *plan, unsigned enabled, uint64_t dr7)
{
	unsigned taken = 0;

	for (unsigned n = 0; n < 4; n++) {
		if (plan->owner[n] == 0) {
			assert_true(plan->dr[n] == guest_dr[n]);
			assert_true(part(plan->dr7, n) == part(dr7, n));
			continue;
		}
		taken++;
		assert_false(enabled >> n & 1);
		assert_true(plan->dr[n] == points.p[plan->owner[n] - 1].at);
		assert_true(plan->dr7 & DR7_ENABLE(n));
	}
	assert_int_equal(plan->taken, taken);
	assert_true((plan->dr7 & (DR7_RESET | 0x300)) == (dr7 & (DR7_RESET | 0x300)));
	assert_false(plan->dr7 & DR7_GD);
	assert_true(plan->dr7 >> 32 == 0);
}

static void the_guest_keeps_what_it_has_enabled_and_the_debugger_gets_the_rest(void **state)
{
	(void)state;
	for (unsigned enabled = 0; enabled < 16; enabled++)
		for (unsigned how = 1; how < 4; how++)
			for (unsigned wanted = 0; wanted < 16; wanted++) {
				uint64_t dr7 = guest_dr7(enabled, how) | DR7_GD;
				unsigned free = 4 - bits_in(enabled), n = bits_in(wanted);
				struct debugger_plan plan;

				set_all();
				for (unsigned i = 0; i < 4; i++)
					points.p[i].size *= wanted >> i & 1;
				plan = debugger_make(&points, &in_l1, guest_dr, dr7);
				check_plan(&plan, enabled, dr7);
				assert_int_equal(plan.taken, n < free ? n : free);
				assert_int_equal(bits_in(plan.missing), n - plan.taken);
				assert_int_equal(plan.missing & ~wanted, 0);
			}
}

static void each_kind_and_size_has_its_field_of_dr7(void **state)
{
	static const struct {
		enum debugger_on on;
		unsigned size, field;
	} rows[] = {
		{DEBUGGER_EXECUTE, 1, 0x0},
		{DEBUGGER_WRITE, 1, 0x1},
		{DEBUGGER_WRITE, 2, 0x5},
		{DEBUGGER_WRITE, 4, 0xd},
		{DEBUGGER_WRITE, 8, 0x9},
		{DEBUGGER_ACCESS, 1, 0x3},
		{DEBUGGER_ACCESS, 8, 0xb},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct debugger_plan plan;

		set(0, 0x1000, rows[i].on, rows[i].size);
		plan = debugger_make(&points, &in_l1, guest_dr, DR7_RESET);
		assert_true(
			plan.dr7 == (DR7_RESET | DR7_GLOBAL(0) | DR7_KIND(0, rows[i].field)));
	}
}

static void a_breakpoint_counts_at_its_level_and_in_its_l2(void **state)
{
	static const struct {
		unsigned level;
		uint64_t l2;
		bool at_l1, at_a, at_b;
	} rows[] = {
		{0, 0, true, true, true},
		{1, 0, true, false, false},
		{2, 0, false, true, true},
		{2, L2_A, false, true, false},
		{2, L2_B, false, false, true},
	};
	const struct debugger_place in_b = {.level = 2, .l2 = L2_B};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set(2, 0x1000, DEBUGGER_EXECUTE, 1);
		points.p[2].level = (uint8_t)rows[i].level;
		points.p[2].l2 = rows[i].l2;
		assert_int_equal(
			debugger_make(&points, &in_l1, guest_dr, 0).taken, rows[i].at_l1);
		assert_int_equal(
			debugger_make(&points, &in_l2, guest_dr, 0).taken, rows[i].at_a);
		assert_int_equal(
			debugger_make(&points, &in_b, guest_dr, 0).taken, rows[i].at_b);
	}
}

static void only_the_instruction_that_is_gone_on_behind_is_left_out(void **state)
{
	const struct debugger_place behind = {.level = 1, .skips = true, .skip = 0x1000};

	(void)state;
	set(0, 0x1000, DEBUGGER_EXECUTE, 1);
	set(1, 0x1001, DEBUGGER_EXECUTE, 1);
	set(2, 0x1000, DEBUGGER_WRITE, 1);
	assert_int_equal(debugger_make(&points, &behind, guest_dr, 0).taken, 2);
	assert_int_equal(debugger_make(&points, &in_l1, guest_dr, 0).taken, 3);
}

/* Every set of conditions, for every plan. */
static void a_debug_exception_is_divided_without_rest(void **state)
{
	static const uint64_t others[] = {0, DR6_BD, DR6_BS, PENDING_DBG_ENABLED,
		PENDING_DBG_ENABLED | PENDING_DBG_BS, PENDING_DBG_RTM};

	(void)state;
	set_all();
	for (unsigned enabled = 0; enabled < 16; enabled++)
		for (unsigned met = 0; met < 16; met++)
			for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
				uint64_t dr7 = guest_dr7(enabled, 2);
				struct debugger_plan plan =
					debugger_make(&points, &in_l2, guest_dr, dr7);
				struct debugger_split s =
					debugger_divide(&plan, dr7, met | others[i]);
				unsigned its = met & ~enabled;
				bool guest = met & enabled || others[i] & (DR6_BD | DR6_BS);

				assert_int_equal(bits_in(s.hits), bits_in(its));
				if (its == 0)
					assert_true(s.guest == (met | others[i]));
				else if (!guest)
					assert_true(s.guest == 0);
				else
					assert_true((s.guest & (15 | DR6_BD | DR6_BS)) ==
						    ((met & enabled) |
							    (others[i] & (DR6_BD | DR6_BS))));
				if (its != 0 && !(met & enabled))
					assert_false(s.guest & PENDING_DBG_ENABLED);
			}
}

static void what_the_guest_has_not_enabled_is_not_an_exception_of_its_own(void **state)
{
	struct debugger_plan plan;
	struct debugger_split s;

	(void)state;
	set(3, 0x7000, DEBUGGER_WRITE, 2);
	plan = debugger_make(&points, &in_l1, guest_dr, DR7_RESET);
	assert_int_equal(plan.owner[0], 4);
	s = debugger_divide(&plan, DR7_RESET, 0x3 | PENDING_DBG_ENABLED);
	assert_int_equal(s.hits, 1 << 3);
	assert_true(s.guest == 0);
	/* with a single step it is told, as the processor would */
	s = debugger_divide(&plan, DR7_RESET, 0x3 | PENDING_DBG_BS);
	assert_true(s.guest == (0x2 | PENDING_DBG_BS));
}

static void a_breakpoint_has_a_size_that_its_address_is_a_multiple_of(void **state)
{
	(void)state;
	for (unsigned on = 0; on < 4; on++)
		for (unsigned size = 0; size < 10; size++)
			for (uint64_t at = 0; at < 16; at++) {
				struct debugger_point p = {
					.at = at, .on = (uint8_t)on, .size = (uint8_t)size};
				bool good = size == 1 || size == 2 || size == 4 || size == 8;

				good = good && at % size == 0 &&
				       (on != DEBUGGER_EXECUTE || size == 1);
				assert_int_equal(debugger_valid(&p), good);
			}
}

static void two_are_the_same_when_all_is(void **state)
{
	const struct debugger_point a = {
		.at = 8, .l2 = L2_A, .on = DEBUGGER_WRITE, .size = 4, .level = 2};
	struct debugger_point b[5] = {a, a, a, a, a};

	(void)state;
	assert_true(debugger_same(&a, &b[0]));
	b[0].at = 12;
	b[1].l2 = 0;
	b[2].on = DEBUGGER_ACCESS;
	b[3].size = 8;
	b[4].level = 0;
	for (unsigned i = 0; i < 5; i++)
		assert_false(debugger_same(&a, &b[i]));
}

static void an_access_that_l0_makes_meets_data_breakpoints_of_the_place(void **state)
{
	(void)state;
	set_all();
	points.p[2].level = 2;
	assert_int_equal(debugger_meets(&points, &in_l2, 0x8007, 1, WATCH_READ), 1 << 2);
	assert_int_equal(debugger_meets(&points, &in_l1, 0x8007, 1, WATCH_READ), 0);
	assert_int_equal(debugger_meets(&points, &in_l2, 0x7000, 8, WATCH_WRITE), 1 << 1);
	assert_int_equal(debugger_meets(&points, &in_l2, 0x7000, 8, WATCH_READ), 0);
	assert_int_equal(
		debugger_meets(&points, &in_l2, 0xffffffff81000000, 8, WATCH_WRITE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			the_guest_keeps_what_it_has_enabled_and_the_debugger_gets_the_rest,
			begin),
		cmocka_unit_test_setup(each_kind_and_size_has_its_field_of_dr7, begin),
		cmocka_unit_test_setup(a_breakpoint_counts_at_its_level_and_in_its_l2, begin),
		cmocka_unit_test_setup(
			only_the_instruction_that_is_gone_on_behind_is_left_out, begin),
		cmocka_unit_test_setup(a_debug_exception_is_divided_without_rest, begin),
		cmocka_unit_test_setup(
			what_the_guest_has_not_enabled_is_not_an_exception_of_its_own, begin),
		cmocka_unit_test(a_breakpoint_has_a_size_that_its_address_is_a_multiple_of),
		cmocka_unit_test(two_are_the_same_when_all_is),
		cmocka_unit_test_setup(
			an_access_that_l0_makes_meets_data_breakpoints_of_the_place, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
