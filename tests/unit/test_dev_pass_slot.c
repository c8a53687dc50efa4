/* SPDX-License-Identifier: Apache-2.0 */
/* A function of the machine in a slot: it comes, is reset by its guest, and goes. */
#include "fake_pass.h"

#define PORT      2u
#define BUS       7u
#define BAR       0xc0120000ull
#define HOST_BAR  0xf0000000ull
#define BAR_SIZE  0x20000u
#define HOST_MSIX 0x50u
#define HOST_EXP  0x70u
#define FLR_AT    (HOST_EXP + PCI_EXPRESS_CONTROL)
#define SLOT      (0x40u + PCIE_SLOT_CONTROL)
#define MS        ((uint64_t)FAKE_KHZ)

static struct vpass_function found;
static struct vpass pass;

/* 128 KiB of registers with a table of 4 messages, INTA#, a function-level reset. */
static void make_host(void)
{
	memset(&host, 0, sizeof(host));
	set(host.config + PCI_VENDOR, 0x4e541234, 4);
	set(host.config + PCI_COMMAND, 0x0010 << 16, 4);
	set(host.config + PCI_REVISION, 0xff000001, 4);
	set(host.config + PCI_BAR, HOST_BAR, 4);
	host.config[PCI_CAPABILITIES] = HOST_MSIX;
	host.config[PCI_INTERRUPT_LINE] = 11;
	host.config[PCI_INTERRUPT_PIN] = 1;
	set(host.config + HOST_MSIX, PCI_CAP_MSIX | HOST_EXP << 8 | 3 << 16, 4);
	set(host.config + HOST_MSIX + 4, 0x1000, 4);
	set(host.config + HOST_MSIX + 8, 0x1800, 4);
	set(host.config + HOST_EXP, PCI_CAP_EXPRESS, 4);
	set(host.config + HOST_EXP + PCI_EXPRESS_CAPABLE, PCI_EXPRESS_HAS_FLR, 4);
	set(host.mask + PCI_COMMAND, 0x547, 2);
	set(host.mask + PCI_BAR, 0xfffe0000, 4);
	set(host.mask + PCI_INTERRUPT_LINE, 0xff, 1);
	set(host.mask + HOST_MSIX + 2, 0xc000, 2);
	set(host.mask + FLR_AT, 0xffff, 2);
	host.table_at = HOST_BAR + 0x1000;
}

static uint32_t machine_get(unsigned at, unsigned size)
{
	return dev_pass_config_read(HOST_BDF, at, size);
}

static uint64_t at_bus(unsigned bus, unsigned device, unsigned function)
{
	return DEV_ECAM_BASE + ((uint64_t)PCI_BDF(bus, device, function) << 12);
}

static uint32_t port(unsigned at, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, at_bus(0, 1, PORT - 1) + at, false, size, &v));
	return (uint32_t)v;
}

static void set_port(unsigned at, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, at_bus(0, 1, PORT - 1) + at, true, size, &v));
}

static uint32_t get(unsigned at, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, at_bus(BUS, 0, 0) + at, false, size, &v));
	return (uint32_t)v;
}

static void put(unsigned at, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, at_bus(BUS, 0, 0) + at, true, size, &v));
}

static uint64_t reg(uint64_t offset)
{
	uint64_t v = 0;

	(void)platform_mmio(&machine, 0, BAR + offset, false, 4, &v);
	return v;
}

