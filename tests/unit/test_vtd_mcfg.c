/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where firmware's table MCFG has configuration space: what is used, what is not and why, and
 * that nothing outside of its buses is reached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "spec/pcie.h"
#include "vtd/mcfg.h"

#include <cmocka.h>

#define HEADER      ENTRY_AT(0)
#define ENTRY       16u
#define ENTRY_AT(n) (44u + (n)*ENTRY)
#define BASE        UINT64_C(0xe8000000)
#define HIGH        UINT64_C(0x4000000000)

static uint8_t table[ENTRY_AT(MCFG_RANGES + 2)];
static struct mcfg m;

static void put(unsigned at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		table[at + i] = (uint8_t)(value >> i * 8);
}

static void entry(unsigned n, uint64_t base, unsigned segment, uint32_t buses)
{
	put(HEADER + n * ENTRY, base, 8);
	put(HEADER + n * ENTRY + 8, segment, 2);
	put(HEADER + n * ENTRY + 10, buses, 2);
}

static void read_entries(unsigned count)
{
	mcfg_read(table, HEADER + count * ENTRY, &m);
}

static bool has(const char *why, const char *words)
{
	return why != NULL && strstr(why, words) != NULL;
}

static void expect_why(const char *words)
{
	uint64_t at;

	assert_true(has(m.why, words));
	assert_false(mcfg_address(&m, 0, 0, &at));
}

static void expect_refused(unsigned n, const char *words)
{
	assert_null(m.why);
	assert_true(has(m.ranges[n].why, words));
	assert_null(mcfg_find(&m, PCI_SBDF(m.ranges[n].segment, PCI_BDF(0x3f, 0, 0))));
}

static void buses_of_each_segment_have_their_place(void **state)
{
	uint64_t at = 0;

	(void)state;
	entry(0, HIGH, 1, 0xff00);
	entry(1, BASE, 0, 0x3f02);
	entry(2, BASE, 0, 0xff80); /* of the same segment, behind a hole of the bus numbers */
	entry(3, HIGH << 1, 0xfffe, 0x0707);
	read_entries(4);
	assert_null(m.why);
	assert_int_equal(m.count, 4);
	assert_true(mcfg_start(&m.ranges[1]) == BASE + (2u << 20));
	assert_true(mcfg_size(&m.ranges[1]) == 62u << 20);
	assert_true(mcfg_address(&m, PCI_BDF(2, 0, 0), 0, &at) && at == BASE + (2u << 20));
	assert_true(mcfg_address(&m, PCI_BDF(0x3f, 31, 7), 0xfff, &at));
	assert_true(at == BASE + (64u << 20) - 1);
	assert_true(mcfg_address(&m, PCI_BDF(0x80, 0, 0), 0, &at) && at == BASE + (128u << 20));
	assert_false(mcfg_address(&m, PCI_BDF(1, 31, 7), 0, &at));
	assert_false(mcfg_address(&m, PCI_BDF(0x40, 0, 0), 0, &at));
	assert_false(mcfg_address(&m, PCI_BDF(3, 0, 0), 0x1000, &at));
	assert_true(mcfg_address(&m, PCI_SBDF(1, PCI_BDF(1, 0, 1)), 0x10, &at));
	assert_true(at == HIGH + 0x101010);
	assert_true(mcfg_address(&m, PCI_SBDF(0xfffe, PCI_BDF(7, 0, 0)), 0, &at));
	assert_true(at == (HIGH << 1) + (7u << 20));
	assert_false(mcfg_address(&m, PCI_SBDF(0xfffe, PCI_BDF(6, 0, 0)), 0, &at));
	assert_false(mcfg_address(&m, PCI_SBDF(2, 0), 0, &at));
}

static void a_table_that_is_wrong_is_not_used_and_says_where(void **state)
{
	(void)state;
	mcfg_read(NULL, 0, &m);
	expect_why("no such table");
	entry(0, BASE, 0, 0xff00);
	for (uint32_t length = 0; length < HEADER + ENTRY; length++) {
		mcfg_read(table, length, &m);
		expect_why(length == HEADER ? "no entries" : "whole entries");
	}
	read_entries(MCFG_RANGES + 1);
	expect_why("more entries");
}

/* Behind one of segment 9, which is right. */
static void refused_alone(uint64_t base, unsigned buses, const char *words)
{
	uint64_t at;

	entry(0, HIGH, 9, 0xff00);
	entry(1, base, 0, buses);
	read_entries(2);
	expect_refused(1, words);
	assert_true(mcfg_address(&m, PCI_SBDF(9, 0), 0, &at) && at == HIGH);
}

/* Beside the right one of the same buses: as firmware that has room for more than it uses. */
static void refused_beside(uint64_t base, const char *words)
{
	uint64_t at;

	for (unsigned n = 0; n < 2; n++) {
		entry(n, base, 0, 0xff00);
		entry(1 - n, BASE, 0, 0x7f00);
		read_entries(2);
		assert_true(has(m.ranges[n].why, words));
		assert_true(mcfg_address(&m, 0, 0, &at) && at == BASE);
	}
}

