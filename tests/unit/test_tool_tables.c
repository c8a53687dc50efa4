/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool tells of a machine without firmware by ACPI tables, and sets in its chipset. */
#include "tool_plan.h"

static uint8_t sum(uint64_t at, uint64_t size)
{
	uint8_t total = 0;

	for (uint64_t i = 0; i < size; i++)
		total = (uint8_t)(total + byte_at(at + i));
	return total;
}

/* A table that the RSDP at @rsdp leads to; 0: none. */
static uint64_t acpi_table(uint64_t rsdp, const char *signature)
{
	uint64_t xsdt = value_at(rsdp + 24, 8);

	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	assert_memory_equal(text_at(xsdt), "XSDT", 4);
	for (unsigned i = 36; i < value_at(xsdt + 4, 4); i += 8) {
		uint64_t at = value_at(xsdt + i, 8);

		assert_int_equal(sum(at, value_at(at + 4, 4)), 0);
		if (memcmp(text_at(at), signature, 4) == 0)
			return at;
	}
	return 0;
}

static void tables_of_acpi_tell_of_a_remapping_unit_if_there_is_one(void **state)
{
	char path[] = "nestor-test-XXXXXX";
	struct place l0 = write_l0(path);
	uint64_t info, rsdp, dmar, madt;

	(void)state;
	files[0].kernel = (struct kernel){
		.kind = KERNEL_MULTIBOOT1, .image = image_elf64(&arena, 0x100000, 0x3000)};
	scenario.machine.cpus = 3;
	assert_int_equal(boot_plan_nestor(&arena, &scenario, files, &l0, "", &plan, &error), 0);
	info = rom_value(4, 4);
	assert_int_equal(find_tag(info, 15, 0), 0);
	assert_int_equal(value_at(find_tag(info, 6, 0) + 24, 8), 0xa0000);
	scenario.machine.iommu = MACHINE_IOMMU_VTD;
	assert_int_equal(boot_plan_nestor(&arena, &scenario, files, &l0, "", &plan, &error), 0);
	unlink(path);
	info = rom_value(4, 4);
	rsdp = value_at(0x40e, 2) << 4;
	assert_int_equal(value_at(find_tag(info, 6, 0) + 24, 8), rsdp); /* no RAM from there */
	assert_memory_equal(text_at(find_tag(info, 15, 0) + 8), text_at(rsdp), 8);
	dmar = acpi_table(rsdp, "DMAR");
	assert_true(dmar != 0);
	assert_int_equal(value_at(dmar + 56, 8), 0xfed90000);
	madt = acpi_table(rsdp, "APIC");
	assert_int_equal(value_at(madt + 4, 4), 44 + 3 * 8 + 12 + 2 * 10 + 6);
	assert_true(acpi_table(rsdp, "MCFG") != 0 && acpi_table(rsdp, "FACP") != 0);
	assert_int_equal(acpi_table(rsdp, "SRAT"), 0);
}

/* ---- a bare machine ---- */

static uint64_t bare_tables(unsigned cpus, bool qemu)
{
	files[0].kernel = (struct kernel){.kind = KERNEL_LINUX,
		.image = image_elf64(&arena, 0x1000000, 0x3000),
		.low = 0x1000000,
		.high = 0x1003000};
	scenario.vms[0].config.cpus = cpus;
	plan = (struct boot_plan){.qemu = qemu};
	assert_int_equal(boot_plan_bare(&arena, &scenario, files, &plan, &error), 0);
	assert_int_equal(value_at(rom_value(8, 4) + 0x70, 8), value_at(0x40e, 2) << 4);
	return value_at(0x40e, 2) << 4;
}

/* Where an entry of a MADT is, by its type, or 0. Counts them. */
static uint64_t madt_entry(uint64_t madt, unsigned type, unsigned *count)
{
	uint64_t found = 0;

	*count = 0;
	for (uint64_t at = madt + 44; at < madt + value_at(madt + 4, 4);
		at += value_at(at + 1, 1)) {
		assert_int_not_equal(value_at(at + 1, 1), 0);
		if (value_at(at, 1) != type)
			continue;
		found = found ? found : at;
		*count += 1;
	}
	return found;
}

/* The bytes of @name in the definition block; 0: it has no such name. */
static uint64_t aml_name(uint64_t dsdt, const char *name)
{
	for (uint64_t at = dsdt + 36; at < dsdt + value_at(dsdt + 4, 4) - 5; at++)
		if (value_at(at, 1) == 8 && memcmp(text_at(at + 1), name, 4) == 0)
			return at + 5;
	return 0;
}

