/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware configuration device: items, files, DMA. */
#include "fake_firmware.h"

#include "dev/state.h"

#define CONTROL     0x100u /* of a descriptor in RAM */
#define TARGET      0x1ff8u
#define PERIOD      (1000000000 / 20000) /* between the pieces of a transfer, in ticks */
#define KEY_FIRST   0x20
#define KEY_TABLES  0x22
#define KEY_DISPLAY 0x23
#define KEY_THREE   0x24
#define KEY_ABSENT  0x7777

static int start(void **state)
{
	(void)state;
	firmware_start(2);
	return 0;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
	assert_true(platform_io(&machine, port, true, size, &value));
}

static uint32_t in(uint16_t port, unsigned size)
{
	uint32_t value = 0xdeadbeef;

	assert_true(platform_io(&machine, port, false, size, &value));
	return value;
}

static uint64_t be(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | from[i];
	return value;
}

static void put_be(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (bytes - 1 - i) * 8);
}

static uint32_t control(void)
{
	return (uint32_t)be(&firmware_ram[CONTROL], 4);
}

static void select_tables(void)
{
	out(0x510, 2, KEY_TABLES);
}

static void begin(uint64_t at)
{
	out(0x514, 4, __builtin_bswap32((uint32_t)(at >> 32)));
	out(0x518, 4, __builtin_bswap32((uint32_t)at));
}

static void dma(uint32_t what, uint32_t length, uint64_t address)
{
	put_be(&firmware_ram[CONTROL], what, 4);
	put_be(&firmware_ram[CONTROL + 4], length, 4);
	put_be(&firmware_ram[CONTROL + 8], address, 8);
	begin(CONTROL);
}

static void read_by_dma(uint16_t key, uint32_t length, uint64_t address)
{
	dma((uint32_t)key << 16 | FWCFG_DMA_SELECT | FWCFG_DMA_READ, length, address);
}

static void all_is(const uint8_t *from, size_t count, uint8_t value)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(from[i], value);
}

static void the_ports_show_an_item_byte_by_byte_and_then_zeros(void **state)
{
	(void)state;
	out(0x510, 2, FWCFG_SIGNATURE);
	assert_int_equal(in(0x511, 1), 'Q');
	assert_int_equal(in(0x511, 1), 'E');
	assert_int_equal(in(0x511, 1), 'M');
	assert_int_equal(in(0x511, 1), 'U');
	assert_int_equal(in(0x511, 1), 0);
	assert_int_equal(in(0x511, 1), 0);
	out(0x510, 2, FWCFG_SIGNATURE);
	assert_int_equal(in(0x511, 1), 'Q');
}

static void a_key_without_an_item_reads_zeros(void **state)
{
	(void)state;
	out(0x510, 2, KEY_ABSENT);
	assert_int_equal(in(0x511, 1), 0);
	read_by_dma(KEY_ABSENT, 16, TARGET);
	assert_int_equal(control(), 0);
	all_is(&firmware_ram[TARGET], 16, 0);
	all_is(&firmware_ram[TARGET + 16], 16, 0xee);
}

static void the_directory_lists_the_files_with_their_keys(void **state)
{
	const uint8_t *d = &firmware_ram[TARGET];

	(void)state;
	read_by_dma(FWCFG_FILE_DIR, 4 + 5 * 64, TARGET);
	assert_int_equal(be(d, 4), 5);
	assert_int_equal(be(d + 4, 4), 10);
	assert_int_equal(be(d + 8, 2), KEY_FIRST);
	assert_string_equal((const char *)d + 12, "etc/one");
	assert_int_equal(be(d + 68, 4), 8);
	assert_int_equal(be(d + 72, 2), KEY_FIRST + 1);
	assert_string_equal((const char *)d + 76, "etc/two");
	assert_string_equal((const char *)d + 140, "etc/acpi/tables");
	assert_int_equal(be(d + 4 + 3 * 64, 4), RAMFB_SIZE);
	assert_int_equal(be(d + 8 + 3 * 64, 2), KEY_DISPLAY);
	assert_string_equal((const char *)d + 12 + 3 * 64, "etc/ramfb");
	assert_string_equal((const char *)d + 12 + 4 * 64, "etc/three");
}

