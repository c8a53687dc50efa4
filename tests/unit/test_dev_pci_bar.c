/* SPDX-License-Identifier: Apache-2.0 */
/* PCI functions: base address registers, capabilities, which accesses reach the device. */
#include "fake_dev.h"

#include "dev/state.h"

#define BDF  PCI_BDF(0, 3, 0)
#define ECAM (DEV_ECAM_BASE + ((uint64_t)BDF << 12))

static struct {
	unsigned bar, size;
	uint64_t offset, value, answer;
	unsigned reads, writes, config_reads, config_writes, works, work_left;
} device;

static uint64_t device_read(void *d, unsigned bar, uint64_t offset, unsigned size)
{
	assert_ptr_equal(d, &device);
	device.bar = bar;
	device.offset = offset;
	device.size = size;
	device.reads++;
	return device.answer;
}

static void device_write(void *d, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	device_read(d, bar, offset, size);
	device.reads--;
	device.writes++;
	device.value = value;
}

static void device_config_reading(void *d, unsigned offset, unsigned size)
{
	assert_ptr_equal(d, &device);
	device.offset = offset;
	device.size = size;
	device.config_reads++;
}

static void device_config_written(void *d, unsigned offset, unsigned size)
{
	device_config_reading(d, offset, size);
	device.config_reads--;
	device.config_writes++;
}

static enum vpci_work device_work(void *d)
{
	assert_ptr_equal(d, &device);
	device.works++;
	return device.work_left != 0 && --device.work_left != 0 ? VPCI_WORK_MORE
								: VPCI_WORK_DONE;
}

static const struct vpci_ops ops = {
	.read = device_read,
	.write = device_write,
	.config_reading = device_config_reading,
	.config_written = device_config_written,
	.work = device_work,
};

static const struct vpci_id id = {
	.bdf = BDF,
	.vendor = 0x1af4,
	.device = 0x1042,
	.subvendor = 0x1234,
	.subsystem = 0x5678,
	.class = 0x010203,
	.revision = 9,
	.pin = 1,
};

static struct vpci_function *f;

static uint64_t config(unsigned offset, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, ECAM + offset, false, size, &v));
	return v;
}

static void set_config(unsigned offset, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, ECAM + offset, true, size, &v));
}

static bool memory(uint64_t gpa, bool write, unsigned size, uint64_t *v)
{
	return platform_mmio(&machine, 0, gpa, write, size, v);
}

static bool reaches(uint64_t gpa)
{
	uint64_t v = 0;
	unsigned before = device.reads;
	bool claimed = memory(gpa, false, 4, &v);

	assert_true(device.reads == before || claimed);
	assert_int_equal(claimed, platform_has_device(&machine, gpa));
	return device.reads != before;
}

static int setup(void **state)
{
	(void)state;
	fake_start(1);
	memset(&device, 0, sizeof(device));
	f = vpci_add(&machine, &id, &ops, &device);
	assert_non_null(f);
	vpci_add_bar(f, 0, VPCI_BAR_IO, 32);
	vpci_add_bar(f, 1, VPCI_BAR_32, 0x1000);
	vpci_add_bar(f, 2, VPCI_BAR_64, 0x4000);
	vpci_add_bar(f, 4, VPCI_BAR_64_PREFETCH, 0x100000);
	return 0;
}

static void a_function_shows_its_identity(void **state)
{
	(void)state;
	assert_int_equal(config(0, 4), 0x10421af4);
	assert_int_equal(config(8, 4), 0x01020309);
	assert_int_equal(config(0x0e, 1), 0);
	assert_int_equal(config(0x2c, 4), 0x56781234);
	assert_int_equal(config(0x3d, 1), 1);
	set_config(0, 4, 0);
	set_config(0x2c, 4, 0);
	set_config(0x3d, 1, 0);
	assert_int_equal(config(0, 4), 0x10421af4);
	assert_int_equal(config(0x2c, 4), 0x56781234);
	assert_int_equal(config(0x3d, 1), 1);
}

