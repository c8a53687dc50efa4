/* SPDX-License-Identifier: Apache-2.0 */
/* What is changed of a VM while the run goes: which media, what it starts from, links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/media.h"
#include "policy/changes.h"

static struct scenario s;
static struct vm_images *vm;

static void add(const char *line, uint64_t start, uint64_t size)
{
	if (!scenario_add(&s, text_of(line, strlen(line)), start, size))
		fail_msg("%s: %s", line, s.refusal.why);
}

static bool takes(const char *line, uint64_t start, uint64_t size)
{
	return scenario_add(&s, text_of(line, strlen(line)), start, size);
}

static int set_up(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	add("firmware vm=a boot=disk,cdrom net=lan", 0x100000, FIRMWARE_MIN);
	add("disk vm=a", 0x200000, 512);
	add("cdrom vm=a cdrom=tools", 0x300000, 2048);
	add("cdrom vm=a cdrom=spare empty=on", 0x301000, 1);
	add("image image=debian", 0x400000, 4096);
	add("image image=same", 0x300000, 2048);
	vm = &s.vms[0];
	return 0;
}

static void an_image_line_gives_all_vms_an_image(void **state)
{
	char line[32];

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_true(takes("image image=debian", 0x7000, 4096));
	assert_int_equal(s.store.count, 1);
	assert_int_equal(s.store.at[0].file.start, 0x7000);
	assert_true(takes("kernel vm=a --", 0, 0));
	assert_ptr_equal(s.vms[0].store, &s.store);
	assert_false(takes("image image=debian", 0, 2048));
	assert_non_null(strstr(s.refusal.why, "an image of this name already"));
	assert_false(takes("image image=none", 0, 2048));
	assert_false(takes("image image=own", 0, 2048));
	assert_false(takes("image", 0, 2048));
	assert_false(takes("image image=x", 0, 2047));
	assert_false(takes("image image=x vm=a", 0, 2048));
	for (unsigned i = 1; i < LIMIT_IMAGES; i++) {
		sprintf(line, "image image=i%u", i);
		assert_true(takes(line, 0, 2048));
	}
	assert_false(takes("image image=more", 0, 2048));
}

static void a_drive_has_at_first_what_the_scenario_says(void **state)
{
	unsigned drive;

	(void)state;
	assert_true(changes_find_drive(vm, "tools", &drive));
	assert_int_equal(drive, 0);
	assert_int_equal(changes_content(vm, 0, changes_medium(vm, 0)).file->start, 0x300000);
	assert_string_equal(changes_medium_name(vm, 0), "same"); /* it is the same file */
	assert_true(changes_find_drive(vm, "spare", &drive));
	assert_int_equal(drive, 1);
	assert_null(changes_content(vm, 1, changes_medium(vm, 1)).file);
	assert_string_equal(changes_medium_name(vm, 1), "none");
	assert_false(changes_find_drive(vm, "disk0", &drive));
	assert_false(changes_find_drive(vm, "", &drive));
	s.store.count = 1;
	assert_string_equal(changes_medium_name(vm, 0), "own");
}

static void a_drive_has_the_image_that_it_was_given(void **state)
{
	uint64_t medium;

	(void)state;
	assert_true(changes_find_medium(vm, 1, "debian", &medium));
	changes_set_medium(vm, 1, medium);
	assert_int_equal(changes_content(vm, 1, changes_medium(vm, 1)).file->start, 0x400000);
	assert_string_equal(changes_medium_name(vm, 1), "debian");
	assert_true(changes_find_medium(vm, 1, "none", &medium));
	changes_set_medium(vm, 1, medium);
	assert_null(changes_content(vm, 1, changes_medium(vm, 1)).file);
	assert_false(changes_find_medium(vm, 1, "own", &medium)); /* it had none */
	assert_true(changes_find_medium(vm, 0, "own", &medium));
	assert_int_equal(medium, 0);
	assert_false(changes_find_medium(vm, 0, "debian2", &medium));
	assert_null(changes_content(vm, 0, 3).file); /* beyond the store */
}