static void a_bare_machine_has_tables_of_its_hardware(void **state)
{
	uint64_t rsdp = bare_tables(4, false), fadt = acpi_table(rsdp, "FACP");
	uint64_t madt = acpi_table(rsdp, "APIC"), hpet = acpi_table(rsdp, "HPET");
	uint64_t dsdt = value_at(fadt + 140, 8), cpu, pin;
	unsigned count;

	(void)state;
	assert_int_equal(value_at(fadt + 40, 4), dsdt);
	assert_int_equal(value_at(fadt + 46, 2), 9);
	assert_int_equal(value_at(fadt + 56, 4), 0xb000);
	assert_int_equal(value_at(fadt + 64, 4), 0xb004);
	assert_int_equal(value_at(fadt + 76, 4), 0xb008);
	assert_int_equal(value_at(fadt + 112, 4) & 0x470, 0x470);
	assert_int_equal(value_at(fadt + 116, 4), 0x01000801);
	assert_int_equal(value_at(fadt + 120, 8), 0xcf9);
	assert_int_equal(value_at(fadt + 128, 1), 6);
	assert_int_equal(sum(dsdt, value_at(dsdt + 4, 4)), 0);
	assert_memory_equal(text_at(aml_name(dsdt, "_S5_")), "\x12", 1);
	assert_int_equal(value_at(hpet + 44, 8), 0xfed00000);
	assert_int_equal(value_at(madt + 36, 4), 0xfee00000);
	cpu = madt_entry(madt, 0, &count);
	assert_int_equal(count, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(value_at(cpu + 8 * i + 2, 6), i | i << 8 | 1 << 16);
	assert_int_equal(value_at(madt_entry(madt, 1, &count) + 4, 4), 0xfec00000);
	assert_int_equal(value_at(madt_entry(madt, 2, &count) + 4, 4), 2);
	assert_int_equal(count, 2);
	assert_int_equal(value_at(madt_entry(madt, 4, &count) + 2, 4), 0x010000ff);
	assert_int_equal(acpi_table(rsdp, "MCFG"), 0);
	assert_int_equal(acpi_table(rsdp, "DMAR"), 0);
	/* Device 1, its first pin: a package of 4 behind that of the 124. */
	pin = aml_name(dsdt, "_PRT") + 4;
	assert_int_equal(value_at(pin + 5, 4), 0x1ffff);
	assert_int_equal(value_at(pin + 13, 1), 16);
}

static void the_rom_sets_what_the_tables_say(void **state)
{
	(void)state;
	bare_tables(1, false);
	assert_int_equal(bytes_value(&plan.rom, ROM_MSRS, 4), 2 << 16);
	assert_int_equal(bytes_value(&plan.rom, ROM_PCI, 8), 0xb00180000b40);
	assert_int_equal(bytes_value(&plan.rom, ROM_PCI + 8, 8), 0x180000b80);
	assert_int_equal(boot_set_msrs(&plan, "0x1b=1,0x2b=1,0x3b=1", "here", &error), 0);
	assert_int_equal(bytes_value(&plan.rom, ROM_MSRS, 4), 2 << 16 | 3);
}

/* Its IOAPIC has pins of PCI at IRQs of the PICs, as the ROM routes them. */
static void pins_of_qemus_machine_are_those_that_its_rom_routes(void **state)
{
	uint64_t rsdp = bare_tables(64, true), madt = acpi_table(rsdp, "APIC"), pin;
	uint64_t routes = bytes_value(&plan.rom, ROM_PCI + 16, 8);
	unsigned count;

	(void)state;
	assert_int_equal(bytes_value(&plan.rom, ROM_MSRS, 4), 3 << 16);
	assert_int_equal(routes & UINT32_MAX, 0x80000860);
	pin = aml_name(value_at(acpi_table(rsdp, "FACP") + 140, 8), "_PRT") + 4;
	assert_int_equal(value_at(pin + 13, 1), routes >> 32 & 0xff);
	madt_entry(madt, 0, &count);
	assert_int_equal(count, 64);
	madt_entry(madt, 2, &count);
	assert_int_equal(count, 4);
	scenario.vms[0].config.cpus = 65;
	assert_int_equal(
		boot_plan_bare(&arena, &scenario, files, &plan, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "at most 64"));
}

/* With all that there can be, they end where they may. */
static void the_largest_tables_fit(void **state)
{
	uint64_t rsdp, slit;

	(void)state;
	scenario.machine.iommu = MACHINE_IOMMU_VTD_REGIONS;
	scenario.machine.nodes = 8;
	scenario.vms[0].config.memory = 8192 * MIB;
	rsdp = bare_tables(64, false);
	slit = acpi_table(rsdp, "SLIT");
	assert_true(slit != 0 && slit + value_at(slit + 4, 4) <= 0xa0000);
	assert_true(value_at(rsdp + 24, 8) + 36 + 7 * 8 <= 0xa0000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			tables_of_acpi_tell_of_a_remapping_unit_if_there_is_one, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_bare_machine_has_tables_of_its_hardware, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_rom_sets_what_the_tables_say, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			pins_of_qemus_machine_are_those_that_its_rom_routes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_largest_tables_fit, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("tool_tables", tests, NULL, NULL);
}
