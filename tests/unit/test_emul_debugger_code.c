/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Soft breakpoints of a debugger: their set, which page of code is what, what fits into debug
 * registers; and the EPT in which code becomes executable page by page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emul/debugger_code.h"
#include "emul/debugger_view.h"
#include "random.h"
#include "spec/regs.h"

#define L2_A 0x1234501eull
#define TEXT 0xffffffff81000000ull

static const uint64_t no_dr[4];
static const struct debugger_place in_l1 = {.level = 1};
static const struct debugger_place in_l2 = {.level = 2, .l2 = L2_A};

static struct debugger_code code;
static struct debugger_frames frames;

static int begin(void **state)
{
	(void)state;
	memset(&code, 0, sizeof(code));
	debugger_frames_forget(&frames);
	return 0;
}

static struct debugger_point point(uint64_t at, unsigned level)
{
	return (struct debugger_point){.at = at, .size = 1, .level = (uint8_t)level};
}

static bool add(uint64_t at, unsigned level)
{
	struct debugger_point p = point(at, level);

	return debugger_code_add(&code, &p);
}

static bool take(uint64_t at, unsigned level)
{
	struct debugger_point p = point(at, level);

	return debugger_code_remove(&code, &p);
}

/* ---- the set ---- */

static void check_order(void)
{
	for (unsigned i = 1; i < code.count; i++)
		assert_true(code.p[i - 1].at <= code.p[i].at);
}

static void test_each_is_there_once_and_only_where_it_counts(void **state)
{
	struct debugger_point only = point(TEXT + 8, 0);

	(void)state;
	only.l2 = L2_A ^ 0x1000;
	assert_true(add(TEXT + 8, 1) && add(TEXT + 8, 1) && add(TEXT, 0) && add(TEXT + 16, 2));
	assert_true(debugger_code_add(&code, &only));
	assert_int_equal(code.count, 4);
	check_order();
	assert_int_equal(debugger_code_at(&code, &in_l1, TEXT + 8)->level, 1);
	assert_null(debugger_code_at(&code, &in_l2, TEXT + 8));
	assert_non_null(debugger_code_at(&code, &in_l2, TEXT));
	assert_non_null(debugger_code_at(&code, &in_l2, TEXT + 16));
	assert_null(debugger_code_at(&code, &in_l1, TEXT + 16));
	assert_null(debugger_code_at(&code, &in_l1, TEXT + 7));
}

static void test_the_one_that_a_vcpu_goes_on_behind_is_not_met(void **state)
{
	struct debugger_place behind = {.level = 1, .skips = true, .skip = TEXT};

	(void)state;
	assert_true(add(TEXT, 0) && add(TEXT + 1, 0));
	assert_null(debugger_code_at(&code, &behind, TEXT));
	assert_non_null(debugger_code_at(&code, &behind, TEXT + 1));
}

static void test_what_is_removed_is_gone_whatever_l2_it_is_for(void **state)
{
	struct debugger_point only = point(TEXT, 2);

	(void)state;
	only.l2 = L2_A;
	assert_true(debugger_code_add(&code, &only) && add(TEXT, 2) && add(TEXT, 1));
	assert_true(take(TEXT, 2));
	assert_int_equal(code.count, 1);
	assert_false(take(TEXT, 2) || take(TEXT + 1, 1));
	assert_true(take(TEXT, 1));
	assert_int_equal(code.count, 0);
}

static void test_there_are_so_many_and_no_more(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DEBUGGER_CODE; i++)
		assert_true(add(TEXT + (uint64_t)i * 77 % DEBUGGER_CODE, 0));
	assert_int_equal(code.count, DEBUGGER_CODE);
	check_order();
	assert_false(add(TEXT + DEBUGGER_CODE, 0));
	assert_true(add(TEXT, 0)); /* that is there */
	assert_true(take(TEXT + 3, 0) && add(TEXT + DEBUGGER_CODE, 0));
}

