/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of the machine in scenario files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "scenario.h"

#include "spec/pci.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct arena arena;
static struct scenario_spec scenario;
static struct error error;

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int parse(const char *text)
{
	scenario_init(&scenario);
	error = (struct error){0};
	return scenario_parse(&scenario, "dir/s.yaml", text, strlen(text), &arena, &error);
}

static void expect_error(const char *text, const char *message)
{
	assert_int_equal(parse(text), STATUS_BAD_INPUT);
	if (!strstr(error.text, message))
		fail_msg("'%s' lacks '%s'", error.text, message);
}

static void expect_list(unsigned vm, const char *list)
{
	char text[128];

	(void)device_list_format(&scenario.vms[vm].config.devices, text, sizeof(text));
	assert_string_equal(text, list);
}

static void devices_of_the_machine_are_read_as_a_word_or_as_a_list(void **state)
{
	(void)state;
	assert_int_equal(parse("machine: {net: user}\nvms:\n"
			       "  - {name: a, kernel: k, iommu: none, devices: ['pci:00:03.0', "
			       "'pci:1f:02.7']}\n"
			       "  - {name: b, kernel: k, devices: []}\n"),
		0);
	assert_int_equal(scenario.machine.net, MACHINE_NET_USER);
	assert_int_equal(scenario.vms[0].config.iommu, IOMMU_NONE);
	expect_list(0, "pci:00:03.0,pci:1f:02.7");
	expect_list(1, "none");
	assert_int_equal(
		parse("vms:\n  - name: a\n    kernel: k\n    devices: all\n    iommu: none\n"),
		0);
	expect_list(0, "all");
	assert_int_equal(parse("vms: [{name: a, kernel: k, devices: all, memory: 16M}]"), 0);
	assert_int_equal(scenario.vms[0].config.iommu, IOMMU_ON);
}

static void devices_may_be_written_as_pci_and_with_their_segment(void **state)
{
	(void)state;
	assert_int_equal(parse("vms: [{name: a, kernel: k, iommu: none, "
			       "pci: ['0000:00:03.0', 'pci:0000:1f:02.7', '02:00.0']}]"),
		0);
	expect_list(0, "pci:00:03.0,pci:1f:02.7,pci:02:00.0");
}

