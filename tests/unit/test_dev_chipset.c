/* SPDX-License-Identifier: Apache-2.0 */
/* The chipset as firmware sees it, and ACPI tables that firmware places. */
#include "fake_firmware.h"

#include "dev/chipset.h"
#include "dev/state.h"

#define LPC       0x8000f800u /* in port 0xcf8 */
#define HOST      0x80000000u
#define TABLES_AT 0x7ff00000ull /* where the firmware of these tests puts them */

static int start(void **state)
{
	(void)state;
	firmware_start(2);
	return 0;
}

static void config_write(uint32_t function, unsigned offset, unsigned size, uint32_t value)
{
	uint32_t address = function | (offset & ~3u);

	assert_true(platform_io(&machine, 0xcf8, true, 4, &address));
	assert_true(
		platform_io(&machine, (uint16_t)(0xcfc + (offset & 3)), true, size, &value));
}

static uint32_t config_read(uint32_t function, unsigned offset, unsigned size)
{
	uint32_t address = function | (offset & ~3u), value = 0;

	assert_true(platform_io(&machine, 0xcf8, true, 4, &address));
	assert_true(
		platform_io(&machine, (uint16_t)(0xcfc + (offset & 3)), false, size, &value));
	return value;
}

static bool ecam_at(uint64_t base)
{
	uint64_t value = 0;

	return platform_mmio(&machine, 0, base, false, 4, &value) && value == 0x29c08086;
}

static void firmware_finds_the_machine_that_it_knows(void **state)
{
	(void)state;
	assert_int_equal(config_read(HOST, 0x00, 4), 0x29c08086);
	assert_int_equal(config_read(HOST, 0x2c, 4), 0x11001af4);
	assert_int_equal(config_read(LPC, 0x00, 4), 0x29188086);
	assert_int_equal(config_read(LPC, 0x0a, 2), 0x0601);
}

static void the_acpi_ports_are_where_they_are(void **state)
{
	(void)state;
	config_write(LPC, 0x40, 4, 0x401);
	config_write(LPC, 0x44, 1, 0);
	assert_int_equal(config_read(LPC, 0x40, 4), 0x601);
	assert_int_equal(config_read(LPC, 0x44, 1), 0x80);
}

static void what_the_chipset_shows_below_1_mib_is_kept(void **state)
{
	(void)state;
	for (unsigned i = 0x90; i < 0x97; i++) {
		assert_int_equal(config_read(HOST, i, 1), 0);
		config_write(HOST, i, 1, 0xff);
	}
	assert_int_equal(config_read(HOST, 0x90, 1), 0x30);
	assert_int_equal(config_read(HOST, 0x96, 1), 0x33);
	assert_int_equal(config_read(HOST, 0x97, 1), 0);
}

static void firmware_decides_where_ecam_is(void **state)
{
	(void)state;
	assert_false(ecam_at(0xe0000000));
	assert_false(platform_has_device(&machine, 0xb0000000));
	config_write(HOST, 0x60, 4, 0xb0000001);
	assert_true(ecam_at(0xb0000000));
	assert_true(platform_has_device(&machine, 0xbfffffff));
	assert_false(platform_has_device(&machine, 0xc0000000));
	config_write(HOST, 0x60, 4, 0xe0000001);
	assert_true(ecam_at(0xe0000000));
	assert_false(ecam_at(0xb0000000));
	config_write(HOST, 0x64, 4, 0xf); /* not above 4 GiB */
	assert_true(ecam_at(0xe0000000));
	config_write(HOST, 0x60, 4, 0xe0000000);
	assert_false(ecam_at(0xe0000000));
	config_write(HOST, 0x60, 4, 0xe0000003); /* not for fewer buses */
	assert_false(ecam_at(0xe0000000));
	assert_false(platform_has_device(&machine, 0));
}

static void ecam_does_not_hide_the_apics(void **state)
{
	uint64_t value = 0;

	(void)state;
	config_write(HOST, 0x60, 4, 0xf0000001);
	assert_true(platform_mmio(&machine, 1, DEV_LAPIC_BASE + 0x20, false, 4, &value));
	assert_int_equal(value, 1u << 24);
}

