/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that firmware wants devices to reach: which regions can be, how they come together,
 * and that tables have them, nothing beside them, in as many pages as was said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "spec/addr.h"
#include "vtd/ranges.h"
#include "vtd/seam.h"

#include <cmocka.h>

#define PAGES_MAX 4096u

static uint8_t memory[PAGES_MAX][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned pages;
static struct vtd_ranges all;
static struct vtd_tables tables;

void *vtd_seam_page(void *pool)
{
	(void)pool;
	return pages < PAGES_MAX ? memset(memory[pages++], 0, PAGE_SIZE) : NULL;
}

void vtd_seam_page_back(void *pool, void *page)
{
	(void)pool;
	(void)page;
}

uint64_t vtd_seam_address(const void *at)
{
	return (uint64_t)((const uint8_t *)at - (const uint8_t *)memory) + BIT64(40);
}

void *vtd_seam_pointer(uint64_t address)
{
	return (uint8_t *)memory + (address - BIT64(40));
}

void vtd_seam_write_back(const void *at, unsigned size)
{
	(void)at;
	(void)size;
}

static void add(uint64_t first, uint64_t last)
{
	const struct dmar_region r = {.first = first, .last = last};

	assert_null(vtd_region_error(&r));
	vtd_ranges_add(&all, &r);
}

static void regions_of_whole_pages_are_taken_and_others_refused_with_the_reason(void **state)
{
	static const struct {
		uint64_t first, last;
		const char *words; /* NULL: it can be */
	} rows[] = {
		{0xbf000000, 0xbf0fffff, NULL},
		{0, 0xfff, NULL},
		{0xbf000800, 0xbf0fffff, "begin and end with pages"},
		{0xbf000000, 0xbf0ffffe, "begin and end with pages"},
		{0xbf000000, 0xbf100000, "begin and end with pages"},
		{0, UINT64_MAX, "no machine has such addresses"},
		{BIT64(52) - PAGE_SIZE, BIT64(52) - 1, NULL},
		{BIT64(52) - PAGE_SIZE, BIT64(52) + 0xfff, "no machine has such addresses"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dmar_region r = {.first = rows[i].first, .last = rows[i].last};
		const char *why = vtd_region_error(&r);

		if (rows[i].words == NULL)
			assert_null(why);
		else
			assert_non_null(strstr(why, rows[i].words));
	}
}

static void regions_that_overlap_or_touch_are_one(void **state)
{
	(void)state;
	all.count = 0;
	add(0x8000, 0x8fff);
	add(0x1000, 0x1fff);
	add(0x4000, 0x5fff);
	assert_int_equal(all.count, 3);
	add(0x4000, 0x5fff); /* said twice */
	assert_int_equal(all.count, 3);
	add(0x2000, 0x2fff); /* touches the first */
	assert_int_equal(all.count, 3);
	assert_int_equal(all.at[0].start, 0x1000);
	assert_int_equal(all.at[0].end, 0x3000);
	add(0x5000, 0x7fff); /* overlaps one and touches the next */
	assert_int_equal(all.count, 2);
	assert_int_equal(all.at[1].start, 0x4000);
	assert_int_equal(all.at[1].end, 0x9000);
	add(0, 0xffff);
	assert_int_equal(all.count, 1);
	assert_int_equal(all.at[0].end, 0x10000);
}

static bool is_in(uint64_t at)
{
	for (unsigned i = 0; i < all.count; i++)
		if (all.at[i].start <= at && at < all.at[i].end)
			return true;
	return false;
}

static void check_page(uint64_t at)
{
	uint64_t host, size, rights = vtd_tables_look(&tables, at, &host, &size);

	assert_int_equal(rights, is_in(at) ? VTD_SL_RIGHTS : 0);
	if (rights != 0)
		assert_int_equal(host, at);
}

/* As many regions as there may be, anywhere, as a unit with any kinds of pages has them. */
static void devices_reach_the_regions_and_nothing_beside_them(void **state)
{
	uint64_t seed = 4711;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct vtd_caps c = {.levels = 3 + random_below(&seed, 2),
			.large_2m = random_below(&seed, 2),
			.coherent = true};
		unsigned count = 1 + random_below(&seed, round % 10 == 0 ? DMAR_REGIONS : 6);
		uint64_t needed;

		c.bits = 12 + 9 * c.levels;
		c.large_1g = c.large_2m && random_below(&seed, 2);
		all.count = pages = 0;
		for (unsigned i = 0; i < count; i++) {
			uint64_t start = (uint64_t)random_below(&seed, 0x70000) << PAGE_SHIFT;
			uint64_t size = (uint64_t)(1 + random_below(&seed,
							       round % 10 == 0 ? 8 : 0x3000))
					<< PAGE_SHIFT;

			add(start, start + size - 1);
		}
		needed = vtd_ranges_pages(&all, &c);
		assert_true(vtd_tables_create(&tables, &c, NULL));
		assert_null(vtd_ranges_map(&all, &tables));
		assert_true(pages <= needed);
		for (unsigned i = 0; i < all.count; i++) {
			check_page(all.at[i].start);
			check_page(all.at[i].end - 1);
			check_page(all.at[i].end);
			if (all.at[i].start != 0)
				check_page(all.at[i].start - 1);
		}
		for (unsigned i = 0; i < 200; i++)
			check_page((uint64_t)random_below(&seed, 0x80000) << PAGE_SHIFT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			regions_of_whole_pages_are_taken_and_others_refused_with_the_reason),
		cmocka_unit_test(regions_that_overlap_or_touch_are_one),
		cmocka_unit_test(devices_reach_the_regions_and_nothing_beside_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
