/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of functions where ports and devices keep apart what is behind and in them: Access
 * Control Services; and places of virtual functions, which not all ports reach.
 */
#include "pci_machine.h"

#include "vtd/seam.h"
#include "vtd/topology.h"

#define ALL  (PCIE_ACS_SOURCE | PCIE_ACS_REQUESTS | PCIE_ACS_COMPLETION | PCIE_ACS_UPSTREAM)
#define PEER (PCIE_ACS_REQUESTS | PCIE_ACS_COMPLETION)

uint32_t vtd_seam_config(uint32_t bdf, unsigned offset, unsigned size)
{
	return pci_get(bdf, offset, size);
}

void vtd_seam_set_config(uint32_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	pci_set(bdf, offset, size, value);
}

bool vtd_seam_bridge(uint32_t bdf, uint8_t *secondary, uint8_t *subordinate)
{
	const struct pci_function *f = function_at(bdf);

	if (f == NULL || !(f->config[PCI_HEADER_TYPE] & PCI_HEADER_BRIDGE))
		return false;
	*secondary = f->config[PCI_BRIDGE_SECONDARY];
	*subordinate = f->config[PCI_BRIDGE_SUBORDINATE];
	return true;
}

#define ROOT   PCI_BDF(0, 0x1c, 0)
#define UP     PCI_BDF(1, 0, 0)
#define DOWN   PCI_BDF(2, 0, 0)
#define DOWN_2 PCI_BDF(2, 1, 0)
#define CARD   PCI_BDF(3, 0, 0)
#define CARD_2 PCI_BDF(4, 0, 0)

/* A root port, a switch with two ports, a card behind each. */
static int set_up(void **state)
{
	(void)state;
	pci_count = 0;
	add_acs(add_port(ROOT, PCIE_TYPE_ROOT, 1, 8), ALL);
	add_port(UP, PCIE_TYPE_UP, 2, 8);
	add_acs(add_port(DOWN, PCIE_TYPE_DOWN, 3, 3), ALL);
	add_acs(add_port(DOWN_2, PCIE_TYPE_DOWN, 4, 6), ALL);
	add_function(CARD, PCIE_TYPE_ENDPOINT);
	add_function(CARD_2, PCIE_TYPE_ENDPOINT);
	return 0;
}

static void expect_group(uint16_t bdf, uint16_t wanted)
{
	uint16_t group = 0xffff;

	assert_null(topology_group(bdf, &group));
	assert_int_equal(group, wanted);
}

static void can(uint16_t bdf, uint32_t bits)
{
	put(function_at(bdf)->config + ACS_AT + PCIE_ACS_CAPABLE, bits, 2);
	put(function_at(bdf)->writable + ACS_AT + PCIE_ACS_CONTROL, bits, 2);
}

static void cards_behind_ports_of_a_switch_are_apart_when_all_ports_send_upwards(void **state)
{
	(void)state;
	expect_group(CARD, ROOT);
	expect_group(CARD_2, ROOT);
	topology_separate();
	expect_group(CARD, CARD);
	expect_group(CARD_2, CARD_2);
	assert_int_equal(pci_get(DOWN, ACS_AT + PCIE_ACS_CONTROL, 2), ALL);
}

static void what_is_translated_by_the_device_itself_is_blocked_and_has_no_way_of_its_own(
	void **state)
{
	(void)state;
	can(DOWN, ALL | PCIE_ACS_BLOCK | PCIE_ACS_DIRECT);
	put(function_at(DOWN)->config + ACS_AT + PCIE_ACS_CONTROL, PCIE_ACS_DIRECT, 2);
	topology_separate();
	assert_int_equal(pci_get(DOWN, ACS_AT + PCIE_ACS_CONTROL, 2), ALL | PCIE_ACS_BLOCK);
}

static void one_port_of_a_switch_that_does_not_puts_all_behind_it_together(void **state)
{
	static const uint32_t less[] = {
		PCIE_ACS_SOURCE, PCIE_ACS_REQUESTS, PCIE_ACS_COMPLETION, PCIE_ACS_UPSTREAM};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		set_up(NULL);
		can(DOWN_2, ALL & ~less[i]);
		topology_separate();
		expect_group(CARD, UP);
		expect_group(CARD_2, UP);
	}
}

/* Bits that a root port lacks it has no use for; one without the capability is not trusted. */
static void a_root_port_without_the_capability_keeps_nothing_apart(void **state)
{
	(void)state;
	can(ROOT, PCIE_ACS_SOURCE);
	topology_separate();
	expect_group(CARD, CARD);
	put(function_at(ROOT)->config + PCIE_EXTENDED, 0, 4);
	expect_group(CARD, ROOT);
	expect_group(CARD_2, ROOT);
}

static void a_bit_that_can_be_and_does_not_stick_counts_as_off(void **state)
{
	(void)state;
	put(function_at(ROOT)->writable + ACS_AT + PCIE_ACS_CONTROL, PEER, 2);
	topology_separate();
	expect_group(CARD, ROOT);
}