static void values_are_little_endian(void **state)
{
	(void)state;
	read_by_dma(KEY_FIRST + 1, 8, TARGET);
	assert_int_equal(be(&firmware_ram[TARGET], 8), 0x8877665544332211);
}

static void dma_goes_on_where_the_last_one_ended(void **state)
{
	(void)state;
	read_by_dma(KEY_BLOB, 100, TARGET);
	dma(FWCFG_DMA_SKIP, 50, 0);
	assert_int_equal(control(), 0);
	dma(FWCFG_DMA_READ, 100, TARGET + 100);
	assert_memory_equal(&firmware_ram[TARGET], firmware_blob, 100);
	assert_memory_equal(&firmware_ram[TARGET + 100], firmware_blob + 150, 100);
	all_is(&firmware_ram[TARGET + 200], 16, 0xee);
	assert_int_equal(in(0x511, 1), firmware_blob[250]);
}

static void the_dma_register_reads_as_its_signature(void **state)
{
	(void)state;
	assert_int_equal(__builtin_bswap32(in(0x514, 4)), 0x51454d55);
	assert_int_equal(__builtin_bswap32(in(0x518, 4)), 0x20434647);
}

static uint32_t write_by_dma(uint16_t key, uint32_t length, uint64_t address)
{
	dma((uint32_t)key << 16 | FWCFG_DMA_SELECT | FWCFG_DMA_WRITE, length, address);
	return control();
}

static void nothing_is_written_to_items_that_are_not_writable(void **state)
{
	static const uint16_t keys[] = {
		KEY_BLOB, KEY_FIRST, KEY_TABLES, FWCFG_SIGNATURE, FWCFG_FILE_DIR, KEY_ABSENT};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(write_by_dma(keys[i], 4, TARGET), FWCFG_DMA_ERROR);
		assert_int_equal(write_by_dma(keys[i], 0, TARGET), FWCFG_DMA_ERROR);
	}
	out(0x510, 2, KEY_BLOB);
	assert_int_equal(in(0x511, 1), firmware_blob[0]);
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	memcpy(&firmware_ram[TARGET - 8], "abcdefghijkl", 12); /* over the end of a page */
	assert_int_equal(write_by_dma(KEY_THREE, 4, TARGET - 4), 0);
	assert_int_equal(in(0x511, 1), 0); /* behind it */
	out(0x510, 2, KEY_THREE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(in(0x511, 1), 'e' + i);
	assert_int_equal(in(0x511, 1), 0);
	read_by_dma(KEY_DISPLAY, 28, 0x8000); /* its neighbour */
	all_is(&firmware_ram[0x8000], 28, 0);
}

static void a_write_goes_on_where_the_last_access_ended(void **state)
{
	(void)state;
	memcpy(&firmware_ram[TARGET], "wxyz", 4);
	assert_int_equal(write_by_dma(KEY_THREE, 1, TARGET), 0);
	dma(FWCFG_DMA_SKIP, 1, 0);
	dma(FWCFG_DMA_WRITE, 2, TARGET + 2);
	assert_int_equal(control(), 0);
	read_by_dma(KEY_THREE, 4, TARGET + 8);
	assert_memory_equal(&firmware_ram[TARGET + 8], "w\0yz", 4);
	platform_reset(&machine, &machine.config);
	read_by_dma(KEY_THREE, 4, TARGET + 8);
	all_is(&firmware_ram[TARGET + 8], 4, 0);
}

static void a_write_that_does_not_fit_changes_nothing(void **state)
{
	static const uint32_t lengths[] = {5, 28, 32, 4096, UINT32_MAX};
	static const uint64_t bad[] = {
		FIRMWARE_RAM, FIRMWARE_RAM - 2, UINT64_MAX - 1, 1ull << 63};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_int_equal(write_by_dma(KEY_THREE, lengths[i], TARGET), FWCFG_DMA_ERROR);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(write_by_dma(KEY_THREE, 4, bad[i]), FWCFG_DMA_ERROR);
	out(0x510, 2, KEY_THREE);
	dma(FWCFG_DMA_SKIP, UINT32_MAX, 0);
	dma(FWCFG_DMA_WRITE, 1, TARGET);
	assert_int_equal(control(), FWCFG_DMA_ERROR);
	out(0x510, 2, KEY_THREE);
	dma(FWCFG_DMA_SKIP, 4, 0);
	dma(FWCFG_DMA_WRITE, 1, TARGET);
	assert_int_equal(control(), FWCFG_DMA_ERROR);
	read_by_dma(KEY_THREE, 4, TARGET);
	all_is(&firmware_ram[TARGET], 4, 0);
}

