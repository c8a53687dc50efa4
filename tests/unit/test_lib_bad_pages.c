/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that are wrong: a set that only grows, up to its size, by several CPUs at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bad_pages.h"
#include "random.h"

#define PAGE    4096ull
#define THREADS 4u

static struct bad_pages set;

static int begin(void **state)
{
	(void)state;
	memset(&set, 0, sizeof(set));
	return 0;
}

static void a_page_is_there_once_and_stays(void **state)
{
	(void)state;
	assert_int_equal(bad_pages_count(&set), 0);
	assert_int_equal(bad_pages_add(&set, 0), BAD_PAGE_NEW); /* 0 is a page, too */
	assert_int_equal(bad_pages_add(&set, 7 * PAGE), BAD_PAGE_NEW);
	assert_int_equal(bad_pages_add(&set, 0), BAD_PAGE_KNOWN);
	assert_int_equal(bad_pages_add(&set, 7 * PAGE), BAD_PAGE_KNOWN);
	assert_int_equal(bad_pages_count(&set), 2);
}

static void when_it_is_full_it_says_so_and_keeps_what_it_has(void **state)
{
	uint64_t page;

	(void)state;
	for (uint64_t i = 0; i < BAD_PAGES; i++) {
		assert_int_equal(bad_pages_count(&set), i);
		assert_int_equal(bad_pages_add(&set, 2 * i * PAGE), BAD_PAGE_NEW);
	}
	assert_int_equal(bad_pages_add(&set, PAGE), BAD_PAGE_NO_ROOM);
	assert_int_equal(bad_pages_add(&set, 3 * PAGE), BAD_PAGE_NO_ROOM);
	assert_int_equal(bad_pages_add(&set, 2 * PAGE), BAD_PAGE_KNOWN);
	assert_int_equal(set.lost, 2);
	assert_int_equal(bad_pages_count(&set), BAD_PAGES);
	assert_false(bad_pages_next(&set, PAGE, 2 * PAGE, &page));
	assert_true(bad_pages_next(&set, 2 * (BAD_PAGES - 1) * PAGE, UINT64_MAX, &page));
	assert_int_equal(page, 2 * (BAD_PAGES - 1) * PAGE);
}

/* The lowest page of a range, whatever bytes of it are meant: against a plain search. */
static void the_lowest_page_that_a_range_meets_is_found(void **state)
{
	uint64_t seed = 11, pages[40];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		pages[i] = random_below(&seed, 300) * PAGE;
		(void)bad_pages_add(&set, pages[i]);
	}
	for (unsigned n = 0; n < 20000; n++) {
		uint64_t from = random_below(&seed, 300 * PAGE), want = UINT64_MAX, page;
		uint64_t end = from + 1 + random_below(&seed, 8 * PAGE);

		for (unsigned i = 0; i < 40; i++)
			if (pages[i] < end && pages[i] + PAGE > from && pages[i] < want)
				want = pages[i];
		assert_int_equal(bad_pages_next(&set, from, end, &page), want != UINT64_MAX);
		if (want != UINT64_MAX)
			assert_int_equal(page, want);
	}
	assert_false(bad_pages_next(&set, PAGE, PAGE, pages));
}

static unsigned added[THREADS];

static void *add_all(void *number)
{
	unsigned n = *(unsigned *)number;

	for (uint64_t i = 0; i < 600; i++)
		added[n] += bad_pages_add(&set, (i ^ n) * PAGE) == BAD_PAGE_NEW;
	return NULL;
}

/* Banks are shared: several CPUs tell of the same page. */
static void cpus_that_tell_of_the_same_pages_add_each_once(void **state)
{
	pthread_t thread[THREADS];
	unsigned number[THREADS], all = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		number[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, add_all, &number[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		all += added[i];
	}
	assert_int_equal(all, 600);
	assert_int_equal(bad_pages_count(&set), 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_page_is_there_once_and_stays, begin),
		cmocka_unit_test_setup(when_it_is_full_it_says_so_and_keeps_what_it_has, begin),
		cmocka_unit_test_setup(the_lowest_page_that_a_range_meets_is_found, begin),
		cmocka_unit_test_setup(cpus_that_tell_of_the_same_pages_add_each_once, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
