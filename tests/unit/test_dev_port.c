/* SPDX-License-Identifier: Apache-2.0 */
/* Root ports: what they pass on, resets, first addresses, state. */
#include "port_world.h"

/* ---- registers ---- */

static void a_port_is_a_bridge_with_a_slot(void **state)
{
	(void)state;
	assert_int_equal(port(0, 4), 0x000c1b36);
	assert_int_equal(port(PCI_CLASS, 4) & 0xffffff, 0x060400);
	assert_int_equal(port(PCI_HEADER_TYPE, 1), 0x81);
	assert_int_equal(port(PCI_CAPABILITIES, 1), EXPRESS);
	assert_int_equal(port(EXPRESS, 1), PCI_CAP_EXPRESS);
	assert_int_equal(port(EXPRESS + 1, 1), MSI);
	assert_int_equal(port(MSI, 1), PCI_CAP_MSI);
	assert_int_equal(port(EXPRESS + PCIE_CAPABLE, 2), 0x0142);
	assert_int_equal(port(EXPRESS + PCIE_SLOT_CAPABLE, 4), 0x5b | PORT << 19);
	assert_int_equal(port(PCI_INTERRUPT_PIN, 1), 2);
}

static void its_extended_space_has_access_control_services(void **state)
{
	(void)state;
	assert_int_equal(port(0x100, 4), 0x0001000d);
	assert_int_equal(port(0x104, 4), 0x1f);
	set_port(0x100, 4, HIDDEN);
	set_port(0x104, 4, HIDDEN);
	assert_int_equal(port(0x100, 4), 0x0001000d);
	assert_int_equal(port(0x104, 4), 0x1f001f);
	for (unsigned at = 0x108; at < 0x1000; at += 4) {
		set_port(at, 4, HIDDEN);
		assert_int_equal(port(at, 4), 0);
	}
}

static void an_access_across_0x100_meets_both_halves(void **state)
{
	uint64_t v = 0, at = DEV_ECAM_BASE + ((uint64_t)PCI_BDF(0, 1, PORT - 1) << 12) + 0xfc;

	(void)state;
	assert_true(vpci_mmio(&machine, 0, at, false, 8, &v));
	assert_int_equal(v, 0x0001000d00000000);
}

static void an_empty_slot_is_off_and_a_filled_one_on(void **state)
{
	(void)state;
	assert_true(port(SLOT_STATUS, 2) & PCIE_SLOT_PRESENT);
	assert_false(port(SLOT_CONTROL, 2) & PCIE_SLOT_POWER_OFF);
	assert_true(port(EXPRESS + PCIE_LINK_STATUS, 2) & PCIE_LINK_ACTIVE);
	assert_int_equal(config(0, 1, 0, SLOT_STATUS, 2), 0);
	assert_true(config(0, 1, 0, SLOT_CONTROL, 2) & PCIE_SLOT_POWER_OFF);
	assert_false(config(0, 1, 0, EXPRESS + PCIE_LINK_STATUS, 2) & PCIE_LINK_ACTIVE);
}

static void what_software_cannot_write_stays(void **state)
{
	uint32_t capable = port(EXPRESS + PCIE_SLOT_CAPABLE, 4);

	(void)state;
	set_port(EXPRESS + PCIE_SLOT_CAPABLE, 4, ~capable);
	set_port(EXPRESS + PCIE_LINK_STATUS, 2, 0);
	set_port(SLOT_STATUS, 2, 0);
	assert_int_equal(port(EXPRESS + PCIE_SLOT_CAPABLE, 4), capable);
	assert_true(port(SLOT_STATUS, 2) & PCIE_SLOT_PRESENT);
	assert_true(port(EXPRESS + PCIE_LINK_STATUS, 2) & PCIE_LINK_ACTIVE);
	set_port(PCI_BRIDGE_PREFETCH_BASE, 4, 0);
	assert_int_equal(port(PCI_BRIDGE_PREFETCH_BASE, 4), 0x00010001);
}