/* Against a plain list. */
static void test_random_sets_are_what_was_put_into_them(void **state)
{
	bool there[64] = {false};
	uint64_t seed = 11;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t r = random_next(&seed), at = r >> 8 & 63;

		if (r & 1) {
			assert_true(add(TEXT + at, 1));
			there[at] = true;
		} else {
			assert_int_equal(take(TEXT + at, 1), there[at]);
			there[at] = false;
		}
		check_order();
		at = r >> 16 & 63;
		assert_int_equal(debugger_code_at(&code, &in_l1, TEXT + at) != NULL, there[at]);
	}
}

/* ---- pages ---- */

static void test_a_page_is_plain_when_nothing_in_it_counts(void **state)
{
	(void)state;
	assert_true(add(TEXT + 0x10, 2));
	assert_int_equal(
		debugger_code_page(&code, &frames, &in_l1, false, TEXT + 0xfff, 0x5000),
		DEBUGGER_PAGE_PLAIN);
	assert_int_equal(
		debugger_code_page(&code, &frames, &in_l2, false, TEXT + 0xfff, 0x5000),
		DEBUGGER_PAGE_POINTS);
	assert_int_equal(
		debugger_code_page(&code, &frames, &in_l2, false, TEXT + 0x1000, 0x6000),
		DEBUGGER_PAGE_PLAIN);
	/* L1 and L2 on the same EPT */
	assert_int_equal(debugger_code_page(&code, &frames, &in_l1, true, TEXT, 0x5000),
		DEBUGGER_PAGE_POINTS);
}

static void test_memory_with_a_breakpoint_at_another_address_is_an_alias(void **state)
{
	(void)state;
	assert_true(add(TEXT + 0x10, 1));
	assert_int_equal(debugger_code_page(&code, &frames, &in_l1, false, 0x400000, 0x5000),
		DEBUGGER_PAGE_PLAIN);
	(void)debugger_code_page(&code, &frames, &in_l1, false, TEXT, 0x5000);
	assert_int_equal(debugger_code_page(&code, &frames, &in_l1, false, 0x400000, 0x5000),
		DEBUGGER_PAGE_ALIAS);
	assert_int_equal(debugger_code_page(&code, &frames, &in_l2, false, 0x400000, 0x5000),
		DEBUGGER_PAGE_PLAIN);
	/* it is found elsewhere */
	(void)debugger_code_page(&code, &frames, &in_l1, false, TEXT, 0x7000);
	assert_int_equal(debugger_code_page(&code, &frames, &in_l1, false, 0x400000, 0x5000),
		DEBUGGER_PAGE_PLAIN);
	/* two of its addresses have breakpoints */
	assert_true(add(0x400010, 1));
	debugger_frames_forget(&frames);
	(void)debugger_code_page(&code, &frames, &in_l1, false, TEXT, 0x5000);
	assert_int_equal(debugger_code_page(&code, &frames, &in_l1, false, 0x400000, 0x5000),
		DEBUGGER_PAGE_ALIAS);
	assert_int_equal(debugger_code_page(&code, &frames, &in_l1, false, TEXT, 0x5000),
		DEBUGGER_PAGE_ALIAS);
}

/* ---- registers ---- */

static void test_registers_get_those_of_the_page_as_far_as_they_do(void **state)
{
	struct debugger_points out = {.p = {{.size = 0}}};
	uint8_t added;

	(void)state;
	out.p[1] = (struct debugger_point){.at = 0x9000, .on = DEBUGGER_WRITE, .size = 8};
	for (unsigned i = 0; i < 3; i++)
		assert_true(
			add(TEXT + i, 0) && add(TEXT + 0x1000 + i, 1) && add(TEXT - 1 - i, 2));
	assert_true(add(TEXT + 0x1ffe, 2) && add(TEXT + 0x2000, 1));
	assert_true(debugger_code_arrange(
		&code, &in_l1, DEBUGGER_OF_PAGE, TEXT + 0x1000, &out, &added));
	assert_int_equal(added, 0xd); /* not what has its place already */
	assert_true(out.p[0].at == TEXT + 0x1000 && out.p[1].at == 0x9000 &&
		    out.p[2].at == TEXT + 0x1001 && out.p[3].at == TEXT + 0x1002);
	assert_int_equal(debugger_make(&out, &in_l1, no_dr, 0).missing, 0);
	assert_int_equal(debugger_make(&out, &in_l1, no_dr, DR7_ENABLE(2)).missing, 8);
}

