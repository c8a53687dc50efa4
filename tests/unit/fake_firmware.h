/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of what firmware meets, beside fake_dev.h: a platform with a configuration device
 * of a few items, ACPI tables, and RAM.
 */
#ifndef NESTOR_TESTS_FAKE_FIRMWARE_H
#define NESTOR_TESTS_FAKE_FIRMWARE_H

#include "dev/acpi_loader.h"
#include "dev/vfwcfg.h"
#include "fake_dev.h"

#define FIRMWARE_RAM  (256u << 10)
#define FIRMWARE_BLOB (200u << 10) /* more than one piece of a transfer */
#define KEY_BLOB      0x11
#define FLASH_AT      0xffe00000ull
#define FLASH_SIZE    8192u

static uint8_t firmware_ram[FIRMWARE_RAM], firmware_blob[FIRMWARE_BLOB];
static uint8_t firmware_flash[FLASH_SIZE];
static struct vfwcfg_table firmware_table;
static struct acpi_loader firmware_acpi;

static inline void firmware_items(struct vfwcfg_table *t)
{
	struct vfwcfg_item *tables;

	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < FIRMWARE_BLOB; i++)
		firmware_blob[i] = (uint8_t)(i * 7 + (i >> 8));
	vfwcfg_add_data(t, FWCFG_SIGNATURE, "QEMU", 4);
	vfwcfg_add_value(t, FWCFG_ID, 3, 4);
	vfwcfg_add_data(t, KEY_BLOB, firmware_blob, FIRMWARE_BLOB);
	vfwcfg_add_file(t, "etc/one", "first file", 10);
	vfwcfg_add_file_value(t, "etc/two", 0x1122334455667788, 8);
	tables = vfwcfg_add_file(t, ACPI_LOADER_TABLES, firmware_acpi.tables, ACPI_LOADER_SIZE);
	tables->acpi = true;
	vfwcfg_add_display(t);
	vfwcfg_add_writable(t, "etc/three", 4);
	assert_true(vfwcfg_finish(t));
}

/* A platform at guest TSC 0 after its reset. */
static inline void firmware_start(unsigned vcpus)
{
	struct platform_config c = {.vcpus = vcpus,
		.tsc_khz = FAKE_KHZ,
		.memory = 512ull << 20,
		.apicv = fake_apicv,
		.vtd = fake_vtd,
		.hpet = !fake_no_hpet,
		.vga = fake_vga,
		.display = true,
		.fwcfg = &firmware_table,
		.acpi = &firmware_acpi,
		.flash_base = FLASH_AT,
		.flash_size = FLASH_SIZE,
		.flash = firmware_flash};

	firmware_items(&firmware_table);
	fake_ram = firmware_ram;
	fake_ram_size = FIRMWARE_RAM;
	memset(firmware_ram, 0xee, sizeof(firmware_ram));
	memset(&fake, 0, sizeof(fake));
	memset(&machine, 0xa5, sizeof(machine));
	machine.lapic = machine_lapics;
	platform_reset(&machine, &c);
}

#endif
