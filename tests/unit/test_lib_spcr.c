/* SPDX-License-Identifier: Apache-2.0 */
/* The UART that the ACPI table SPCR names, as firmware writes it, and as it should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/spcr.h"
#include "random.h"

static uint8_t table[80];
static uint16_t port;
static uint8_t divisor;

/* The second serial port at 57600. */
static int set_up(void **state)
{
	(void)state;
	memset(table, 0, sizeof(table));
	table[40] = 1; /* I/O */
	table[41] = 8;
	table[44] = 0xf8;
	table[45] = 0x02;
	table[58] = 6;
	port = divisor = 0;
	return 0;
}

static bool names(void)
{
	return spcr_uart(table, sizeof(table), &port, &divisor);
}

static void a_uart_at_ports_is_told_with_its_rate(void **state)
{
	static const uint8_t rates[][2] = {
		{3, 12}, {4, 6}, {6, 2}, {7, 1}, {0, 0}, {5, 0}, {99, 0}};

	(void)state;
	assert_true(names());
	assert_int_equal(port, 0x2f8);
	assert_int_equal(divisor, 2);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		table[58] = rates[i][0];
		assert_true(names());
		assert_int_equal(divisor, rates[i][1]);
	}
	table[36] = 1; /* a 16450 */
	assert_true(names());
}

static void others_are_not_used(void **state)
{
	(void)state;
	table[36] = 3; /* ARM's */
	assert_false(names());
	set_up(NULL);
	table[40] = 0; /* in memory */
	assert_false(names());
	set_up(NULL);
	table[44] = table[45] = 0;
	assert_false(names());
	set_up(NULL);
	table[47] = 1; /* no port */
	assert_false(names());
	set_up(NULL);
	table[44] = 0xf9;
	table[45] = 0xff; /* its last registers would be none */
	assert_false(names());
}

static void a_table_that_is_cut_is_not_read(void **state)
{
	(void)state;
	for (uint32_t size = 0; size < 59; size++) {
		uint8_t *exact = malloc(size + 1);

		memcpy(exact, table, size);
		assert_false(spcr_uart(exact, size, &port, &divisor));
		free(exact);
	}
	assert_true(spcr_uart(table, 59, &port, &divisor));
}

static void whatever_a_table_says_a_port_is_one(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		table[36] = (uint8_t)(random_next(&seed) % 3);
		table[40] = (uint8_t)(random_next(&seed) % 3);
		for (unsigned k = 44; k < 52; k++)
			table[k] = random_next(&seed) % 4 ? 0 : (uint8_t)random_next(&seed);
		table[58] = (uint8_t)random_next(&seed);
		if (names())
			assert_in_range(port, 1, 0xfff8);
	}
}

#define T(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_uart_at_ports_is_told_with_its_rate),
		T(others_are_not_used),
		T(a_table_that_is_cut_is_not_read),
		T(whatever_a_table_says_a_port_is_one),
	};

	return cmocka_run_group_tests_name("lib_spcr", tests, NULL, NULL);
}
