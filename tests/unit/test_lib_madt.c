/* SPDX-License-Identifier: Apache-2.0 */
/* Processors of the ACPI table MADT, as firmware writes it, and as it should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/madt.h"
#include "random.h"

static uint8_t table[256];
static uint32_t size, ids[8];

static int set_up(void **state)
{
	(void)state;
	memset(table, 0, sizeof(table));
	size = 44;
	return 0;
}

static void put(const uint8_t *entry, unsigned count)
{
	memcpy(table + size, entry, count);
	size += count;
}

static void lapic(uint8_t id, uint8_t flags)
{
	put((const uint8_t[]){0, 8, 7, id, flags, 0, 0, 0}, 8);
}

static void x2apic(uint32_t id, uint8_t flags)
{
	put((const uint8_t[]){9, 16, 0, 0, (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16),
		    (uint8_t)(id >> 24), flags, 0, 0, 0, 1, 0, 0, 0},
		16);
}

static unsigned cpus(void)
{
	return madt_cpus(table, size, ids, 8);
}

static void processors_that_are_enabled_are_found_once(void **state)
{
	(void)state;
	lapic(0, 1);
	lapic(2, 0); /* switched off in the setup */
	put((const uint8_t[]){1, 12, 5, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}, 12);
	lapic(4, 1);
	lapic(6, 2); /* could be added later */
	x2apic(0x123, 1);
	x2apic(4, 1);
	assert_int_equal(cpus(), 3);
	assert_int_equal(ids[0], 0);
	assert_int_equal(ids[1], 4);
	assert_int_equal(ids[2], 0x123);
	assert_int_equal(madt_cpus(table, size, ids, 2), 2);
}

/* An INIT to it would reset the CPU that sends it, too. */
static void the_identifier_of_all_local_apics_is_no_processor(void **state)
{
	(void)state;
	lapic(0, 1);
	lapic(0xff, 1);
	x2apic(UINT32_MAX, 1);
	x2apic(0xff, 1); /* which is one in x2APIC mode */
	x2apic(0xffffff, 1);
	assert_int_equal(cpus(), 3);
	assert_int_equal(ids[0], 0);
	assert_int_equal(ids[1], 0xff);
	assert_int_equal(ids[2], 0xffffff);
}

static void an_ioapic_is_found_by_its_address(void **state)
{
	uint8_t id = 0;

	(void)state;
	lapic(0, 1);
	put((const uint8_t[]){1, 12, 5, 0, 0, 0x10, 0xc0, 0xfe, 0, 0, 0, 0}, 12);
	put((const uint8_t[]){1, 12, 6, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}, 12);
	assert_true(madt_ioapic(table, size, 0xfec00000, &id));
	assert_int_equal(id, 6);
	assert_false(madt_ioapic(table, size, 0xfec02000, &id));
}

static void all_ioapics_are_found_each_once(void **state)
{
	uint32_t at[4];

	(void)state;
	lapic(0, 1);
	put((const uint8_t[]){1, 12, 5, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}, 12);
	put((const uint8_t[]){1, 12, 6, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0}, 12);
	put((const uint8_t[]){1, 12, 7, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0}, 12);
	put((const uint8_t[]){1, 6, 8, 0, 0, 0}, 6); /* too short */
	assert_int_equal(madt_ioapics(table, size, at, 4), 2);
	assert_int_equal(at[0], 0xfec00000);
	assert_int_equal(at[1], 0xfec01000);
	assert_int_equal(madt_ioapics(table, size, at, 1), 1);
	assert_int_equal(madt_ioapics(table, size - 6 - 12, at, 4), 2);
	assert_int_equal(madt_ioapics(table, size - 6 - 13, at, 4), 1);
}

static void cpu(uint8_t uid, uint8_t id)
{
	put((const uint8_t[]){0, 8, uid, id, 1, 0, 0, 0}, 8);
}

static void nmi(uint8_t uid, uint8_t flags, uint8_t lint)
{
	put((const uint8_t[]){4, 6, uid, flags, 0, lint}, 6);
}

static struct madt_nmi input(uint32_t boot_id)
{
	struct madt_nmi n = {.id = 99};

	assert_true(madt_nmi_input(table, size, boot_id, &n));
	return n;
}

