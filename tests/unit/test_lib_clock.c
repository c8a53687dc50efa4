/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time of day from the registers of a real-time clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "lib/clock.h"

static uint8_t bcd(int v)
{
	return (uint8_t)((v / 10) << 4 | v % 10);
}

static void every_day_of_the_century(void **state)
{
	(void)state;
	for (time_t t = 946684800 + 43201; t < 4102444800; t += 86400 + 3571) {
		const struct tm *tm = gmtime(&t);
		struct clock_registers r;
		uint64_t got;

		r = (struct clock_registers){(uint8_t)tm->tm_sec, (uint8_t)tm->tm_min,
			(uint8_t)tm->tm_hour, (uint8_t)tm->tm_mday, (uint8_t)(tm->tm_mon + 1),
			(uint8_t)(tm->tm_year - 100), 6};
		assert_true(clock_seconds(&r, &got));
		assert_int_equal(got, t);
		r = (struct clock_registers){bcd(tm->tm_sec), bcd(tm->tm_min),
			(uint8_t)(bcd((tm->tm_hour + 11) % 12 + 1) |
				  (tm->tm_hour >= 12 ? 0x80 : 0)),
			bcd(tm->tm_mday), bcd(tm->tm_mon + 1), bcd(tm->tm_year - 100), 0};
		assert_true(clock_seconds(&r, &got));
		assert_int_equal(got, t);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const struct clock_registers bad[] = {
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0, 0, 0, 0, 0, 0, 0},
		{60, 0, 0, 1, 1, 26, 6},
		{0, 60, 0, 1, 1, 26, 6},
		{0, 0, 24, 1, 1, 26, 6},
		{0, 0, 0, 1, 1, 26, 4},
		{0, 0, 13, 1, 1, 26, 4},
		{0, 0, 0, 32, 1, 26, 6},
		{0, 0, 0, 29, 2, 26, 6},
		{0, 0, 0, 1, 13, 26, 6},
		{0, 0, 0, 1, 1, 100, 6},
		{0x1a, 0, 0, 1, 1, 0x26, 2},
	};
	uint64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(clock_seconds(&bad[i], &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_of_the_century),
		cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
