/* SPDX-License-Identifier: Apache-2.0 */
/* Free host memory: against a plain model of few pages, and in the sizes of large machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/lock.h"
#include "cpu/log.h"
#include "mm/page.h"
#include "random.h"

#define GIB   (1ull << 30)
#define TIB   (1ull << 40)
#define PAGES 256u

static bool locked;
static unsigned warnings;

void spin_lock(struct spinlock *l)
{
	(void)l;
	assert_false(locked);
	locked = true;
}

void spin_unlock(struct spinlock *l)
{
	(void)l;
	assert_true(locked);
	locked = false;
}

static char told[200];

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	(void)level;
	va_start(args, format);
	vsnprintf(told, sizeof(told), format, args);
	va_end(args);
	warnings++;
}

static int set_up(void **state)
{
	uint64_t start, size;

	(void)state;
	while (page_free_range(0, &start, &size))
		page_reserve(start, size);
	warnings = 0;
	return 0;
}

/* ---- against a model ---- */

static bool is_free[PAGES];

static void agree(void)
{
	unsigned page = 0, count = 0;
	uint64_t start, size;

	for (unsigned i = 0; page_free_range(i, &start, &size); i++) {
		for (; page < start / PAGE_SIZE; page++)
			assert_false(is_free[page]);
		assert_true(size != 0 && start % PAGE_SIZE == 0 && size % PAGE_SIZE == 0);
		for (; page < (start + size) / PAGE_SIZE; page++, count++)
			assert_true(is_free[page]);
		assert_true(page == PAGES || !is_free[page]); /* not adjacent */
	}
	for (; page < PAGES; page++)
		assert_false(is_free[page]);
	assert_int_equal(page_available(), (uint64_t)count * PAGE_SIZE);
}

static bool all_free(unsigned from, unsigned count)
{
	for (unsigned i = from; i < from + count; i++)
		if (i >= PAGES || !is_free[i])
			return false;
	return true;
}

/* The highest place, or PAGES. */
static unsigned model_place(unsigned count, unsigned align, unsigned from, unsigned limit)
{
	for (unsigned at = PAGES; at-- > from;)
		if (at % align == 0 && at + count <= limit && all_free(at, count))
			return at;
	return PAGES;
}

static void set(unsigned from, unsigned count, bool free)
{
	for (unsigned i = from; i < from + count; i++)
		is_free[i] = free;
}

static void take_some(uint64_t *seed)
{
	unsigned count = 1 + random_below(seed, 9), align = 1u << random_below(seed, 4);
	unsigned from = random_below(seed, PAGES), limit = random_below(seed, PAGES + 1);
	unsigned place = model_place(count, align, from, limit);
	struct hpa at = {0};

	assert_int_equal(page_alloc_in((uint64_t)count * PAGE_SIZE, align * PAGE_SIZE,
				 (uint64_t)from * PAGE_SIZE, (uint64_t)limit * PAGE_SIZE, &at),
		place != PAGES);
	if (place == PAGES)
		return;
	assert_int_equal(at.v, (uint64_t)place * PAGE_SIZE);
	set(place, count, false);
}

/* As much as there is: one more of these units is nowhere. */
static void take_most(uint64_t *seed)
{
	unsigned unit = 1u << random_below(seed, 4), most = unit * (1 + random_below(seed, 12));
	unsigned from = random_below(seed, PAGES), limit = random_below(seed, PAGES + 1);
	struct hpa at = {0};
	uint64_t size = page_alloc_most((uint64_t)most * PAGE_SIZE, unit * PAGE_SIZE,
		(uint64_t)from * PAGE_SIZE, (uint64_t)limit * PAGE_SIZE, &at);
	unsigned count = (unsigned)(size / PAGE_SIZE);

	assert_true(size % (unit * PAGE_SIZE) == 0 && count <= most);
	if (count < most)
		assert_int_equal(model_place(count + unit, unit, from, limit), PAGES);
	if (count == 0)
		return;
	assert_int_equal(at.v, (uint64_t)model_place(count, unit, from, limit) * PAGE_SIZE);
	set((unsigned)(at.v / PAGE_SIZE), count, false);
}