static void what_was_written_goes_on_elsewhere(void **state)
{
	static struct platform_state s;

	(void)state;
	memcpy(&firmware_ram[TARGET], "abcd", 4);
	assert_int_equal(write_by_dma(KEY_THREE, 4, TARGET), 0);
	platform_get_state(&machine, &s);
	firmware_start(2);
	assert_true(platform_set_state(&machine, &s));
	read_by_dma(KEY_THREE, 4, TARGET + 8);
	assert_memory_equal(&firmware_ram[TARGET + 8], "abcd", 4);
	s.fwcfg.written[VFWCFG_WRITTEN - 1] = 1; /* all are the files', here */
	assert_true(platform_set_state(&machine, &s));
}

static void dma_outside_of_ram_is_an_error(void **state)
{
	static const uint64_t bad[] = {FIRMWARE_RAM, FIRMWARE_RAM - 8, UINT64_MAX,
		UINT64_MAX - 7, 1ull << 63, 0xe0000000};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		read_by_dma(KEY_BLOB, 16, bad[i]);
		assert_int_equal(control(), FWCFG_DMA_ERROR);
	}
	/* Up to the end of a page it came. */
	assert_memory_equal(&firmware_ram[FIRMWARE_RAM - 8], firmware_blob, 8);
}

static void a_descriptor_outside_of_ram_is_not_looked_at(void **state)
{
	(void)state;
	begin(FIRMWARE_RAM - 15);
	begin(UINT64_MAX - 3);
	assert_true(platform_deadline(&machine, 0) > 0);
	read_by_dma(KEY_BLOB, 1, TARGET);
	assert_int_equal(firmware_ram[TARGET], firmware_blob[0]);
}

/* Nothing of the last one is left in the upper half. */
static void a_low_half_alone_begins_below_4_gib(void **state)
{
	(void)state;
	begin(5ull << 32 | CONTROL);
	put_be(&firmware_ram[CONTROL], FWCFG_DMA_SELECT, 4);
	out(0x518, 4, __builtin_bswap32(CONTROL));
	assert_int_equal(control(), 0);
}

static void a_long_transfer_goes_on_while_time_passes(void **state)
{
	uint32_t what = (uint32_t)KEY_BLOB << 16 | FWCFG_DMA_SELECT | FWCFG_DMA_READ;

	(void)state;
	read_by_dma(KEY_BLOB, FIRMWARE_BLOB, TARGET);
	assert_int_equal(control(), what);
	assert_memory_equal(&firmware_ram[TARGET], firmware_blob, 0x10000);
	all_is(&firmware_ram[TARGET + 0x18000], 16, 0xee);
	assert_true(platform_deadline(&machine, 0) <= fake.now + PERIOD);
	fake_run_until(fake.now + 4 * PERIOD);
	assert_int_equal(control(), 0);
	assert_memory_equal(&firmware_ram[TARGET], firmware_blob, FIRMWARE_BLOB);
	all_is(&firmware_ram[TARGET + FIRMWARE_BLOB], 64, 0xee);
	assert_true(platform_deadline(&machine, 0) > fake.now + PERIOD);
}

static void while_a_transfer_goes_on_nothing_else_is_begun(void **state)
{
	(void)state;
	read_by_dma(KEY_BLOB, FIRMWARE_BLOB, TARGET);
	out(0x510, 2, FWCFG_SIGNATURE);
	assert_int_equal(in(0x511, 1), 0);
	put_be(&firmware_ram[0x200], FWCFG_DMA_SKIP, 4);
	begin(0x200);
	assert_int_equal(be(&firmware_ram[0x200], 4), FWCFG_DMA_SKIP);
	fake_run_until(fake.now + 4 * PERIOD);
	assert_memory_equal(&firmware_ram[TARGET], firmware_blob, FIRMWARE_BLOB);
}

