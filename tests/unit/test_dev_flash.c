/* SPDX-License-Identifier: Apache-2.0 */
/* The flash of firmware's variables: commands, what is read meanwhile, what stays. */
#include "fake_firmware.h"

#include "spec/flash.h"

#define READY 0x80
#define WRONG 0xa0 /* a sequence that is none */

static int start(void **state)
{
	(void)state;
	for (size_t i = 0; i < FLASH_SIZE; i++)
		firmware_flash[i] = (uint8_t)(0x40 + i % 0x20);
	firmware_start(1);
	return 0;
}

static void put(uint32_t offset, uint8_t value)
{
	uint64_t v = value;

	assert_true(platform_mmio(&machine, 0, FLASH_AT + offset, true, 1, &v));
}

static uint64_t get(uint32_t offset, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, FLASH_AT + offset, false, size, &v));
	return v;
}

static void after_reset_its_content_is_read(void **state)
{
	(void)state;
	assert_int_equal(get(0, 8), 0x4746454443424140);
	assert_int_equal(get(FLASH_SIZE - 1, 1), 0x5f);
	assert_true(platform_has_device(&machine, FLASH_AT));
	assert_false(platform_has_device(&machine, FLASH_AT + FLASH_SIZE));
}

/* What OVMF does to find out whether it has flash, ROM or RAM. */
static void firmware_recognises_it(void **state)
{
	(void)state;
	put(0, 0x50);
	assert_int_not_equal(get(0, 1), 0x50);
	put(0, 0x70);
	assert_int_equal(get(0, 1), 0);
	put(0, 0x10);
	put(0, 0x40);
	put(0, 0x70);
	assert_int_equal(get(0, 1), READY);
	put(0, 0xff);
	assert_int_equal(get(0, 1), 0x40);
}

static void programming_clears_bits_and_erasing_sets_those_of_a_block(void **state)
{
	(void)state;
	put(0x10, 0x10);
	put(0x10, 0x8f);
	assert_int_equal(get(0x10, 1), READY);
	put(0x10, 0xff);
	assert_int_equal(get(0x10, 1), 0x50 & 0x8f);
	put(0x10, 0x40);
	put(0x10, 0xff);
	put(0, 0xff);
	assert_int_equal(get(0x10, 1), 0);
	put(0x123, 0x20);
	put(0x123, 0xd0);
	put(0, 0xff);
	assert_int_equal(get(0, 4), 0xffffffff);
	assert_int_equal(get(FLASH_BLOCK - 1, 1), 0xff);
	assert_int_equal(get(FLASH_BLOCK, 1), 0x40);
	put(0x10, 0x10);
	put(0x10, 0x5a);
	put(0x10, 0xff);
	assert_int_equal(get(0x0f, 4), 0xffff5aff);
}

static void an_erase_that_is_not_confirmed_changes_nothing(void **state)
{
	(void)state;
	put(0, 0x20);
	put(0, 0xff);
	assert_int_equal(get(0, 1), WRONG);
	put(0, 0x50);
	put(0, 0x70);
	assert_int_equal(get(0, 1), 0);
	put(0, 0xff);
	assert_int_equal(get(0, 1), 0x40);
}

static void a_buffer_is_programmed(void **state)
{
	(void)state;
	put(0, 0x20);
	put(0, 0xd0);
	put(0x40, 0xe8);
	assert_int_equal(get(0x40, 1) & READY, READY);
	put(0x40, 2);
	put(0x40, 1);
	put(0x41, 2);
	put(0x42, 3);
	put(0x40, 0xd0);
	assert_int_equal(get(0x40, 1), READY);
	put(0x40, 0xff);
	assert_int_equal(get(0x40, 4), 0xff030201);
	put(0x40, 0xe8);
	put(0x40, 0);
	put(0x43, 9);
	put(0x40, 0x70); /* no confirmation */
	assert_int_equal(get(0x40, 1), WRONG);
}

static void its_content_outlives_a_reset_and_its_commands_do_not(void **state)
{
	struct platform_config c = machine.config;

	(void)state;
	put(0, 0x10);
	put(0, 0);
	put(0, 0x10);
	platform_reset(&machine, &c);
	assert_int_equal(get(0, 1), 0);
	put(0, 0x77); /* no value for a sequence */
	assert_int_equal(get(1, 1), 0x41);
}

