/* SPDX-License-Identifier: Apache-2.0 */
/* The UART that the ACPI tables SPCR and DBG2 name, as firmware writes them, or should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/spcr.h"
#include "random.h"

static uint8_t table[96];
static struct uart uart;
static uint16_t divisor;

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
	uart = (struct uart){0};
	divisor = 0;
	return 0;
}

static bool names(void)
{
	return spcr_uart(table, sizeof(table), &uart, &divisor);
}

static void a_uart_at_ports_is_told_with_its_rate(void **state)
{
	static const uint8_t rates[][2] = {
		{3, 12}, {4, 6}, {6, 2}, {7, 1}, {0, 0}, {5, 0}, {99, 0}};

	(void)state;
	assert_true(names());
	assert_int_equal(uart.base, 0x2f8);
	assert_false(uart.memory);
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
	table[40] = 2; /* in PCI's configuration space */
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
		assert_false(spcr_uart(exact, size, &uart, &divisor));
		free(exact);
	}
	assert_true(spcr_uart(table, 59, &uart, &divisor));
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
		table[41] = (uint8_t)random_next(&seed);
		table[43] = (uint8_t)(random_next(&seed) % 6);
		if (!names())
			continue;
		assert_int_equal(uart.memory, table[40] == 0);
		if (!uart.memory) {
			assert_in_range(uart.base, 1, 0xfff8);
			continue;
		}
		assert_true(uart.width == 1 || uart.width == 2 || uart.width == 4);
		assert_true(uart.stride >= uart.width && uart.stride <= 4);
		assert_true(uart.base != 0 && uart.base % uart.width == 0);
		assert_true(uart.base < 1ull << 52);
	}
}

/* One at FE032000H, by its Generic Address Structure. */
static void in_memory(uint8_t kind, uint8_t bits, uint8_t access)
{
	set_up(NULL);
	table[36] = kind;
	table[40] = 0;
	table[41] = bits;
	table[43] = access;
	table[44] = 0x00;
	table[45] = 0x20;
	table[46] = 0x03;
	table[47] = 0xfe;
}

static void a_uart_in_memory_is_told_with_the_width_of_its_registers(void **state)
{
	static const uint8_t rows[][4] = {/* bits, access: width, stride */
		{32, 3, 4, 4}, {32, 0, 4, 4}, {8, 1, 1, 1}, {8, 0, 1, 1}, {32, 1, 1, 4},
		{16, 2, 2, 2}, {0, 3, 4, 4}, {0, 0, 1, 1}, {64, 3, 4, 4}, {8, 3, 4, 4},
		{32, 32, 4, 4}};
	static const uint8_t kinds[] = {0, 1, 0x12};

	(void)state;
	for (size_t k = 0; k < sizeof(kinds); k++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			in_memory(kinds[k], rows[i][0], rows[i][1]);
			assert_true(names());
			assert_true(uart.memory);
			assert_int_equal(uart.base, 0xfe032000);
			assert_int_equal(uart.width, rows[i][2]);
			assert_int_equal(uart.stride, rows[i][3]);
			assert_int_equal(divisor, 0); /* nobody tells its clock */
		}
	in_memory(0, 32, 3);
	table[44] = 2; /* no address of a word */
	assert_false(names());
	in_memory(0x10, 32, 3); /* ARM's */
	assert_false(names());
	in_memory(0, 8, 1);
	memset(table + 44, 0xff, 8);
	assert_false(names());
}

static void clock_and_rate_are_as_newer_tables_say(void **state)
{
	(void)state;
	in_memory(0, 32, 3);
	table[8] = 3;
	memcpy(table + 76, "\x00\xd8\xb8\x05", 4); /* 96 MHz, and 57600 by its code */
	assert_true(names());
	assert_int_equal(divisor, 104);
	table[8] = 4;
	memcpy(table + 80, "\x00\x10\x0e\x00", 4); /* 921600 */
	assert_true(names());
	assert_int_equal(divisor, 0);              /* 7 is 7 % away, 6 more */
	memcpy(table + 80, "\x60\xe3\x16\x00", 4); /* 1500000 */
	assert_true(names());
	assert_int_equal(divisor, 4);
	table[8] = 2; /* it has no such fields yet */
	assert_true(names());
	assert_int_equal(divisor, 0);
}