/* As most firmwares have it: one structure, before or behind the processors. */
static void an_nmi_of_all_processors_is_the_boot_processors(void **state)
{
	(void)state;
	nmi(0xff, 5, 1);
	cpu(0, 8);
	cpu(1, 9);
	assert_int_equal(input(9).id, 9);
	assert_int_equal(input(9).lint, 1);
	assert_false(input(9).active_low);
	assert_int_equal(input(8).id, 8);
	table[44 + 5] = 0; /* LINT0 */
	table[44 + 3] = 0xf;
	assert_int_equal(input(8).lint, 0);
	assert_true(input(8).active_low);
}

static void one_that_the_boot_processor_has_not_is_the_first_ones_that_has(void **state)
{
	(void)state;
	cpu(10, 0);
	put((const uint8_t[]){0, 8, 11, 2, 0, 0, 0, 0}, 8); /* it is not enabled */
	cpu(12, 4);
	cpu(13, 6);
	nmi(13, 0, 0);
	nmi(11, 0, 1);
	nmi(12, 0, 1);
	assert_int_equal(input(0).id, 4);
	assert_int_equal(input(0).lint, 1);
	assert_int_equal(input(6).id, 6);
	assert_int_equal(input(6).lint, 0);
}

static void x2apics_have_structures_of_their_own(void **state)
{
	(void)state;
	put((const uint8_t[]){9, 16, 0, 0, 0x23, 1, 0, 0, 1, 0, 0, 0, 0x45, 6, 0, 0}, 16);
	put((const uint8_t[]){10, 12, 3, 0, 0x44, 6, 0, 0, 0, 0, 0, 0}, 12);
	put((const uint8_t[]){10, 12, 3, 0, 0x45, 6, 0, 0, 1, 0, 0, 0}, 12);
	assert_int_equal(input(0).id, 0x123);
	assert_int_equal(input(0).lint, 1);
	assert_true(input(0).active_low);
	memset(table + 64, 0xff, 4); /* all */
	assert_int_equal(input(0x123).lint, 0);
}

static void firmware_may_tell_of_no_nmi_or_of_an_input_that_is_not_there(void **state)
{
	struct madt_nmi n;

	(void)state;
	cpu(0, 0);
	assert_false(madt_nmi_input(table, size, 0, &n));
	nmi(0xff, 0, 2);
	nmi(7, 0, 1); /* nobody's */
	assert_false(madt_nmi_input(table, size, 0, &n));
}

static void what_stands_before_damage_counts(void **state)
{
	(void)state;
	lapic(0, 1);
	lapic(1, 1);
	table[size - 8 + 1] = 1; /* an entry shorter than its head */
	assert_int_equal(cpus(), 1);
	table[size - 8 + 1] = 9; /* one that goes beyond the table */
	assert_int_equal(cpus(), 1);
	table[size - 8 + 1] = 7; /* and one too short for what it is */
	assert_int_equal(cpus(), 1);
	size = 20;
	assert_int_equal(cpus(), 0);
}

static void rubbish_is_never_read_beyond_its_end(void **state)
{
	uint64_t seed = 3;
	uint8_t id;
	struct madt_nmi nmi_of;

	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		uint32_t length = random_below(&seed, 120);
		uint8_t *exact = malloc(length + 1); /* the sanitizer knows its end */

		for (uint32_t i = 0; i < length; i++)
			exact[i] = (uint8_t)(random_below(&seed, 2) ? random_below(&seed, 17)
								    : random_next(&seed));
		assert_true(madt_cpus(exact, length, ids, 8) <= 8);
		(void)madt_ioapic(exact, length, 0, &id);
		assert_true(madt_ioapics(exact, length, ids, 8) <= 8);
		assert_true(!madt_nmi_input(exact, length, 1, &nmi_of) || nmi_of.lint <= 1);
		free(exact);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(processors_that_are_enabled_are_found_once),
		TEST(the_identifier_of_all_local_apics_is_no_processor),
		TEST(an_ioapic_is_found_by_its_address),
		TEST(all_ioapics_are_found_each_once),
		TEST(an_nmi_of_all_processors_is_the_boot_processors),
		TEST(one_that_the_boot_processor_has_not_is_the_first_ones_that_has),
		TEST(x2apics_have_structures_of_their_own),
		TEST(firmware_may_tell_of_no_nmi_or_of_an_input_that_is_not_there),
		TEST(what_stands_before_damage_counts),
		TEST(rubbish_is_never_read_beyond_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
