/* SPDX-License-Identifier: Apache-2.0 */
/* The picture in a guest's memory: what the guest may say of it. */
#include "fake_firmware.h"

#include "dev/state.h"
#include "dev/vramfb.h"

#define CONTROL 0x100u /* of a descriptor in RAM */
#define FILE_AT 0x200u
#define KEY     0x23u
#define XR24    0x34325258u
#define AR24    0x34325241u

static struct vramfb_state shown;

static int start(void **state)
{
	(void)state;
	firmware_start(2);
	return 0;
}

static void put_be(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (bytes - 1 - i) * 8);
}

static void put_file(
	uint64_t address, uint32_t format, uint32_t width, uint32_t height, uint32_t stride)
{
	uint8_t *file = &firmware_ram[FILE_AT];

	put_be(file, address, 8);
	put_be(file + 8, format, 4);
	put_be(file + 12, 0x12345678, 4); /* flags, which nothing is said of */
	put_be(file + 16, width, 4);
	put_be(file + 20, height, 4);
	put_be(file + 24, stride, 4);
}

static void dma(uint32_t control, uint32_t length, uint64_t address)
{
	uint32_t at = __builtin_bswap32(CONTROL);

	put_be(&firmware_ram[CONTROL], control, 4);
	put_be(&firmware_ram[CONTROL + 4], length, 4);
	put_be(&firmware_ram[CONTROL + 8], address, 8);
	assert_true(platform_io(&machine, 0x518, true, 4, &at));
	assert_int_equal(firmware_ram[CONTROL + 3], 0);
}

static void write_file(void)
{
	dma(KEY << 16 | FWCFG_DMA_SELECT | FWCFG_DMA_WRITE, RAMFB_SIZE, FILE_AT);
	vramfb_get_state(&machine.ramfb, &shown);
}

static void show(uint64_t address, uint32_t width, uint32_t height, uint32_t stride)
{
	put_file(address, XR24, width, height, stride);
	write_file();
}

static void after_a_reset_there_is_no_picture(void **state)
{
	(void)state;
	vramfb_get_state(&machine.ramfb, &shown);
	assert_int_equal(shown.width, 0);
	show(0x10000, 640, 480, 2560);
	platform_reset(&machine, &machine.config);
	vramfb_get_state(&machine.ramfb, &shown);
	assert_int_equal(shown.width, 0);
}

static void a_picture_is_where_the_file_says(void **state)
{
	(void)state;
	show(0x123456789000, 1024, 768, 8192);
	assert_int_equal(shown.address, 0x123456789000);
	assert_int_equal(shown.width, 1024);
	assert_int_equal(shown.height, 768);
	assert_int_equal(shown.stride, 8192);
	assert_int_equal(fake.displays, 1);
	put_file(0x10000, AR24, 16, 16, 64);
	write_file();
	assert_int_equal(shown.width, 16);
	assert_int_equal(fake.displays, 2);
}

static void a_stride_of_zero_is_that_of_rows_without_gaps(void **state)
{
	(void)state;
	show(0x10000, 800, 600, 0);
	assert_int_equal(shown.stride, 3200);
	show(0x10000, 0x40000100, 600, 0); /* whose stride would not fit */
	assert_int_equal(shown.width, 800);
	assert_int_equal(fake.refusals, 1);
}

static void the_file_counts_when_its_last_byte_is_there(void **state)
{
	(void)state;
	put_file(0x10000, XR24, 640, 480, 0);
	dma(KEY << 16 | FWCFG_DMA_SELECT | FWCFG_DMA_WRITE, 20, FILE_AT);
	vramfb_get_state(&machine.ramfb, &shown);
	assert_int_equal(shown.width, 0);
	assert_int_equal(fake.refusals, 0);
	dma(FWCFG_DMA_WRITE, 8, FILE_AT + 20);
	vramfb_get_state(&machine.ramfb, &shown);
	assert_int_equal(shown.width, 640);
	dma(FWCFG_DMA_WRITE, 0, FILE_AT);
	assert_int_equal(fake.displays, 1);
}

