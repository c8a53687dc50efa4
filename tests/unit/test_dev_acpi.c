/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables: found as a guest finds them, checksums, and what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/dev.h"
#include "dev/vpci.h"
#include "dev/vpm.h"

#define BASE 0xe0000ull
#define SIZE 0x10000

static uint8_t *memory; /* SIZE bytes at BASE */
static size_t used;
static struct platform_config config;

static uint64_t get(uint64_t gpa, unsigned bytes)
{
	uint64_t value = 0;

	assert_in_range(gpa, BASE, BASE + used - bytes);
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)memory[gpa - BASE + i] << i * 8;
	return value;
}

static bool is_text(uint64_t gpa, const char *text)
{
	get(gpa + strlen(text) - 1, 1);
	return memcmp(&memory[gpa - BASE], text, strlen(text)) == 0;
}

static uint8_t sum(uint64_t gpa, uint64_t bytes)
{
	uint8_t s = 0;

	for (uint64_t i = 0; i < bytes; i++)
		s = (uint8_t)(s + get(gpa + i, 1));
	return s;
}

static void build(unsigned vcpus)
{
	config = (struct platform_config){.vcpus = vcpus, .tsc_khz = 1000000};
	used = acpi_build(memory, SIZE, BASE, &config);
	assert_int_not_equal(used, 0);
}

static int setup(void **state)
{
	(void)state;
	memory = malloc(SIZE);
	memset(memory, 0xa5, SIZE);
	build(2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

/* The table of a signature, looked for in the XSDT. */
static uint64_t table(const char *signature)
{
	uint64_t xsdt = get(BASE + 24, 8);

	for (uint64_t at = xsdt + 36; at < xsdt + get(xsdt + 4, 4); at += 8) {
		if (is_text(get(at, 8), signature))
			return get(at, 8);
	}
	fail_msg("no %s", signature);
	return 0;
}

/* The n-th entry of a type in the MADT, or 0. */
static uint64_t madt_entry(unsigned type, unsigned n)
{
	uint64_t madt = table("APIC");
	uint64_t end = madt + get(madt + 4, 4);

	for (uint64_t at = madt + 44; at < end; at += get(at + 1, 1)) {
		assert_int_not_equal(get(at + 1, 1), 0);
		if (get(at, 1) == type && n-- == 0)
			return at;
	}
	return 0;
}

static bool dsdt_has(const void *bytes, size_t count)
{
	uint64_t dsdt = get(table("FACP") + 140, 8);
	uint64_t length = get(dsdt + 4, 4);

	for (uint64_t i = 36; i + count <= length; i++) {
		if (memcmp(&memory[dsdt - BASE + i], bytes, count) == 0)
			return true;
	}
	return false;
}

static void with_root_ports_the_guest_has_native_hot_plug_and_no_other(void **state)
{
	/* _OSC with its length, 4 arguments, serialized; And (CDW3, 0x1d, Local0) */
	static const uint8_t name[] = {'_', 'O', 'S', 'C', 0x0c};
	static const uint8_t grant[] = {0x7b, 'C', 'D', 'W', '3', 0x0a, 0x1d, 0x60};
	static const uint8_t uuid[] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40};

	(void)state;
	assert_false(dsdt_has(name, sizeof(name)));
	config.root_ports = 1;
	used = acpi_build(memory, SIZE, BASE, &config);
	assert_true(dsdt_has(name, sizeof(name)) && dsdt_has(grant, sizeof(grant)) &&
		    dsdt_has(uuid, sizeof(uuid)));
	assert_int_equal(sum(table("FACP"), get(table("FACP") + 4, 4)), 0);
}

static void the_rsdp_comes_first_with_two_good_checksums(void **state)
{
	(void)state;
	assert_true(is_text(BASE, "RSD PTR "));
	assert_int_equal(sum(BASE, 20), 0);
	assert_int_equal(sum(BASE, 36), 0);
	assert_int_equal(get(BASE + 15, 1), 2);
}

static void every_table_has_a_good_checksum(void **state)
{
	uint64_t xsdt = get(BASE + 24, 8);
	uint64_t rsdt = get(BASE + 16, 4);
	uint64_t dsdt = get(table("FACP") + 140, 8);
	uint64_t tables[] = {
		xsdt, rsdt, dsdt, table("FACP"), table("APIC"), table("MCFG"), table("SPCR")};

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		assert_int_equal(tables[i] % 16, 0);
		assert_int_equal(sum(tables[i], get(tables[i] + 4, 4)), 0);
	}
}

static void rsdt_and_xsdt_name_the_same_tables(void **state)
{
	uint64_t xsdt = get(BASE + 24, 8);
	uint64_t rsdt = get(BASE + 16, 4);
	uint64_t count = (get(xsdt + 4, 4) - 36) / 8;

	(void)state;
	assert_int_equal((get(rsdt + 4, 4) - 36) / 4, count);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(get(rsdt + 36 + i * 4, 4), get(xsdt + 36 + i * 8, 8));
}

