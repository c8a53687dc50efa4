/* SPDX-License-Identifier: Apache-2.0 */
/* The slots of root ports: events, and what comes and goes. */
#include "port_world.h"

/* ---- events ---- */

static void a_command_is_completed_and_a_message_says_so(void **state)
{
	(void)state;
	turn_on_msi();
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_COMMAND | PCIE_SLOT_INTERRUPT);
	assert_int_equal(port(SLOT_STATUS, 2), PCIE_SLOT_PRESENT | PCIE_SLOT_COMMAND);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(fake.message.vector, VECTOR);
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_COMMAND | PCIE_SLOT_INTERRUPT);
	assert_int_equal(fake.messages, 1); /* the first one was not cleared */
	set_port(SLOT_STATUS, 2, PCIE_SLOT_COMMAND);
	assert_int_equal(port(SLOT_STATUS, 2), PCIE_SLOT_PRESENT);
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_COMMAND | PCIE_SLOT_INTERRUPT);
	assert_int_equal(fake.messages, 2);
}

static void events_that_nobody_wants_are_shown_only(void **state)
{
	(void)state;
	turn_on_msi();
	vport_press(&machine, PORT);
	assert_int_equal(port(SLOT_STATUS, 2), PCIE_SLOT_PRESENT | PCIE_SLOT_BUTTON);
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_BUTTON); /* without the interrupt */
	assert_int_equal(fake.messages, 0);
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_BUTTON | PCIE_SLOT_INTERRUPT);
	assert_int_equal(fake.messages, 1);
}

static void an_event_without_messages_is_the_level_of_its_pin(void **state)
{
	unsigned irq = 16 + vpci_pirq_of(PCI_BDF(0, 1, PORT - 1), 2);

	(void)state;
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_BUTTON | PCIE_SLOT_INTERRUPT);
	vport_press(&machine, PORT);
	assert_true(fake.line[irq]);
	set_port(SLOT_STATUS, 2, PCIE_SLOT_BUTTON);
	assert_false(fake.line[irq]);
	vport_press(&machine, PORT);
	assert_true(fake.line[irq]);
	turn_on_msi();
	assert_false(fake.line[irq]);
	assert_int_equal(fake.messages, 0);
}

/* What it dropped at its start; until it shows that it heard. */
static void a_driver_that_starts_hears_the_button_again(void **state)
{
	(void)state;
	vport_press(&machine, PORT);
	set_port(SLOT_STATUS, 2, PCIE_SLOT_BUTTON | PCIE_SLOT_COMMAND);
	assert_false(port(SLOT_STATUS, 2) & PCIE_SLOT_BUTTON);
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_BUTTON | PCIE_SLOT_LED_ON);
	assert_true(port(SLOT_STATUS, 2) & PCIE_SLOT_BUTTON);
	set_port(SLOT_STATUS, 2, PCIE_SLOT_BUTTON | PCIE_SLOT_COMMAND);
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_BUTTON | PCIE_SLOT_LED_BLINKS);
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_LED_BLINKS);
	set_port(SLOT_CONTROL, 2, PCIE_SLOT_BUTTON | PCIE_SLOT_LED_ON);
	assert_false(port(SLOT_STATUS, 2) & PCIE_SLOT_BUTTON);
}

static int setup_plug(void **state)
{
	setup_empty(state);
	set_up_bridge();
	turn_on_msi();
	set_port(SLOT_CONTROL, 2, ALL_EVENTS | PCIE_SLOT_POWER_OFF);
	set_port(SLOT_STATUS, 2, PCIE_SLOT_COMMAND);
	fake.messages = 0;
	return 0;
}

static void a_board_that_comes_is_told_and_waits_for_power(void **state)
{
	(void)state;
	assert_int_equal(behind(0, 4), HIDDEN);
	add_device();
	assert_int_equal(behind(0, 4), HIDDEN);
	vport_plug(&machine, PORT);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(port(SLOT_STATUS, 2),
		PCIE_SLOT_PRESENT | PCIE_SLOT_PRESENCE | PCIE_SLOT_BUTTON);
	assert_int_equal(behind(0, 4), HIDDEN);
	set_port(SLOT_CONTROL, 2, ALL_EVENTS);
	assert_true(port(SLOT_STATUS, 2) & PCIE_SLOT_LINK);
	assert_true(port(EXPRESS + PCIE_LINK_STATUS, 2) & PCIE_LINK_ACTIVE);
	assert_int_equal(behind(0, 4), 0x10421af4);
	set_up_device();
	assert_true(reaches(BAR_AT));
}

static void a_board_that_goes_leaves_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		add_device();
		vport_plug(&machine, PORT);
		set_port(SLOT_CONTROL, 2, ALL_EVENTS);
		set_port(SLOT_STATUS, 2, 0xffff);
		set_up_device();
		vpci_ask_work(f);
		vpci_ask_work_at(f, 1000);
		vpci_set_intx(f, true);
		assert_true(reaches(BAR_AT));
		fake.messages = 0;
		vport_pull(&machine, PORT);
		vpci_remove(f);
		assert_int_equal(fake.messages, 1);
		assert_int_equal(port(SLOT_STATUS, 2), PCIE_SLOT_PRESENCE | PCIE_SLOT_LINK);
		assert_int_equal(behind(0, 4), HIDDEN);
		assert_false(reaches(BAR_AT));
		assert_int_equal(machine.pci.work | machine.pci.later, 0);
		assert_false(fake.line[16 + vpci_pirq_of(PCI_BDF(0, 1, 0), 1)]);
		assert_true(state_zero(
			&machine.pci.s.f[VPCI_ON_BUS_0], VPORTS * sizeof(machine.pci.s.f[0])));
		set_port(SLOT_CONTROL, 2, ALL_EVENTS | PCIE_SLOT_POWER_OFF);
		set_port(SLOT_STATUS, 2, 0xffff);
	}
	assert_int_equal(fake.slots_off, 0);
}

#define TEST(name)       cmocka_unit_test_setup(name, setup)
#define TEST_EMPTY(name) cmocka_unit_test_setup(name, setup_plug)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_command_is_completed_and_a_message_says_so),
		TEST(events_that_nobody_wants_are_shown_only),
		TEST(an_event_without_messages_is_the_level_of_its_pin),
		TEST(a_driver_that_starts_hears_the_button_again),
		TEST_EMPTY(a_board_that_comes_is_told_and_waits_for_power),
		TEST_EMPTY(a_board_that_goes_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
