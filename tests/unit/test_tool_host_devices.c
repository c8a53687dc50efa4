/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of a machine could be a VM's, by a folder like Linux' /sys: a unit, a region
 * of firmware's, a port, a bridge, a virtual function, another segment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "host_devices.h"
#include "spec/pci.h"
#include "spec/pcie.h"
#include "spec/vtd.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define REGISTERS  UINT64_C(0xfed90000)
#define EXPRESS_AT 0x40u

static struct arena arena;
static const char *sys;
static struct host_devices devices;

/* ---- the machine ---- */

/* What is between slashes is made as folders. */
static void put_file(const char *name, const void *bytes, size_t size)
{
	char *path = arena_format(&arena, "%s/%s", sys, name);
	struct error e = {.status = 0};

	for (char *slash = strchr(path + strlen(sys) + 1, '/'); slash != NULL;
		slash = strchr(slash + 1, '/')) {
		*slash = 0;
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	assert_int_equal(
		file_write(path, &(struct bytes){(void *)(uintptr_t)bytes, size}, &e), 0);
}

static void put_text(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}

static void put_word(uint8_t *to, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

/* How much of a configuration space Linux shows, and what is in its second part. */
static unsigned config_size;
static uint32_t acs_can, vfs;

static void put_extended(uint8_t *config)
{
	if (acs_can != 0) {
		put_word(config + PCIE_EXTENDED, PCIE_EXTENDED_ACS | PCIE_EXTENDED_VERSION, 4);
		put_word(config + PCIE_EXTENDED + PCIE_ACS_CAPABLE, acs_can, 2);
	}
	if (vfs != 0) {
		put_word(
			config + PCIE_EXTENDED, PCIE_EXTENDED_SRIOV | PCIE_EXTENDED_VERSION, 4);
		put_word(config + PCIE_EXTENDED + PCIE_SRIOV_TOTAL, vfs, 2);
	}
}

/* A function with an Express capability of this kind (PCIE_TYPE_*), or, -1, without one. */
static void put_function(const char *name, const char *class, int express, unsigned secondary)
{
	uint8_t config[PCIE_CONFIG_SIZE] = {0x34, 0x12, 0x78, 0x56};

	put_word(config + PCI_INTERFACE, strtoul(class, NULL, 16), 3);
	config[PCI_HEADER_TYPE] = secondary != 0 ? PCI_HEADER_BRIDGE : 0;
	config[PCI_BRIDGE_SECONDARY] = config[PCI_BRIDGE_SUBORDINATE] = (uint8_t)secondary;
	if (express >= 0) {
		config[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
		config[PCI_CAPABILITIES] = EXPRESS_AT;
		config[EXPRESS_AT] = PCI_CAP_EXPRESS;
		config[EXPRESS_AT + PCIE_CAPABLE] = (uint8_t)(2 | express << 4);
		put_extended(config);
	}
	put_file(arena_format(&arena, "bus/pci/devices/%s/config", name), config,
		express >= 0 ? config_size : PCI_CONFIG_SIZE);
	put_text(arena_format(&arena, "bus/pci/devices/%s/vendor", name), "0x1234\n");
	put_text(arena_format(&arena, "bus/pci/devices/%s/device", name), "0x5678\n");
	put_text(arena_format(&arena, "bus/pci/devices/%s/class", name), class);
}

/* A unit for all, and a region that firmware has for 00:1d.0. */
static void put_dmar(void)
{
	uint8_t t[DMAR_HEADER + DMAR_DRHD_SIZE + DMAR_RMRR_SIZE + DMAR_SCOPE_SIZE + 2] = "DMAR";
	uint8_t *unit = t + DMAR_HEADER, *region = unit + DMAR_DRHD_SIZE, sum = 0;

	put_word(t + 4, sizeof(t), 4);
	t[DMAR_HOST_WIDTH] = 38;
	t[DMAR_FLAGS] = DMAR_FLAG_IR;
	put_word(unit, DMAR_DRHD | DMAR_DRHD_SIZE << 16, 4);
	unit[4] = DMAR_DRHD_ALL;
	put_word(unit + 8, REGISTERS, 8);
	put_word(region, DMAR_RMRR, 2);
	put_word(region + 2, DMAR_RMRR_SIZE + DMAR_SCOPE_SIZE + 2, 2);
	put_word(region + 8, 0x7f000000, 8);
	put_word(region + 16, 0x7f0fffff, 8);
	region[DMAR_RMRR_SIZE] = DMAR_SCOPE_PCI;
	region[DMAR_RMRR_SIZE + 1] = DMAR_SCOPE_SIZE + 2;
	region[DMAR_RMRR_SIZE + DMAR_SCOPE_SIZE] = 0x1d;
	for (unsigned i = 0; i < sizeof(t); i++)
		sum = (uint8_t)(sum + t[i]);
	t[9] = (uint8_t)-sum;
	put_file("firmware/acpi/tables/DMAR", t, sizeof(t));
}

static void put_unit(uint64_t cap, uint64_t ecap)
{
	put_text("class/iommu/dmar0/intel-iommu/address", "fed90000\n");
	put_text("class/iommu/dmar0/intel-iommu/cap", arena_format(&arena, "%lx\n", cap));
	put_text("class/iommu/dmar0/intel-iommu/ecap", arena_format(&arena, "%lx\n", ecap));
}

#define CAP  ((uint64_t)VTD_SAGAW_4 << VTD_CAP_SAGAW_SHIFT | 47u << VTD_CAP_MGAW_SHIFT | 6)
#define ECAP (VTD_ECAP_QI | VTD_ECAP_IR)

static int set_up(void **state)
{
	struct error e = {.status = 0};

	(void)state;
	arena = (struct arena){0};
	config_size = PCIE_CONFIG_SIZE;
	acs_can = vfs = 0;
	if (file_make_temporary(&arena, &sys, &e) != 0)
		return -1;
	put_function("0000:00:00.0", "0x060000\n", -1, 0);
	put_function("0000:00:02.0", "0x030000\n", -1, 0);
	put_function("0000:00:1c.0", "0x060400\n", PCIE_TYPE_ROOT, 1);
	put_function("0000:01:00.0", "0x020000\n", PCIE_TYPE_ENDPOINT, 0);
	put_function("0000:01:00.1", "0x020000\n", PCIE_TYPE_ENDPOINT, 0);
	put_text("bus/pci/devices/0000:01:00.1/physfn", "");
	put_function("0000:00:1d.0", "0x0c0320\n", -1, 0);
	put_function("0000:00:1e.0", "0x060401\n", -1, 2);
	put_function("0000:02:03.0", "0x010400\n", -1, 0);
	put_function("0001:00:00.0", "0x020000\n", PCIE_TYPE_ENDPOINT, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	file_remove_tree(sys);
	arena_free(&arena);
	return 0;
}

static const struct host_device *device(const char *name)
{
	for (unsigned i = 0; i < devices.count; i++)
		if (strcmp(devices.all[i].name, name) == 0)
			return &devices.all[i];
	fail_msg("%s is not told", name);
	return NULL;
}

static void expect_why(const char *name, const char *words)
{
	const struct host_device *d = device(name);

	assert_non_null(d->why);
	assert_non_null(strstr(d->why, words));
	assert_null(d->group);
}

/* ---- tests ---- */

static void each_function_is_judged_with_its_group(void **state)
{
	(void)state;
	put_dmar();
	put_unit(CAP, ECAP);
	host_devices_read(&arena, sys, &devices);
	assert_null(devices.why);
	assert_int_equal(devices.count, 9);
	assert_int_equal(devices.unit_count, 1);
	assert_string_equal(devices.all[0].name, "pci:00:00.0");
	assert_null(device("pci:00:02.0")->why);
	assert_string_equal(device("pci:00:02.0")->group, "pci:00:02.0");
	assert_int_equal(device("pci:00:02.0")->class, 0x300);
	assert_int_equal(device("pci:00:02.0")->vendor, 0x1234);
	assert_null(device("pci:01:00.0")->why);
	assert_string_equal(device("pci:01:00.0")->group, "pci:00:1c.0");
	expect_why("pci:00:00.0", "it is a bridge");
	expect_why("pci:00:1c.0", "it is a bridge");
	expect_why("pci:01:00.1", "virtual function");
	assert_null(device("pci:00:1d.0")->why); /* a USB controller: L0 asks firmware for it */
	expect_why("pci:02:03.0", "behind a PCI bridge");
	expect_why("0001:00:00.0", "segment");
}

static void memory_that_firmware_has_for_a_function_keeps_it_from_vms_but_for_usb(void **state)
{
	static const char *const classes[] = {
		"0x0c0380\n", "0x0c03fe\n", "0x0c0400\n", "0x010802\n"};

	(void)state;
	put_dmar();
	put_unit(CAP, ECAP);
	for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		put_function("0000:00:1d.0", classes[i], -1, 0);
		host_devices_read(&arena, sys, &devices);
		expect_why("pci:00:1d.0", "RMRR");
	}
	put_function("0000:00:1d.0", "0x0c0330\n", -1, 0);
	host_devices_read(&arena, sys, &devices);
	assert_null(device("pci:00:1d.0")->why);
}

static void without_a_table_or_a_unit_that_will_do_the_reason_is_told(void **state)
{
	(void)state;
	host_devices_read(&arena, sys, &devices);
	expect_why("pci:00:02.0", "no table DMAR");
	put_dmar();
	host_devices_read(&arena, sys, &devices);
	expect_why("pci:00:02.0", "intel_iommu=on");
	put_unit(CAP, VTD_ECAP_IR);
	host_devices_read(&arena, sys, &devices);
	expect_why("pci:00:02.0", "queued invalidation");
	put_unit(CAP, VTD_ECAP_QI);
	host_devices_read(&arena, sys, &devices);
	expect_why("pci:00:02.0", "does not remap interrupts");
}

/* A root port and a switch below it, as put_function has them by now. */
static void put_switch(void)
{
	acs_can = PCIE_ACS_BITS & ~PCIE_ACS_BLOCK;
	put_function("0000:00:1c.0", "0x060400\n", PCIE_TYPE_ROOT, 3);
	put_function("0000:04:00.0", "0x060400\n", PCIE_TYPE_DOWN, 5);
	put_function("0000:04:01.0", "0x060400\n", PCIE_TYPE_DOWN, 6);
	acs_can = 0;
	put_function("0000:03:00.0", "0x060400\n", PCIE_TYPE_UP, 4);
	put_function("0000:05:00.0", "0x020000\n", PCIE_TYPE_ENDPOINT, 0);
	vfs = 8;
	put_function("0000:06:00.0", "0x020000\n", PCIE_TYPE_ENDPOINT, 0);
	put_dmar();
	put_unit(CAP, ECAP);
	host_devices_read(&arena, sys, &devices);
	assert_null(devices.why);
}

static void ports_that_could_keep_apart_what_is_behind_them_make_smaller_groups(void **state)
{
	(void)state;
	put_switch();
	assert_false(devices.is_cut);
	assert_string_equal(device("pci:05:00.0")->group, "pci:05:00.0");
	assert_string_equal(device("pci:06:00.0")->group, "pci:06:00.0");
	assert_int_equal(device("pci:05:00.0")->vfs, 0);
	assert_int_equal(device("pci:06:00.0")->vfs, 8);
	config_size = 64 + 192;
	put_switch();
	assert_true(devices.is_cut);
	assert_string_equal(device("pci:05:00.0")->group, "pci:00:1c.0");
	assert_string_equal(device("pci:06:00.0")->group, "pci:00:1c.0");
	assert_int_equal(device("pci:06:00.0")->vfs, 0);
}

static void what_cannot_be_read_is_told(void **state)
{
	(void)state;
	put_text("bus/pci/devices/0000:00:02.0/config",
		"0123456789012345678901234567890123456789"
		"012345678901234567890123");
	host_devices_read(&arena, sys, &devices);
	assert_non_null(strstr(devices.why, "only root"));
	assert_int_equal(devices.count, 0);
	host_devices_read(&arena, arena_format(&arena, "%s/nothing", sys), &devices);
	assert_non_null(strstr(devices.why, "/nothing/bus/pci/devices: No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_function_is_judged_with_its_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			memory_that_firmware_has_for_a_function_keeps_it_from_vms_but_for_usb,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_a_table_or_a_unit_that_will_do_the_reason_is_told, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			ports_that_could_keep_apart_what_is_behind_them_make_smaller_groups,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_told, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
