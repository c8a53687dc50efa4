/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What firmware has above 4 GiB, through page tables like those of the start; and ACPI tables
 * there. A physical address of the test's memory is what makes its place in the direct map the
 * memory's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/acpi.h"
#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/reach.h"
#include "mm/layout.h"
#include "spec/cpuid.h"
#include "spec/paging.h"
#include "spec/regs.h"

#define GIB (1ull << 30)
#define TIB (1ull << 40)

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static unsigned physical_bits;
static uint64_t cr4;

/* As boot/entry.S makes them. */
static uint64_t root[PT_ENTRIES] __attribute__((aligned(4096)));
static uint64_t pdpt[PT_ENTRIES] __attribute__((aligned(4096)));
static uint64_t pd[4][PT_ENTRIES] __attribute__((aligned(4096)));

uint64_t hw_cr4_access(bool write, uint64_t value)
{
	(void)value;
	assert_false(write);
	return cr4;
}

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return (struct cpuid_regs){
		.eax = leaf == CPUID_EXT_BASE ? CPUID_EXT_BASE + 8 : 0x3000 | physical_bits};
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static int set_up(void **state)
{
	(void)state;
	memset(root, 0, sizeof(root));
	memset(pdpt, 0, sizeof(pdpt));
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < PT_ENTRIES; k++)
			pd[i][k] = (i * PT_ENTRIES + k) * SIZE_2M | PT_P | PT_RW | PT_PS;
		pdpt[i] = hpa_of(pd[i]).v | PT_P | PT_RW;
	}
	root[256] = hpa_of(pdpt).v | PT_P | PT_RW;
	hw_cr3 = hpa_of(root).v;
	physical_bits = 46;
	cr4 = 0;
	return 0;
}

/* The leaf for a physical address in the direct map, or 0. */
static uint64_t leaf(uint64_t at)
{
	const uint64_t *table = root;
	uint64_t va = DIRECT_BASE + at;

	for (unsigned shift = 39;; shift -= 9) {
		uint64_t entry = table[va >> shift & 511];

		if (!(entry & PT_P) || shift == 21)
			return entry;
		table = direct_va((struct hpa){entry & PT_ADDRESS});
	}
}

static bool reaches(uint64_t at, uint64_t size)
{
	const void *va = reach((struct hpa){at}, size);

	assert_true(va == NULL || va == direct_va((struct hpa){at}));
	return va != NULL;
}

static void what_the_boot_page_tables_have_stays_as_it_is(void **state)
{
	(void)state;
	assert_true(reaches(0x9f000, 36));
	assert_true(reaches(4 * GIB - 0x1000, 0x1000));
	assert_int_equal(leaf(0), 0 | PT_P | PT_RW | PT_PS);
	assert_int_equal(leaf(4 * GIB), 0);
}

static void places_above_are_mapped_to_be_read_up_to_the_last_of_the_machine(void **state)
{
	(void)state;
	assert_true(reaches(4 * GIB - 8, 16)); /* over the edge */
	assert_int_equal(leaf(4 * GIB), 4 * GIB | PT_P | PT_PS);
	assert_int_equal(leaf(4 * GIB - 1), (4 * GIB - SIZE_2M) | PT_P | PT_RW | PT_PS);
	assert_true(reaches(64 * TIB - 0x100000, 0x100000));
	assert_int_equal(leaf(64 * TIB - 1), (64 * TIB - SIZE_2M) | PT_P | PT_PS);
	assert_false(reaches(64 * TIB - 8, 16));
	assert_false(reaches(UINT64_MAX - 8, 16));
}

static void what_this_processor_has_no_addresses_for_is_not_mapped(void **state)
{
	(void)state;
	physical_bits = 39;
	assert_true(reaches(512 * GIB - 36, 36));
	assert_false(reaches(512 * GIB - 35, 36));
	assert_false(reaches(600 * GIB, 36));
	assert_int_equal(leaf(600 * GIB), 0);
}

/* ---- ACPI ---- */

struct tables {
	uint8_t xsdt[64], slit[64], srat[64];
};

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static void make(uint8_t *table, const char *signature, uint32_t length)
{
	uint8_t sum = 0;

	memcpy(table, signature, 4);
	put(table + 4, length, 4);
	for (uint32_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

/*
 * The test's memory is no physical memory of this machine: its addresses have 48 bits and more,
 * which the machine of this test takes.
 */
static void tables_that_cannot_be_reached_are_passed_by(void **state)
{
	static struct tables t;
	uint8_t rsdp[36] = {0};
	uint32_t length;

	(void)state;
	rsdp[15] = 2;
	make(t.srat, "SRAT", 48);
	put(t.xsdt + 36, 64 * TIB, 8);         /* behind all memory */
	put(t.xsdt + 44, UINT64_MAX - 7, 8);   /* and behind all addresses */
	put(t.xsdt + 52, hpa_of(t.srat).v, 8); /* as far, here */
	make(t.xsdt, "XSDT", 60);
	put(rsdp + 24, hpa_of(t.xsdt).v, 8);
	assert_null(acpi_find(rsdp, sizeof(rsdp), "SRAT", &length));
	put(rsdp + 24, 0, 8);
	assert_null(acpi_find(rsdp, sizeof(rsdp), "SRAT", &length));
}

static void with_five_levels_the_table_of_four_is_a_level_below(void **state)
{
	static uint64_t top[PT_ENTRIES] __attribute__((aligned(4096)));

	(void)state;
	top[0] = top[PT_ENTRIES - 1] = hpa_of(root).v | PT_P | PT_RW;
	hw_cr3 = hpa_of(top).v;
	cr4 = CR4_LA57;
	assert_true(reaches(9 * GIB, 36));
	assert_true(leaf(9 * GIB) == (9 * GIB | PT_P | PT_PS));
}

/* Last: a table that is used up stays so. */
static void there_are_tables_for_a_few_places_and_then_no_more(void **state)
{
	unsigned found = 0;

	(void)state;
	while (found < 100 && reaches((found + 5) * TIB, 36))
		found++;
	assert_in_range(found, 1, 6);
	assert_true(reaches(0x1000, 36));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_boot_page_tables_have_stays_as_it_is),
		TEST(places_above_are_mapped_to_be_read_up_to_the_last_of_the_machine),
		TEST(what_this_processor_has_no_addresses_for_is_not_mapped),
		TEST(tables_that_cannot_be_reached_are_passed_by),
		TEST(with_five_levels_the_table_of_four_is_a_level_below),
		TEST(there_are_tables_for_a_few_places_and_then_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