static void two_functions_cannot_be_at_one_place_and_room_is_bounded(void **state)
{
	struct vpci_id other = id;
	unsigned n = 3; /* the bridges, too */

	(void)state;
	assert_null(vpci_add(&machine, &id, &ops, &device));
	for (other.bdf = 0x20; vpci_add(&machine, &other, &ops, &device) != NULL; other.bdf++)
		n++;
	assert_int_equal(n, VPCI_ON_BUS_0);
	other.bdf = PCI_BDF(VPORTS, 0, 0);
	assert_non_null(vpci_add(&machine, &other, &ops, &device));
	other.bdf = PCI_BDF(VPORTS, 0, 1);
	assert_null(vpci_add(&machine, &other, &ops, &device));
	other.bdf = PCI_BDF(VPORTS + 1, 0, 0);
	assert_null(vpci_add(&machine, &other, &ops, &device));
}

static void writing_ones_tells_the_size_and_kind_of_each_register(void **state)
{
	static const uint32_t expected[6] = {
		0xffe1, 0xfffff000, 0xffffc004, 0xffffffff, 0xfff0000c, 0xffffffff};

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		set_config(0x10 + 4 * i, 4, 0xffffffff);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(config(0x10 + 4 * i, 4), expected[i]);
}

static void addresses_are_decoded_only_while_the_command_says_so(void **state)
{
	uint32_t v = 0;

	(void)state;
	set_config(0x14, 4, 0xd0000000);
	set_config(0x10, 4, 0xc100);
	assert_false(reaches(0xd0000010));
	assert_false(platform_io(&machine, 0xc104, false, 4, &v));
	set_config(4, 2, 2);
	assert_true(reaches(0xd0000010));
	assert_int_equal(device.bar, 1);
	assert_int_equal(device.offset, 0x10);
	assert_false(platform_io(&machine, 0xc104, false, 4, &v));
	set_config(4, 2, 1);
	assert_false(reaches(0xd0000010));
	assert_true(platform_io(&machine, 0xc104, false, 4, &v));
	assert_int_equal(device.bar, 0);
	assert_int_equal(device.offset, 4);
	set_config(4, 2, 0);
	assert_false(platform_io(&machine, 0xc104, false, 4, &v));
}

static void a_register_that_moves_takes_its_device_along(void **state)
{
	(void)state;
	set_config(4, 2, 2);
	set_config(0x18, 4, 0xd0004000);
	assert_true(reaches(0xd0007ffc));
	assert_int_equal(device.offset, 0x3ffc);
	assert_false(reaches(0xd0008000));
	assert_false(reaches(0xd0003ffc));
	set_config(0x1c, 4, 0x80); /* above 4 GiB */
	assert_false(reaches(0xd0004000));
	assert_true(reaches(0x80d0004000));
	assert_int_equal(device.bar, 2);
}

static void a_register_at_the_end_of_addresses_is_harmless(void **state)
{
	uint64_t v = 0;

	(void)state;
	set_config(4, 2, 3);
	for (unsigned i = 0; i < 6; i++)
		set_config(0x10 + 4 * i, 4, 0xffffffff);
	assert_true(reaches(UINT64_MAX - 3));
	device.reads = 0;
	assert_true(memory(UINT64_MAX - 3, false, 8, &v));
	assert_int_equal(v, UINT64_MAX);
	assert_int_equal(device.reads, 0);
}

static void accesses_have_their_size_and_their_value(void **state)
{
	uint64_t v;

	(void)state;
	set_config(4, 2, 2);
	set_config(0x14, 4, 0xd0000000);
	for (unsigned size = 1; size <= 8; size *= 2) {
		device.answer = 0x1122334455667788;
		assert_true(memory(0xd0000100, false, size, &v));
		assert_int_equal(device.size, size);
		assert_int_equal(v, device.answer & (UINT64_MAX >> (8 - size) * 8));
		v = 0x99;
		assert_true(memory(0xd0000108, true, size, &v));
		assert_int_equal(device.value, 0x99);
		assert_int_equal(device.offset, 0x108);
	}
	assert_int_equal(device.writes, 4);
}

