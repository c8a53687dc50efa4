/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions: how they come, where they are, what resets them, their state. */
#include "port_world.h"

#define VFS    5u
#define FIRST  3u /* of the rows of their state */
#define AT     PCIE_EXTENDED
#define STRIDE BAR_SIZE
#define VF_AT  0xc0140000ull
#define ON     (PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY)
#define VF_ID  0x1041u
#define TABLE  0x1000u

static struct {
	unsigned reads, resets, works;
	uint64_t offset;
} vf[VFS];
static struct vpci_function *vf_at[VFS];

static unsigned number_of(void *d)
{
	for (unsigned i = 0; i < VFS; i++)
		if (d == &vf[i])
			return i;
	fail();
	return 0;
}

static uint64_t vf_read(void *d, unsigned bar, uint64_t offset, unsigned size)
{
	unsigned i = number_of(d);

	(void)size;
	assert_int_equal(bar, 0);
	vf[i].reads++;
	vf[i].offset = offset;
	return 0x40 + i;
}

static void vf_reset(void *d)
{
	vf[number_of(d)].resets++;
}

static enum vpci_work vf_work(void *d)
{
	vf[number_of(d)].works++;
	return VPCI_WORK_DONE;
}

static const struct vpci_ops vf_ops = {.read = vf_read, .reset = vf_reset, .work = vf_work};

static void add_vfs(void)
{
	vpci_add_sriov(f, VFS, FIRST, VF_ID, f->bar);
	for (unsigned i = 0; i < VFS; i++) {
		const struct vpci_id id = {.bdf = vpci_vf_place(f, i),
			.vendor = 0xffff,
			.device = 0xffff,
			.subvendor = 0x1af4,
			.class = 0x020000,
			.physical = f};

		vf_at[i] = vpci_add(&machine, &id, &vf_ops, &vf[i]);
		assert_non_null(vf_at[i]);
		vpci_add_bar(vf_at[i], 0, VPCI_BAR_64, BAR_SIZE);
		assert_true(vpci_add_msix(vf_at[i], 0, TABLE, 0x1800, 2));
	}
	memset(vf, 0, sizeof(vf));
}

static int setup_vfs(void **state)
{
	setup(state);
	add_vfs();
	return 0;
}

static uint32_t sriov(unsigned at, unsigned n)
{
	return behind(AT + at, n);
}

static void set_sriov(unsigned at, unsigned n, uint32_t v)
{
	set_behind(AT + at, n, v);
}

static void turn_on(unsigned count)
{
	set_sriov(PCIE_SRIOV_BAR, 4, VF_AT);
	set_sriov(PCIE_SRIOV_COUNT, 2, count);
	set_sriov(PCIE_SRIOV_CONTROL, 2, ON);
}

static uint32_t of_vf(unsigned i, unsigned at, unsigned n)
{
	return config(BUS, 0, 1 + i, at, n);
}

static void set_vf(unsigned i, unsigned at, unsigned n, uint32_t v)
{
	set_config(BUS, 0, 1 + i, at, n, v);
}

static unsigned visible(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 7; i++)
		n += of_vf(i, PCI_COMMAND, 2) != 0xffff;
	return n;
}

/* Which virtual function answers there; VFS: none. */
static unsigned answers(uint64_t gpa)
{
	unsigned before[VFS], who = VFS;
	uint64_t v = 0;

	for (unsigned i = 0; i < VFS; i++)
		before[i] = vf[i].reads;
	vpci_mmio(&machine, 0, gpa, false, 4, &v);
	for (unsigned i = 0; i < VFS; i++)
		if (vf[i].reads != before[i])
			who = i;
	return who;
}

/* ---- the capability ---- */

static void the_capability_says_how_many_and_where(void **state)
{
	(void)state;
	assert_int_equal(sriov(0, 4), 0x14010010);
	assert_int_equal(sriov(4, 4), 0);
	assert_int_equal(sriov(PCIE_SRIOV_CONTROL, 4), 0);
	assert_int_equal(sriov(PCIE_SRIOV_INITIAL, 4), VFS << 16 | VFS);
	assert_int_equal(sriov(PCIE_SRIOV_COUNT, 4), 0);
	assert_int_equal(sriov(PCIE_SRIOV_FIRST, 4), 0x10001);
	assert_int_equal(sriov(PCIE_SRIOV_DEVICE, 2), VF_ID);
	assert_int_equal(sriov(PCIE_SRIOV_PAGES, 4), 0x553);
	assert_int_equal(sriov(PCIE_SRIOV_PAGE, 4), 1);
	assert_int_equal(behind(AT + PCIE_SRIOV_SIZE, 4), 0x0001000e);
	assert_int_equal(behind(AT + PCIE_SRIOV_SIZE + 4, 4), 0);
}

