/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table DMAR: units, scopes through bridges, regions; and what is wrong with it, in words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "spec/pci.h"
#include "vtd/dmar.h"
#include "vtd/seam.h"

#include <cmocka.h>

#define BDF(bus, device, function) ((uint16_t)((bus) << 8 | (device) << 3 | (function)))

static uint8_t table[65536];
static unsigned length, structure;
static struct dmar dmar;

/*
 * The bridges: 00:1c.0 to buses 2 to 4, 02:00.0 to buses 3 and 4, 00:1d.0 to bus 5; in segment
 * 1 00:1c.0 to bus 7.
 */
bool vtd_seam_bridge(uint32_t sbdf, uint8_t *secondary, uint8_t *subordinate)
{
	static const struct {
		uint32_t sbdf;
		uint8_t secondary, subordinate;
	} bridges[] = {{BDF(0, 0x1c, 0), 2, 4}, {BDF(2, 0, 0), 3, 4}, {BDF(0, 0x1d, 0), 5, 5},
		{PCI_SBDF(1, BDF(0, 0x1c, 0)), 7, 7}};

	for (unsigned i = 0; i < 4; i++)
		if (bridges[i].sbdf == sbdf) {
			*secondary = bridges[i].secondary;
			*subordinate = bridges[i].subordinate;
			return true;
		}
	return false;
}

/* ---- a table ---- */

static void put(uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		table[length++] = (uint8_t)(v >> 8 * i);
}

static void set(unsigned at, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		table[at + i] = (uint8_t)(v >> 8 * i);
}

static void begin(void)
{
	memset(table, 0, sizeof(table));
	memcpy(table, "DMAR", 4);
	table[DMAR_HOST_WIDTH] = 38;
	table[DMAR_FLAGS] = DMAR_FLAG_IR;
	length = DMAR_HEADER;
}

static void begin_structure(unsigned type)
{
	structure = length;
	put(type, 2);
	put(0, 2);
}

static void end_structure(void)
{
	set(structure + 2, length - structure, 2);
}

static void begin_unit(uint64_t registers, unsigned flags, unsigned segment)
{
	begin_structure(DMAR_DRHD);
	put(flags, 1);
	put(0, 1);
	put(segment, 2);
	put(registers, 8);
}

static void scope(unsigned kind, unsigned id, unsigned bus, const uint8_t *path, unsigned hops)
{
	put(kind, 1);
	put(DMAR_SCOPE_SIZE + 2 * hops, 1);
	put(0, 2);
	put(id, 1);
	put(bus, 1);
	for (unsigned i = 0; i < 2 * hops; i++)
		put(path[i], 1);
}

static void scope_1(unsigned kind, unsigned id, unsigned bus, uint8_t device, uint8_t function)
{
	scope(kind, id, bus, (uint8_t[]){device, function}, 1);
}

static void unit_of_all(uint64_t registers)
{
	begin_unit(registers, DMAR_DRHD_ALL, 0);
	scope_1(DMAR_SCOPE_IOAPIC, 2, 0xf0, 0x1f, 0);
	end_structure();
}

static void region(uint64_t first, uint64_t last, uint8_t device)
{
	begin_structure(DMAR_RMRR);
	put(0, 4);
	put(first, 8);
	put(last, 8);
	scope_1(DMAR_SCOPE_PCI, 0, 0, device, 0);
	end_structure();
}