static void wrong_devices_are_told(void **state)
{
	static const char *const wrong[] = {"pci:00:03", "pci:0001:00:03.0", "pci:00:20.0",
		"pci:00:03.8", "pci:00:00.0", "pci:00:03.0,", "pci:00:03.0,pci:00:03.0",
		"pci:00:01.0,pci:00:02.0,pci:00:03.0,pci:00:04.0,pci:00:05.0", "pci:00:03.0/",
		"pci:00:03.0/vf", "pci:00:03.0/vf256", "pci:00:03.0/vf01", "pci:00:03.0/vf-1",
		"pci:00:03.0/vf0/vf1", "pci:00:03.0/VF0", "pci:00:03.0/vf0,00:03.0/vf0",
		"pci:00:00.0/vf0", "pci:00:03.0/vfs", "pci:00:03.0/vfs=", "pci:00:03.0/vfs=0",
		"pci:00:03.0/vfs=8", "pci:00:03.0/vfs=01", "pci:00:03.0/vfs=2/vf1",
		"pci:00:03.0/vfs=2,pci:00:03.0"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_error(arena_format(&arena,
				     "vms:\n  - name: a\n    kernel: k\n    iommu: none\n"
				     "    devices: '%s'\n",
				     wrong[i]),
			"dir/s.yaml:5: devices: ");
	expect_error("vms: [{name: a, firmware: f, devices: all, iommu: none}]",
		"starts from a kernel, not from firmware");
	expect_error("vms: [{name: a, kernel: k, iommu: none}]", "is for a VM with devices");
	expect_error("vms: [{name: a, kernel: k, devices: all, iommu: none, memory: 16M}]",
		"needs 32M of memory at least");
	expect_error("vms:\n  - {name: a, kernel: k, devices: 'pci:00:03.0', iommu: none}\n"
		     "  - {name: b, kernel: k, devices: ['pci:00:04.0', 'pci:00:03.0'], "
		     "iommu: none}\n",
		"dir/s.yaml:3: vms: the VM 'b': another VM has one of its devices");
	expect_error("vms: [{name: a, kernel: k, devices: 'pci:00:03.0', iommu: none},\n"
		     " {name: b, kernel: k, devices: all, iommu: none}]",
		"another VM has one of its devices");
}

static void virtual_functions_are_named_by_their_device_and_different_vms_have_them(
	void **state)
{
	(void)state;
	assert_int_equal(parse("vms:\n  - {name: a, kernel: k, devices: ['pci:00:02.0/vf0', "
			       "'0000:00:02.0/vf255']}\n"
			       "  - {name: b, kernel: k, devices: ['pci:00:02.0/vf1', "
			       "'pci:00:03.0']}\n"),
		0);
	expect_list(0, "pci:00:02.0/vf0,pci:00:02.0/vf255");
	expect_list(1, "pci:00:02.0/vf1,pci:00:03.0");
	assert_int_equal(
		device_list_vfs(&scenario.vms[0].config.devices, PCI_BDF(0, 2, 0)), 256);
	assert_int_equal(device_list_vfs(&scenario.vms[1].config.devices, PCI_BDF(0, 2, 0)), 2);
	assert_int_equal(device_list_vfs(&scenario.vms[1].config.devices, PCI_BDF(0, 3, 0)), 0);
}

static void a_device_behind_a_root_port_says_so(void **state)
{
	(void)state;
	assert_int_equal(parse("vms: [{name: a, kernel: k, root-ports: 2, devices: ["
			       "{pci: 00:02.0, root-port: 2, attached: off}, 'pci:00:03.0']}]"),
		0);
	expect_list(0, "pci:00:02.0,root-port=2,attached=off,pci:00:03.0");
	assert_int_equal(
		parse("vms: [{name: a, kernel: k, root-ports: 2, devices: "
		      "'00:03.0,attached=on,root-port=1,pci:00:02.0/vf1,root-port=2'}]"),
		0);
	expect_list(0, "pci:00:03.0,root-port=1,pci:00:02.0/vf1,root-port=2");
	assert_int_equal(parse("vms: [{name: a, kernel: k, root-ports: 2, "
			       "devices: ['pci:00:03.0,root-port=1']}]"),
		0);
	expect_list(0, "pci:00:03.0,root-port=1");
}

static void wrong_places_behind_root_ports_are_told(void **state)
{
	static const struct {
		const char *devices, *why;
	} wrong[] = {
		{"'pci:00:03.0,root-port=0'", "root-port must be from 1 to 8"},
		{"'pci:00:03.0,root-port=9'", "root-port must be from 1 to 8"},
		{"'pci:00:03.0,root-port='", "root-port must be from 1 to 8"},
		{"'pci:00:03.0,root-port=3'", "'root-ports' says how many"},
		{"'pci:00:03.0,root-port=1,root-port=2'", "said of a function twice"},
		{"'pci:00:03.0,root-port=1,attached=no'", "attached must be on or off"},
		{"'pci:00:03.0,attached=off'", "only what is behind a root port"},
		{"'pci:00:03.0/vfs=2,root-port=1'", "it is behind no root port"},
		{"'pci:00:03.0,slot=1'", "may be root-port=N and attached=off"},
		{"'root-port=1'", "must be none, all, or"},
		{"'all,root-port=1'", "must be none, all, or"},
		{"['pci:00:03.0,root-port=1', 'pci:00:04.0,root-port=1']",
			"whose slot is for one"},
		{"[{root-port: 1}]", "each its name or {pci, root-port, attached}"},
		{"[{pci: 00:03.0, pci: 00:04.0}]",
			"each its name or {pci, root-port, attached}"},
		{"[{pci: 00:03.0, root-port: [1]}]", "each its name or {pci, root-port"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_error(
			arena_format(&arena,
				"vms:\n  - {name: a, kernel: k, root-ports: 2, devices: %s}\n",
				wrong[i].devices),
			wrong[i].why);
	expect_error(
		"vms: [{name: a, kernel: k, root-ports: 1, nets: [{network: lan, root-port: 1}], "
		"devices: 'pci:00:03.0,root-port=1'}]\nnetworks: [lan]\n",
		"whose slot is for one");
}

static void a_device_may_move_between_vms_that_have_it_behind_ports(void **state)
{
	(void)state;
	assert_int_equal(
		parse("vms:\n"
		      "  - {name: a, kernel: k, root-ports: 1, devices: 'pci:00:02.0,root-port=1'}\n"
		      "  - {name: b, kernel: k, root-ports: 2, devices: "
		      "'pci:00:02.0,root-port=2,attached=off'}\n"
		      "  - {name: c, kernel: k, root-ports: 2, devices: "
		      "'pci:00:02.0,root-port=2,attached=off'}\n"),
		0);
	expect_error(
		"vms:\n"
		"  - {name: a, kernel: k, root-ports: 1, devices: 'pci:00:02.0,root-port=1'}\n"
		"  - {name: b, kernel: k, root-ports: 1, devices: 'pci:00:02.0,root-port=1'}\n",
		"dir/s.yaml:3: vms: the VM 'b': another VM has one of its devices; of VMs that it "
		"moves between, all but one say 'attached: off'");
	expect_error("vms:\n"
		     "  - {name: a, kernel: k, devices: 'pci:00:02.0'}\n"
		     "  - {name: b, kernel: k, root-ports: 1, devices: "
		     "'pci:00:02.0,root-port=1,attached=off'}\n",
		"all have it behind a root port");
	expect_error(
		"vms:\n"
		"  - {name: a, kernel: k, root-ports: 1, devices: 'pci:00:02.0,root-port=1'}\n"
		"  - {name: b, kernel: k, root-ports: 1, iommu: none, devices: "
		"'pci:00:02.0,root-port=1,attached=off'}\n",
		"'iommu: none' is not for devices that move between VMs");
}

static void a_vm_may_make_virtual_functions_of_a_device_that_it_owns(void **state)
{
	const struct device_list *l = &scenario.vms[0].config.devices;

	(void)state;
	assert_int_equal(parse("vms: [{name: a, kernel: k, devices: ['pci:00:02.0/vfs=7', "
			       "'pci:00:03.0', 'pci:00:04.0/vfs=1']}]"),
		0);
	expect_list(0, "pci:00:02.0/vfs=7,pci:00:03.0,pci:00:04.0/vfs=1");
	assert_int_equal(device_list_vfs(l, PCI_BDF(0, 2, 0)), 7);
	assert_int_equal(device_list_made(l), 8);
	expect_error("vms: [{name: a, kernel: k, devices: ['pci:00:02.0/vfs=7', "
		     "'pci:00:03.0/vfs=7', 'pci:00:04.0/vfs=1']}]",
		"may have 14 virtual functions ('vfs') together");
	expect_error("vms: [{name: a, kernel: k, iommu: none, devices: ['pci:00:02.0/vfs=1']}]",
		"is not for virtual functions");
	expect_error("vms:\n  - {name: a, kernel: k, devices: 'pci:00:02.0/vfs=2'}\n"
		     "  - {name: b, kernel: k, devices: 'pci:00:02.0/vf3'}\n",
		"dir/s.yaml:3: vms: the VM 'b': another VM has one of its devices");
}

static void a_device_is_a_vms_or_its_virtual_functions_are(void **state)
{
	(void)state;
	expect_error("vms:\n  - {name: a, kernel: k, devices: 'pci:00:02.0/vf3'}\n"
		     "  - {name: b, kernel: k, devices: 'pci:00:02.0/vf3'}\n",
		"dir/s.yaml:3: vms: the VM 'b': another VM has one of its devices");
	expect_error("vms:\n  - {name: a, kernel: k, devices: 'pci:00:02.0/vf3'}\n"
		     "  - {name: b, kernel: k, devices: 'pci:00:02.0'}\n",
		"dir/s.yaml:3: vms: the VM 'b': another VM has one of its devices, or virtual "
		"functions of one, which is Nestor's own then");
	expect_error("vms:\n  - {name: a, kernel: k, devices: all}\n"
		     "  - {name: b, kernel: k, devices: 'pci:00:02.0/vf0'}\n",
		"another VM has one of its devices");
	expect_error("vms: [{name: a, kernel: k, devices: ['pci:00:02.0/vf0', 'pci:00:02.0']}]",
		"is Nestor's own: 'devices' names it, or those");
	expect_error("vms: [{name: a, kernel: k, iommu: none, devices: 'pci:00:02.0/vf0'}]",
		"'iommu: none' is not for virtual functions");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			devices_of_the_machine_are_read_as_a_word_or_as_a_list, tear_down),
		cmocka_unit_test_teardown(
			devices_may_be_written_as_pci_and_with_their_segment, tear_down),
		cmocka_unit_test_teardown(
			virtual_functions_are_named_by_their_device_and_different_vms_have_them,
			tear_down),
		cmocka_unit_test_teardown(
			a_vm_may_make_virtual_functions_of_a_device_that_it_owns, tear_down),
		cmocka_unit_test_teardown(
			a_device_is_a_vms_or_its_virtual_functions_are, tear_down),
		cmocka_unit_test_teardown(wrong_devices_are_told, tear_down),
		cmocka_unit_test_teardown(a_device_behind_a_root_port_says_so, tear_down),
		cmocka_unit_test_teardown(wrong_places_behind_root_ports_are_told, tear_down),
		cmocka_unit_test_teardown(
			a_device_may_move_between_vms_that_have_it_behind_ports, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