static void an_entry_that_is_wrong_takes_no_other_one_with_it(void **state)
{
	uint64_t at;

	(void)state;
	refused_beside(0, "multiple of 1 MiB");
	refused_beside(UINT64_C(0xfff) << 52, "further up");
	entry(0, BASE, 0, 0x7f00);
	entry(1, BASE, 0, 0x7f00); /* the same, twice */
	read_entries(2);
	assert_int_equal(m.count, 1);
	assert_true(mcfg_address(&m, 0, 0, &at) && at == BASE);
	refused_alone(BASE, 0x0102, "behind its last");
	refused_alone(BASE + 0x1000, 0xff00, "multiple of 1 MiB");
	refused_alone(0, 0xff00, "multiple of 1 MiB");
	refused_alone(UINT64_C(1) << 46, 0xff00, "further up");
	refused_alone((UINT64_C(1) << 46) - (255u << 20), 0xff00, "further up");
	refused_alone(UINT64_C(0) - (1u << 20), 0xff00, "further up");
	refused_alone(0xf0000000, 0xff00, "APICs");
	refused_alone(0xfee00000, 0x0000, "APICs");
}

/* Wrong together: which one is, nobody knows. */
static void entries_for_the_same_buses_or_the_same_memory_are_not_used(void **state)
{
	uint64_t at;

	(void)state;
	entry(0, BASE, 0, 0x7f00);
	entry(1, HIGH, 0, 0xff3f);
	entry(2, HIGH << 1, 1, 0xff00);
	read_entries(3);
	expect_refused(0, "has buses of it");
	expect_refused(1, "has buses of it");
	assert_true(mcfg_address(&m, PCI_SBDF(1, 0), 0, &at));
	entry(1, HIGH << 1, 5, 0xffff);
	read_entries(3);
	assert_null(m.ranges[0].why);
	assert_true(has(m.ranges[1].why, "has its memory"));
	expect_refused(2, "has its memory");
	entry(1, (HIGH << 1) + (1u << 20), 5, 0xffff); /* the bus behind those */
	read_entries(3);
	assert_null(m.ranges[1].why);
	assert_null(m.ranges[2].why);
}

/* ---- compared with the ports ---- */

static uint32_t words[32];
static unsigned inhabited; /* the bus that has these */
static uint64_t lies_at;
static unsigned looked;

static uint32_t by_ports(uint16_t bdf)
{
	assert_true(PCI_BDF_BUS(bdf) >= 1);
	return PCI_BDF_BUS(bdf) == inhabited ? words[PCI_BDF_DEVICE(bdf)] : UINT32_MAX;
}

static uint32_t by_memory(uint64_t address)
{
	looked++;
	assert_true((address - BASE) >> 20 == inhabited);
	return address == lies_at ? 0 : words[(address - BASE) >> 15 & 31];
}

static void memory_that_does_not_show_what_the_ports_do_is_not_used(void **state)
{
	uint64_t at;

	(void)state;
	entry(0, BASE, 0, 0xff01);
	entry(1, HIGH, 1, 0xff01);
	read_entries(2);
	for (unsigned i = 0; i < 32; i++)
		words[i] = UINT32_MAX;
	lies_at = 0;
	inhabited = 1;
	mcfg_check(&m, by_ports, by_memory);
	expect_refused(0, "no function");
	assert_int_equal(looked, 0);
	assert_true(mcfg_address(&m, PCI_SBDF(1, PCI_BDF(1, 0, 0)), 0, &at));
	words[3] = 0x12345678;
	words[31] = 0x56788086;
	read_entries(2);
	mcfg_check(&m, by_ports, by_memory);
	assert_null(m.why);
	assert_null(m.ranges[0].why);
	inhabited = 0xff;
	read_entries(2);
	mcfg_check(&m, by_ports, by_memory);
	assert_null(m.ranges[0].why);
	lies_at = BASE + (0xffu << 20) + (31u << 15);
	mcfg_check(&m, by_ports, by_memory);
	expect_why("does not show");
	assert_false(mcfg_address(&m, PCI_SBDF(1, PCI_BDF(1, 0, 0)), 0, &at));
	m.why = "whatever";
	mcfg_check(&m, by_ports, by_memory);
	assert_string_equal(m.why, "whatever");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buses_of_each_segment_have_their_place),
		cmocka_unit_test(a_table_that_is_wrong_is_not_used_and_says_where),
		cmocka_unit_test(an_entry_that_is_wrong_takes_no_other_one_with_it),
		cmocka_unit_test(entries_for_the_same_buses_or_the_same_memory_are_not_used),
		cmocka_unit_test(memory_that_does_not_show_what_the_ports_do_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