static void an_access_that_leaves_the_range_reads_ones_and_reaches_nobody(void **state)
{
	uint64_t v = 0;

	(void)state;
	set_config(4, 2, 2);
	set_config(0x14, 4, 0xd0000000);
	assert_true(memory(0xd0000ffe, false, 4, &v));
	assert_int_equal(v, 0xffffffff);
	assert_true(memory(0xd0000ffe, true, 4, &v));
	assert_int_equal(device.reads + device.writes, 0);
}

static void where_windows_overlap_one_device_answers(void **state)
{
	(void)state;
	set_config(4, 2, 2);
	set_config(0x14, 4, 0xd0001000);
	set_config(0x18, 4, 0xd0000000);
	set_config(0x20, 4, 0xd0000000);
	assert_true(reaches(0xd0001000));
	assert_int_equal(device.bar, 1);
	assert_true(reaches(0xd0000000));
	assert_true(device.bar == 2 || device.bar == 4);
}

static void fixed_devices_come_before_registers(void **state)
{
	(void)state;
	set_config(4, 2, 2);
	set_config(0x20, 4, 0xfec00000);
	fake_ioapic_write(0, 0x03000000);
	assert_int_equal(fake_ioapic_read(0), 0x03000000);
	assert_int_equal(device.reads + device.writes, 0);
}

static void firmware_like_addresses_are_apart_and_in_the_windows(void **state)
{
	struct vpci_id other = id;
	struct vpci_function *g;

	(void)state;
	other.bdf = PCI_BDF(0, 4, 0);
	g = vpci_add(&machine, &other, &ops, &device);
	vpci_add_bar(g, 0, VPCI_BAR_64, 0x4000);
	vpci_add_bar(g, 2, VPCI_BAR_IO, 64);
	vpci_assign(&machine);
	assert_int_equal(machine.pci.memory.count, 4);
	assert_int_equal(machine.pci.io.count, 2);
	for (unsigned i = 0; i < 4; i++) {
		const struct vpci_window *w = &machine.pci.memory.at[i];

		assert_true(w->first >= DEV_PCI_HOLE_START && w->last < DEV_ECAM_BASE);
		assert_int_equal(w->first & (w->last - w->first), 0);
		assert_true(i == 0 || w->first > w[-1].last);
	}
	assert_true(machine.pci.io.at[0].first >= 0xc000);
	assert_true(machine.pci.io.at[1].first > machine.pci.io.at[0].last);
	assert_int_equal(config(4, 2), 3);
	assert_int_equal(config(0x3c, 1), vpci_pirq_line(vpci_pirq_of(BDF, 1)));
}

static void capabilities_are_a_list_whose_bytes_are_read_only(void **state)
{
	static const uint8_t body[14] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
	uint8_t a = vpci_add_capability(f, PCI_CAP_VENDOR, body, 15);
	uint8_t b = vpci_add_capability(f, PCI_CAP_VENDOR, body, 16);

	(void)state;
	assert_int_equal(a, 0x40);
	assert_int_equal(b, 0x50);
	assert_int_equal(config(6, 2) & 0x10, 0x10);
	assert_int_equal(config(0x34, 1), a);
	assert_int_equal(config(a, 4), 0x02010009 | (uint32_t)b << 8);
	assert_int_equal(config(b, 4), 0x02010009);
	set_config(a, 8, UINT64_MAX);
	assert_int_equal(config(a, 4), 0x02010009 | (uint32_t)b << 8);
	vpci_set_writable(f, b + 4u, 0xff00, 4);
	set_config(b + 4u, 4, 0xffffffff);
	assert_int_equal(config(b + 4u, 4), 0x0605ff03 | 0x0600);
}

static void the_list_of_capabilities_ends_with_the_space(void **state)
{
	static const uint8_t body[64];
	unsigned n = 0;

	(void)state;
	while (vpci_add_capability(f, PCI_CAP_VENDOR, body, 40) != 0)
		n++;
	assert_int_equal(n, (256 - 64) / 40);
	assert_int_not_equal(vpci_add_capability(f, PCI_CAP_VENDOR, body, 32), 0);
	assert_int_equal(vpci_add_capability(f, PCI_CAP_VENDOR, body, 4), 0);
}