/* ---- what it passes on ---- */

static void what_is_behind_is_on_the_secondary_bus_alone(void **state)
{
	(void)state;
	assert_int_equal(behind(0, 4), 0x10421af4);
	assert_int_equal(config(PORT, 0, 0, 0, 4), HIDDEN);
	assert_int_equal(config(BUS, 1, 0, 0, 4), HIDDEN);
	assert_int_equal(config(BUS, 0, 1, 0, 4), HIDDEN);
	assert_int_equal(config(BUS + 1, 0, 0, 0, 4), HIDDEN);
	set_port(PCI_BRIDGE_SECONDARY, 2, 0x0909);
	assert_int_equal(behind(0, 4), HIDDEN);
	assert_int_equal(config(9, 0, 0, 0, 4), 0x10421af4);
	set_port(PCI_BRIDGE_SUBORDINATE, 1, 8);
	assert_int_equal(config(9, 0, 0, 0, 4), HIDDEN);
	set_port(PCI_BRIDGE_SECONDARY, 2, 0);
	assert_int_equal(config(0, 0, 0, 0, 4), 0x29c08086);
}

static void mechanism_1_goes_through_the_bridge_too(void **state)
{
	uint32_t v = 0x80000000u | BUS << 16;

	(void)state;
	assert_true(vpci_io(&machine, 0xcf8, true, 4, &v));
	assert_true(vpci_io(&machine, 0xcfc, false, 4, &v));
	assert_int_equal(v, 0x10421af4);
}

static void what_is_behind_is_an_endpoint_of_pci_express(void **state)
{
	(void)state;
	assert_int_equal(behind(EXPRESS, 1), PCI_CAP_EXPRESS);
	assert_int_equal(behind(EXPRESS + PCIE_CAPABLE, 2), 0x0002);
	assert_int_equal(behind(0x100, 4), 0);
	assert_int_equal(behind(0xffc, 4), 0);
}