static void its_registers_tell_the_size_of_one_function(void **state)
{
	(void)state;
	set_sriov(PCIE_SRIOV_BAR, 4, HIDDEN);
	set_sriov(PCIE_SRIOV_BAR + 4, 4, HIDDEN);
	assert_int_equal(sriov(PCIE_SRIOV_BAR, 4), (uint32_t) ~(BAR_SIZE - 1) | PCI_BAR_64);
	assert_int_equal(sriov(PCIE_SRIOV_BAR + 4, 4), HIDDEN);
	set_sriov(PCIE_SRIOV_BAR + 8, 4, HIDDEN);
	assert_int_equal(sriov(PCIE_SRIOV_BAR + 8, 4), 0); /* ports are none of theirs */
}

static void larger_pages_align_them_and_only_one_can_be_chosen(void **state)
{
	(void)state;
	set_sriov(PCIE_SRIOV_PAGE, 4, 0x40); /* 256 KiB */
	set_sriov(PCIE_SRIOV_BAR, 4, HIDDEN);
	assert_int_equal(sriov(PCIE_SRIOV_BAR, 4), 0xfffc0000 | PCI_BAR_64);
	for (unsigned i = 0; i < 4; i++) {
		static const uint32_t none[] = {0, 3, 4, 0x800};

		set_sriov(PCIE_SRIOV_PAGE, 4, none[i]);
		assert_int_equal(sriov(PCIE_SRIOV_PAGE, 4), 0x40);
	}
	turn_on(3);
	assert_int_equal(answers(VF_AT + 0x80000), 2);
	assert_int_equal(answers(VF_AT + STRIDE), VFS);
	set_sriov(PCIE_SRIOV_PAGE, 4, 1);
	assert_int_equal(sriov(PCIE_SRIOV_PAGE, 4), 0x40);
}

static void what_is_read_only_stays(void **state)
{
	static const unsigned at[] = {0, 4, PCIE_SRIOV_INITIAL, PCIE_SRIOV_FIRST,
		PCIE_SRIOV_DEVICE - 2, PCIE_SRIOV_PAGES, 0x3c, 0x40, 0x44};

	(void)state;
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		uint32_t before = sriov(at[i], 4);

		set_sriov(at[i], 4, ~before);
		assert_int_equal(sriov(at[i], 4), before);
	}
	set_sriov(PCIE_SRIOV_CONTROL, 4, HIDDEN);
	assert_int_equal(sriov(PCIE_SRIOV_CONTROL, 4), ON | PCIE_SRIOV_ARI);
}

/* ---- coming and going ---- */

static void they_appear_as_many_as_were_asked_for(void **state)
{
	(void)state;
	assert_int_equal(visible(), 0);
	set_sriov(PCIE_SRIOV_COUNT, 2, 3);
	assert_int_equal(visible(), 0);
	set_sriov(PCIE_SRIOV_CONTROL, 2, PCIE_SRIOV_ENABLE);
	assert_int_equal(visible(), 3);
	set_sriov(PCIE_SRIOV_CONTROL, 2, 0);
	assert_int_equal(visible(), 0);
}

static void more_than_there_are_is_no_number(void **state)
{
	(void)state;
	set_sriov(PCIE_SRIOV_COUNT, 2, 2);
	set_sriov(PCIE_SRIOV_COUNT, 2, VFS + 1);
	assert_int_equal(sriov(PCIE_SRIOV_COUNT, 2), 2);
	set_sriov(PCIE_SRIOV_COUNT, 2, 0xffff);
	assert_int_equal(sriov(PCIE_SRIOV_COUNT, 2), 2);
	set_sriov(PCIE_SRIOV_COUNT, 2, VFS);
	assert_int_equal(sriov(PCIE_SRIOV_COUNT, 2), VFS);
}

static void their_number_does_not_change_while_they_are_there(void **state)
{
	(void)state;
	turn_on(2);
	set_sriov(PCIE_SRIOV_COUNT, 2, 4);
	assert_int_equal(sriov(PCIE_SRIOV_COUNT, 2), 2);
	assert_int_equal(visible(), 2);
}