static void test_what_does_not_fit_is_told(void **state)
{
	struct debugger_points out = {.p = {{.size = 0}}};
	uint8_t added;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(add(TEXT + i, i < 4 ? 0 : 2));
	assert_true(debugger_code_arrange(&code, &in_l1, DEBUGGER_ALL, 0, &out, &added));
	out = (struct debugger_points){.p = {{.size = 0}}};
	assert_false(debugger_code_arrange(&code, &in_l2, DEBUGGER_ALL, 0, &out, &added));
	out = (struct debugger_points){.p = {{.size = 0}}};
	assert_false(
		debugger_code_arrange(&code, &in_l2, DEBUGGER_OF_PAGE, TEXT, &out, &added));
	out = (struct debugger_points){.p = {{.size = 0}}};
	assert_true(debugger_code_arrange(&code, &in_l2, DEBUGGER_NONE, TEXT, &out, &added));
	assert_int_equal(added, 0);
}

/* ---- the EPT ---- */

#define TABLES 12u

static struct debugger_view view;

static int make_view(void **state)
{
	(void)state;
	view = (struct debugger_view){.count = TABLES};
	for (unsigned i = 0; i < TABLES; i++) {
		view.table[i] = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
		memset(view.table[i], 0xa5, PAGE_SIZE); /* tables need not be empty */
		view.hpa[i] = 0x70000000 + i * 0x3000ull;
	}
	debugger_view_empty(&view);
	return 0;
}

static int free_view(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TABLES; i++)
		free(view.table[i]);
	return 0;
}

/* As hardware walks it: the leaf, or 0. */
static uint64_t leaf(uint64_t gpa, uint64_t *hpa)
{
	uint64_t *table = view.table[0];

	for (unsigned shift = 39;; shift -= 9) {
		uint64_t entry = table[gpa >> shift & 511];
		unsigned i = 0;

		if (!(entry & EPT_RWX))
			return 0;
		if (shift == 12 || entry & EPT_LARGE) {
			*hpa = (entry & EPT_ADDRESS) | (gpa & ((1ull << shift) - 1));
			assert_true((entry & EPT_ADDRESS & ((1ull << shift) - 1)) == 0);
			return entry;
		}
		while (view.hpa[i] != (entry & EPT_ADDRESS))
			assert_true(++i < view.used);
		table = view.table[i];
	}
}

static bool map(uint64_t gpa, uint64_t entry, unsigned shift)
{
	return debugger_view_map(&view, (struct gpa_l1){gpa}, entry, shift);
}

#define WB EPT_TYPE(MEMTYPE_WB)

static void test_data_is_mapped_large_and_code_by_small_pages(void **state)
{
	uint64_t entry = 0x80000000 | WB | EPT_RWX | EPT_LARGE, hpa;

	(void)state;
	assert_false(map(0x40234567, entry & ~EPT_EXEC, 30));
	assert_int_equal(
		leaf(0x40234567, &hpa), 0x80200000 | WB | EPT_READ | EPT_WRITE | EPT_LARGE);
	assert_int_equal(hpa, 0x80234567);
	assert_true(map(0x40234567, entry, 30)); /* the large page goes */
	assert_int_equal(leaf(0x40234567, &hpa), 0x80234000 | WB | EPT_RWX);
	assert_int_equal(leaf(0x40235567, &hpa), 0x80235000 | WB | EPT_READ | EPT_WRITE);
	assert_int_equal(leaf(0x40400000, &hpa), 0);
	/* what is there by small pages stays so, and executable */
	assert_false(map(0x40234567, entry & ~EPT_EXEC, 30));
	assert_int_equal(leaf(0x40234567, &hpa), 0x80234000 | WB | EPT_RWX);
}