static void the_facs_is_aligned_to_64_bytes(void **state)
{
	uint64_t facs = get(table("FACP") + 132, 8);

	(void)state;
	assert_int_equal(facs % 64, 0);
	assert_true(is_text(facs, "FACS"));
	assert_int_equal(get(facs + 4, 4), 64);
	assert_int_equal(get(table("FACP") + 36, 4), 0); /* named only once */
}

static void the_fadt_has_the_length_of_its_revision(void **state)
{
	(void)state;
	assert_int_equal(get(table("FACP") + 8, 1), 5);
	assert_int_equal(get(table("FACP") + 4, 4), 268);
}

static void the_fadt_names_the_ports_of_the_power_management(void **state)
{
	uint64_t fadt = table("FACP");

	(void)state;
	assert_int_equal(get(fadt + 46, 2), 9);     /* SCI */
	assert_int_equal(get(fadt + 48, 4), 0);     /* no SMI command port */
	assert_int_equal(get(fadt + 56, 4), 0x600); /* PM1a event */
	assert_int_equal(get(fadt + 64, 4), 0x604); /* PM1a control */
	assert_int_equal(get(fadt + 76, 4), 0x608); /* PM timer */
	assert_int_equal(get(fadt + 88, 1), 4);
	assert_int_equal(get(fadt + 89, 1), 2);
	assert_int_equal(get(fadt + 91, 1), 4);
	assert_int_equal(get(fadt + 108, 1), 0x32);
}

static void old_and_new_addresses_in_the_fadt_agree(void **state)
{
	static const struct {
		unsigned old, new;
	} pairs[] = {{56, 148}, {60, 160}, {64, 172}, {68, 184}, {72, 196}, {76, 208},
		{80, 220}, {84, 232}};
	uint64_t fadt = table("FACP");

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_int_equal(get(fadt + pairs[i].old, 4), get(fadt + pairs[i].new + 4, 8));
	assert_int_equal(get(fadt + 40, 4), get(fadt + 140, 8));
}

static void the_fadt_describes_reset_and_absent_devices(void **state)
{
	uint64_t fadt = table("FACP");
	uint64_t flags = get(fadt + 112, 4);

	(void)state;
	assert_int_equal(get(fadt + 116, 1), 1);
	assert_int_equal(get(fadt + 120, 8), 0xcf9);
	assert_int_equal(get(fadt + 128, 1), 6);
	assert_true(flags & 1 << 10);                      /* RESET_REG_SUP */
	assert_true(flags & 1 << 8);                       /* 32-bit timer */
	assert_false(flags & 1 << 20);                     /* not hardware-reduced */
	assert_int_equal(get(fadt + 109, 2) & 0x27, 0x05); /* legacy, no 8042, no VGA, RTC */
}

static void the_madt_has_one_local_apic_for_each_vcpu(void **state)
{
	(void)state;
	for (unsigned vcpus = 1; vcpus <= DEV_MAX_VCPUS; vcpus++) {
		build(vcpus);
		for (unsigned i = 0; i < vcpus && i < 255; i++) {
			assert_int_equal(get(madt_entry(0, i) + 2, 1), i);
			assert_int_equal(get(madt_entry(0, i) + 3, 1), i);
			assert_int_equal(get(madt_entry(0, i) + 4, 4), 1);
		}
		assert_int_equal(madt_entry(0, vcpus < 255 ? vcpus : 255), 0);
		for (unsigned i = 255; i < vcpus; i++) {
			assert_int_equal(get(madt_entry(9, i - 255) + 1, 1), 16);
			assert_int_equal(get(madt_entry(9, i - 255) + 4, 4), i);
			assert_int_equal(get(madt_entry(9, i - 255) + 8, 4), 1);
			assert_int_equal(get(madt_entry(9, i - 255) + 12, 4), i);
		}
		assert_int_equal(madt_entry(9, vcpus < 255 ? 0 : vcpus - 255), 0);
		assert_int_equal(sum(table("APIC"), get(table("APIC") + 4, 4)), 0);
	}
}

static void with_x2apic_ids_nmi_is_at_lint1_of_those_too(void **state)
{
	(void)state;
	build(255);
	assert_int_equal(madt_entry(10, 0), 0);
	build(256);
	assert_int_equal(get(madt_entry(4, 0) + 2, 1), 0xff);
	assert_int_equal(get(madt_entry(10, 0) + 1, 1), 12);
	assert_int_equal(get(madt_entry(10, 0) + 4, 4), UINT32_MAX);
	assert_int_equal(get(madt_entry(10, 0) + 8, 1), 1);
}