static void one_has_no_identifiers_no_registers_and_no_pin(void **state)
{
	(void)state;
	turn_on(2);
	assert_int_equal(of_vf(1, 0, 4), HIDDEN);
	assert_int_equal(of_vf(1, PCI_CLASS, 4) & 0xffffff, 0x020000);
	assert_int_equal(of_vf(1, PCI_SUBVENDOR, 2), 0x1af4);
	assert_int_equal(of_vf(1, PCI_INTERRUPT_LINE, 2), 0);
	set_vf(1, PCI_BAR, 4, HIDDEN);
	assert_int_equal(of_vf(1, PCI_BAR, 4), 0);
	set_vf(1, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(of_vf(1, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	assert_int_equal(of_vf(1, EXPRESS, 1), PCI_CAP_EXPRESS);
	assert_int_equal(of_vf(1, EXPRESS + PCI_EXPRESS_CONTROL, 2), 0);
	assert_int_equal(of_vf(1, AT, 4), 0x0001000e);
	assert_int_equal(of_vf(1, AT + 4, 4), 0);
}

static void mechanism_1_finds_them_and_not_their_extended_space(void **state)
{
	uint32_t v = 0x80000000u | BUS << 16 | 2 << 8 | (PCI_CLASS - 1);

	(void)state;
	assert_true(vpci_io(&machine, 0xcf8, true, 4, &v));
	assert_true(vpci_io(&machine, 0xcfc, false, 4, &v));
	assert_int_equal(v, HIDDEN);
	turn_on(2);
	assert_true(vpci_io(&machine, 0xcfc, false, 4, &v));
	assert_int_equal(v, 0x02000000);
}

static void their_requester_follows_from_their_number(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VFS; i++) {
		assert_int_equal(vf_at[i]->bdf, PCI_BDF(PORT, 0, 1 + i));
		assert_ptr_equal(vf_at[i], &machine.pci.functions[VPCI_FIRST_VF + FIRST + i]);
	}
}

/* ---- addresses ---- */

static void each_has_its_part_of_the_addresses(void **state)
{
	(void)state;
	turn_on(3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(answers(VF_AT + i * STRIDE + 8), i);
		assert_int_equal(vf[i].offset, 8);
		assert_int_equal(answers(VF_AT + (i + 1) * STRIDE - 4), i);
	}
	assert_int_equal(answers(VF_AT + 3 * STRIDE), VFS);
	assert_true(reaches(BAR_AT));
}

static void without_their_memory_enable_none_answers(void **state)
{
	(void)state;
	turn_on(2);
	set_sriov(PCIE_SRIOV_CONTROL, 2, PCIE_SRIOV_ENABLE);
	assert_int_equal(answers(VF_AT), VFS);
	assert_int_equal(visible(), 2);
	set_sriov(PCIE_SRIOV_CONTROL, 2, PCIE_SRIOV_MEMORY);
	assert_int_equal(answers(VF_AT), VFS);
	set_behind(PCI_COMMAND, 2, 0);
	set_sriov(PCIE_SRIOV_CONTROL, 2, ON);
	assert_int_equal(answers(VF_AT), 0); /* the physical one's is another */
}

static void addresses_move_and_the_window_of_the_port_bounds_them(void **state)
{
	(void)state;
	turn_on(VFS);
	set_sriov(PCIE_SRIOV_BAR, 4, WINDOW + 0x100000 - 2 * STRIDE);
	assert_int_equal(answers(VF_AT), VFS);
	assert_int_equal(answers(WINDOW + 0x100000 - STRIDE), 1);
	assert_int_equal(answers(WINDOW + 0x100000), VFS);
	set_sriov(PCIE_SRIOV_BAR + 4, 4, HIDDEN);
	assert_int_equal(answers(WINDOW + 0x100000 - STRIDE), VFS);
	set_sriov(PCIE_SRIOV_BAR, 4, HIDDEN); /* the second one's would begin at 0 */
	assert_int_equal(answers(0), VFS);
	assert_int_equal(answers(STRIDE), VFS);
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	set_sriov(PCIE_SRIOV_BAR + 4, 4, 0);
	set_sriov(PCIE_SRIOV_BAR, 4, VF_AT);
	assert_int_equal(answers(VF_AT), VFS);
}

static void a_guest_without_firmware_finds_addresses_for_all_of_them(void **state)
{
	(void)state;
	setup_empty(NULL);
	add_device();
	add_vfs();
	vport_fill(&machine, PORT);
	vpci_assign(&machine);
	set_config(PORT, 0, 0, AT + PCIE_SRIOV_COUNT, 2, VFS);
	set_config(PORT, 0, 0, AT + PCIE_SRIOV_CONTROL, 2, ON);
	for (unsigned i = 0; i < VFS; i++) {
		uint64_t base = config(PORT, 0, 0, AT + PCIE_SRIOV_BAR, 4) & ~15u;

		assert_int_equal(answers(base + i * STRIDE), i);
		assert_int_equal(config(PORT, 0, 1 + i, PCI_COMMAND, 2), 0);
	}
}

/* ---- messages ---- */

static void set_message(unsigned i)
{
	static const uint32_t entry[] = {MSI_ADDRESS_BASE, 0, VECTOR, 0};

	for (unsigned word = 0; word < 4; word++) {
		uint64_t v = entry[word];

		assert_true(vpci_mmio(
			&machine, 0, VF_AT + i * STRIDE + TABLE + word * 4, true, 4, &v));
	}
	set_vf(i, vf_at[i]->msix + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
}

static void each_has_messages_and_bus_mastering_of_its_own(void **state)
{
	(void)state;
	turn_on(2);
	set_message(1);
	vpci_interrupt(vf_at[1], 0);
	assert_int_equal(fake.messages, 0);
	set_vf(1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	set_behind(PCI_COMMAND, 2, 0);
	vpci_interrupt(vf_at[1], 0);
	assert_int_equal(fake.messages, 1);
	vpci_interrupt(vf_at[0], 0);
	assert_int_equal(fake.messages, 1);
	set_port(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	vpci_interrupt(vf_at[1], 0);
	assert_int_equal(fake.messages, 1);
}

/* ---- resets ---- */

static void use(unsigned i)
{
	set_message(i);
	set_vf(i, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	vpci_ask_work(vf_at[i]);
}

static bool fresh(unsigned i)
{
	uint64_t v = 0;

	vpci_mmio(&machine, 0, VF_AT + i * STRIDE + TABLE + 12, false, 4, &v);
	return of_vf(i, PCI_COMMAND, 2) == 0 && v == PCI_MSIX_ENTRY_MASKED &&
	       of_vf(i, vf_at[i]->msix + PCI_MSIX_CONTROL, 2) == 1 &&
	       !(machine.pci.work >> (VPCI_FIRST_VF + FIRST + i) & 1);
}

static void a_function_level_reset_of_one_is_its_own(void **state)
{
	(void)state;
	turn_on(3);
	use(1);
	use(2);
	set_vf(1, EXPRESS + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR);
	assert_int_equal(vf[1].resets, 1);
	assert_int_equal(vf[0].resets + vf[2].resets + device.resets, 0);
	assert_true(fresh(1));
	assert_false(fresh(2));
	assert_int_equal(of_vf(1, EXPRESS + PCI_EXPRESS_CONTROL, 2), 0);
	assert_int_equal(answers(VF_AT + STRIDE), 1);
}

static void those_that_go_and_come_again_know_nothing_of_before(void **state)
{
	(void)state;
	turn_on(3);
	use(0);
	use(2);
	set_sriov(PCIE_SRIOV_CONTROL, 2, 0);
	assert_int_equal(vf[0].resets, 1);
	assert_int_equal(vf[2].resets, 1);
	assert_int_equal(machine.pci.work, 0);
	assert_false(vpci_master(vf_at[2]));
	turn_on(3);
	assert_true(fresh(0) && fresh(1) && fresh(2));
	assert_int_equal(device.resets, 0);
}

static void a_function_level_reset_of_the_physical_one_ends_them(void **state)
{
	(void)state;
	set_sriov(PCIE_SRIOV_PAGE, 4, 2);
	turn_on(3);
	use(1);
	set_behind(EXPRESS + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR);
	assert_int_equal(device.resets, 1);
	assert_int_equal(vf[1].resets, 1);
	assert_int_equal(visible(), 0);
	assert_int_equal(sriov(PCIE_SRIOV_CONTROL, 2), 0);
	assert_int_equal(sriov(PCIE_SRIOV_COUNT, 2), 0);
	assert_int_equal(sriov(PCIE_SRIOV_PAGE, 4), 1);
	assert_int_equal(sriov(PCIE_SRIOV_BAR, 4), PCI_BAR_64);
	assert_int_equal(answers(VF_AT), VFS);
}

static void a_reset_of_the_bus_ends_them_too(void **state)
{
	(void)state;
	turn_on(3);
	use(1);
	set_port(PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_RESET);
	assert_true(vf[1].resets != 0);
	assert_int_equal(visible(), 0);
	set_port(PCI_BRIDGE_CONTROL, 2, 0);
	assert_int_equal(visible(), 0);
	assert_int_equal(sriov(PCIE_SRIOV_CONTROL, 2), 0);
	assert_int_equal(machine.pci.work, 0);
}

static void they_leave_with_their_slot(void **state)
{
	(void)state;
	turn_on(3);
	use(1);
	vport_pull(&machine, PORT);
	for (unsigned i = 0; i < VFS; i++)
		vpci_remove(vf_at[i]);
	vpci_remove(f);
	assert_int_equal(visible(), 0);
	assert_int_equal(answers(VF_AT), VFS);
	add_device();
	add_vfs();
	vport_plug(&machine, PORT);
	set_port(SLOT_CONTROL, 2, 0);
	assert_int_equal(visible(), 0);
	turn_on(1);
	assert_int_equal(visible(), 1);
}

/* ---- state ---- */

static void a_state_comes_back_with_them(void **state)
{
	static struct vpci_state saved;

	(void)state;
	set_sriov(PCIE_SRIOV_PAGE, 4, 0x10);
	turn_on(2);
	set_vf(1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	vpci_get_state(&machine.pci, &saved);
	setup_vfs(NULL);
	assert_true(vpci_set_state(&machine.pci, &saved));
	assert_memory_equal(&machine.pci.s, &saved, sizeof(saved));
	assert_int_equal(visible(), 2);
	assert_int_equal(answers(VF_AT + 0x10000), 1);
	assert_true(vpci_master(vf_at[1]));
}

static bool valid_with(unsigned row, unsigned at, uint8_t value)
{
	static struct vpci_state saved;

	vpci_get_state(&machine.pci, &saved);
	assert_true(vpci_valid_state(&machine.pci, &saved));
	saved.f[row].config[at] = value;
	return vpci_valid_state(&machine.pci, &saved);
}

static void what_they_cannot_be_is_refused(void **state)
{
	unsigned row = VPCI_ON_BUS_0 + PORT - 1, hidden = VPCI_FIRST_VF + FIRST + 2;

	(void)state;
	turn_on(2);
	set_sriov(PCIE_SRIOV_BAR, 4, VF_AT + STRIDE);
	assert_true(valid_with(row, AT + PCIE_SRIOV_COUNT, VFS));
	assert_false(valid_with(row, AT + PCIE_SRIOV_COUNT, VFS + 1));
	assert_false(valid_with(row, AT + PCIE_SRIOV_PAGE, 3));
	assert_false(valid_with(row, AT + PCIE_SRIOV_PAGE, 0));
	assert_false(valid_with(row, AT + PCIE_SRIOV_PAGE, 0x40)); /* they do not fit there */
	assert_false(valid_with(row, AT + PCIE_SRIOV_TOTAL, VFS + 1));
	assert_true(valid_with(hidden - 1, PCI_COMMAND, PCI_COMMAND_MASTER));
	assert_false(valid_with(hidden, PCI_COMMAND, PCI_COMMAND_MASTER));
	assert_false(valid_with(hidden + 7, PCI_COMMAND, PCI_COMMAND_MASTER));
}

#define TEST(name) cmocka_unit_test_setup(name, setup_vfs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_capability_says_how_many_and_where),
		TEST(its_registers_tell_the_size_of_one_function),
		TEST(larger_pages_align_them_and_only_one_can_be_chosen),
		TEST(what_is_read_only_stays),
		TEST(they_appear_as_many_as_were_asked_for),
		TEST(more_than_there_are_is_no_number),
		TEST(their_number_does_not_change_while_they_are_there),
		TEST(one_has_no_identifiers_no_registers_and_no_pin),
		TEST(mechanism_1_finds_them_and_not_their_extended_space),
		TEST(their_requester_follows_from_their_number),
		TEST(each_has_its_part_of_the_addresses),
		TEST(without_their_memory_enable_none_answers),
		TEST(addresses_move_and_the_window_of_the_port_bounds_them),
		TEST(a_guest_without_firmware_finds_addresses_for_all_of_them),
		TEST(each_has_messages_and_bus_mastering_of_its_own),
		TEST(a_function_level_reset_of_one_is_its_own),
		TEST(those_that_go_and_come_again_know_nothing_of_before),
		TEST(a_function_level_reset_of_the_physical_one_ends_them),
		TEST(a_reset_of_the_bus_ends_them_too),
		TEST(they_leave_with_their_slot),
		TEST(a_state_comes_back_with_them),
		TEST(what_they_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