static void a_drive_has_what_it_was_lent(void **state)
{
	struct changes_content c;
	uint64_t medium;

	(void)state;
	assert_true(changes_lend(7, 3 * 2048, &medium));
	changes_set_medium(vm, 1, medium);
	c = changes_content(vm, 1, changes_medium(vm, 1));
	assert_null(c.file);
	assert_int_equal(c.lent, 7);
	assert_int_equal(c.size, 3 * 2048);
	assert_string_equal(changes_medium_name(vm, 1), "file");
	assert_true(changes_lend(MEDIA_NUMBER_MAX, MEDIA_SLOT_SIZE, &medium));
	c = changes_content(vm, 0, medium);
	assert_int_equal(c.lent, MEDIA_NUMBER_MAX);
	assert_int_equal(c.size, MEDIA_SLOT_SIZE);
}

static void nothing_is_lent_that_no_slot_has_room_for(void **state)
{
	uint64_t medium;

	(void)state;
	assert_false(changes_lend(0, 2048, &medium));
	assert_false(changes_lend(UINT64_C(1) << 32, 2048, &medium));
	assert_false(changes_lend(MEDIA_NUMBER_MAX + UINT64_C(1), 2048, &medium));
	assert_false(changes_lend(1, 0, &medium));
	assert_false(changes_lend(1, 2049, &medium));
	assert_false(changes_lend(1, MEDIA_SLOT_SIZE + 2048, &medium));
	assert_int_equal(changes_content(vm, 1, CHANGES_NO_MEDIUM).lent, 0);
}

static void an_order_of_once_is_for_one_start(void **state)
{
	bool once;

	(void)state;
	assert_int_equal(changes_boot(vm, &once), VM_BOOT_END);
	assert_false(once);
	assert_null(changes_set_boot(vm, VM_BOOT_CDROM, true));
	assert_int_equal(changes_boot(vm, &once), VM_BOOT_CDROM);
	assert_true(once);
	assert_int_equal(changes_take_order(vm), VM_BOOT_CDROM);
	assert_int_equal(changes_take_order(vm), VM_BOOT_DISK | VM_BOOT_CDROM << 8);
	assert_int_equal(changes_boot(vm, &once), VM_BOOT_END);
}

static void an_order_holds_until_another_one_does(void **state)
{
	bool once;

	(void)state;
	assert_null(changes_set_boot(vm, VM_BOOT_NETWORK, false));
	assert_int_equal(changes_take_order(vm), VM_BOOT_NETWORK);
	assert_null(changes_set_boot(vm, VM_BOOT_DISK, true));
	assert_int_equal(changes_take_order(vm), VM_BOOT_DISK);
	assert_int_equal(changes_take_order(vm), VM_BOOT_NETWORK);
	assert_int_equal(changes_boot(vm, &once), VM_BOOT_NETWORK);
	assert_false(once);
	assert_null(changes_set_boot(vm, VM_BOOT_DISK, true));
	assert_null(changes_set_boot(vm, VM_BOOT_END, false)); /* ends both */
	assert_int_equal(changes_take_order(vm), VM_BOOT_DISK | VM_BOOT_CDROM << 8);
}

static void what_the_vm_has_not_is_no_start(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	add("firmware vm=a", 0, FIRMWARE_MIN);
	add("kernel vm=b --", 0, 1);
	assert_string_equal(
		changes_set_boot(&s.vms[0], VM_BOOT_CDROM, true), "it has no CD-ROM drive");
	assert_string_equal(changes_set_boot(&s.vms[0], VM_BOOT_DISK, true), "it has no disk");
	assert_string_equal(
		changes_set_boot(&s.vms[0], VM_BOOT_NETWORK, true), "it has no network device");
	assert_non_null(changes_set_boot(&s.vms[1], VM_BOOT_END, false));
	assert_int_equal(changes_take_order(&s.vms[0]), 0);
	for (unsigned i = VM_BOOT_END; i <= VM_BOOT_NETWORK; i++)
		assert_int_equal(changes_find_boot(changes_boot_word(i)), i);
	assert_int_equal(changes_find_boot("tape"), VM_BOOT_END);
}