/* Device (C11F) { Name (_HID, "ACPI0007") Name (_UID, 287) } */
static void the_dsdt_has_a_processor_device_for_each_of_many(void **state)
{
	static const uint8_t last[] = {'C', '1', '1', 'F', 0x08, '_', 'H', 'I', 'D', 0x0d, 'A',
		'C', 'P', 'I', '0', '0', '0', '7', 0, 0x08, '_', 'U', 'I', 'D', 0x0b, 0x1f, 1};

	(void)state;
	build(288);
	assert_true(dsdt_has(last, sizeof(last)));
	assert_true(dsdt_has("CPFF", 4) && dsdt_has("C100", 4));
	assert_false(dsdt_has("C120", 4));
}

static void the_madt_describes_the_interrupt_wiring(void **state)
{
	uint64_t timer = madt_entry(2, 0);
	uint64_t sci = madt_entry(2, 1);
	uint64_t nmi = madt_entry(4, 0);

	(void)state;
	assert_int_equal(get(table("APIC") + 36, 4), DEV_LAPIC_BASE);
	assert_int_equal(get(table("APIC") + 40, 4), 1);
	assert_int_equal(get(madt_entry(1, 0) + 4, 4), DEV_IOAPIC_BASE);
	assert_int_equal(get(madt_entry(1, 0) + 8, 4), 0);
	assert_int_equal(get(timer + 3, 1), 0);
	assert_int_equal(get(timer + 4, 4), 2);
	assert_int_equal(get(sci + 3, 1), 9);
	assert_int_equal(get(sci + 4, 4), 9);
	assert_int_equal(get(sci + 8, 2), 0x0d);
	assert_int_equal(get(nmi + 2, 1), 0xff);
	assert_int_equal(get(nmi + 5, 1), 1);
}

static void the_spcr_describes_the_uart(void **state)
{
	uint64_t spcr = table("SPCR");

	(void)state;
	assert_int_equal(get(spcr + 4, 4), 80);
	assert_int_equal(get(spcr + 36, 1), 0);
	assert_int_equal(get(spcr + 40, 4), 0x01000801); /* ports, 8 bits, by bytes */
	assert_int_equal(get(spcr + 44, 8), 0x3f8);
	assert_int_equal(get(spcr + 52, 2), 0x0403);
	assert_int_equal(get(spcr + 54, 4), 4);
	assert_int_equal(get(spcr + 58, 3), 0x010007);
	assert_int_equal(get(spcr + 64, 4), 0xffffffff); /* no PCI function */
}

/* 1.0a, 3.2.4; of its device the bytes of Memory32Fixed (ReadWrite, ...). */
static void a_hpet_has_a_table_and_a_device(void **state)
{
	static const uint8_t pnp0103[] = {0x0c, 0x41, 0xd0, 0x01, 0x03};
	static const uint8_t memory32[] = {
		0x86, 9, 0, 1, 0x00, 0x00, 0xd0, 0xfe, 0x00, 0x04, 0x00, 0x00};
	uint64_t hpet;

	(void)state;
	assert_false(dsdt_has(pnp0103, sizeof(pnp0103)));
	config.hpet = true;
	used = acpi_build(memory, SIZE, BASE, &config);
	hpet = table("HPET");
	assert_int_equal(get(hpet + 4, 4), 56);
	assert_int_equal(sum(hpet, 56), 0);
	assert_int_equal(get(hpet + 36, 4), 0x8086a201);
	assert_int_equal(get(hpet + 40, 4), 0x4000); /* memory, 64 bits */
	assert_int_equal(get(hpet + 44, 8), 0xfed00000);
	assert_int_equal(get(hpet + 52, 1), 0);
	assert_int_equal(get(hpet + 53, 2), 5000); /* 50 microseconds at 100 MHz */
	assert_int_equal(get(hpet + 55, 1), 1);
	assert_true(dsdt_has(pnp0103, sizeof(pnp0103)));
	assert_true(dsdt_has(memory32, sizeof(memory32)));
}

/* VT-d 8.3.1 "Device Scope Structure": each has a place of its own as a source of messages. */
static void the_dmar_knows_the_hpet_if_there_is_one(void **state)
{
	static const uint8_t ioapic[] = {3, 8, 0, 0, 0, 0xf0, 0x1f, 0};
	static const uint8_t hpet[] = {4, 8, 0, 0, 0, 0xf0, 0x1e, 0};
	uint64_t dmar;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		config.vtd = true;
		config.hpet = i == 1;
		used = acpi_build(memory, SIZE, BASE, &config);
		dmar = table("DMAR");
		assert_int_equal(get(dmar + 4, 4), 48 + 16 + 8 * (1 + i));
		assert_int_equal(get(dmar + 50, 2), 16 + 8 * (1 + i));
		assert_memory_equal(&memory[dmar - BASE + 64], ioapic, 8);
		if (i == 1)
			assert_memory_equal(&memory[dmar - BASE + 72], hpet, 8);
		assert_int_equal(sum(dmar, get(dmar + 4, 4)), 0);
	}
}

