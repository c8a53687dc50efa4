/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of the machine must be one VM's where nothing keeps them apart: those of a
 * device with several, and all behind a port; and which cannot be told apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "spec/pci.h"
#include "vtd/topology.h"
#include "vtd/seam.h"

#include <cmocka.h>

#define EXPRESS_AT 0x40u

/* Express: 0, or the type of port plus 1. */
static const struct function {
	uint16_t bdf;
	bool several;
	uint8_t express, secondary;
} functions[] = {
	{PCI_BDF(0, 0, 0), false, 0, 0},
	{PCI_BDF(0, 1, 0), true, 0, 0},
	{PCI_BDF(0, 1, 1), true, 0, 0},
	{PCI_BDF(0, 2, 0), false, 1, 0}, /* physical, and a virtual one */
	{PCI_BDF(0, 2, 1), false, 1, 0},
	{PCI_BDF(0, 0x1c, 0), true, 5, 1}, /* root ports */
	{PCI_BDF(0, 0x1c, 1), true, 5, 2},
	{PCI_BDF(0, 0x1d, 0), false, 5, 3},
	{PCI_BDF(0, 0x1e, 0), false, 0, 7}, /* to PCI */
	{PCI_BDF(1, 0, 0), false, 1, 0},
	{PCI_BDF(2, 0, 0), false, 6, 4}, /* a switch: up, down, down */
	{PCI_BDF(3, 0, 0), false, 8, 6}, /* to PCI */
	{PCI_BDF(4, 1, 0), false, 7, 5},
	{PCI_BDF(5, 0, 0), false, 1, 0},
	{PCI_BDF(6, 0, 0), false, 0, 0},
	{PCI_BDF(7, 0, 0), false, 0, 0},
};

static const struct function *find(uint32_t bdf)
{
	for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (functions[i].bdf == bdf)
			return &functions[i];
	return NULL;
}

uint32_t vtd_seam_config(uint32_t bdf, unsigned offset, unsigned size)
{
	const struct function *f = find(bdf);

	if (f == NULL)
		return UINT32_MAX >> (4 - size) * 8;
	switch (offset) {
	case PCI_HEADER_TYPE:
		return (f->several ? PCI_HEADER_MULTIFUNCTION : 0u) |
		       (f->secondary != 0 ? PCI_HEADER_BRIDGE : 0u);
	case PCI_STATUS:
		return f->express != 0 ? PCI_STATUS_CAPABILITIES : 0;
	case PCI_CAPABILITIES:
		return EXPRESS_AT;
	case EXPRESS_AT:
		return PCI_CAP_EXPRESS;
	case EXPRESS_AT + 2:
		return 2u | (f->express - 1u) << 4;
	default:
		return 0;
	}
}

void vtd_seam_set_config(uint32_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	(void)bdf;
	(void)offset;
	(void)size;
	(void)value;
	fail_msg("nothing has what could be set");
}

bool vtd_seam_bridge(uint32_t bdf, uint8_t *secondary, uint8_t *subordinate)
{
	const struct function *f = find(bdf);

	if (f == NULL || f->secondary == 0)
		return false;
	*secondary = *subordinate = f->secondary;
	return true;
}

static void expect_group(uint16_t bdf, uint16_t wanted)
{
	uint16_t group = 0xffff;

	assert_null(topology_group(bdf, &group));
	assert_int_equal(group, wanted);
}

static void functions_of_a_device_are_one_group_and_virtual_functions_are_not(void **state)
{
	(void)state;
	expect_group(PCI_BDF(0, 1, 0), PCI_BDF(0, 1, 0));
	expect_group(PCI_BDF(0, 1, 1), PCI_BDF(0, 1, 0));
	expect_group(PCI_BDF(0, 2, 0), PCI_BDF(0, 2, 0));
	expect_group(PCI_BDF(0, 2, 1), PCI_BDF(0, 2, 1));
}

static void what_is_behind_a_port_is_in_the_ports_group(void **state)
{
	(void)state;
	expect_group(PCI_BDF(1, 0, 0), PCI_BDF(0, 0x1c, 0));
	expect_group(PCI_BDF(5, 0, 0), PCI_BDF(0, 0x1c, 0)); /* of a device of two ports */
	expect_group(PCI_BDF(3, 0, 0), PCI_BDF(0, 0x1d, 0));
}

static void behind_a_bridge_to_pci_nothing_is_told_apart(void **state)
{
	uint16_t group;

	(void)state;
	assert_non_null(strstr(topology_group(PCI_BDF(7, 0, 0), &group), "PCI bridge"));
	assert_non_null(strstr(topology_group(PCI_BDF(6, 0, 0), &group), "PCI bridge"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			functions_of_a_device_are_one_group_and_virtual_functions_are_not),
		cmocka_unit_test(what_is_behind_a_port_is_in_the_ports_group),
		cmocka_unit_test(behind_a_bridge_to_pci_nothing_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
