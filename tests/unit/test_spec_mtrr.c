/* SPDX-License-Identifier: Apache-2.0 */
/* Which memory is write-back by MTRRs, against a model that asks for each page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "spec/mtrr.h"
#include "spec/paging.h"

#define MIB   (1ull << 20)
#define GIB   (1ull << 30)
#define VALID (1ull << 11)
#define ON    MTRR_DEF_TYPE_ON
#define FIX   MTRR_DEF_TYPE_FIX

static struct mtrrs m;

static int begin(void **state)
{
	(void)state;
	memset(&m, 0, sizeof(m));
	m.address_bits = 39;
	m.pairs = 10;
	m.def_type = ON | MEMTYPE_UC;
	return 0;
}

static void variable(unsigned i, uint64_t base, uint64_t size, uint8_t type)
{
	m.variable[i].base = base | type;
	m.variable[i].mask = (((1ull << 39) - 1) & ~(size - 1)) | VALID;
}

static uint64_t not_wb(uint64_t start, uint64_t size)
{
	uint64_t first;

	return mtrr_not_write_back(&m, start, size, &first);
}

static void all_is_uncacheable_while_they_are_off(void **state)
{
	uint64_t first = 1;

	(void)state;
	m.def_type = MEMTYPE_WB;
	variable(0, 0, GIB, MEMTYPE_WB);
	assert_int_equal(mtrr_not_write_back(&m, 0x1000, MIB, &first), MIB);
	assert_int_equal(first, 0x1000);
	m.def_type |= ON;
	assert_int_equal(not_wb(0x1000, MIB), 0);
}

/* As firmware of servers has it: write-back by default, a hole for devices below 4 GiB. */
static void memory_in_no_range_has_the_default_type(void **state)
{
	uint64_t first;

	(void)state;
	m.def_type = ON | MEMTYPE_WB;
	variable(0, 0x80000000, 2 * GIB, MEMTYPE_UC);
	assert_int_equal(not_wb(0, 2 * GIB), 0);
	assert_int_equal(not_wb(4 * GIB, 60 * GIB), 0);
	assert_int_equal(mtrr_not_write_back(&m, GIB, 4 * GIB, &first), 2 * GIB);
	assert_int_equal(first, 2 * GIB);
}

/* As others have it: uncacheable by default, and a range too few. */
static void memory_that_no_range_reaches_is_found(void **state)
{
	uint64_t first = 0;

	(void)state;
	variable(0, 0, 4 * GIB, MEMTYPE_WB);
	variable(1, 4 * GIB, 4 * GIB, MEMTYPE_WB);
	assert_int_equal(not_wb(0, 8 * GIB), 0);
	assert_int_equal(
		mtrr_not_write_back(&m, 4 * GIB, 4 * GIB + 512 * MIB, &first), 512 * MIB);
	assert_int_equal(first, 8 * GIB);
}

static void of_two_ranges_the_stronger_type_counts(void **state)
{
	static const struct {
		uint8_t a, b, both;
	} rows[] = {
		{6, 6, 6}, {6, 0, 0}, {0, 6, 0}, {6, 4, 4}, {4, 6, 4}, {6, 1, 0}, {5, 6, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t until;

		variable(0, 0, GIB, rows[i].a);
		variable(3, 512 * MIB, 512 * MIB, rows[i].b);
		assert_int_equal(mtrr_type(&m, 600 * MIB, &until), rows[i].both);
		assert_int_equal(until, GIB);
		assert_int_equal(mtrr_type(&m, 5 * MIB, &until), rows[i].a);
		assert_int_equal(until, 512 * MIB);
	}
}

static void below_1_mib_fixed_ranges_count_if_they_are_on(void **state)
{
	static const struct {
		uint32_t at, until;
		unsigned reg, byte;
	} rows[] = {{0, 0x10000, 0, 0}, {0x7ffff, 0x80000, 0, 7}, {0x80000, 0x84000, 1, 0},
		{0xa3fff, 0xa4000, 2, 0}, {0xbc000, 0xc0000, 2, 7}, {0xc0000, 0xc1000, 3, 0},
		{0xcf123, 0xd0000, 4, 7}, {0xff000, 0x100000, 10, 7}};

	(void)state;
	m.def_type = ON | FIX | MEMTYPE_UC;
	variable(0, 0, GIB, MEMTYPE_WB);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t until;

		memset(m.fixed, 0, sizeof(m.fixed));
		m.fixed[rows[i].reg] = 5ull << 8 * rows[i].byte;
		assert_int_equal(mtrr_type(&m, rows[i].at, &until), MEMTYPE_WP);
		assert_int_equal(until, rows[i].until);
		assert_int_equal(mtrr_type(&m, MIB, &until), MEMTYPE_WB);
	}
	m.def_type &= ~FIX;
	assert_int_equal(not_wb(0, MIB), 0);
}