static void what_is_free_is_what_a_plain_model_says(void **state)
{
	uint64_t seed = 7;

	(void)state;
	memset(is_free, 0, sizeof(is_free));
	for (unsigned n = 0; n < 30000; n++) {
		unsigned at = random_below(&seed, PAGES), count = random_below(&seed, 24);

		count = at + count > PAGES ? PAGES - at : count;
		switch (random_below(&seed, 4)) {
		case 0:
			page_add((uint64_t)at * PAGE_SIZE, (uint64_t)count * PAGE_SIZE);
			set(at, count, true);
			break;
		case 1:
			page_reserve((uint64_t)at * PAGE_SIZE, (uint64_t)count * PAGE_SIZE);
			set(at, count, false);
			break;
		case 2:
			take_some(&seed);
			break;
		default:
			take_most(&seed);
			break;
		}
		agree();
	}
}

/* ---- in the sizes of large machines ---- */

static void sixty_four_tebibytes_in_four_thousand_pieces_are_all_there(void **state)
{
	const uint64_t each = 16 * GIB, gap = 2 * PAGE_SIZE;
	uint64_t all = 0;
	struct hpa at;

	(void)state;
	for (unsigned i = 0; i < 4096; i++) {
		page_add(i * each + gap, each - gap);
		all += each - gap;
	}
	assert_int_equal(page_available(), all);
	assert_int_equal(page_available_in(32 * TIB, UINT64_MAX), all / 2);
	/* A node's, as large as its pieces are, aligned for the largest pages. */
	assert_true(page_alloc_in(8 * GIB, SIZE_1G, 16 * TIB, 32 * TIB, &at));
	assert_int_equal(at.v, 32 * TIB - 8 * GIB);
	assert_false(page_alloc_in(16 * GIB, SIZE_2M, 16 * TIB, 32 * TIB, &at));
	assert_int_equal(page_alloc_most(TIB, SIZE_2M, 63 * TIB, PAGE_ANYWHERE, &at),
		16 * GIB - SIZE_2M);
	assert_int_equal(at.v, 64 * TIB - 16 * GIB + SIZE_2M);
	/* All of the rest, piece by piece. */
	for (uint64_t size; (size = page_alloc_most(TIB, PAGE_SIZE, 0, UINT64_MAX, &at)) != 0;)
		all -= size;
	assert_int_equal(page_available(), 0);
	assert_int_equal(all, 24 * GIB - SIZE_2M);
	assert_int_equal(warnings, 0);
}