static void the_mcfg_describes_ecam(void **state)
{
	uint64_t mcfg = table("MCFG");

	(void)state;
	assert_int_equal(get(mcfg + 4, 4), 60);
	assert_int_equal(get(mcfg + 44, 8), DEV_ECAM_BASE);
	assert_int_equal(get(mcfg + 54, 1), 0);
	assert_int_equal(get(mcfg + 55, 1), 255);
}

static void the_dsdt_has_the_devices(void **state)
{
	static const uint8_t pnp0a08[] = {0x0c, 0x41, 0xd0, 0x0a, 0x08};
	static const uint8_t pnp0501[] = {0x0c, 0x41, 0xd0, 0x05, 0x01};
	static const uint8_t pnp0b00[] = {0x0c, 0x41, 0xd0, 0x0b, 0x00};
	static const uint8_t s5[] = {
		0x08, '_', 'S', '5', '_', 0x12, 0x88, 0, 0, 4, VPM_S5_TYPE, VPM_S5_TYPE};

	(void)state;
	assert_true(dsdt_has(pnp0a08, sizeof(pnp0a08)));
	assert_true(dsdt_has(pnp0501, sizeof(pnp0501)));
	assert_true(dsdt_has(pnp0b00, sizeof(pnp0b00)));
	assert_true(dsdt_has(s5, sizeof(s5)));
	assert_true(dsdt_has("CP01", 4));
	assert_false(dsdt_has("CP02", 4));
}

/* The entry of _PRT, with package lengths of three bytes. */
static bool dsdt_routes(unsigned device, uint8_t pin, uint8_t interrupt)
{
	uint8_t entry[16] = {0x12, 0x8d, 0, 0, 4, 0x0c, 0xff, 0xff, (uint8_t)device, 0};
	unsigned n = 10;

	if (pin > 1)
		entry[n++] = 0x0a;
	entry[n++] = pin;
	entry[n++] = 0;
	entry[n++] = 0x0a;
	entry[n++] = interrupt;
	entry[1] = (uint8_t)(0x80 | (n - 1));
	return dsdt_has(entry, n);
}

static void interrupt_pins_are_routed_as_pci_does_it(void **state)
{
	(void)state;
	for (unsigned device = 0; device < 32; device++) {
		for (uint8_t pin = 0; pin < 4; pin++) {
			unsigned pirq = vpci_pirq_of((uint16_t)(device << 3), pin + 1);

			assert_true(dsdt_routes(device, pin, (uint8_t)(16 + pirq)));
			assert_true(dsdt_routes(device, pin, vpci_pirq_line(pirq)));
		}
	}
	assert_false(dsdt_routes(1, 0, 16 + 4)); /* that is device 0's */
}

static void a_buffer_that_is_too_small_is_refused_and_not_overrun(void **state)
{
	size_t needed = used;

	(void)state;
	for (size_t size = 0; size < needed; size++) {
		uint8_t *small = malloc(size ? size : 1);

		assert_int_equal(acpi_build(small, size, BASE, &config), 0);
		free(small);
	}
	assert_int_equal(acpi_build(memory, needed, BASE, &config), needed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			with_root_ports_the_guest_has_native_hot_plug_and_no_other, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			the_rsdp_comes_first_with_two_good_checksums, setup, teardown),
		cmocka_unit_test_setup_teardown(
			every_table_has_a_good_checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(
			rsdt_and_xsdt_name_the_same_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_facs_is_aligned_to_64_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_fadt_has_the_length_of_its_revision, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_fadt_names_the_ports_of_the_power_management, setup, teardown),
		cmocka_unit_test_setup_teardown(
			old_and_new_addresses_in_the_fadt_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_fadt_describes_reset_and_absent_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_madt_has_one_local_apic_for_each_vcpu, setup, teardown),
		cmocka_unit_test_setup_teardown(
			with_x2apic_ids_nmi_is_at_lint1_of_those_too, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_dsdt_has_a_processor_device_for_each_of_many, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_madt_describes_the_interrupt_wiring, setup, teardown),
		cmocka_unit_test_setup_teardown(the_mcfg_describes_ecam, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_hpet_has_a_table_and_a_device, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_dmar_knows_the_hpet_if_there_is_one, setup, teardown),
		cmocka_unit_test_setup_teardown(the_spcr_describes_the_uart, setup, teardown),
		cmocka_unit_test_setup_teardown(the_dsdt_has_the_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(
			interrupt_pins_are_routed_as_pci_does_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_buffer_that_is_too_small_is_refused_and_not_overrun, setup, teardown),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