static void what_cannot_be_shown_changes_nothing(void **state)
{
	static const struct {
		uint64_t address;
		uint32_t format, width, height, stride;
	} bad[] = {
		{0x10000, XR24, 4096, 4096, 0}, {0x10000, XR24, 2049, 2048, 0},
		{0x10000, XR24, 4097, 16, 0}, {0x10000, XR24, 16, 4097, 0},
		{0x10000, XR24, 65536, 65536, 0}, {0x10000, XR24, UINT32_MAX, UINT32_MAX, 0},
		{0x10000, XR24, 0, 0, 0}, {0x10000, XR24, 15, 480, 0},
		{0x10000, XR24, 640, 15, 0}, {0x10000, XR24, 640, 480, 2556},
		{0x10000, XR24, 640, 480, 2562}, {0x10000, XR24, 640, 480, 65540},
		{0x10000, XR24, 640, 480, UINT32_MAX}, {0x10001, XR24, 640, 480, 0},
		{UINT64_MAX - 3, XR24, 640, 480, 0}, {1ull << 52, XR24, 640, 480, 0},
		{(1ull << 52) - 4096, XR24, 640, 480, 0}, {0x10000, 0, 640, 480, 0},
		{0x10000, 0x36314752, 640, 480, 0}, /* RG16 */
	};

	(void)state;
	show(0x20000, 64, 32, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_file(bad[i].address, bad[i].format, bad[i].width, bad[i].height,
			bad[i].stride);
		write_file();
		if (shown.width != 64 || shown.address != 0x20000 || fake.refusals != i + 1)
			fail_msg("number %zu was taken", i);
	}
	assert_int_equal(fake.displays, 1);
}

static void the_largest_pictures_are_shown(void **state)
{
	(void)state;
	show(0, 4096, 1024, 65536);
	assert_int_equal(shown.width, 4096);
	show((1ull << 52) - 65536, 1024, 16, 0); /* its end is not below, but at 2^52 */
	assert_int_equal(shown.width, 4096);
	show((1ull << 52) - 65540, 1024, 16, 0);
	assert_int_equal(shown.width, 1024);
	show(4, 16, 4096, 0);
	assert_int_equal(shown.height, 4096);
	assert_int_equal(fake.refusals, 1);
}

static void a_picture_goes_on_elsewhere(void **state)
{
	static struct platform_state s;

	(void)state;
	show(0x30000, 320, 200, 0);
	platform_get_state(&machine, &s);
	firmware_start(2);
	assert_true(platform_set_state(&machine, &s));
	vramfb_get_state(&machine.ramfb, &shown);
	assert_int_equal(shown.width, 320);
	assert_int_equal(shown.address, 0x30000);
}

static void a_state_that_cannot_be_is_refused(void **state)
{
	static const struct vramfb_state none, bad[] = {
						       {0x10000, 4096, 4096, 16384, 0},
						       {0x10000, 64, 0, 256, 0},
						       {0x10000, 0, 0, 0, 0},
						       {0x10002, 64, 64, 256, 0},
						       {0x10000, 64, 64, 252, 0},
						       {0x10000, 64, 64, 256, 1},
					       };
	static const struct vramfb_state good = {0x10000, 64, 64, 256, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(vramfb_set_state(&machine, &bad[i]));
	assert_true(vramfb_set_state(&machine, &good));
	assert_true(vramfb_set_state(&machine, &none));
	machine.config.display = false;
	assert_false(vramfb_set_state(&machine, &good));
	assert_true(vramfb_set_state(&machine, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(after_a_reset_there_is_no_picture, start),
		cmocka_unit_test_setup(a_picture_is_where_the_file_says, start),
		cmocka_unit_test_setup(a_stride_of_zero_is_that_of_rows_without_gaps, start),
		cmocka_unit_test_setup(the_file_counts_when_its_last_byte_is_there, start),
		cmocka_unit_test_setup(what_cannot_be_shown_changes_nothing, start),
		cmocka_unit_test_setup(the_largest_pictures_are_shown, start),
		cmocka_unit_test_setup(a_picture_goes_on_elsewhere, start),
		cmocka_unit_test_setup(a_state_that_cannot_be_is_refused, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