static void links_are_up_until_they_are_not(void **state)
{
	(void)state;
	assert_true(changes_link(vm, 0));
	changes_set_link(vm, 1, false);
	assert_true(changes_link(vm, 0));
	assert_false(changes_link(vm, 1));
	changes_set_link(vm, 1, true);
	assert_true(changes_link(vm, 1));
}

static void a_device_is_on_the_network_of_its_settings_until_it_is_put_elsewhere(void **state)
{
	uint8_t number;
	unsigned net;

	(void)state;
	assert_false(changes_network(vm, 0, &number));
	for (unsigned i = 0; i < 255; i += 127) {
		changes_set_network(vm, 1, (uint8_t)i);
		assert_true(changes_network(vm, 1, &number));
		assert_int_equal(number, i);
	}
	assert_false(changes_network(vm, 0, &number));
	memset(&s, 0, sizeof(s));
	add("kernel vm=a root_ports=4 net=lan+wan,root-port=2", 0, 1);
	assert_true(changes_port_net(&s.vms[0], 2, &net));
	assert_int_equal(net, 1);
	assert_false(changes_port_net(&s.vms[0], 3, &net));
}

static void what_is_behind_root_ports_is_there_until_it_is_changed(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	add("kernel vm=a root_ports=4 net=lan,root-port=2,attached=off", 0, 1);
	add("disk vm=a size=1M root_port=3", 0, 0);
	add("disk vm=a size=1M root_port=4 attached=off", 0, 0);
	assert_false(changes_has_port(&s.vms[0], 1));
	assert_true(changes_has_port(&s.vms[0], 2) && changes_has_port(&s.vms[0], 4));
	assert_false(changes_attached(&s.vms[0], 2));
	assert_true(changes_attached(&s.vms[0], 3));
	assert_false(changes_attached(&s.vms[0], 4));
	for (unsigned port = 2; port <= 4; port++)
		for (unsigned i = 0; i < 4; i++) {
			changes_set_attached(&s.vms[0], port, i % 2);
			assert_int_equal(changes_attached(&s.vms[0], port), i % 2);
		}
	changes_set_attached(&s.vms[0], 3, false);
	assert_true(changes_attached(&s.vms[0], 2) && changes_attached(&s.vms[0], 4));
	assert_false(changes_port_served(&s.vms[0], 3));
}

static void a_bay_is_empty_at_first(void **state)
{
	char name[CHANGES_NAME_SIZE];

	(void)state;
	memset(&s, 0, sizeof(s));
	add("kernel vm=a root_ports=3 net=lan,root-port=2", 0, 1);
	assert_false(takes("disk vm=a host=1 bay=on root_port=1", 0, 0));
	assert_false(takes("disk vm=a host=1 bay=on attached=off", 0, 0));
	assert_false(takes("disk vm=a bay=on root_port=1 attached=off", 0, 0));
	assert_false(takes("disk vm=a host=1 size=1M bay=on root_port=1 attached=off", 0, 0));
	assert_false(takes("disk vm=a host=1 root_port=1 attached=off", 0, 0));
	add("disk vm=a disk=extra host=7 bay=on root_port=1 attached=off", 0, 0);
	add("disk vm=a size=1M root_port=3", 0, 0);
	assert_int_equal(changes_port_bay(&s.vms[0], 1), 7);
	assert_int_equal(changes_port_bay(&s.vms[0], 2), 0);
	assert_int_equal(changes_port_bay(&s.vms[0], 3), 0);
	changes_port_name(&s.vms[0], 1, name);
	assert_string_equal(name, "extra");
	assert_int_equal(changes_port_kind(&s.vms[0], 1), CHANGES_DISK);
	changes_port_name(&s.vms[0], 2, name);
	assert_string_equal(name, "lan");
	assert_int_equal(changes_port_kind(&s.vms[0], 2), CHANGES_NET);
	assert_false(changes_attached(&s.vms[0], 1));
}

