/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second-level tables, and what a unit's capability registers say of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "random.h"
#include "vtd/seam.h"
#include "vtd/tables.h"

#include <cmocka.h>

#define PAGE   UINT64_C(0x1000)
#define MIB    (UINT64_C(1) << 20)
#define GIB    (UINT64_C(1) << 30)
#define PAGES  256u
#define PLAIN  (UINT64_C(6) | UINT64_C(0xe) << 8 | UINT64_C(56) << 16)
#define LARGE  (UINT64_C(3) << 34)
#define QUEUED UINT64_C(2)
#define WINDOW 32u /* pages of the random test, from FIRST on */
#define FIRST  (510 * PAGE)

static _Alignas(4096) uint8_t memory[PAGES][4096];
static bool taken[PAGES];
static unsigned limit, used;
static struct vtd_tables tables;
static struct vtd_caps caps;

void *vtd_seam_page(void *pool)
{
	assert_ptr_equal(pool, memory);
	for (unsigned i = 0; i < limit; i++)
		if (!taken[i]) {
			taken[i] = true;
			used++;
			return memset(memory[i], 0, PAGE);
		}
	return NULL;
}

void vtd_seam_page_back(void *pool, void *page)
{
	unsigned i = (unsigned)(((uint8_t *)page - (uint8_t *)memory) / 4096);

	assert_ptr_equal(pool, memory);
	assert_true(taken[i]);
	taken[i] = false;
	used--;
}

/* An address that is not the pointer. */
uint64_t vtd_seam_address(const void *at)
{
	return 0x40000000 + (uint64_t)((const uint8_t *)at - (const uint8_t *)memory);
}

void *vtd_seam_pointer(uint64_t address)
{
	return (uint8_t *)memory + (address - 0x40000000);
}

void vtd_seam_write_back(const void *at, unsigned size)
{
	(void)at;
	(void)size;
	fail();
}

static void create(uint64_t cap, uint64_t ecap, unsigned levels)
{
	memset(taken, 0, sizeof(taken));
	limit = PAGES;
	used = 0;
	assert_null(vtd_caps_judge(cap, ecap | QUEUED | VTD_ECAP_C, levels, &caps));
	assert_true(vtd_tables_create(&tables, &caps, memory));
}

static void expect(uint64_t at, uint64_t where, uint64_t of_size)
{
	uint64_t host, size;

	assert_int_equal(vtd_tables_look(&tables, at, &host, &size), VTD_SL_RIGHTS);
	assert_int_equal(host, where);
	assert_int_equal(size, of_size);
}

static void expect_nothing(uint64_t at)
{
	uint64_t host, size;

	assert_int_equal(vtd_tables_look(&tables, at, &host, &size), 0);
}

static const char *map(uint64_t at, uint64_t host, uint64_t size)
{
	return vtd_tables_map(&tables, at, host, size, VTD_SL_RIGHTS);
}

static void the_largest_pages_that_fit_and_that_the_unit_has_are_used(void **state)
{
	(void)state;
	create(PLAIN | LARGE, 0, 0);
	assert_null(map(
		2 * GIB - 2 * MIB - PAGE, 6 * GIB - 2 * MIB - PAGE, GIB + 4 * MIB + 2 * PAGE));
	expect(2 * GIB - 2 * MIB - 1, 6 * GIB - 2 * MIB - 1, PAGE);
	expect(2 * GIB - 2 * MIB, 6 * GIB - 2 * MIB, 2 * MIB);
	expect(2 * GIB + 5, 6 * GIB + 5, GIB);
	expect(3 * GIB + MIB, 7 * GIB + MIB, 2 * MIB);
	expect(3 * GIB + 2 * MIB, 7 * GIB + 2 * MIB, PAGE);
	expect_nothing(3 * GIB + 2 * MIB + PAGE);
	expect_nothing(2 * GIB - 2 * MIB - PAGE - 1);
	vtd_tables_destroy(&tables);
	assert_int_equal(used, 0);

	create(PLAIN | VTD_CAP_2M, 0, 0);
	assert_null(map(0, GIB, GIB));
	expect(GIB - 1, 2 * GIB - 1, 2 * MIB);
	create(PLAIN, 0, 3);
	assert_null(map(0, GIB, 4 * MIB));
	expect(2 * MIB, GIB + 2 * MIB, PAGE);
	assert_int_equal(tables.levels, 3);
	create(PLAIN | LARGE, 0, 5);
	assert_null(map(BIT64(48), GIB, PAGE));
	expect(BIT64(48), GIB, PAGE);
	expect_nothing(0);
}