static void functions_of_a_device_are_apart_when_each_has_the_capability(void **state)
{
	(void)state;
	add_acs(add_function(PCI_BDF(3, 0, 1), PCIE_TYPE_ENDPOINT), PEER);
	add_acs(add_function(PCI_BDF(3, 0, 2), PCIE_TYPE_ENDPOINT), 0);
	several(CARD);
	topology_separate();
	expect_group(CARD, CARD); /* which has none */
	expect_group(PCI_BDF(3, 0, 1), CARD);
	expect_group(PCI_BDF(3, 0, 2), CARD);
	add_acs(function_at(CARD), PEER);
	expect_group(PCI_BDF(3, 0, 1), CARD);
	topology_separate();
	expect_group(CARD, CARD);
	expect_group(PCI_BDF(3, 0, 1), PCI_BDF(3, 0, 1));
	expect_group(PCI_BDF(3, 0, 2), PCI_BDF(3, 0, 2));
}

static void root_ports_of_one_device_are_apart_when_each_has_the_capability(void **state)
{
	uint16_t second = PCI_BDF(0, 0x1c, 1);

	(void)state;
	add_port(second, PCIE_TYPE_ROOT, 9, 9);
	add_function(PCI_BDF(9, 0, 0), PCIE_TYPE_ENDPOINT);
	several(ROOT);
	topology_separate();
	expect_group(CARD, ROOT);
	expect_group(PCI_BDF(9, 0, 0), ROOT);
	add_acs(function_at(second), ALL);
	topology_separate();
	expect_group(CARD, CARD);
	expect_group(PCI_BDF(9, 0, 0), PCI_BDF(9, 0, 0));
}

static void a_list_that_has_no_end_or_leaves_the_space_is_walked_so_far(void **state)
{
	uint8_t *link = function_at(DOWN)->config + PCIE_EXTENDED;

	(void)state;
	topology_separate();
	add_extended(function_at(DOWN), PCIE_EXTENDED, 1, PCIE_EXTENDED);
	pci_reads = 0;
	expect_group(CARD, UP);
	assert_true(pci_reads < 20000);
	put(link, PCIE_EXTENDED_ACS | PCIE_EXTENDED_VERSION, 4);
	add_extended(function_at(DOWN), PCIE_EXTENDED, 1, 0xffc); /* not all of it is inside */
	add_extended(function_at(DOWN), 0xffc, PCIE_EXTENDED_ACS, 0);
	expect_group(CARD, UP);
	put(link, UINT32_MAX, 4);
	expect_group(CARD, UP);
	add_extended(function_at(DOWN), PCIE_EXTENDED, 1, 0x80); /* in the first part */
	expect_group(CARD, UP);
	function_at(DOWN)->config[EXPRESS_AT] = 0x09;
	function_at(DOWN)->config[EXPRESS_AT + 1] = EXPRESS_AT; /* a circle there, too */
	assert_non_null(topology_group(CARD, &(uint16_t){0}));
}

static uint16_t virtual_group(uint16_t physical, uint16_t bdf)
{
	uint16_t group = 0xffff;

	assert_null(topology_group_of_virtual(physical, bdf, &group));
	return group;
}

static void virtual_functions_are_apart_unless_they_say_that_they_are_not(void **state)
{
	uint16_t first = PCI_BDF(3, 0x10, 0), second = PCI_BDF(3, 0x10, 1);

	(void)state;
	topology_separate();
	assert_int_equal(virtual_group(CARD, first), first);
	assert_int_equal(virtual_group(CARD, second), second);
	add_acs(add_function(second, PCIE_TYPE_ENDPOINT), PEER);
	assert_int_equal(virtual_group(CARD, second), CARD);
	pci_set(second, ACS_AT + PCIE_ACS_CONTROL, 2, PEER);
	assert_int_equal(virtual_group(CARD, second), second);
	can(DOWN, 0);
	assert_int_equal(virtual_group(CARD, first), UP);
	assert_int_equal(virtual_group(CARD, second), UP);
}

/* What one function of a device reaches inside it, the others' virtual functions have. */
static void virtual_functions_are_with_all_of_a_device_that_keeps_nothing_apart(void **state)
{
	uint16_t group;

	(void)state;
	pci_count = 0;
	add_acs(add_port(ROOT, PCIE_TYPE_ROOT, 5, 5), ALL);
	add_function(PCI_BDF(5, 0, 0), PCIE_TYPE_ENDPOINT)->config[PCI_HEADER_TYPE] |=
		PCI_HEADER_MULTIFUNCTION;
	add_function(PCI_BDF(5, 0, 1), PCIE_TYPE_ENDPOINT);
	add_function(PCI_BDF(5, 0x10, 0), PCIE_TYPE_ENDPOINT);
	topology_separate();
	assert_null(topology_group(PCI_BDF(5, 0, 1), &group));
	assert_int_equal(group, PCI_BDF(5, 0, 0));
	assert_int_equal(virtual_group(PCI_BDF(5, 0, 0), PCI_BDF(5, 0x10, 0)), group);
}