static void without_firmware_ecam_stays_and_the_lpc_bridge_is_there(void **state)
{
	(void)state;
	fake_start(1);
	config_write(HOST, 0x60, 4, 0xb0000001);
	assert_true(ecam_at(0xe0000000));
	assert_false(ecam_at(0xb0000000));
	assert_int_equal(config_read(LPC, 0x00, 4), 0x29188086);
	assert_int_equal(config_read(LPC, 0x40, 4), 0x601); /* the ACPI ports of the tables */
	assert_int_equal(config_read(HOST, 0x2c, 4), 0);
}

static void firmware_routes_pirqs_to_isa_lines(void **state)
{
	static struct platform_state s;

	(void)state;
	assert_int_equal(machine.pci.pirq[0], 10);
	config_write(LPC, 0x60, 4, 0x800c0205); /* 2 is reserved */
	config_write(LPC, 0x6b, 1, 15);
	assert_int_equal(machine.pci.pirq[0], 5);
	assert_int_equal(machine.pci.pirq[1], 0);
	assert_int_equal(machine.pci.pirq[2], 12);
	assert_int_equal(machine.pci.pirq[3], 0);
	assert_int_equal(machine.pci.pirq[7], 15);
	platform_get_state(&machine, &s);
	firmware_start(2);
	assert_true(platform_set_state(&machine, &s));
	assert_int_equal(machine.pci.pirq[0], 5);
	assert_int_equal(machine.pci.pirq[7], 15);
}

static void ram_of_a_vm_with_firmware_ends_below_ecam(void **state)
{
	struct platform_config c = {.memory = 4ull << 30, .fwcfg = &firmware_table};

	(void)state;
	assert_int_equal(platform_low_memory(&c), 0xb0000000);
	c.fwcfg = NULL;
	assert_int_equal(platform_low_memory(&c), 0xc0000000);
	c.memory = 1 << 20;
	assert_int_equal(platform_low_memory(&c), 1 << 20);
}

/* ---- ACPI tables ---- */

static uint64_t get(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << i * 8;
	return value;
}

static uint8_t sum(const uint8_t *from, uint64_t bytes)
{
	uint8_t s = 0;

	for (uint64_t i = 0; i < bytes; i++)
		s = (uint8_t)(s + from[i]);
	return s;
}

static uint8_t *file_of(const char *name)
{
	if (strcmp(name, "etc/acpi/rsdp") == 0)
		return firmware_acpi.rsdp;
	assert_string_equal(name, "etc/acpi/tables");
	return firmware_acpi.tables;
}

static void add_pointer(const uint8_t *entry)
{
	uint8_t *at = file_of((const char *)entry + 4) + get(entry + 116, 4);
	unsigned size = entry[120];
	uint64_t value = get(at, size) + TABLES_AT;

	assert_ptr_equal(file_of((const char *)entry + 60), firmware_acpi.tables);
	assert_true(value < TABLES_AT + ACPI_LOADER_SIZE);
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> i * 8);
}

/* As OVMF does it: what was there before must be zero. */
static void add_checksum(const uint8_t *entry)
{
	uint8_t *file = file_of((const char *)entry + 4);

	file[get(entry + 60, 4)] = (uint8_t)-sum(file + get(entry + 64, 4), get(entry + 68, 4));
}

/* What firmware does with the script; the number of allocations. */
static unsigned execute(void)
{
	unsigned allocated = 0;

	for (unsigned i = 0; i < ACPI_LOADER_ENTRIES; i++) {
		const uint8_t *entry = firmware_acpi.script[i];

		switch (get(entry, 4)) {
		case 1:
			allocated++;
			assert_int_equal(get(entry + 60, 4) & (get(entry + 60, 4) - 1), 0);
			assert_int_equal(entry[64],
				file_of((const char *)entry + 4) == firmware_acpi.rsdp ? 2 : 1);
			break;
		case 2:
			add_pointer(entry);
			break;
		case 3:
			add_checksum(entry);
			break;
		default:
			assert_int_equal(get(entry, 4), 0);
		}
	}
	return allocated;
}

