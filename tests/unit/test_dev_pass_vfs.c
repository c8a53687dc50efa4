/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual functions that a VM makes of a device of the machine: they come and go when it says
 * so, after the time that this takes, and are like other functions of the VM in between.
 */
#include "made_vfs.h"
#include "random.h"

static int setup(void **state)
{
	(void)state;
	own_device(false);
	return 0;
}

static int setup_keeping(void **state)
{
	(void)state;
	own_device(true);
	return 0;
}

static uint32_t machine_says(unsigned offset, unsigned size)
{
	return pci_get(PHYSICAL, AT + offset, size);
}

static void come(unsigned count)
{
	place();
	make(count);
	pass_time(PCIE_SRIOV_ON_MS);
	assert_int_equal(vfs.on, count);
	assert_true(vfs.there);
}

static void the_vm_has_a_capability_with_as_many_as_it_may_make(void **state)
{
	(void)state;
	assert_int_equal(seen(0, VM_AT, 4), PCIE_EXTENDED_SRIOV | PCIE_EXTENDED_VERSION);
	assert_int_equal(seen(0, VM_AT + PCIE_SRIOV_INITIAL, 4), VFS | VFS << 16);
	assert_int_equal(seen(0, VM_AT + PCIE_SRIOV_FIRST, 4), 1 | 1u << 16);
	assert_int_equal(seen(0, VM_AT + PCIE_SRIOV_DEVICE, 2), 0xbeef);
	see(0, VM_AT + PCIE_SRIOV_BAR, 4, UINT32_MAX);
	assert_int_equal(seen(0, VM_AT + PCIE_SRIOV_BAR, 4), (~(SIZE - 1) | 12));
	see(0, VM_AT + PCIE_SRIOV_COUNT, 2, VFS + 1);
	assert_int_equal(seen(0, VM_AT + PCIE_SRIOV_COUNT, 2), 0);
	for (unsigned i = 1; i <= VFS; i++)
		assert_int_equal(seen(i, PCI_COMMAND, 4), UINT32_MAX);
	assert_int_equal(machine_says(PCIE_SRIOV_CONTROL, 2), 0);
}

static void they_come_a_tenth_of_a_second_after_they_were_made(void **state)
{
	(void)state;
	place();
	make(3);
	assert_int_equal(
		machine_says(PCIE_SRIOV_CONTROL, 2), PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY);
	assert_int_equal(machine_says(PCIE_SRIOV_COUNT, 2), 3);
	pass_time(PCIE_SRIOV_ON_MS - 1);
	assert_int_equal(seen(1, PCI_COMMAND, 4), UINT32_MAX);
	assert_int_equal(leads_to(VF_WINDOW), 0);
	idle_now++; /* nobody's timer ran */
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(seen(i, PCI_COMMAND, 2), 0);
		assert_int_equal(seen(i, PCI_VENDOR, 4), UINT32_MAX);
		assert_int_equal(seen(i, PCI_REVISION, 4), 0x02000001);
		assert_true(leads_to(VF_WINDOW + (i - 1) * SIZE) == WINDOW + (i - 1) * SIZE);
	}
	assert_int_equal(seen(4, PCI_COMMAND, 4), UINT32_MAX);
	assert_int_equal(leads_to(VF_WINDOW + 3 * SIZE), 0);
}