/* Functions 8 and on look as if they were other devices. */
static void all_functions_of_a_device_with_alternative_routing_ids_are_one_devices(void **state)
{
	uint16_t group;

	(void)state;
	pci_count = 0;
	add_acs(add_port(ROOT, PCIE_TYPE_ROOT, 5, 5), ALL);
	for (unsigned i = 0; i < 10; i++) {
		struct pci_function *f =
			add_function((uint16_t)(PCI_BDF(5, 0, 0) + i), PCIE_TYPE_ENDPOINT);

		add_extended(f, PCIE_EXTENDED, PCIE_EXTENDED_ARI, 0);
	}
	topology_separate();
	assert_null(topology_group(PCI_BDF(5, 0, 3), &group));
	assert_int_equal(group, PCI_BDF(5, 0, 0));
	assert_null(topology_group(PCI_BDF(5, 1, 0), &group));
	assert_int_equal(group, PCI_BDF(5, 0, 0));
}

/* ---- places ---- */

static void forwarding(bool can_forward)
{
	struct pci_function *port = function_at(DOWN_2);

	put(port->config + EXPRESS_AT + PCIE_CAPABLE_2, can_forward ? PCIE_ARI_FORWARDING : 0,
		4);
	put(port->writable + EXPRESS_AT + PCIE_CONTROL_2, PCIE_ARI_FORWARDING, 2);
}

static void places_of_other_device_numbers_need_ports_that_forward_them(void **state)
{
	uint16_t far = PCI_BDF(4, 0x10, 0);

	(void)state;
	forwarding(true);
	assert_null(topology_reaches(CARD_2, PCI_BDF(4, 0, 7)));
	assert_non_null(strstr(topology_reaches(CARD_2, far), "does not forward"));
	assert_false(topology_forward(CARD_2)); /* the device has no ARI */
	add_extended(function_at(CARD_2), PCIE_EXTENDED, PCIE_EXTENDED_ARI, 0);
	assert_true(topology_forward(CARD_2));
	assert_null(topology_reaches(CARD_2, far));
	set_up(NULL);
	forwarding(false);
	add_extended(function_at(CARD_2), PCIE_EXTENDED, PCIE_EXTENDED_ARI, 0);
	assert_false(topology_forward(CARD_2));
	assert_non_null(topology_reaches(CARD_2, far));
}

static void places_on_other_buses_must_be_the_ports_and_nobody_elses(void **state)
{
	(void)state;
	assert_null(topology_reaches(CARD_2, PCI_BDF(5, 0x10, 0)));
	assert_null(topology_reaches(CARD_2, PCI_BDF(6, 0, 0)));
	assert_non_null(strstr(topology_reaches(CARD_2, PCI_BDF(7, 0, 0)), "firmware"));
	assert_non_null(strstr(topology_reaches(CARD_2, PCI_BDF(3, 0, 1)), "firmware"));
	add_port(PCI_BDF(4, 1, 0), PCIE_TYPE_DOWN, 5, 5);
	assert_non_null(strstr(topology_reaches(CARD_2, PCI_BDF(5, 0, 0)), "firmware"));
	add_function(PCI_BDF(0, 2, 0), 9);
	assert_null(topology_reaches(PCI_BDF(0, 2, 0), PCI_BDF(0, 0x10, 3)));
	assert_false(topology_forward(PCI_BDF(0, 2, 0)));
	assert_non_null(
		strstr(topology_reaches(PCI_BDF(0, 2, 0), PCI_BDF(1, 0, 0)), "another bus"));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cards_behind_ports_of_a_switch_are_apart_when_all_ports_send_upwards),
		TEST(what_is_translated_by_the_device_itself_is_blocked_and_has_no_way_of_its_own),
		TEST(one_port_of_a_switch_that_does_not_puts_all_behind_it_together),
		TEST(a_root_port_without_the_capability_keeps_nothing_apart),
		TEST(a_bit_that_can_be_and_does_not_stick_counts_as_off),
		TEST(functions_of_a_device_are_apart_when_each_has_the_capability),
		TEST(root_ports_of_one_device_are_apart_when_each_has_the_capability),
		TEST(a_list_that_has_no_end_or_leaves_the_space_is_walked_so_far),
		TEST(virtual_functions_are_apart_unless_they_say_that_they_are_not),
		TEST(virtual_functions_are_with_all_of_a_device_that_keeps_nothing_apart),
		TEST(all_functions_of_a_device_with_alternative_routing_ids_are_one_devices),
		TEST(places_of_other_device_numbers_need_ports_that_forward_them),
		TEST(places_on_other_buses_must_be_the_ports_and_nobody_elses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
