/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where firmware's table MCFG has configuration space: what is used, what is not and why, and
 * that nothing outside of its buses is reached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "spec/pcie.h"
#include "vtd/mcfg.h"

#include <cmocka.h>

#define HEADER 44u
#define ENTRY  16u
#define BASE   UINT64_C(0xe8000000)

static uint8_t table[HEADER + 66 * ENTRY];
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

static void expect_why(const char *words)
{
	uint64_t at;

	assert_non_null(m.why);
	assert_non_null(strstr(m.why, words));
	assert_false(mcfg_address(&m, 0, 0, &at));
}

static void the_entry_of_the_first_segment_is_found_and_buses_have_their_place(void **state)
{
	uint64_t at = 0;

	(void)state;
	entry(0, UINT64_C(0x4000000000), 1, 0xff00);
	entry(1, BASE, 0, 0x3f02);
	read_entries(2);
	assert_null(m.why);
	assert_true(mcfg_start(&m) == BASE + (2u << 20) && mcfg_size(&m) == 62u << 20);
	assert_true(mcfg_address(&m, PCI_BDF(2, 0, 0), 0, &at) && at == BASE + (2u << 20));
	assert_true(mcfg_address(&m, PCI_BDF(0x3f, 31, 7), 0xfff, &at));
	assert_true(at == BASE + (64u << 20) - 1);
	assert_false(mcfg_address(&m, PCI_BDF(1, 31, 7), 0, &at));
	assert_false(mcfg_address(&m, PCI_BDF(0x40, 0, 0), 0, &at));
	assert_false(mcfg_address(&m, PCI_BDF(3, 0, 0), 0x1000, &at));
}

static void a_table_that_is_wrong_in_one_place_is_not_used_and_says_where(void **state)
{
	(void)state;
	mcfg_read(NULL, 0, &m);
	expect_why("no such table");
	entry(0, BASE, 0, 0xff00);
	for (uint32_t length = 0; length < HEADER + ENTRY; length++) {
		mcfg_read(table, length, &m);
		expect_why(length == HEADER ? "nothing for segment 0" : "whole entries");
	}
	entry(1, BASE, 0, 0xff00);
	read_entries(2);
	expect_why("two entries");
	read_entries(65);
	expect_why("more entries");
	entry(0, BASE, 7, 0xff00);
	read_entries(1);
	expect_why("nothing for segment 0");
	entry(0, BASE, 0, 0x0102);
	read_entries(1);
	expect_why("behind its last");
	entry(0, BASE + 0x1000, 0, 0xff00);
	read_entries(1);
	expect_why("multiple of 1 MiB");
	entry(0, 0, 0, 0xff00);
	read_entries(1);
	expect_why("multiple of 1 MiB");
	entry(0, UINT64_C(1) << 46, 0, 0xff00);
	read_entries(1);
	expect_why("further up");
}

/* ---- compared with the ports ---- */

static uint32_t words[32];
static uint64_t lies_at;
static unsigned looked;

static uint32_t by_ports(uint16_t bdf)
{
	assert_int_equal(PCI_BDF_BUS(bdf), m.first);
	return words[PCI_BDF_DEVICE(bdf)];
}

static uint32_t by_memory(uint64_t address)
{
	looked++;
	assert_true(address >= mcfg_start(&m) && address < mcfg_start(&m) + mcfg_size(&m));
	return address == lies_at ? 0 : words[(address - mcfg_start(&m)) >> 15];
}

static void memory_that_does_not_show_what_the_ports_do_is_not_used(void **state)
{
	(void)state;
	entry(0, BASE, 0, 0xff01);
	read_entries(1);
	for (unsigned i = 0; i < 32; i++)
		words[i] = UINT32_MAX;
	lies_at = 0;
	assert_non_null(strstr(mcfg_check(&m, by_ports, by_memory), "no function"));
	assert_int_equal(looked, 0);
	words[3] = 0x12345678;
	words[31] = 0x56788086;
	assert_null(mcfg_check(&m, by_ports, by_memory));
	lies_at = BASE + (1u << 20) + (31u << 15);
	assert_non_null(strstr(mcfg_check(&m, by_ports, by_memory), "does not show"));
	m.why = "whatever";
	assert_string_equal(mcfg_check(&m, by_ports, by_memory), "whatever");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_entry_of_the_first_segment_is_found_and_buses_have_their_place),
		cmocka_unit_test(a_table_that_is_wrong_in_one_place_is_not_used_and_says_where),
		cmocka_unit_test(memory_that_does_not_show_what_the_ports_do_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