static void each_is_a_master_and_has_messages_by_itself(void **state)
{
	uint64_t v = PCI_MSIX_ENABLE;

	(void)state;
	come(2);
	see(2, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(seen(2, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	assert_true(machine_masters(1) && !machine_masters(0));
	see(2, vf[1].f->msix + PCI_MSIX_CONTROL, 2, v);
	assert_int_equal(owned_vf[1].messages.on, VPCI_MSIX);
	assert_int_equal(owned_vf[0].messages.on, VPCI_PIN);
	assert_true(last_address >= WINDOW + SIZE && last_address < WINDOW + 2 * SIZE);
}

static void their_memory_is_where_the_vms_capability_says(void **state)
{
	(void)state;
	see(0, VM_AT + PCIE_SRIOV_PAGE, 4, 0x100); /* 1 MiB each */
	come(2);
	assert_true(leads_to(VF_WINDOW + (1u << 20)) == WINDOW + SIZE);
	assert_int_equal(leads_to(VF_WINDOW + SIZE), 0);
	see(0, VM_AT + PCIE_SRIOV_CONTROL, 2, PCIE_SRIOV_ENABLE);
	assert_int_equal(leads_to(VF_WINDOW), 0);
	assert_true(appears(PHYSICAL + OFFSET));
	assert_int_equal(machine_says(PCIE_SRIOV_PAGE, 4), 1);
}

static void they_go_at_once_and_come_back_no_sooner_than_a_second_later(void **state)
{
	(void)state;
	come(3);
	see(1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	unmake();
	assert_false(machine_masters(0));
	assert_false(appears(PHYSICAL + OFFSET));
	assert_int_equal(leads_to(VF_WINDOW), 0);
	make(2); /* other ones, before it may be */
	assert_int_equal(machine_says(PCIE_SRIOV_CONTROL, 2), 0);
	pass_time(PCIE_SRIOV_OFF_MS - 1);
	assert_int_equal(machine_says(PCIE_SRIOV_CONTROL, 2), 0);
	pass_time(1);
	assert_int_equal(machine_says(PCIE_SRIOV_COUNT, 2), 2);
	assert_int_equal(seen(1, PCI_COMMAND, 4), UINT32_MAX);
	pass_time(PCIE_SRIOV_ON_MS);
	assert_int_equal(seen(1, PCI_COMMAND, 2), 0);
	assert_int_equal(seen(3, PCI_COMMAND, 4), UINT32_MAX);
}

static void who_changes_his_mind_before_they_came_has_none(void **state)
{
	(void)state;
	place();
	make(3);
	unmake();
	pass_time(PCIE_SRIOV_ON_MS);
	assert_false(appears(PHYSICAL + OFFSET));
	assert_int_equal(vfs.on, 0);
	make(0);
	pass_time(2000);
	assert_int_equal(machine_says(PCIE_SRIOV_CONTROL, 2), 0);
}

static void one_is_reset_by_itself_and_its_memory_waits_for_it(void **state)
{
	(void)state;
	come(3);
	see(2, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	see(3, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	reset_function(2);
	assert_false(machine_masters(1));
	assert_true(machine_masters(2));
	assert_int_equal(seen(2, PCI_COMMAND, 2), 0);
	assert_int_equal(leads_to(VF_WINDOW + SIZE), 0);
	assert_true(leads_to(VF_WINDOW + 2 * SIZE) != 0);
	pass_time(PCI_FLR_MS);
	assert_int_equal(seen(2, PCI_COMMAND, 2), 0);
	assert_true(leads_to(VF_WINDOW + SIZE) == WINDOW + SIZE);
}

static void a_reset_of_the_physical_one_takes_them_away(void **state)
{
	(void)state;
	come(3);
	see(1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	reset_function(0);
	assert_int_equal(leads_to(VF_WINDOW), 0);
	pass_time(PCI_FLR_MS);
	assert_int_equal(seen(0, VM_AT + PCIE_SRIOV_CONTROL, 2), 0);
	assert_int_equal(seen(1, PCI_COMMAND, 4), UINT32_MAX);
	place();
	make(1);
	pass_time(PCIE_SRIOV_OFF_MS - PCI_FLR_MS);
	pass_time(PCIE_SRIOV_ON_MS);
	assert_int_equal(seen(1, PCI_COMMAND, 2), 0);
}

static void asleep_with_the_physical_one_they_keep_what_that_keeps(void **state)
{
	(void)state;
	come(2);
	see(1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	see(1, vf[0].f->msix + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
	see(0, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	set_power(PCI_POWER_D3HOT);
	assert_false(machine_masters(0));
	assert_int_equal(leads_to(VF_WINDOW), 0);
	pass_time(PCI_POWER_MS);
	see(2, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_false(machine_masters(1));
	reset_function(2); /* made up for when it wakes */
	machine_is_sane();
	set_power(PCI_POWER_D0);
	pass_time(PCI_POWER_MS);
	assert_true(machine_masters(0) && !machine_masters(1));
	assert_int_equal(owned_vf[0].messages.on, VPCI_MSIX);
	assert_true(leads_to(VF_WINDOW) == WINDOW);
	assert_int_equal(seen(2, PCI_COMMAND, 4), UINT32_MAX);
	pass_time(PCI_FLR_MS);
	assert_int_equal(seen(2, PCI_COMMAND, 2), 0);
}

static void made_anew_while_the_physical_one_sleeps_they_are_new_ones(void **state)
{
	(void)state;
	come(2);
	set_power(PCI_POWER_D3HOT);
	pass_time(PCI_POWER_MS);
	unmake();
	make(2);
	machine_is_sane();
	set_power(PCI_POWER_D0);
	pass_time(PCI_POWER_MS);
	assert_false(appears(PHYSICAL + OFFSET));
	pass_time(PCIE_SRIOV_OFF_MS);
	pass_time(PCIE_SRIOV_ON_MS);
	assert_int_equal(seen(1, PCI_COMMAND, 2), 0);
	assert_int_equal(seen(2, PCI_COMMAND, 2), 0);
}

static void where_nothing_is_kept_they_are_gone(void **state)
{
	(void)state;
	come(2);
	see(1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	set_power(PCI_POWER_D3HOT);
	pass_time(PCI_POWER_MS);
	set_power(PCI_POWER_D0);
	pass_time(PCI_POWER_MS);
	assert_int_equal(seen(0, VM_AT + PCIE_SRIOV_CONTROL, 2), 0);
	assert_int_equal(seen(1, PCI_COMMAND, 4), UINT32_MAX);
	assert_int_equal(vfs.on, 0);
}

static void of_a_device_that_would_have_them_elsewhere_there_are_none(void **state)
{
	(void)state;
	place();
	put(function_at(PHYSICAL)->config + AT + PCIE_SRIOV_FIRST, OFFSET + 8, 2);
	make(2);
	pass_time(5000);
	assert_int_equal(machine_says(PCIE_SRIOV_CONTROL, 2), 0);
	put(function_at(PHYSICAL)->config + AT + PCIE_SRIOV_FIRST, OFFSET, 2);
	unmake();
	come(2);
}

static void an_end_in_any_state_leaves_none(void **state)
{
	for (unsigned i = 0; i < 7; i++) {
		(i & 1 ? setup : setup_keeping)(state);
		place();
		make(3);
		if (i > 0)
			pass_time(PCIE_SRIOV_ON_MS);
		see(1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
		if (i == 2)
			reset_function(2);
		if (i == 3)
			reset_function(0);
		if (i > 3)
			set_power(PCI_POWER_D3HOT);
		if (i > 4)
			pass_time(PCI_POWER_MS);
		if (i > 5)
			set_power(PCI_POWER_D0);
		end_device();
		assert_int_equal(machine_says(PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ENABLE, 0);
	}
}

static void rubbish(uint64_t *seed, unsigned number)
{
	static const unsigned likely[] = {PCIE_SRIOV_CONTROL, PCIE_SRIOV_COUNT, PCIE_SRIOV_PAGE,
		PCIE_SRIOV_BAR, PCIE_SRIOV_BAR + 4};
	unsigned size = 1u << random_below(seed, 4);

	if (random_below(seed, 2))
		see(0, VM_AT + likely[random_below(seed, 5)], size, random_below(seed, 32));
	else
		see(number, random_below(seed, PCIE_CONFIG_SIZE / 8) * 8, size,
			random_next(seed));
}

/* The fake device asserts that nobody touches what must be left alone. */
static void whatever_it_writes_when_the_machine_is_left_alone_when_it_must_be(void **state)
{
	uint64_t seed = 17;
	unsigned came = 0;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		unsigned number = random_below(&seed, VFS + 1);

		switch (random_below(&seed, 12)) {
		case 0:
			make(random_below(&seed, VFS + 2));
			break;
		case 1:
			if (random_below(&seed, 4) == 0)
				unmake();
			break;
		case 2:
			if (random_below(&seed, 4) == 0)
				reset_function(number);
			break;
		case 3:
			set_power(random_below(&seed, 4));
			break;
		case 4:
		case 5:
		case 6:
			pass_time(random_below(&seed, 300));
			break;
		case 7:
			see(number, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
			break;
		case 8:
			(void)seen(number, random_below(&seed, 64) * 4, 4);
			break;
		default:
			rubbish(&seed, number);
			break;
		}
		came += vfs.there;
		machine_is_sane();
	}
	assert_true(came > 1000);
	end_device();
}

#define TEST(name)    cmocka_unit_test_setup(name, setup)
#define KEEPING(name) cmocka_unit_test_setup(name, setup_keeping)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_vm_has_a_capability_with_as_many_as_it_may_make),
		TEST(they_come_a_tenth_of_a_second_after_they_were_made),
		TEST(each_is_a_master_and_has_messages_by_itself),
		TEST(their_memory_is_where_the_vms_capability_says),
		TEST(they_go_at_once_and_come_back_no_sooner_than_a_second_later),
		TEST(who_changes_his_mind_before_they_came_has_none),
		TEST(one_is_reset_by_itself_and_its_memory_waits_for_it),
		TEST(a_reset_of_the_physical_one_takes_them_away),
		KEEPING(asleep_with_the_physical_one_they_keep_what_that_keeps),
		KEEPING(made_anew_while_the_physical_one_sleeps_they_are_new_ones),
		TEST(where_nothing_is_kept_they_are_gone),
		TEST(of_a_device_that_would_have_them_elsewhere_there_are_none),
		cmocka_unit_test(an_end_in_any_state_leaves_none),
		TEST(whatever_it_writes_when_the_machine_is_left_alone_when_it_must_be),
		KEEPING(whatever_it_writes_when_the_machine_is_left_alone_when_it_must_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