static void pieces_that_there_is_no_room_for_are_told_of(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PAGE_MAX_RANGES; i++)
		page_add(2ull * i * PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(warnings, 0);
	page_add(2ull * PAGE_MAX_RANGES * PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(warnings, 1);
	assert_int_equal(page_available(), (uint64_t)PAGE_MAX_RANGES * PAGE_SIZE);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

static void memory_is_reserved_where_the_map_says_so_for_all_of_it_and_no_ram_is_there(
	void **state)
{
	(void)state;
	assert_false(page_is_reserved(0xbf000000, 0x1000));
	page_know_reserved(0xbf000000, 0x100000);
	page_know_reserved(0xbf180000, 0x80000);
	page_know_reserved(0xbf0c0000, 0x40000); /* in the first */
	page_know_reserved(0xbf100000, 0x80000); /* between them, last */
	page_know(0xbe000000, 0x1000000);
	page_know(0xbf1ff000, 0x1000); /* the map contradicts itself */
	assert_true(page_is_reserved(0xbf000000, 0x1000));
	assert_true(page_is_reserved(0xbf000000, 0x1ff000));
	assert_false(page_is_reserved(0xbf000000, 0x200000));
	assert_false(page_is_reserved(0xbefff000, 0x2000));
	assert_false(page_is_reserved(0xbf200000, 0x1000));
	assert_false(page_is_reserved(0xbf000000, 0));
	assert_false(page_is_reserved(0xbf000000, UINT64_MAX));
}

/* Whether it is free when that is told, somebody's then, or comes at the start. */
static void memory_that_is_wrong_is_given_to_nobody(void **state)
{
	uint64_t start, size;
	struct hpa at, had;

	(void)state;
	memset(&bad_memory, 0, sizeof(bad_memory));
	page_add(GIB, 8 * PAGE_SIZE);
	assert_true(page_alloc(2 * PAGE_SIZE, PAGE_SIZE, PAGE_ANYWHERE, &had)); /* 6, 7 */
	bad_memory_note(GIB + 2 * PAGE_SIZE);
	bad_memory_note(GIB + 6 * PAGE_SIZE);
	assert_false(page_alloc(4 * PAGE_SIZE, PAGE_SIZE, PAGE_ANYWHERE, &at));
	assert_int_equal(page_available(), 5 * PAGE_SIZE);
	page_free(had, 2 * PAGE_SIZE);
	assert_int_equal(page_available(), 6 * PAGE_SIZE);
	page_add(GIB, 4 * PAGE_SIZE); /* told again */
	assert_true(page_free_range(0, &start, &size));
	assert_true(start == GIB && size == 2 * PAGE_SIZE);
	while (page_alloc(PAGE_SIZE, PAGE_SIZE, PAGE_ANYWHERE, &at))
		assert_false(bad_memory_in(at.v, PAGE_SIZE));
	assert_int_equal(page_available(), 0);
	memset(&bad_memory, 0, sizeof(bad_memory));
}

static bool is_told_as_own(uint64_t page)
{
	bad_memory_note(page);
	assert_non_null(strstr(told, " is wrong, and "));
	return strstr(told, "Nestor's own") != NULL && strstr(told, "out of use") == NULL;
}

static void a_page_of_the_image_is_not_said_to_be_out_of_use(void **state)
{
	(void)state;
	memset(&bad_memory, 0, sizeof(bad_memory));
	assert_false(is_told_as_own(0));        /* before anybody said what the image is */
	bad_memory_own(GIB + 0x800, PAGE_SIZE); /* it ends in the next page */
	assert_false(is_told_as_own(GIB - PAGE_SIZE));
	assert_true(is_told_as_own(GIB));
	assert_true(is_told_as_own(GIB + PAGE_SIZE));
	assert_false(is_told_as_own(GIB + 2 * PAGE_SIZE));
	assert_non_null(strstr(told, ": 3 pages"));
	memset(&bad_memory, 0, sizeof(bad_memory));
}

/* A machine of 64 TiB with as many as can be told of, one in each 64 GiB. */
static void the_pieces_between_pages_that_are_wrong_are_as_large_as_can_be(void **state)
{
	struct hpa at;

	(void)state;
	page_add(0, 64 * TIB);
	for (uint64_t i = 0; i < BAD_PAGES; i++)
		bad_memory_note(i * 64 * GIB + 5 * PAGE_SIZE);
	assert_int_equal(page_available(), 64 * TIB - BAD_PAGES * PAGE_SIZE);
	assert_int_equal(page_alloc_most(UINT64_MAX & ~(2 * (GIB >> 10) - 1), GIB >> 9, 0,
				 PAGE_ANYWHERE, &at),
		64 * GIB - (GIB >> 9));
	assert_int_equal(warnings, BAD_PAGES); /* the lines that tell of them */
	memset(&bad_memory, 0, sizeof(bad_memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(memory_that_is_wrong_is_given_to_nobody, set_up),
		cmocka_unit_test_setup(
			a_page_of_the_image_is_not_said_to_be_out_of_use, set_up),
		cmocka_unit_test_setup(
			the_pieces_between_pages_that_are_wrong_are_as_large_as_can_be, set_up),
		TEST(what_is_free_is_what_a_plain_model_says),
		TEST(sixty_four_tebibytes_in_four_thousand_pieces_are_all_there),
		TEST(pieces_that_there_is_no_room_for_are_told_of),
		cmocka_unit_test(
			memory_is_reserved_where_the_map_says_so_for_all_of_it_and_no_ram_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