static void who_keeps_it_is_told_when_a_change_is_done(void **state)
{
	uint64_t from, end;
	unsigned before = fake_works;

	(void)state;
	put(0x123, 0xff);
	assert_int_equal(fake_works, before);
	assert_false(vflash_take_changed(&machine.flash, &from, &end));
	put(FLASH_BLOCK + 0x10, 0x10);
	put(FLASH_BLOCK + 0x10, 0x8f);
	put(0x20, 0x10);
	put(0x20, 0x40);
	assert_int_equal(fake_works, before);
	put(0, 0xff);
	assert_int_equal(fake_works, before + 1);
	assert_true(vflash_take_changed(&machine.flash, &from, &end));
	assert_int_equal(from, 0x20);
	assert_int_equal(end, FLASH_BLOCK + 0x11);
	assert_false(vflash_take_changed(&machine.flash, &from, &end));
	put(FLASH_BLOCK + 0x123, 0x20);
	put(FLASH_BLOCK + 0x123, 0xd0);
	assert_true(vflash_take_changed(&machine.flash, &from, &end));
	assert_int_equal(from, FLASH_BLOCK);
	assert_int_equal(end, 2 * FLASH_BLOCK);
}

static void nothing_beyond_its_end_is_touched(void **state)
{
	uint64_t v = 0x10;

	(void)state;
	put(0, 0x10);
	assert_false(platform_mmio(&machine, 0, FLASH_AT + FLASH_SIZE, true, 1, &v));
	assert_false(platform_mmio(&machine, 0, FLASH_AT + FLASH_SIZE - 4, true, 8, &v));
	assert_false(platform_mmio(&machine, 0, FLASH_AT - 1, true, 1, &v));
}

/* It can answer nothing but bytes. */
static void a_block_that_is_wrong_is_left_alone_and_ends_the_vm(void **state)
{
	(void)state;
	fake.lost = 0;
	fake.wrong = firmware_flash + FLASH_BLOCK;
	fake.wrong_size = FLASH_BLOCK;
	assert_int_equal(get(FLASH_BLOCK - 8, 8) >> 56, 0x5f);
	put(8, 0x10);
	put(8, 0);
	assert_int_equal(firmware_flash[8], 0);
	assert_int_equal(fake.lost, 0);
	assert_int_equal(get(FLASH_BLOCK + 5, 1), 0);
	assert_int_equal(fake.lost, 1);
	put(FLASH_SIZE - 1, 0x10);
	put(FLASH_SIZE - 1, 0);
	assert_int_equal(firmware_flash[FLASH_SIZE - 1], 0x5f);
	assert_int_equal(fake.lost, 3);
	(void)get(FLASH_BLOCK - 4, 8); /* a half of it */
	assert_int_equal(fake.lost, 4);
	fake.wrong_size = 1; /* of a block that is erased */
	put(FLASH_SIZE - 1, 0x20);
	assert_int_equal(fake.lost, 5);
	fake.wrong = firmware_flash + FLASH_SIZE - 1;
	put(FLASH_BLOCK, 0x20);
	assert_int_equal(fake.lost, 6);
	fake.wrong_size = 0;
}

static void it_is_the_volume_of_variables_at_the_start_of_an_image(void **state)
{
	static uint8_t image[64 << 10];
	static const uint8_t guid[] = VOLUME_NV_DATA_GUID;

	(void)state;
	assert_int_equal(flash_volume_size(image, sizeof(image)), 0);
	memcpy(image + 16, guid, sizeof(guid));
	memcpy(image + 40, "_FVH", 4);
	image[33] = 0x20;
	assert_int_equal(flash_volume_size(image, sizeof(image)), 0x2000);
	assert_int_equal(flash_volume_size(image, 0x2000), 0); /* nothing is left for code */
	image[32] = 1;
	assert_int_equal(flash_volume_size(image, sizeof(image)), 0);
	image[32] = 0;
	image[39] = 0x80;
	assert_int_equal(flash_volume_size(image, sizeof(image)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(after_reset_its_content_is_read, start),
		cmocka_unit_test_setup(firmware_recognises_it, start),
		cmocka_unit_test_setup(
			programming_clears_bits_and_erasing_sets_those_of_a_block, start),
		cmocka_unit_test_setup(an_erase_that_is_not_confirmed_changes_nothing, start),
		cmocka_unit_test_setup(a_buffer_is_programmed, start),
		cmocka_unit_test_setup(
			its_content_outlives_a_reset_and_its_commands_do_not, start),
		cmocka_unit_test_setup(who_keeps_it_is_told_when_a_change_is_done, start),
		cmocka_unit_test_setup(nothing_beyond_its_end_is_touched, start),
		cmocka_unit_test_setup(
			a_block_that_is_wrong_is_left_alone_and_ends_the_vm, start),
		cmocka_unit_test(it_is_the_volume_of_variables_at_the_start_of_an_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