static void memory_goes_through_a_window(void **state)
{
	(void)state;
	assert_true(reaches(BAR_AT));
	set_port(PCI_BRIDGE_MEMORY_BASE, 4, 0xc030c020);
	assert_false(reaches(BAR_AT));
	set_port(PCI_BRIDGE_PREFETCH_BASE, 4, 0xc010c010);
	assert_true(reaches(BAR_AT));
	set_port(PCI_BRIDGE_PREFETCH_BASE_HIGH, 4, 1);
	set_port(PCI_BRIDGE_PREFETCH_LIMIT_HIGH, 4, 1);
	assert_false(reaches(BAR_AT));
	set_behind(PCI_BAR + 4, 4, 1);
	assert_true(reaches(BAR_AT | 1ull << 32));
	set_port(PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_false(reaches(BAR_AT | 1ull << 32));
}

static void ports_go_through_a_window(void **state)
{
	(void)state;
	assert_true(reaches_io(IO_AT));
	set_port(PCI_BRIDGE_IO_BASE, 2, 0x4030);
	assert_false(reaches_io(IO_AT));
	set_behind(PCI_BAR + 8, 4, 0x4fe0);
	assert_true(reaches_io(0x4fff));
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_false(reaches_io(0x4fff));
}

static void a_base_above_its_limit_closes_a_window(void **state)
{
	(void)state;
	set_port(PCI_BRIDGE_MEMORY_BASE, 4, 0xc000c010);
	assert_false(reaches(BAR_AT));
	set_port(PCI_BRIDGE_IO_BASE, 2, 0x10f0);
	assert_false(reaches_io(IO_AT));
}

static void without_bus_mastering_of_the_port_nothing_comes_from_behind(void **state)
{
	(void)state;
	assert_true(vpci_master(f));
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_false(vpci_master(f));
	device.configs = 0;
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(vpci_master(f));
	assert_int_equal(device.configs, 1);
}

static void its_pin_is_the_one_of_the_port_and_each_port_has_its_own(void **state)
{
	unsigned irq = 16 + vpci_pirq_of(PCI_BDF(0, 1, PORT - 1), 1);

	(void)state;
	vpci_set_intx(f, true);
	assert_true(fake.line[irq]);
	vpci_set_intx(f, false);
	assert_false(fake.line[irq]);
}

/* ---- resets ---- */

static bool is_reset(void)
{
	return behind(PCI_COMMAND, 2) == 0 && behind(PCI_BAR, 4) == PCI_BAR_64 &&
	       !reaches(BAR_AT) && f->platform->pci.work == 0;
}

static void a_reset_of_the_bus_resets_what_is_behind(void **state)
{
	(void)state;
	vpci_ask_work(f);
	vpci_set_intx(f, true);
	set_port(PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_RESET);
	assert_int_equal(device.resets, 1);
	assert_int_equal(behind(0, 4), HIDDEN);
	set_port(PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_RESET);
	assert_int_equal(device.resets, 1);
	set_port(PCI_BRIDGE_CONTROL, 2, 0);
	assert_int_equal(behind(0, 4), 0x10421af4);
	assert_true(is_reset());
	assert_false(fake.line[16 + vpci_pirq_of(PCI_BDF(0, 1, 0), 1)]);
	assert_true(port(SLOT_STATUS, 2) & PCIE_SLOT_LINK);
}

static void a_disabled_link_resets_what_is_behind(void **state)
{
	(void)state;
	set_port(EXPRESS + PCIE_LINK_CONTROL, 2, PCIE_LINK_DISABLE);
	assert_int_equal(device.resets, 1);
	assert_int_equal(behind(0, 4), HIDDEN);
	set_port(EXPRESS + PCIE_LINK_CONTROL, 2, 0);
	assert_true(is_reset());
}

static void a_function_level_reset_resets_the_function(void **state)
{
	(void)state;
	set_behind(EXPRESS + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR | 1);
	assert_int_equal(device.resets, 1);
	assert_int_equal(behind(EXPRESS + PCI_EXPRESS_CONTROL, 2), PCIE_DEVICE_CONTROL_RESET);
	assert_true(is_reset());
	assert_false(port(SLOT_STATUS, 2) & PCIE_SLOT_LINK);
}

static void a_reset_masks_the_messages(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_true(vpci_mmio(&machine, 0, BAR_AT + 0x100c, true, 4, &v));
	set_behind(EXPRESS + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR);
	set_up_device();
	assert_true(vpci_mmio(&machine, 0, BAR_AT + 0x100c, false, 4, &v));
	assert_int_equal(v, 1);
}

static void a_slot_without_power_hides_and_resets_what_is_in_it(void **state)
{
	(void)state;
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_POWER_OFF);
	assert_int_equal(device.resets, 1);
	assert_int_equal(behind(0, 4), HIDDEN);
	assert_false(reaches(BAR_AT));
	assert_false(vpci_master(f));
	assert_int_equal(fake.slots_off, 1);
	assert_int_equal(fake.slot, PORT);
	set_port(SLOT_CONTROL, 2, 0);
	assert_true(is_reset());
	assert_int_equal(fake.slots_off, 1);
}

/* ---- a guest without firmware ---- */