static void a_transfer_that_leaves_ram_ends_with_an_error(void **state)
{
	(void)state;
	read_by_dma(KEY_BLOB, UINT32_MAX, TARGET);
	fake_run_until(fake.now + 8 * PERIOD);
	assert_int_equal(control(), FWCFG_DMA_ERROR);
	assert_memory_equal(&firmware_ram[TARGET], firmware_blob, FIRMWARE_BLOB);
	assert_true(platform_deadline(&machine, 0) > fake.now + PERIOD);
}

static void a_transfer_goes_on_elsewhere(void **state)
{
	static struct platform_state s;
	static uint8_t ram[FIRMWARE_RAM];
	uint64_t now;

	(void)state;
	read_by_dma(KEY_BLOB, FIRMWARE_BLOB, TARGET);
	platform_get_state(&machine, &s);
	memcpy(ram, firmware_ram, sizeof(ram));
	now = fake.now;
	firmware_start(2);
	memcpy(firmware_ram, ram, sizeof(ram));
	fake.now = now;
	assert_true(platform_set_state(&machine, &s));
	fake_run_until(fake.now + 5 * PERIOD);
	assert_int_equal(control(), 0);
	assert_memory_equal(&firmware_ram[TARGET], firmware_blob, FIRMWARE_BLOB);
}

static void tables_are_built_again_only_when_ecam_has_moved(void **state)
{
	const uint32_t ecam = 0x80000000 | 0x60;
	uint8_t *last = &firmware_acpi.tables[ACPI_LOADER_SIZE - 1];

	(void)state;
	select_tables();
	*last = 0x5a; /* building would clear it */
	select_tables();
	assert_int_equal(*last, 0x5a);
	out(0xcf8, 4, ecam);
	out(0xcfc, 4, 0xe0000001);
	select_tables();
	assert_int_equal(*last, 0);
	*last = 0x5a;
	platform_reset(&machine, &machine.config);
	select_tables();
	assert_int_equal(*last, 0);
}

static void tables_go_on_elsewhere(void **state)
{
	static struct platform_state s;
	static uint8_t rest[ACPI_LOADER_SIZE];
	uint64_t now;

	(void)state;
	out(0xcf8, 4, 0x80000000 | 0x60);
	out(0xcfc, 4, 0xe0000001);
	select_tables();
	for (unsigned i = 0; i < 8; i++)
		in(0x511, 1);
	platform_get_state(&machine, &s);
	for (unsigned i = 8; i < ACPI_LOADER_SIZE; i++)
		rest[i] = (uint8_t)in(0x511, 1);
	now = fake.now;
	memset(&firmware_acpi, 0, sizeof(firmware_acpi)); /* another machine's */
	firmware_start(2);
	fake.now = now;
	assert_true(platform_set_state(&machine, &s));
	for (unsigned i = 8; i < ACPI_LOADER_SIZE; i++)
		assert_int_equal(in(0x511, 1), rest[i]);
}

static void only_accesses_of_the_right_size_are_claimed(void **state)
{
	uint32_t value = 0;

	(void)state;
	assert_false(platform_io(&machine, 0x510, true, 4, &value));
	assert_false(platform_io(&machine, 0x510, false, 2, &value));
	assert_false(platform_io(&machine, 0x511, false, 2, &value));
	assert_false(platform_io(&machine, 0x514, true, 2, &value));
	assert_false(platform_io(&machine, 0x516, true, 4, &value));
	assert_false(platform_io(&machine, 0x51c, false, 4, &value));
}

static void without_firmware_there_is_no_such_device(void **state)
{
	uint32_t value = 0;

	(void)state;
	fake_start(1);
	assert_false(platform_io(&machine, 0x511, false, 1, &value));
	assert_int_equal(value, 0xff);
	assert_false(platform_io(&machine, 0x510, true, 2, &value));
}