/* Two debug ports: USB's, and a 16550 in memory. */
static const uint8_t dbg2[] = {'D', 'B', 'G', '2', 108, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, 2, 0, 0, 0,
	/* 44 */ 0, 22, 0, 0, 2, 0, 20, 0, 0, 0, 0, 0, 0x02, 0x80, 0, 0, 0, 0, 0, 0, 0, 0,
	/* 66 */ 0, 42, 0, 1, 2, 0, 38, 0, 0, 0, 0, 0, 0x00, 0x80, 0x12, 0, 0, 0, 22, 0, 34, 0,
	/* 88 */ 0, 32, 0, 3, 0x00, 0x40, 0x03, 0xfe, 0x01, 0, 0, 0, /* 100 */ 0, 16, 0, 0, '.',
	0, 0, 0};

static void the_first_uart_among_the_debug_ports_is_found(void **state)
{
	uint8_t t[sizeof(dbg2)];

	(void)state;
	assert_true(dbg2_uart(dbg2, sizeof(dbg2), &uart));
	assert_true(uart.memory);
	assert_true(uart.base == 0x1fe034000);
	assert_int_equal(uart.width, 4);
	for (uint32_t size = 0; size < sizeof(dbg2); size++) {
		uint8_t *exact = malloc(size + 1);

		memcpy(exact, dbg2, size);
		assert_false(dbg2_uart(exact, size, &uart));
		free(exact);
	}
	memcpy(t, dbg2, sizeof(t));
	t[40] = 1; /* the second one is not there */
	assert_false(dbg2_uart(t, sizeof(t), &uart));
	memcpy(t, dbg2, sizeof(t));
	t[66 + 18] = 31; /* its address would end behind it */
	assert_false(dbg2_uart(t, sizeof(t), &uart));
	memcpy(t, dbg2, sizeof(t));
	t[45] = 21; /* shorter than any */
	assert_false(dbg2_uart(t, sizeof(t), &uart));
}

static void rubbish_in_debug_ports_is_not_followed(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t *t = malloc(sizeof(dbg2));

		memcpy(t, dbg2, sizeof(dbg2));
		for (unsigned k = 0; k < 3; k++)
			t[36 + random_next(&seed) % (sizeof(dbg2) - 36)] =
				(uint8_t)random_next(&seed);
		if (dbg2_uart(t, sizeof(dbg2), &uart))
			assert_true(uart.base != 0);
		free(t);
	}
}

static void a_divisor_is_right_within_three_percent_or_none(void **state)
{
	(void)state;
	assert_int_equal(uart_divisor(115200, 0), 1);
	assert_int_equal(uart_divisor(9600, 0), 12);
	assert_int_equal(uart_divisor(50, 0), 2304);
	assert_int_equal(uart_divisor(115200, 14745600), 8);
	assert_int_equal(uart_divisor(115200, 62500000), 34);
	assert_int_equal(uart_divisor(100000, 0), 0);
	assert_int_equal(uart_divisor(230400, 0), 0);
	assert_int_equal(uart_divisor(0, 0), 0);
	assert_int_equal(uart_divisor(50, UINT32_MAX), 0);
	assert_int_equal(uart_divisor(UINT32_MAX, 1), 0);
}

static void it_is_known_where_its_registers_are(void **state)
{
	struct uart ports = {.base = 0x3f8}, memory = {0xfe032000, true, 1, 4};

	(void)state;
	assert_true(uart_meets(&ports, false, 0x3ff, 1));
	assert_true(uart_meets(&ports, false, 0x3f0, 9));
	assert_false(uart_meets(&ports, false, 0x3f0, 8));
	assert_false(uart_meets(&ports, false, 0x400, 8));
	assert_false(uart_meets(&ports, true, 0x3f8, 8));
	assert_true(uart_meets(&memory, true, 0xfe03201f, 1));
	assert_false(uart_meets(&memory, true, 0xfe032020, 0x1000));
	assert_false(uart_meets(&memory, false, 0xfe032000, 1));
	assert_false(uart_meets(&(struct uart){0}, false, 0, 0x1000));
}

#define T(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_uart_at_ports_is_told_with_its_rate),
		T(others_are_not_used),
		T(a_table_that_is_cut_is_not_read),
		T(whatever_a_table_says_a_port_is_one),
		T(a_uart_in_memory_is_told_with_the_width_of_its_registers),
		T(clock_and_rate_are_as_newer_tables_say),
		T(the_first_uart_among_the_debug_ports_is_found),
		T(rubbish_in_debug_ports_is_not_followed),
		T(a_divisor_is_right_within_three_percent_or_none),
		T(it_is_known_where_its_registers_are),
	};

	return cmocka_run_group_tests_name("lib_spcr", tests, NULL, NULL);
}