static void the_device_hears_of_accesses_to_its_configuration(void **state)
{
	(void)state;
	config(0x48, 2);
	assert_int_equal(device.config_reads, 1);
	assert_int_equal(device.offset, 0x48);
	set_config(0x4c, 4, 1);
	assert_int_equal(device.config_writes, 1);
	assert_int_equal(device.offset, 0x4c);
	assert_int_equal(device.size, 4);
}

static void work_is_asked_for_and_done_piece_by_piece(void **state)
{
	(void)state;
	fake_works = 0;
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
	assert_int_equal(device.works, 0);
	device.work_left = 3;
	vpci_ask_work(f);
	assert_int_equal(fake_works, 1);
	assert_int_equal(platform_work(&machine), VPCI_WORK_MORE);
	assert_int_equal(platform_work(&machine), VPCI_WORK_MORE);
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
	assert_int_equal(device.works, 3);
}

static unsigned turns[2];

static enum vpci_work turn(void *d)
{
	turns[*(unsigned *)d]++;
	return VPCI_WORK_MORE;
}

static void devices_work_in_turn(void **state)
{
	static const struct vpci_ops greedy = {.work = turn};
	static unsigned number[2] = {0, 1};

	(void)state;
	memset(turns, 0, sizeof(turns));
	for (unsigned i = 0; i < 2; i++) {
		struct vpci_id other = {.bdf = PCI_BDF(0, 8 + i, 0)};

		vpci_ask_work(vpci_add(&machine, &other, &greedy, &number[i]));
	}
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(platform_work(&machine), VPCI_WORK_MORE);
	assert_int_equal(turns[0], 5);
	assert_int_equal(turns[1], 5);
}

static enum vpci_work wait(void *d)
{
	turn(d);
	return VPCI_WORK_WAITS;
}

static void who_waits_for_something_outside_keeps_nobody_busy(void **state)
{
	static const struct vpci_ops patient = {.work = wait};
	static unsigned number;
	struct vpci_id other = {.bdf = PCI_BDF(0, 8, 0)};

	(void)state;
	memset(turns, 0, sizeof(turns));
	vpci_ask_work(vpci_add(&machine, &other, &patient, &number));
	device.work_left = 2;
	vpci_ask_work(f);
	for (unsigned i = 0; i < 4 && platform_work(&machine) == VPCI_WORK_MORE; i++)
		;
	assert_int_equal(device.works, 2);
	assert_in_range(turns[0], 1, 2);
	assert_int_equal(platform_work(&machine), VPCI_WORK_WAITS);
}

static void addresses_move_with_the_state(void **state)
{
	static struct platform_state s;

	(void)state;
	set_config(4, 2, 2);
	set_config(0x14, 4, 0xd0000000);
	platform_get_state(&machine, &s);
	setup(NULL);
	assert_false(reaches(0xd0000000));
	assert_true(platform_set_state(&machine, &s));
	assert_true(reaches(0xd0000000));
	s.pci.f[1].config[0x10] ^= 2; /* no bit of an address */
	assert_false(platform_set_state(&machine, &s));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(a_function_shows_its_identity),
		T(two_functions_cannot_be_at_one_place_and_room_is_bounded),
		T(writing_ones_tells_the_size_and_kind_of_each_register),
		T(addresses_are_decoded_only_while_the_command_says_so),
		T(a_register_that_moves_takes_its_device_along),
		T(a_register_at_the_end_of_addresses_is_harmless),
		T(accesses_have_their_size_and_their_value),
		T(an_access_that_leaves_the_range_reads_ones_and_reaches_nobody),
		T(where_windows_overlap_one_device_answers),
		T(fixed_devices_come_before_registers),
		T(firmware_like_addresses_are_apart_and_in_the_windows),
		T(capabilities_are_a_list_whose_bytes_are_read_only),
		T(the_list_of_capabilities_ends_with_the_space),
		T(the_device_hears_of_accesses_to_its_configuration),
		T(work_is_asked_for_and_done_piece_by_piece),
		T(devices_work_in_turn),
		T(who_waits_for_something_outside_keeps_nobody_busy),
		T(addresses_move_with_the_state),
	};

	return cmocka_run_group_tests_name("pci registers", tests, NULL, NULL);
}