static void first_addresses_have_windows_around_them_and_room(void **state)
{
	setup_empty(state);
	add_device();
	vport_fill(&machine, PORT);
	vpci_assign(&machine);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t base = config(0, 1, i, PCI_BRIDGE_MEMORY_BASE, 2) << 16;
		uint64_t limit = config(0, 1, i, PCI_BRIDGE_MEMORY_LIMIT, 2) << 16 | 0xfffff;

		assert_int_equal(config(0, 1, i, PCI_BRIDGE_PRIMARY, 4), (i + 1) * 0x10100);
		assert_int_equal(limit - base + 1, 0x200000);
		assert_true(base >= DEV_PCI_HOLE_START && limit < DEV_ECAM_BASE);
		assert_int_equal(config(0, 1, i, PCI_COMMAND, 2), 7);
		assert_int_equal(config(0, 1, i, PCI_BRIDGE_PREFETCH_BASE, 2) & 0xfff0u,
			(limit + 1) >> 16);
		assert_true(i == PORT - 1 || config(0, 1, i, PCI_BRIDGE_IO_BASE, 1) >
						     config(0, 1, i, PCI_BRIDGE_IO_LIMIT, 1));
	}
	assert_true(reaches(config(PORT, 0, 0, PCI_BAR, 4) & ~15u));
	assert_true(reaches_io((uint16_t)(config(PORT, 0, 0, PCI_BAR + 8, 4) & ~3u)));
}

/* ---- state ---- */

static void a_state_comes_back_with_its_link_and_its_event(void **state)
{
	static struct vpci_state saved;

	(void)state;
	turn_on_msi();
	set_port(SLOT_CONTROL, 2, ALL_EVENTS);
	vpci_get_state(&machine.pci, &saved);
	setup_empty(NULL);
	add_device();
	vport_fill(&machine, PORT);
	assert_true(vpci_set_state(&machine.pci, &saved));
	assert_memory_equal(&machine.pci.s, &saved, sizeof(saved));
	assert_true(reaches(BAR_AT));
	vport_press(&machine, PORT);
	assert_int_equal(fake.messages, 0); /* the command is not cleared */
	set_port(SLOT_STATUS, 2, 0xffff);
	vport_press(&machine, PORT);
	assert_int_equal(fake.messages, 1);
}

static void a_link_that_cannot_be_so_is_refused(void **state)
{
	static struct vpci_state saved;
	uint8_t *link;

	(void)state;
	vpci_get_state(&machine.pci, &saved);
	link = &saved.f[PORT].config[EXPRESS + PCIE_LINK_STATUS + 1];
	assert_true(vpci_valid_state(&machine.pci, &saved));
	*link ^= PCIE_LINK_ACTIVE >> 8;
	assert_false(vpci_valid_state(&machine.pci, &saved));
	*link ^= PCIE_LINK_ACTIVE >> 8;
	saved.f[PORT].config[SLOT_STATUS] ^= PCIE_SLOT_PRESENT;
	assert_false(vpci_valid_state(&machine.pci, &saved));
	saved.f[PORT].config[SLOT_STATUS] ^= PCIE_SLOT_PRESENT;
	saved.f[PORT].intx = 1;
	saved.f[PORT].config[PCI_STATUS] |= PCI_STATUS_INTX;
	assert_false(vpci_valid_state(&machine.pci, &saved));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_port_is_a_bridge_with_a_slot),
		TEST(its_extended_space_has_access_control_services),
		TEST(an_access_across_0x100_meets_both_halves),
		TEST(an_empty_slot_is_off_and_a_filled_one_on),
		TEST(what_software_cannot_write_stays),
		TEST(what_is_behind_is_on_the_secondary_bus_alone),
		TEST(mechanism_1_goes_through_the_bridge_too),
		TEST(what_is_behind_is_an_endpoint_of_pci_express),
		TEST(memory_goes_through_a_window),
		TEST(ports_go_through_a_window),
		TEST(a_base_above_its_limit_closes_a_window),
		TEST(without_bus_mastering_of_the_port_nothing_comes_from_behind),
		TEST(its_pin_is_the_one_of_the_port_and_each_port_has_its_own),
		TEST(a_reset_of_the_bus_resets_what_is_behind),
		TEST(a_disabled_link_resets_what_is_behind),
		TEST(a_function_level_reset_resets_the_function),
		TEST(a_reset_masks_the_messages),
		TEST(a_slot_without_power_hides_and_resets_what_is_in_it),
		TEST(first_addresses_have_windows_around_them_and_room),
		TEST(a_state_comes_back_with_its_link_and_its_event),
		TEST(a_link_that_cannot_be_so_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