static const uint8_t *at(uint64_t gpa)
{
	assert_in_range(gpa, TABLES_AT, TABLES_AT + ACPI_LOADER_SIZE - 64);
	return firmware_acpi.tables + (gpa - TABLES_AT);
}

static const uint8_t *table(const char *signature)
{
	const uint8_t *xsdt = at(get(firmware_acpi.rsdp + 24, 8));

	for (unsigned i = 36; i < get(xsdt + 4, 4); i += 8)
		if (memcmp(at(get(xsdt + i, 8)), signature, 4) == 0)
			return at(get(xsdt + i, 8));
	fail_msg("no %s", signature);
	return NULL;
}

static void tables_are_complete_wherever_firmware_puts_them(void **state)
{
	static const char *const names[] = {"FACP", "APIC", "MCFG", "SPCR"};
	const uint8_t *fadt, *dsdt, *rsdt;

	(void)state;
	assert_true(acpi_loader_build(&firmware_acpi, &machine.config, 0xb0000000));
	assert_int_equal(execute(), 2);
	assert_int_equal(sum(firmware_acpi.rsdp, 20), 0);
	assert_int_equal(sum(firmware_acpi.rsdp, 36), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(sum(table(names[i]), get(table(names[i]) + 4, 4)), 0);
	fadt = table("FACP");
	dsdt = at(get(fadt + 140, 8));
	assert_memory_equal(dsdt, "DSDT", 4);
	assert_int_equal(sum(dsdt, get(dsdt + 4, 4)), 0);
	assert_ptr_equal(at(get(fadt + 40, 4)), dsdt);
	assert_memory_equal(at(get(fadt + 132, 8)), "FACS", 4);
	rsdt = at(get(firmware_acpi.rsdp + 16, 4));
	assert_memory_equal(rsdt, "RSDT", 4);
	assert_ptr_equal(at(get(rsdt + 36, 4)), fadt);
	assert_int_equal(get(table("MCFG") + 44, 8), 0xb0000000);
}

static void tables_say_where_firmware_put_ecam_when_they_are_read(void **state)
{
	uint32_t key = 0x22;

	(void)state;
	config_write(HOST, 0x60, 4, 0xe0000001);
	assert_true(platform_io(&machine, 0x510, true, 2, &key));
	assert_int_equal(execute(), 2);
	assert_int_equal(get(table("MCFG") + 44, 8), 0xe0000000);
	config_write(HOST, 0x60, 4, 0xb0000001);
	assert_true(platform_io(&machine, 0x510, true, 2, &key));
	execute();
	assert_int_equal(get(table("MCFG") + 44, 8), 0xb0000000);
}

static void eight_vcpus_are_not_too_many_for_the_tables(void **state)
{
	struct platform_config c = machine.config;

	(void)state;
	c.vcpus = DEV_MAX_VCPUS;
	assert_true(acpi_loader_build(&firmware_acpi, &c, CHIPSET_NO_ECAM));
	execute();
	assert_int_equal(get(table("MCFG") + 44, 8), 0xb0000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(firmware_finds_the_machine_that_it_knows, start),
		cmocka_unit_test_setup(the_acpi_ports_are_where_they_are, start),
		cmocka_unit_test_setup(what_the_chipset_shows_below_1_mib_is_kept, start),
		cmocka_unit_test_setup(firmware_decides_where_ecam_is, start),
		cmocka_unit_test_setup(ecam_does_not_hide_the_apics, start),
		cmocka_unit_test_setup(
			without_firmware_ecam_stays_and_the_lpc_bridge_is_there, start),
		cmocka_unit_test_setup(firmware_routes_pirqs_to_isa_lines, start),
		cmocka_unit_test(ram_of_a_vm_with_firmware_ends_below_ecam),
		cmocka_unit_test_setup(tables_are_complete_wherever_firmware_puts_them, start),
		cmocka_unit_test_setup(
			tables_say_where_firmware_put_ecam_when_they_are_read, start),
		cmocka_unit_test_setup(eight_vcpus_are_not_too_many_for_the_tables, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