static void set_up_port(void)
{
	set_port(PCI_BRIDGE_PRIMARY, 4, BUS << 16 | BUS << 8);
	set_port(PCI_BRIDGE_MEMORY_BASE, 4, 0xc010c010);
	set_port(PCI_BRIDGE_PREFETCH_BASE, 4, 0x0000fff0);
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void set_up(void)
{
	put(PCI_BAR, 4, BAR);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static int setup_empty(void **state)
{
	(void)state;
	make_host();
	host.value = 0x1234;
	fake_start(1);
	fake_enable_apics();
	fake.now = 1000 * MS;
	for (unsigned i = 1; i <= 3; i++)
		assert_true(vport_add(&machine, i, PCI_BDF(0, 1, i - 1)));
	assert_null(vpass_probe(HOST_BDF, &found));
	vpass_give_vectors(&found, 0x40, 4);
	return 0;
}

static void add(void)
{
	fake.locked = true;
	assert_true(vpass_add(&pass, &found, &machine, PCI_BDF(PORT, 0, 0)));
	fake.locked = false;
}

static int setup(void **state)
{
	setup_empty(state);
	add();
	vport_fill(&machine, PORT);
	vpass_begin(&found);
	set_up_port();
	set_up();
	return 0;
}

static void come(void)
{
	fake.locked = true;
	vpass_come(&pass);
	fake.locked = false;
}

static void work(void)
{
	while (platform_work(&machine) != VPCI_WORK_DONE)
		;
}

static void after(unsigned ms)
{
	host.now += ms;
	fake.now += ms * MS;
	platform_run_timers(&machine, 0, fake.now);
	work();
}

/* What vm/ does when no vCPU reaches its registers any more. */
static void reset_machines(void)
{
	assert_true(pass.away && !pass.comes);
	vpass_end(&found);
	come();
}

/* ---- in its slot ---- */

static void a_function_in_a_slot_is_behind_its_port(void **state)
{
	(void)state;
	assert_int_equal(get(0, 4), 0x4e541234);
	assert_int_equal(reg(8), 0x1234);
	assert_int_equal(host.address, HOST_BAR + 8);
	assert_int_equal(machine_get(PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(get(0x40 + PCI_EXPRESS_CAPABLE, 4) & PCI_EXPRESS_HAS_FLR);
	set_port(PCI_BRIDGE_MEMORY_BASE, 4, 0xc020c020); /* the window is elsewhere */
	assert_int_not_equal(reg(8), 0x1234);
}

static void its_pin_is_that_of_the_ports_device(void **state)
{
	unsigned pin = 16 + vpci_pirq_of(PCI_BDF(0, 1, PORT - 1), 1);

	(void)state;
	fake.locked = true;
	assert_true(vpass_interrupt(&pass));
	fake.locked = false;
	assert_true(pass.raised);
	assert_true(machine.ioapic.s.lines >> pin & 1);
}

static void it_is_no_bus_master_while_its_port_is_none(void **state)
{
	(void)state;
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_false(machine_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(machine_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
}

static void a_function_without_a_reset_offers_none(void **state)
{
	setup_empty(state);
	set(host.config + HOST_EXP + PCI_EXPRESS_CAPABLE, 0, 4);
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_false(vpass_has_reset(&found));
	add();
	vport_fill(&machine, PORT);
	set_up_port();
	set_up();
	assert_false(get(0x40 + PCI_EXPRESS_CAPABLE, 4) & PCI_EXPRESS_HAS_FLR);
	put(0x40 + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR);
	assert_false(pass.away);
	assert_int_equal(host.resets_asked, 0);
	assert_int_equal(get(PCI_BAR, 4), BAR);
}

static void one_that_is_silenced_by_its_registers_has_a_reset(void **state)
{
	setup_empty(state);
	set(host.config + PCI_VENDOR, 0x100e8086, 4); /* 82540EM */
	set(host.config + HOST_EXP + PCI_EXPRESS_CAPABLE, 0, 4);
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_true(vpass_has_reset(&found));
	assert_null(vpass_slot_error(&found));
}

static void an_ide_controller_cannot_be_in_a_slot(void **state)
{
	setup_empty(state);
	set(host.config + PCI_REVISION, 0x01018000, 4);
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_non_null(strstr(vpass_slot_error(&found), "IDE"));
}

/* ---- resets ---- */

static void reset_by_itself(void)
{
	put(0x40 + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR);
}

static void a_reset_waits_until_no_vcpu_reaches_its_registers(void **state)
{
	struct dev_window window;
	uint64_t at;

	(void)state;
	assert_true(platform_direct(&machine, BAR + 0x4000, 0x1000, &at, &window));
	reset_by_itself();
	assert_int_equal(host.resets_asked, 1);
	assert_int_equal(machine_get(FLR_AT, 2) & PCI_EXPRESS_FLR, 0); /* not yet */
	assert_false(platform_direct(&machine, BAR + 0x4000, 0x1000, &at, &window));
	set_up();
	assert_false(platform_direct(&machine, BAR + 0x4000, 0x1000, &at, &window));
	reset_by_itself();
	assert_int_equal(host.resets_asked, 1); /* it is the same one */
	reset_machines();
	assert_true(machine_get(FLR_AT, 2) & PCI_EXPRESS_FLR);
}

static void nothing_reaches_a_function_in_its_reset(void **state)
{
	unsigned writes, reads;
	uint64_t v = 5;

	(void)state;
	reset_by_itself();
	reset_machines();
	writes = host.config_writes;
	reads = host.reads;
	set_up();
	put(0x7c, 2, 0xffff);
	assert_int_equal(get(0, 4), 0x4e541234); /* who it is is known */
	assert_int_equal(reg(8), 0xffffffff);
	(void)platform_mmio(&machine, 0, BAR + 8, true, 4, &v);
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	after(PCI_FLR_MS - 1);
	assert_true(pass.away);
	assert_int_equal(host.config_writes, writes);
	assert_int_equal(host.reads, reads);
}

static unsigned msix(void)
{
	unsigned at = get(PCI_CAPABILITIES, 1);

	while (get(at, 1) != PCI_CAP_MSIX)
		at = get(at + 1, 1);
	return at;
}

static void what_the_guest_did_meanwhile_is_done_when_it_is_back(void **state)
{
	unsigned separated;

	(void)state;
	put(msix() + 2, 2, PCI_MSIX_ENABLE);
	assert_true(machine_get(HOST_MSIX + 2, 2) & PCI_MSIX_ENABLE);
	reset_by_itself();
	reset_machines();
	assert_false(machine_get(HOST_MSIX + 2, 2) & PCI_MSIX_ENABLE);
	set(host.config + PCI_BAR, 0, 4); /* as after a reset */
	set(host.config + PCI_COMMAND, 0, 2);
	set_up();
	put(msix() + 2, 2, PCI_MSIX_ENABLE);
	separated = host.separated;
	after(PCI_FLR_MS);
	assert_false(pass.away);
	assert_int_equal(host.separated, separated + 1);
	assert_int_equal(machine_get(PCI_BAR, 4), HOST_BAR);
	assert_int_equal(machine_get(PCI_COMMAND, 2),
		PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NOINTX);
	assert_true(machine_get(HOST_MSIX + 2, 2) & PCI_MSIX_ENABLE);
	assert_int_equal(reg(8), 0x1234);
}

static void a_second_reset_in_the_first_one_lets_it_go_on(void **state)
{
	(void)state;
	reset_by_itself();
	reset_machines();
	after(PCI_FLR_MS - 1);
	set_up();
	reset_by_itself();
	assert_int_equal(host.resets_asked, 1);
	assert_int_equal(get(PCI_BAR, 4), 0);
	assert_true(pass.away);
	after(1);
	assert_false(pass.away);
}

static void a_line_that_was_up_is_heard_again(void **state)
{
	unsigned listens;

	(void)state;
	fake.locked = true;
	assert_true(vpass_interrupt(&pass));
	fake.locked = false;
	listens = host.listens;
	reset_by_itself();
	assert_int_equal(host.listens, listens); /* it may be up yet */
	assert_int_equal(machine.ioapic.s.lines, 0);
	fake.locked = true;
	assert_true(vpass_interrupt(&pass)); /* kept quiet */
	fake.locked = false;
	assert_int_equal(machine.ioapic.s.lines, 0);
	reset_machines();
	assert_int_equal(host.listens, listens + 1);
}

static void power_off_resets_it_and_power_on_finds_it(void **state)
{
	(void)state;
	set_port(SLOT, 2, PCIE_SLOT_POWER_OFF);
	assert_int_equal(host.resets_asked, 1);
	assert_int_equal(get(0, 4), 0xffffffff);
	reset_machines();
	set_port(SLOT, 2, 0);
	assert_int_equal(get(0, 4), 0x4e541234);
	assert_int_equal(get(PCI_BAR, 4), 0);
	set_up();
	assert_int_equal(reg(8), 0xffffffff);
	after(PCI_FLR_MS);
	assert_int_equal(reg(8), 0x1234);
}

/* Before it is reset, and afterwards: nothing for the guest, and nothing that it asked for. */
static void messages_of_one_that_is_away_are_nobodys(void **state)
{
	unsigned writes;

	(void)state;
	put(msix() + 2, 2, PCI_MSIX_ENABLE);
	reset_by_itself();
	writes = host.config_writes;
	fake.locked = true;
	vpass_message(&pass, 0xf, true);
	fake.locked = false;
	assert_int_equal(host.config_writes, writes);
	assert_int_equal(fake.messages, 0);
	reset_machines();
	writes = host.config_writes;
	fake.locked = true;
	vpass_message(&pass, 0xf, true);
	fake.locked = false;
	assert_int_equal(host.config_writes, writes);
}

/* ---- it comes and goes ---- */

static void one_that_comes_before_its_reset_is_over_waits_for_it(void **state)
{
	setup_empty(state);
	set_up_port();
	add();
	vpass_end(&found); /* of another VM, some time ago */
	host.now += PCI_FLR_MS - 10;
	come();
	vport_plug(&machine, PORT);
	set_port(SLOT, 2, 0);
	set_up();
	assert_int_equal(reg(8), 0xffffffff);
	assert_false(machine_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	after(10);
	assert_int_equal(reg(8), 0x1234);
	assert_true(machine_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
}

static void one_that_is_ready_is_there_at_once(void **state)
{
	setup_empty(state);
	set_up_port();
	add();
	come();
	vport_plug(&machine, PORT);
	set_port(SLOT, 2, 0);
	set_up();
	assert_int_equal(reg(8), 0x1234);
	assert_true(platform_deadline(&machine, 0) > fake.now);
}

static void one_that_leaves_reaches_nothing_more(void **state)
{
	unsigned writes;

	(void)state;
	put(msix() + 2, 2, PCI_MSIX_ENABLE);
	writes = host.config_writes;
	fake.locked = true;
	vpass_leave(&pass);
	vport_pull(&machine, PORT);
	vpci_remove(pass.f);
	fake.locked = false;
	assert_int_equal(host.config_writes, writes); /* vm/ has it silenced later */
	assert_int_equal(host.resets_asked, 0);
	assert_int_equal(get(0, 4), 0xffffffff);
	assert_int_equal(machine.pci.work | machine.pci.later, 0);
	vpass_end(&found);
	assert_int_equal(found.now->phase, VPASS_RESETS);
	assert_false(machine_get(HOST_MSIX + 2, 2) & PCI_MSIX_ENABLE);
	assert_int_equal(machine_get(PCI_COMMAND, 2), PCI_COMMAND_NOINTX);
}

/* ---- windows ---- */

static void an_empty_slot_has_room_for_what_may_come(void **state)
{
	struct vport_room room = {.memory = 0x1810000, .alignment = 0x1000000, .ports = true};
	uint64_t base, limit;

	setup_empty(state);
	vport_reserve(&machine, 2, &room);
	vpci_assign(&machine);
	base = (uint64_t)(port(PCI_BRIDGE_MEMORY_BASE, 2) & 0xfff0) << 16;
	limit = ((uint64_t)(port(PCI_BRIDGE_MEMORY_LIMIT, 2) & 0xfff0) << 16) | 0xfffff;
	assert_int_equal(base % room.alignment, 0);
	assert_true(limit - base + 1 >= room.memory);
	assert_true(port(PCI_BRIDGE_IO_BASE, 1) <= port(PCI_BRIDGE_IO_LIMIT, 1));
}

static void slots_have_windows_of_ports_as_long_as_there_are_some(void **state)
{
	struct vport_room room = {.memory = 0x1000, .alignment = 0x1000, .ports = true};
	unsigned with = 0;

	setup_empty(state);
	for (unsigned i = 4; i <= VPORTS; i++)
		assert_true(vport_add(&machine, i, PCI_BDF(0, 1, i - 1)));
	for (unsigned i = 1; i <= VPORTS; i++)
		vport_reserve(&machine, i, &room);
	vpci_assign(&machine);
	for (unsigned i = 0; i < VPORTS; i++) {
		const struct vpci_function *f = machine.pci.port[i].f;
		uint32_t base = vpci_config_get(f, PCI_BRIDGE_IO_BASE, 1) & 0xf0;
		uint32_t limit = vpci_config_get(f, PCI_BRIDGE_IO_LIMIT, 1) & 0xf0;

		with += base <= limit;
		assert_true(base > limit || base >= 0xc0);
	}
	assert_int_equal(with, 4);
}

/* What is above is the configuration space's. */
static void slots_have_windows_of_memory_as_long_as_there_is_room(void **state)
{
	struct vport_room room = {.memory = 0x8000000, .alignment = 0x8000000};
	unsigned with = 0;

	setup_empty(state);
	for (unsigned i = 1; i <= 3; i++)
		vport_reserve(&machine, i, &room);
	vpci_assign(&machine);
	for (unsigned i = 0; i < 3; i++) {
		const struct vpci_function *f = machine.pci.port[i].f;
		uint32_t base = vpci_config_get(f, PCI_BRIDGE_MEMORY_BASE, 2) & 0xfff0;
		uint32_t limit = vpci_config_get(f, PCI_BRIDGE_MEMORY_LIMIT, 2) & 0xfff0;

		with += base <= limit;
		assert_true(base > limit || (base >= 0xc000 && limit < 0xe000));
	}
	assert_int_equal(with, 2);
}

static void the_room_of_a_function_is_that_of_its_registers(void **state)
{
	struct vport_room room;

	setup_empty(state);
	found.bar[2] = (struct vpass_bar){VPCI_BAR_64, 0xe0000000, 0x1000000};
	found.bar[4] = (struct vpass_bar){VPCI_BAR_IO, 0xc000, 32};
	room = vpass_room(&found);
	assert_int_equal(room.memory, 0x2000000); /* aligned behind the first one */
	assert_int_equal(room.alignment, 0x1000000);
	assert_true(room.ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_function_in_a_slot_is_behind_its_port, setup),
		cmocka_unit_test_setup(its_pin_is_that_of_the_ports_device, setup),
		cmocka_unit_test_setup(it_is_no_bus_master_while_its_port_is_none, setup),
		cmocka_unit_test(a_function_without_a_reset_offers_none),
		cmocka_unit_test(one_that_is_silenced_by_its_registers_has_a_reset),
		cmocka_unit_test(an_ide_controller_cannot_be_in_a_slot),
		cmocka_unit_test_setup(
			a_reset_waits_until_no_vcpu_reaches_its_registers, setup),
		cmocka_unit_test_setup(nothing_reaches_a_function_in_its_reset, setup),
		cmocka_unit_test_setup(
			what_the_guest_did_meanwhile_is_done_when_it_is_back, setup),
		cmocka_unit_test_setup(a_second_reset_in_the_first_one_lets_it_go_on, setup),
		cmocka_unit_test_setup(a_line_that_was_up_is_heard_again, setup),
		cmocka_unit_test_setup(messages_of_one_that_is_away_are_nobodys, setup),
		cmocka_unit_test_setup(power_off_resets_it_and_power_on_finds_it, setup),
		cmocka_unit_test(one_that_comes_before_its_reset_is_over_waits_for_it),
		cmocka_unit_test(one_that_is_ready_is_there_at_once),
		cmocka_unit_test_setup(one_that_leaves_reaches_nothing_more, setup),
		cmocka_unit_test(an_empty_slot_has_room_for_what_may_come),
		cmocka_unit_test(slots_have_windows_of_ports_as_long_as_there_are_some),
		cmocka_unit_test(slots_have_windows_of_memory_as_long_as_there_is_room),
		cmocka_unit_test(the_room_of_a_function_is_that_of_its_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