static void a_table_that_is_too_small_says_so(void **state)
{
	static struct vfwcfg_table t;

	(void)state;
	for (unsigned i = 0; i < VFWCFG_ITEMS; i++)
		vfwcfg_add_file(&t, "etc/x", "x", 1);
	assert_false(vfwcfg_finish(&t)); /* no item is left for the directory */
	memset(&t, 0, sizeof(t));
	vfwcfg_add_display(&t);
	assert_non_null(vfwcfg_add_writable(&t, "etc/x", VFWCFG_WRITTEN - RAMFB_SIZE));
	assert_null(vfwcfg_add_writable(&t, "etc/y", 1));
	assert_false(vfwcfg_finish(&t));
	memset(&t, 0, sizeof(t));
	for (unsigned i = 0; i < VFWCFG_BYTES / 8; i++)
		vfwcfg_add_value(&t, FWCFG_ID, 0, 8);
	assert_false(vfwcfg_finish(&t));
}

/* What ports give has no way to say that it is nothing: the VM ends. */
static void what_is_wrong_is_not_shown_and_ends_the_vm(void **state)
{
	uint8_t *data = (uint8_t *)(uintptr_t)machine.fwcfg.table->items[0].data;

	(void)state;
	fake.lost = 0;
	fake.wrong = data + 1;
	fake.wrong_size = 1;
	out(0x510, 2, machine.fwcfg.table->items[0].key);
	assert_int_equal(in(0x511, 1), data[0]);
	assert_int_equal(fake.lost, 0);
	assert_int_not_equal(data[1], 0);
	assert_int_equal(in(0x511, 1), 0);
	assert_int_equal(fake.lost, 1);
	assert_int_equal(in(0x511, 1), data[2]);
	read_by_dma(machine.fwcfg.table->items[0].key, 4, TARGET);
	all_is(&firmware_ram[TARGET], 4, 0);
	assert_int_equal(fake.lost, 2);
	read_by_dma(KEY_ABSENT, 16, TARGET); /* nothing is there */
	assert_int_equal(fake.lost, 2);
	fake.wrong_size = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			the_ports_show_an_item_byte_by_byte_and_then_zeros, start),
		cmocka_unit_test_setup(a_key_without_an_item_reads_zeros, start),
		cmocka_unit_test_setup(the_directory_lists_the_files_with_their_keys, start),
		cmocka_unit_test_setup(values_are_little_endian, start),
		cmocka_unit_test_setup(dma_goes_on_where_the_last_one_ended, start),
		cmocka_unit_test_setup(the_dma_register_reads_as_its_signature, start),
		cmocka_unit_test_setup(
			nothing_is_written_to_items_that_are_not_writable, start),
		cmocka_unit_test_setup(what_is_written_is_read_again, start),
		cmocka_unit_test_setup(a_write_goes_on_where_the_last_access_ended, start),
		cmocka_unit_test_setup(a_write_that_does_not_fit_changes_nothing, start),
		cmocka_unit_test_setup(what_was_written_goes_on_elsewhere, start),
		cmocka_unit_test_setup(dma_outside_of_ram_is_an_error, start),
		cmocka_unit_test_setup(a_descriptor_outside_of_ram_is_not_looked_at, start),
		cmocka_unit_test_setup(a_low_half_alone_begins_below_4_gib, start),
		cmocka_unit_test_setup(a_long_transfer_goes_on_while_time_passes, start),
		cmocka_unit_test_setup(while_a_transfer_goes_on_nothing_else_is_begun, start),
		cmocka_unit_test_setup(a_transfer_that_leaves_ram_ends_with_an_error, start),
		cmocka_unit_test_setup(a_transfer_goes_on_elsewhere, start),
		cmocka_unit_test_setup(tables_are_built_again_only_when_ecam_has_moved, start),
		cmocka_unit_test_setup(tables_go_on_elsewhere, start),
		cmocka_unit_test_setup(only_accesses_of_the_right_size_are_claimed, start),
		cmocka_unit_test_setup(without_firmware_there_is_no_such_device, start),
		cmocka_unit_test_setup(what_is_wrong_is_not_shown_and_ends_the_vm, start),
		cmocka_unit_test(a_table_that_is_too_small_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