static void finish(void)
{
	uint8_t sum = 0;

	set(4, length, 4);
	table[9] = 0;
	for (unsigned i = 0; i < length; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

static void read_it(void)
{
	finish();
	dmar_read(table, length, &dmar);
	dmar_follow(&dmar);
}

static void expect_unit_in(uint16_t segment, uint16_t bdf, uint32_t unit)
{
	const char *why;

	assert_int_equal(dmar_unit_of(&dmar, segment, bdf, &why), unit);
	assert_null(why);
}

static void expect_unit(uint16_t bdf, uint32_t unit)
{
	expect_unit_in(0, bdf, unit);
}

static void expect_none(uint16_t bdf, const char *words)
{
	const char *why;

	assert_int_equal(dmar_unit_of(&dmar, 0, bdf, &why), DMAR_NONE);
	assert_non_null(why);
	assert_non_null(strstr(why, words));
}

/* ---- tests ---- */

static void a_function_is_behind_the_unit_that_names_it_or_its_bridge_or_has_the_rest(
	void **state)
{
	(void)state;
	begin();
	begin_unit(0xfed90000, 0, 0);
	scope_1(DMAR_SCOPE_PCI, 0, 0, 2, 0);
	end_structure();
	begin_unit(0xfed91000, 0, 0);
	scope(DMAR_SCOPE_BRIDGE, 0, 0, (uint8_t[]){0x1c, 0, 0, 0}, 2);
	end_structure();
	unit_of_all(0xfed92000);
	read_it();
	assert_null(dmar.why);
	assert_int_equal(dmar.unit_count, 3);
	assert_int_equal(dmar.host_bits, 39);
	assert_int_equal(dmar.units[1].registers, 0xfed91000);
	expect_unit(BDF(0, 2, 0), 0);
	expect_unit(BDF(0, 2, 1), 2);
	expect_unit(BDF(2, 0, 0), 1); /* the bridge at the end of the path */
	expect_unit(BDF(3, 5, 1), 1);
	expect_unit(BDF(4, 0, 0), 1);
	expect_unit(BDF(2, 1, 0), 2); /* beside it */
	expect_unit(BDF(5, 0, 0), 2);
}

/* Two sockets, a segment each: the same numbers are other functions. */
static void paths_and_functions_are_of_the_segment_of_their_structure(void **state)
{
	(void)state;
	begin();
	for (unsigned segment = 0; segment < 2; segment++) {
		begin_unit(0xfed90000 + segment * 0x2000, 0, segment);
		scope(DMAR_SCOPE_PCI, 0, 0, (uint8_t[]){0x1c, 0, 0, 0}, 2);
		end_structure();
		begin_unit(0xfed91000 + segment * 0x2000, DMAR_DRHD_ALL, segment);
		scope_1(DMAR_SCOPE_IOAPIC, (uint8_t)(8 + segment), 0xf0, 0x1f, 0);
		end_structure();
	}
	begin_structure(DMAR_RMRR);
	put(0, 2);
	put(1, 2);
	put(0xbd000000, 8);
	put(0xbd000fff, 8);
	scope_1(DMAR_SCOPE_BRIDGE, 0, 0, 0x1c, 0);
	end_structure();
	finish();
	dmar_read(table, length, &dmar);
	expect_unit_in(1, BDF(7, 0, 0), 3); /* nobody has been asked for bridges yet */
	dmar_follow(&dmar);
	assert_null(dmar.why);
	expect_unit_in(0, BDF(2, 0, 0), 0);
	expect_unit_in(1, BDF(2, 0, 0), 3);
	expect_unit_in(1, BDF(7, 0, 0), 2);
	expect_unit_in(0, BDF(7, 0, 0), 1);
	assert_null(dmar_region_of(&dmar, 0, BDF(2, 0, 0)));
	assert_non_null(dmar_region_of(&dmar, 1, BDF(7, 0, 0)));
	assert_null(dmar_region_of(&dmar, 1, BDF(2, 0, 0)));
}

/* Those of scopes with long paths fill it up first. */
static void hops_of_paths_are_as_many_as_there_is_room_for(void **state)
{
	static const uint8_t path[32] = {0};

	(void)state;
	for (unsigned scopes = DMAR_HOPS / 16; scopes < DMAR_HOPS / 16 + 2; scopes++) {
		begin();
		begin_unit(0xfed90000, DMAR_DRHD_ALL, 0);
		for (unsigned i = 0; i < scopes; i++)
			scope(DMAR_SCOPE_PCI, 0, 0, path, 16);
		end_structure();
		read_it();
		assert_int_equal(dmar.why == NULL, scopes == DMAR_HOPS / 16);
		assert_true(dmar.hop_count <= DMAR_HOPS);
	}
	expect_none(BDF(0, 3, 0), "more device scopes");
}

static void an_ioapic_has_the_source_that_its_scope_says(void **state)
{
	uint16_t source = 0;

	(void)state;
	begin();
	unit_of_all(0xfed90000);
	read_it();
	assert_int_equal(dmar_ioapic(&dmar, 2, &source), 0);
	assert_int_equal(source, BDF(0xf0, 0x1f, 0));
	assert_int_equal(dmar_ioapic(&dmar, 3, &source), DMAR_NONE);
}

static void what_has_no_meaning_here_is_passed_over(void **state)
{
	(void)state;
	begin();
	for (unsigned type = DMAR_ATSR; type < 9; type++) {
		begin_structure(type);
		put(0x1234567890abcdef, 8);
		end_structure();
	}
	unit_of_all(0xfed90000);
	read_it();
	assert_null(dmar.why);
	assert_int_equal(dmar.unit_count, 1);
	expect_unit(BDF(0, 3, 0), 0);
}

static void regions_are_those_of_their_devices(void **state)
{
	(void)state;
	begin();
	unit_of_all(0xfed90000);
	region(0xbf000000, 0xbf0fffff, 0x14);
	read_it();
	assert_null(dmar.why);
	assert_null(dmar_region_of(&dmar, 0, BDF(0, 3, 0)));
	assert_non_null(dmar_region_of(&dmar, 0, BDF(0, 0x14, 0)));
	assert_int_equal(dmar_region_of(&dmar, 0, BDF(0, 0x14, 0))->first, 0xbf000000);
	assert_null(dmar_region_of(&dmar, 1, BDF(0, 0x14, 0)));
}

static void a_function_has_all_regions_that_name_it_or_its_bridge_each_once(void **state)
{
	uint8_t regions[4] = {0};

	(void)state;
	begin();
	unit_of_all(0xfed90000);
	region(0xbf000000, 0xbf0fffff, 0x14);
	region(0xbe000000, 0xbe0fffff, 0x15);
	begin_structure(DMAR_RMRR);
	put(0, 4);
	put(0xbd000000, 8);
	put(0xbd000fff, 8);
	scope_1(DMAR_SCOPE_PCI, 0, 0, 0x14, 0);
	scope_1(DMAR_SCOPE_PCI, 0, 0, 0x14, 0);
	scope_1(DMAR_SCOPE_BRIDGE, 0, 0, 0x1c, 0);
	end_structure();
	read_it();
	assert_int_equal(dmar_regions_of(&dmar, 0, BDF(0, 0x14, 0), regions, 4), 2);
	assert_int_equal(regions[0], 0);
	assert_int_equal(regions[1], 2);
	assert_int_equal(dmar_regions_of(&dmar, 0, BDF(0, 0x14, 0), regions, 1), 1);
	assert_int_equal(dmar_regions_of(&dmar, 0, BDF(3, 1, 0), regions, 4), 1);
	assert_int_equal(regions[0], 2);
	assert_int_equal(dmar_regions_of(&dmar, 0, BDF(5, 0, 0), regions, 4), 0);
	assert_int_equal(dmar_regions_of(&dmar, 1, BDF(0, 0x14, 0), regions, 4), 0);
	table[9]++;
	dmar_read(table, length, &dmar);
	assert_int_equal(dmar_regions_of(&dmar, 0, BDF(0, 0x14, 0), regions, 4), 0);
}

/* Eight sockets, each with ten units that name eight ports, and with a region or two. */
static void the_table_of_a_machine_with_eight_sockets_is_read(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 80; i++) {
		begin_unit(0xd0000000 + i * 0x100000, i == 79 ? DMAR_DRHD_ALL : 0, 0);
		for (unsigned k = 0; k < 8; k++)
			scope_1(DMAR_SCOPE_PCI, 0, (uint8_t)(i * 3), (uint8_t)k, 0);
		end_structure();
	}
	for (unsigned i = 0; i < 17; i++)
		region(0xbf000000 + i * 0x10000, 0xbf00ffff + i * 0x10000, (uint8_t)i);
	read_it();
	assert_null(dmar.why);
	assert_int_equal(dmar.unit_count, 80);
	assert_int_equal(dmar.scope_count, 80 * 8 + 17);
	expect_unit(BDF(3 * 42, 7, 0), 42);
	expect_unit(BDF(1, 0, 0), 79);
	assert_int_equal(dmar_region_of(&dmar, 0, BDF(0, 16, 0))->first, 0xbf100000);
}

static void without_a_right_table_nothing_has_a_unit_and_the_reason_is_told(void **state)
{
	(void)state;
	dmar_read(NULL, 0, &dmar);
	expect_none(BDF(0, 3, 0), "firmware has no table DMAR");
	begin();
	read_it();
	expect_none(BDF(0, 3, 0), "it has no unit");
	unit_of_all(0xfed90000);
	finish();
	dmar_read(table, length - 1, &dmar);
	expect_none(BDF(0, 3, 0), "length that is not possible");
	table[9]++;
	dmar_read(table, length, &dmar);
	expect_none(BDF(0, 3, 0), "checksum");
	table[9]--;
	table[0] = 'X';
	dmar_read(table, length, &dmar);
	expect_none(BDF(0, 3, 0), "signature");
}

static void broken_structures_make_the_table_useless(void **state)
{
	(void)state;
	begin();
	unit_of_all(0xfed90000);
	set(DMAR_HEADER + 2, 0, 2);
	read_it();
	expect_none(BDF(0, 3, 0), "a structure has a length");
	set(DMAR_HEADER + 2, length, 2);
	read_it();
	expect_none(BDF(0, 3, 0), "a structure has a length");

	begin();
	unit_of_all(0xfed90000);
	put(0, 3);
	read_it();
	expect_none(BDF(0, 3, 0), "cut off");

	begin();
	begin_structure(DMAR_DRHD);
	put(0, 8);
	end_structure();
	read_it();
	expect_none(BDF(0, 3, 0), "DRHD) is too short");

	begin();
	begin_unit(0xfed90000, 0, 0);
	scope_1(DMAR_SCOPE_PCI, 0, 0, 2, 0);
	table[length - 7] = 9;
	end_structure();
	read_it();
	expect_none(BDF(0, 2, 0), "a device scope has a length");

	begin();
	begin_unit(0xfed90000, 0, 0);
	scope_1(DMAR_SCOPE_PCI, 0, 0, 32, 0);
	end_structure();
	read_it();
	expect_none(BDF(0, 2, 0), "that PCI does not have");

	begin();
	unit_of_all(0xfed90000);
	region(0x2000, 0x1fff, 2);
	read_it();
	expect_none(BDF(0, 2, 0), "ends before it begins");
}

static void units_that_contradict_each_other_have_nothing(void **state)
{
	(void)state;
	begin();
	unit_of_all(0xfed90000);
	unit_of_all(0xfed91000);
	read_it();
	expect_none(BDF(0, 3, 0), "two units have all other devices");

	begin();
	begin_unit(0xfed90000, 0, 0);
	scope_1(DMAR_SCOPE_PCI, 0, 0, 2, 0);
	end_structure();
	unit_of_all(0xfed90000);
	begin_unit(0xfed92000, 0, 0);
	scope_1(DMAR_SCOPE_PCI, 0, 0, 4, 0);
	end_structure();
	read_it();
	expect_none(BDF(0, 2, 0), "two units have the same registers");
	expect_none(BDF(0, 3, 0), "two units have the same registers");
	expect_unit(BDF(0, 4, 0), 2);

	begin();
	for (unsigned i = 0; i < 2; i++) {
		begin_unit(0xfed90000 + i * 0x1000, 0, 0);
		scope_1(DMAR_SCOPE_PCI, 0, 0, 2, 0);
		scope_1(DMAR_SCOPE_PCI, 0, 0, (uint8_t)(3 + i), 0);
		end_structure();
	}
	read_it();
	expect_none(BDF(0, 2, 0), "behind two units");
	expect_unit(BDF(0, 3, 0), 0);
	expect_unit(BDF(0, 4, 0), 1);
	expect_none(BDF(0, 5, 0), "behind no unit");

	begin();
	unit_of_all(0xfed90800);
	read_it();
	expect_none(BDF(0, 3, 0), "address that is not possible");
}

static void a_path_over_what_is_no_bridge_leads_nowhere(void **state)
{
	(void)state;
	begin();
	begin_unit(0xfed90000, 0, 0);
	scope(DMAR_SCOPE_PCI, 0, 0, (uint8_t[]){5, 0, 0, 0}, 2);
	end_structure();
	read_it();
	assert_null(dmar.why);
	expect_none(BDF(0, 0, 0), "behind no unit");
}

static void more_than_there_is_room_for_is_refused(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i <= DMAR_UNITS; i++) {
		begin_unit(0xfed90000 + i * 0x1000, 0, (uint8_t)i);
		end_structure();
	}
	read_it();
	expect_none(BDF(0, 3, 0), "more units");
	begin();
	begin_unit(0xfed90000, 0, 0);
	for (unsigned i = 0; i <= DMAR_SCOPES; i++)
		scope_1(DMAR_SCOPE_PCI, 0, 0, 2, 0);
	end_structure();
	read_it();
	expect_none(BDF(0, 3, 0), "more device scopes");
	begin();
	unit_of_all(0xfed90000);
	for (unsigned i = 0; i <= DMAR_REGIONS; i++)
		region(0x1000, 0x1fff, 2);
	read_it();
	expect_none(BDF(0, 3, 0), "more memory regions");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_function_is_behind_the_unit_that_names_it_or_its_bridge_or_has_the_rest),
		cmocka_unit_test(paths_and_functions_are_of_the_segment_of_their_structure),
		cmocka_unit_test(hops_of_paths_are_as_many_as_there_is_room_for),
		cmocka_unit_test(an_ioapic_has_the_source_that_its_scope_says),
		cmocka_unit_test(what_has_no_meaning_here_is_passed_over),
		cmocka_unit_test(regions_are_those_of_their_devices),
		cmocka_unit_test(
			a_function_has_all_regions_that_name_it_or_its_bridge_each_once),
		cmocka_unit_test(the_table_of_a_machine_with_eight_sockets_is_read),
		cmocka_unit_test(
			without_a_right_table_nothing_has_a_unit_and_the_reason_is_told),
		cmocka_unit_test(broken_structures_make_the_table_useless),
		cmocka_unit_test(units_that_contradict_each_other_have_nothing),
		cmocka_unit_test(a_path_over_what_is_no_bridge_leads_nowhere),
		cmocka_unit_test(more_than_there_is_room_for_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