static void leaves_say_that_caches_are_looked_into_where_the_unit_can(void **state)
{
	const uint64_t *entry;

	(void)state;
	create(PLAIN | LARGE, VTD_ECAP_SC, 3);
	assert_null(map(0, GIB, GIB));
	entry = (const uint64_t *)tables.root;
	assert_int_equal(entry[0], GIB | VTD_SL_RIGHTS | VTD_SL_LARGE | VTD_SL_SNOOP);
	create(PLAIN | LARGE, 0, 3);
	assert_null(vtd_tables_map(&tables, 0, GIB, GIB, VTD_SL_READ));
	entry = (const uint64_t *)tables.root;
	assert_int_equal(entry[0], GIB | VTD_SL_READ | VTD_SL_LARGE);
}

static void what_cannot_be_mapped_is_refused_with_the_reason(void **state)
{
	(void)state;
	create(PLAIN | LARGE, 0, 3);
	assert_non_null(strstr(map(0xfee00000, GIB, PAGE), "interrupt requests"));
	assert_non_null(strstr(map(0xfed00000, GIB, 2 * MIB), "interrupt requests"));
	assert_non_null(strstr(map(0, 0xfeeff000, PAGE), "interrupt requests"));
	assert_null(map(0xfef00000, GIB, PAGE));
	assert_non_null(strstr(map(BIT64(39), GIB, PAGE), "do not reach"));
	assert_non_null(strstr(map(BIT64(39) - PAGE, GIB, 2 * PAGE), "do not reach"));
	assert_non_null(strstr(map(UINT64_MAX - PAGE + 1, GIB, PAGE), "do not reach"));
	assert_non_null(strstr(map(0, BIT64(52), PAGE), "no machine"));
	assert_non_null(strstr(map(1, GIB, PAGE), "not those of pages"));
	assert_null(map(4 * GIB, GIB, 2 * MIB));
	assert_non_null(strstr(map(4 * GIB + PAGE, GIB, PAGE), "something is mapped"));
	assert_non_null(strstr(map(4 * GIB, GIB, GIB), "something is mapped"));
	limit = used;
	assert_non_null(strstr(map(8 * GIB, GIB, PAGE), "no memory"));
	expect(4 * GIB, GIB, 2 * MIB);
}

static void a_part_of_a_larger_page_is_not_taken_away(void **state)
{
	(void)state;
	create(PLAIN | LARGE, 0, 0);
	assert_null(map(0, GIB, 4 * MIB));
	assert_false(vtd_tables_unmap(&tables, 0, PAGE));
	assert_false(vtd_tables_unmap(&tables, PAGE, 2 * MIB));
	expect(0, GIB, 2 * MIB);
	assert_true(vtd_tables_unmap(&tables, 0, 2 * MIB));
	expect_nothing(0);
	expect(2 * MIB, GIB + 2 * MIB, 2 * MIB);
	assert_true(vtd_tables_unmap(&tables, GIB, 64 * GIB));
	assert_false(vtd_tables_unmap(&tables, BIT64(47), BIT64(48)));
}

