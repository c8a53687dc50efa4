/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables as firmware leaves them, and as it should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/acpi.h"
#include "cpu/log.h"
#include "cpu/reach.h"

#define FIRMWARE 0x7fe00000u /* where the tables are */

static uint8_t memory[4096], rsdp[36];
static unsigned warnings;

/* The XSDT and the RSDT name different tables, so that it shows which one was read. */
enum place {
	XSDT = 0x100,
	RSDT = 0x200,
	OLD = 0x300,
	NEW = 0x400
};

const void *reach(struct hpa at, uint64_t size)
{
	return at.v >= FIRMWARE && at.v - FIRMWARE <= sizeof(memory) &&
			       size <= sizeof(memory) - (at.v - FIRMWARE)
		       ? memory + (at.v - FIRMWARE)
		       : NULL;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)format;
	assert_int_equal(level, LOG_WARN);
	warnings++;
}

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static void make(uint32_t at, const char *signature, uint32_t length)
{
	uint8_t *table = memory + at, sum = 0;

	memcpy(table, signature, 4);
	put(table + 4, length, 4);
	table[9] = 0;
	for (uint32_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

static int set_up(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memset(rsdp, 0, sizeof(rsdp));
	make(OLD, "APIC", 50);
	make(NEW, "APIC", 60);
	put(memory + RSDT + 36, FIRMWARE + OLD, 4);
	make(RSDT, "RSDT", 40);
	put(memory + XSDT + 36, FIRMWARE + NEW, 8);
	make(XSDT, "XSDT", 44);
	rsdp[15] = 2;
	put(rsdp + 16, FIRMWARE + RSDT, 4);
	put(rsdp + 24, FIRMWARE + XSDT, 8);
	warnings = 0;
	return 0;
}

/* Its length; 0: there is none. */
static uint32_t found_within(size_t size)
{
	uint32_t length = 0;
	const uint8_t *t = acpi_find(rsdp, size, "APIC", &length);

	return t != NULL ? length : 0;
}

static uint32_t found(void)
{
	return found_within(sizeof(rsdp));
}

/* First: it is told once in a run. */
static void firmware_that_names_an_xsdt_and_has_none_has_its_rsdt_read(void **state)
{
	(void)state;
	put(rsdp + 24, 0, 8);
	assert_int_equal(found(), 50);
	assert_int_equal(warnings, 1);
	assert_int_equal(found(), 50);
	assert_int_equal(warnings, 1);
}

static void a_damaged_xsdt_gives_way_to_the_rsdt(void **state)
{
	(void)state;
	memory[XSDT + 20]++;
	assert_int_equal(found(), 50);
	set_up(NULL);
	put(memory + XSDT + 4, 35, 4); /* shorter than its head */
	assert_int_equal(found(), 50);
	set_up(NULL);
	put(memory + XSDT + 4, 0x10000, 4); /* behind what there is */
	assert_int_equal(found(), 50);
	set_up(NULL);
	make(XSDT, "SSDT", 44);
	assert_int_equal(found(), 50);
	set_up(NULL);
	put(rsdp + 24, UINT64_MAX - 7, 8);
	assert_int_equal(found(), 50);
	memory[RSDT + 20]++; /* then there is nothing */
	assert_int_equal(found(), 0);
}

static void the_xsdt_is_read_where_there_is_one(void **state)
{
	(void)state;
	assert_int_equal(found(), 60);
	rsdp[15] = 0;
	assert_int_equal(found(), 50);
	rsdp[15] = 2;
	assert_int_equal(found_within(20), 50); /* no more was given */
	assert_int_equal(found_within(19), 0);
	assert_int_equal(warnings, 0);
}

static void a_table_with_a_wrong_checksum_is_not_used_and_told_of(void **state)
{
	uint32_t length;

	(void)state;
	memory[NEW + 44]++;
	assert_int_equal(found(), 0);
	assert_int_equal(warnings, 1);
	put(memory + NEW + 4, 20, 4);
	assert_int_equal(found(), 0);
	assert_int_equal(warnings, 2);
	assert_null(acpi_find(rsdp, sizeof(rsdp), "SRAT", &length)); /* nobody's business */
	assert_int_equal(warnings, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(firmware_that_names_an_xsdt_and_has_none_has_its_rsdt_read),
		TEST(a_damaged_xsdt_gives_way_to_the_rsdt),
		TEST(the_xsdt_is_read_where_there_is_one),
		TEST(a_table_with_a_wrong_checksum_is_not_used_and_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
