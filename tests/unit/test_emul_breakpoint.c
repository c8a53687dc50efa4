/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which breakpoints an access meets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emul/breakpoint.h"
#include "spec/regs.h"

#define RW(n, rw)   ((uint64_t)(rw) << (16 + 4 * (n)))
#define LEN(n, len) ((uint64_t)(len) << (18 + 4 * (n)))
#define L(n)        (1ull << 2 * (n))
#define G(n)        (2ull << 2 * (n))

enum {
	EXECUTE,
	WRITE,
	IO,
	READ_WRITE
};

static const uint64_t dr[4] = {0x1000, 0x2002, 0x3004, UINT64_MAX};

static void each_kind_of_access_meets_its_own_breakpoints(void **state)
{
	static const struct {
		unsigned rw;
		enum emul_watch watch;
		bool hit;
	} rows[] = {
		{EXECUTE, WATCH_READ, false},
		{EXECUTE, WATCH_WRITE, false},
		{EXECUTE, WATCH_IO, false},
		{WRITE, WATCH_READ, false},
		{WRITE, WATCH_WRITE, true},
		{WRITE, WATCH_IO, false},
		{IO, WATCH_READ, false},
		{IO, WATCH_WRITE, false},
		{IO, WATCH_IO, true},
		{READ_WRITE, WATCH_READ, true},
		{READ_WRITE, WATCH_WRITE, true},
		{READ_WRITE, WATCH_IO, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t hits = emul_breakpoints(
			L(0) | RW(0, rows[i].rw), dr, 0x1000, 1, rows[i].watch);

		assert_int_equal(hits, rows[i].hit ? PENDING_DBG_ENABLED | 1 : 0);
	}
}

static void an_access_that_overlaps_meets_it(void **state)
{
	uint64_t dr7 = G(0) | RW(0, WRITE) | LEN(0, 3);

	(void)state;
	assert_int_equal(emul_breakpoints(dr7, dr, 0xffc, 4, WATCH_WRITE), 0);
	assert_int_not_equal(emul_breakpoints(dr7, dr, 0xffd, 4, WATCH_WRITE), 0);
	assert_int_not_equal(emul_breakpoints(dr7, dr, 0x1003, 8, WATCH_WRITE), 0);
	assert_int_equal(emul_breakpoints(dr7, dr, 0x1004, 1, WATCH_WRITE), 0);
	dr7 = G(0) | RW(0, WRITE) | LEN(0, 2); /* 8 bytes */
	assert_int_not_equal(emul_breakpoints(dr7, dr, 0x1007, 1, WATCH_WRITE), 0);
	assert_int_equal(emul_breakpoints(dr7, dr, 0x1008, 1, WATCH_WRITE), 0);
}

static void the_address_is_aligned_to_the_length(void **state)
{
	uint64_t dr7 = L(1) | RW(1, WRITE) | LEN(1, 3);

	(void)state;
	assert_int_equal(
		emul_breakpoints(dr7, dr, 0x2000, 1, WATCH_WRITE), PENDING_DBG_ENABLED | 2);
	assert_int_equal(emul_breakpoints(dr7, dr, 0x2004, 1, WATCH_WRITE), 0);
}

static void disabled_ones_are_told_beside_an_enabled_one_only(void **state)
{
	const uint64_t same[4] = {0x1000, 0x1000, 0x1000, 0x5000};
	uint64_t dr7 = RW(0, WRITE) | RW(1, READ_WRITE) | RW(2, READ_WRITE) | RW(3, WRITE);

	(void)state;
	assert_int_equal(emul_breakpoints(dr7, same, 0x1000, 1, WATCH_WRITE), 0);
	assert_int_equal(emul_breakpoints(dr7 | G(3), same, 0x1000, 1, WATCH_WRITE), 0);
	assert_int_equal(emul_breakpoints(dr7 | L(1), same, 0x1000, 1, WATCH_WRITE),
		PENDING_DBG_ENABLED | 7);
	assert_int_equal(emul_breakpoints(dr7 | L(1), same, 0x1000, 1, WATCH_READ),
		PENDING_DBG_ENABLED | 6);
}

static void the_last_address_can_be_watched(void **state)
{
	(void)state;
	assert_int_equal(
		emul_breakpoints(L(3) | RW(3, WRITE), dr, UINT64_MAX - 3, 4, WATCH_WRITE),
		PENDING_DBG_ENABLED | 8);
	assert_int_equal(
		emul_breakpoints(L(3) | RW(3, WRITE), dr, UINT64_MAX - 4, 4, WATCH_WRITE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_access_meets_its_own_breakpoints),
		cmocka_unit_test(an_access_that_overlaps_meets_it),
		cmocka_unit_test(the_address_is_aligned_to_the_length),
		cmocka_unit_test(disabled_ones_are_told_beside_an_enabled_one_only),
		cmocka_unit_test(the_last_address_can_be_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