static void a_device_of_the_machine_is_behind_a_port_like_others(void **state)
{
	char name[CHANGES_NAME_SIZE];

	(void)state;
	memset(&s, 0, sizeof(s));
	add("kernel vm=a memory=64M root_ports=3 devices=pci:00:02.0/vf3,root-port=1,pci:00:04.0,"
	    "pci:00:05.0,attached=off,root-port=3",
		0, 1);
	vm = &s.vms[0];
	assert_int_equal(changes_port_kind(vm, 1), CHANGES_DEVICE);
	assert_int_equal(changes_port_kind(vm, 2), CHANGES_NOTHING);
	assert_int_equal(changes_port_kind(vm, 0), CHANGES_NOTHING);
	assert_false(changes_has_port(vm, 0));
	changes_port_name(vm, 1, name);
	assert_string_equal(name, "pci:00:02.0/vf3");
	changes_port_name(vm, 2, name);
	assert_string_equal(name, "");
	assert_true(changes_attached(vm, 1));
	assert_false(changes_attached(vm, 3));
	changes_set_attached(vm, 3, true);
	changes_set_attached(vm, 1, false);
	assert_true(changes_attached(vm, 3));
	assert_false(changes_attached(vm, 1));
	assert_int_equal(changes_port_bay(vm, 1), 0);
	assert_false(changes_port_served(vm, 1));
	assert_false(takes("disk vm=a size=1M root_port=3", 0, 0));
	assert_non_null(strstr(s.refusal.why, "whose slot is for one"));
	add("disk vm=a size=1M root_port=2", 0, 0);
}

static void a_slot_is_for_one_device_and_must_be_there(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	assert_false(takes("kernel vm=a root_ports=9", 0, 1));
	assert_false(takes("kernel vm=a root_ports=1 net=lan,root-port=2", 0, 1));
	assert_false(takes("kernel vm=a root_ports=2 net=x,root-port=2+y,root-port=2", 0, 1));
	assert_false(takes("kernel vm=a root_ports=1 net=lan,attached=off", 0, 1));
	add("kernel vm=a root_ports=3 net=lan,root-port=2", 0, 1);
	assert_false(takes("disk vm=a size=1M root_port=4", 0, 0));
	assert_non_null(strstr(s.refusal.why, "there is no such root port"));
	assert_false(takes("disk vm=a size=1M root_port=2", 0, 0));
	assert_non_null(strstr(s.refusal.why, "another device is behind this root port"));
	assert_false(takes("disk vm=a size=1M attached=off", 0, 0));
	assert_false(takes("disk vm=a size=1M nbd=b root_port=1 attached=off", 0, 0));
	add("disk vm=a size=1M root_port=1", 0, 0);
	assert_false(takes("disk vm=a size=1M root_port=1", 0, 0));
	add("disk vm=a size=1M root_port=3", 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_line_gives_all_vms_an_image),
		cmocka_unit_test(what_is_behind_root_ports_is_there_until_it_is_changed),
		cmocka_unit_test(a_bay_is_empty_at_first),
		cmocka_unit_test(a_device_of_the_machine_is_behind_a_port_like_others),
		cmocka_unit_test(a_slot_is_for_one_device_and_must_be_there),
		cmocka_unit_test_setup(a_drive_has_at_first_what_the_scenario_says, set_up),
		cmocka_unit_test_setup(a_drive_has_the_image_that_it_was_given, set_up),
		cmocka_unit_test_setup(a_drive_has_what_it_was_lent, set_up),
		cmocka_unit_test_setup(nothing_is_lent_that_no_slot_has_room_for, set_up),
		cmocka_unit_test_setup(an_order_of_once_is_for_one_start, set_up),
		cmocka_unit_test_setup(an_order_holds_until_another_one_does, set_up),
		cmocka_unit_test_setup(what_the_vm_has_not_is_no_start, set_up),
		cmocka_unit_test_setup(links_are_up_until_they_are_not, set_up),
		cmocka_unit_test_setup(
			a_device_is_on_the_network_of_its_settings_until_it_is_put_elsewhere,
			set_up),
	};

	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