static void test_a_page_that_is_closed_is_not_executable(void **state)
{
	uint64_t hpa;

	(void)state;
	assert_false(debugger_view_close(&view, (struct gpa_l1){0x5000}));
	assert_false(map(0x5123, 0x9000 | WB | EPT_RWX | EPT_DIRTY | EPT_ACCESSED, 12));
	assert_int_equal(leaf(0x5123, &hpa), 0x9000 | WB | EPT_RWX);
	assert_true(debugger_view_close(&view, (struct gpa_l1){0x5fff}));
	assert_int_equal(leaf(0x5123, &hpa), 0x9000 | WB | EPT_READ | EPT_WRITE);
	assert_false(debugger_view_close(&view, (struct gpa_l1){0x5000}));
	assert_false(debugger_view_close(&view, (struct gpa_l1){0x6000}));
}

static void test_a_right_that_goes_and_another_page_are_told(void **state)
{
	uint64_t hpa;

	(void)state;
	assert_false(map(0x5000, 0x9000 | WB | EPT_READ, 12));
	assert_false(map(0x5000, 0x9000 | WB | EPT_RWX, 12));
	assert_true(map(0x5000, 0x9000 | WB | EPT_READ, 12));
	assert_int_equal(leaf(0x5000, &hpa), 0x9000 | WB | EPT_READ | EPT_EXEC);
	assert_true(map(0x5000, 0xa000 | WB | EPT_READ | EPT_WRITE, 12)); /* not its code */
	assert_int_equal(leaf(0x5000, &hpa), 0xa000 | WB | EPT_READ | EPT_WRITE);
}

/* Whatever is mapped, in few tables: what was mapped last is there, and nothing else. */
static void test_a_view_without_tables_begins_anew(void **state)
{
	uint64_t seed = 5, hpa;
	unsigned emptied = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t r = random_next(&seed);
		uint64_t gpa = (r & 0xffffffff) | (r >> 33 & 3) << 39;
		unsigned shift = r >> 40 & 1 ? 21 : 12;
		uint64_t base = gpa & ~((1ull << shift) - 1), exec = r >> 41 & 1 ? EPT_EXEC : 0;

		emptied += map(gpa, base | WB | EPT_READ | EPT_WRITE | exec, shift);
		assert_true(view.used <= view.count);
		assert_true((leaf(gpa, &hpa) & (exec | EPT_READ)) == (exec | EPT_READ));
		assert_true(hpa == gpa);
		gpa ^= r >> 44;
		assert_true(leaf(gpa, &hpa) == 0 || hpa == gpa);
	}
	assert_true(emptied > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_is_there_once_and_only_where_it_counts, begin),
		cmocka_unit_test_setup(
			test_the_one_that_a_vcpu_goes_on_behind_is_not_met, begin),
		cmocka_unit_test_setup(
			test_what_is_removed_is_gone_whatever_l2_it_is_for, begin),
		cmocka_unit_test_setup(test_there_are_so_many_and_no_more, begin),
		cmocka_unit_test_setup(test_random_sets_are_what_was_put_into_them, begin),
		cmocka_unit_test_setup(test_a_page_is_plain_when_nothing_in_it_counts, begin),
		cmocka_unit_test_setup(
			test_memory_with_a_breakpoint_at_another_address_is_an_alias, begin),
		cmocka_unit_test_setup(
			test_registers_get_those_of_the_page_as_far_as_they_do, begin),
		cmocka_unit_test_setup(test_what_does_not_fit_is_told, begin),
		cmocka_unit_test_setup_teardown(
			test_data_is_mapped_large_and_code_by_small_pages, make_view,
			free_view),
		cmocka_unit_test_setup_teardown(
			test_a_page_that_is_closed_is_not_executable, make_view, free_view),
		cmocka_unit_test_setup_teardown(
			test_a_right_that_goes_and_another_page_are_told, make_view, free_view),
		cmocka_unit_test_setup_teardown(
			test_a_view_without_tables_begins_anew, make_view, free_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