/* 11.11.3: a mask with gaps maps several pieces. */
static void masks_with_gaps_match_again(void **state)
{
	(void)state;
	m.variable[0] = (struct mtrr_pair){0x8000006, 0x7fc8000000 | VALID};
	assert_int_equal(not_wb(0, 128 * MIB), 128 * MIB);
	assert_int_equal(not_wb(128 * MIB, 128 * MIB), 0);
	assert_int_equal(not_wb(384 * MIB, 128 * MIB), 0);
	assert_int_equal(not_wb(0, GIB), 512 * MIB);
}

/* A mask of firmware's that matches every other page costs no more than this. */
static void the_work_is_bounded(void **state)
{
	(void)state;
	m.variable[0] = (struct mtrr_pair){0x1006, 0x1000 | VALID};
	assert_int_equal(not_wb(0, 64 * GIB), MTRR_STEPS / 2 * 4096ull);
	assert_int_equal(not_wb(UINT64_MAX - 4095, UINT64_MAX), 0);
}

static uint8_t model(uint64_t at)
{
	int type = -1;

	for (unsigned i = 0; i < m.pairs; i++) {
		uint64_t mask = m.variable[i].mask & ~0xfffull;
		int here = (int)(m.variable[i].base & 7);

		if (!(m.variable[i].mask & VALID) || mask == 0 ||
			(at & mask) != (m.variable[i].base & mask))
			continue;
		if (type < 0 || type == here)
			type = here;
		else
			type = (type ^ here) == (4 ^ 6) && type != 0 && here != 0 ? 4 : 0;
	}
	return (uint8_t)(type < 0 ? (int)(m.def_type & 7) : type);
}

static void it_is_what_each_page_says(void **state)
{
	static const uint8_t types[] = {0, 4, 6};
	uint64_t seed = 9;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		uint64_t expected = 0, first = 0, begins = 0;

		m.def_type = ON | types[random_next(&seed) % 3];
		for (unsigned i = 0; i < m.pairs; i++) {
			uint64_t r = random_next(&seed), size = 4096ull << r % 6;

			variable(i, (r >> 8) % 256 * 4096 & ~(size - 1), size,
				types[(r >> 20) % 3]);
			if (r >> 30 & 1)
				m.variable[i].mask &= ~(1ull << (12 + (r >> 32) % 8));
			if (r >> 31 & 1)
				m.variable[i].mask &= ~VALID;
		}
		for (unsigned page = 0; page < 256; page++)
			if (model(page * 4096ull) != MEMTYPE_WB) {
				begins = expected == 0 ? page * 4096ull : begins;
				expected += 4096;
			}
		assert_int_equal(mtrr_not_write_back(&m, 0, MIB, &first), expected);
		assert_true(expected == 0 || first == begins);
	}
}

static void the_first_msr_that_differs_is_told(void **state)
{
	struct mtrrs other;

	(void)state;
	variable(1, GIB, GIB, MEMTYPE_WB);
	other = m;
	assert_int_equal(mtrr_difference(&m, &other), 0);
	other.variable[1].mask ^= VALID;
	assert_int_equal(mtrr_difference(&m, &other), 0x203);
	other.variable[1].base ^= 1;
	assert_int_equal(mtrr_difference(&m, &other), 0x202);
	other.fixed[10] = 6;
	assert_int_equal(mtrr_difference(&m, &other), 0x26f);
	other.fixed[2] = 6;
	assert_int_equal(mtrr_difference(&m, &other), 0x259);
	other.fixed[0] = 6;
	assert_int_equal(mtrr_difference(&m, &other), 0x250);
	other.def_type = 0;
	assert_int_equal(mtrr_difference(&m, &other), 0x2ff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_is_uncacheable_while_they_are_off, begin),
		cmocka_unit_test_setup(memory_in_no_range_has_the_default_type, begin),
		cmocka_unit_test_setup(memory_that_no_range_reaches_is_found, begin),
		cmocka_unit_test_setup(of_two_ranges_the_stronger_type_counts, begin),
		cmocka_unit_test_setup(below_1_mib_fixed_ranges_count_if_they_are_on, begin),
		cmocka_unit_test_setup(masks_with_gaps_match_again, begin),
		cmocka_unit_test_setup(the_work_is_bounded, begin),
		cmocka_unit_test_setup(it_is_what_each_page_says, begin),
		cmocka_unit_test_setup(the_first_msr_that_differs_is_told, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