static void one_page_leaves_a_larger_one_and_what_is_beside_it_stays(void **state)
{
	uint64_t at = 2 * GIB + 5 * MIB + 3 * PAGE, from, size;

	(void)state;
	create(PLAIN | LARGE, VTD_ECAP_SC, 0);
	assert_null(map(0, 8 * GIB, 4 * GIB - 2 * GIB / 4));
	assert_true(vtd_tables_leave(&tables, at, &from, &size));
	assert_true(from == 2 * GIB && size == GIB); /* what a unit has cached */
	expect_nothing(at);
	expect_nothing(at + PAGE - 1);
	expect(at - PAGE, at - PAGE + 8 * GIB, PAGE);
	expect(at + PAGE, at + PAGE + 8 * GIB, PAGE);
	expect(2 * GIB + 2 * MIB, 10 * GIB + 2 * MIB, 2 * MIB);
	expect(3 * GIB - 1, 11 * GIB - 1, 2 * MIB);
	expect(2 * GIB - 1, 10 * GIB - 1, GIB);
	/* The next one beside it needs no other table; again changes nothing. */
	limit = used;
	assert_true(vtd_tables_leave(&tables, at + PAGE, &from, &size));
	assert_true(from == at + PAGE && size == PAGE);
	assert_true(vtd_tables_leave(&tables, at + PAGE, &from, &size));
	expect_nothing(at + PAGE);
	expect(at + 2 * PAGE, at + 2 * PAGE + 8 * GIB, PAGE);
	assert_false(vtd_tables_leave(&tables, GIB, &from, &size));
	expect(GIB, 9 * GIB, GIB);
	vtd_tables_destroy(&tables);
	assert_int_equal(used, 0);
}

/* Pages come and go, against a list of what is there. */
static void random_mappings_are_what_was_mapped(void **state)
{
	uint64_t there[WINDOW] = {0}, seed = 1;

	(void)state;
	create(PLAIN | LARGE, 0, 0);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t r = random_next(&seed);
		unsigned n = r % WINDOW;
		uint64_t host = (r >> 8 & 0xffff) * PAGE + PAGE;

		if (r >> 32 & 1) {
			assert_int_equal(
				map(FIRST + n * PAGE, host, PAGE) == NULL, there[n] == 0);
			there[n] = there[n] == 0 ? host : there[n];
		} else {
			assert_true(vtd_tables_unmap(&tables, FIRST + n * PAGE, PAGE));
			there[n] = 0;
		}
		n = r >> 40 & (WINDOW - 1);
		if (there[n] != 0)
			expect(FIRST + n * PAGE + 7, there[n] + 7, PAGE);
		else
			expect_nothing(FIRST + n * PAGE);
	}
}

static void a_unit_that_lacks_what_is_needed_is_not_used_and_the_reason_is_told(void **state)
{
	(void)state;
	assert_non_null(strstr(vtd_caps_judge(0, 0, 0, &caps), "no unit"));
	assert_non_null(strstr(vtd_caps_judge(UINT64_MAX, UINT64_MAX, 0, &caps), "no unit"));
	assert_non_null(strstr(vtd_caps_judge(PLAIN, 0, 0, &caps), "queued"));
	assert_non_null(strstr(vtd_caps_judge(PLAIN | 7, QUEUED, 0, &caps), "domains"));
	assert_non_null(
		strstr(vtd_caps_judge(PLAIN & ~UINT64_C(0xf00), QUEUED, 0, &caps), "levels"));
	assert_non_null(strstr(vtd_caps_judge(PLAIN, QUEUED, 6, &caps), "levels"));
	assert_null(vtd_caps_judge(PLAIN, QUEUED, 0, &caps));
	assert_int_equal(caps.levels, 4);
	assert_int_equal(caps.levels_most, 5);
	assert_int_equal(caps.bits, 48);
	assert_int_equal(caps.domains, 65536);
	/* fault records far away */
	assert_null(vtd_caps_judge(PLAIN | UINT64_C(0x100) << 24, QUEUED, 0, &caps));
	assert_int_equal(caps.registers_size, 0x2000);
	assert_null(vtd_caps_judge(
		(PLAIN & ~(UINT64_C(63) << 16)) | UINT64_C(38) << 16, QUEUED, 0, &caps));
	assert_int_equal(caps.bits, 39);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_pages_that_fit_and_that_the_unit_has_are_used),
		cmocka_unit_test(leaves_say_that_caches_are_looked_into_where_the_unit_can),
		cmocka_unit_test(what_cannot_be_mapped_is_refused_with_the_reason),
		cmocka_unit_test(a_part_of_a_larger_page_is_not_taken_away),
		cmocka_unit_test(one_page_leaves_a_larger_one_and_what_is_beside_it_stays),
		cmocka_unit_test(random_mappings_are_what_was_mapped),
		cmocka_unit_test(
			a_unit_that_lacks_what_is_needed_is_not_used_and_the_reason_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
