/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux by its 16-bit entry, and what a kernel finds in real mode: vectors, BIOS data, the
 * tables that BIOS calls answer from.
 */
#include "load_world.h"

#define SETUP       0x10000u
#define SETUP_OLD   0x90000u
#define CMDLINE16   0x1e000u
#define CMDLINE_OLD 0x99800u
#define SMALL       0x80000u /* a zImage's most */
#define BIOS        0xf0000u
#define ROW         20u

extern const uint8_t bios_code[], bios_map[], bios_sizes[], bios_restart[], bios_end[];

/* ---- Linux by its 16-bit entry ---- */

static void check_entry16(uint32_t setup, uint32_t sp)
{
	assert_int_equal(w.entry.mode, ENTRY_MODE_REAL);
	assert_int_equal(w.entry.code_selector, (setup >> 4) + 0x20);
	assert_int_equal(w.entry.data_selector, setup >> 4);
	assert_int_equal(w.entry.rip, 0);
	assert_int_equal(w.entry.rsp, sp);
	assert_int_equal(w.entry.rax | w.entry.rbx | w.entry.rsi | w.entry.gdt_base, 0);
}

static void make_old(uint16_t version, bool high)
{
	make_bzimage();
	put(0x206, 2, version);
	put(0x211, 1, high);
}

static void a_bzimage_enters_its_setup_code_as_it_is_in_the_file(void **state)
{
	(void)state;
	make_bzimage();
	put(0x211, 1, 1);
	put(0x238, 4, 2047);
	set_text(&w.request.kernel.cmdline, "console=ttyS0");
	ok(LOAD_LINUX16);
	check_entry16(SETUP, 0xe000);
	assert_true(has(SETUP, 0, 0x1f1));
	assert_true(has(SETUP + 0x268, 0x268, BZ_SETUP - 0x268));
	assert_true(has(0x100000, BZ_SETUP, BZ_PAYLOAD));
	assert_int_equal(get(SETUP + 0x210, 1), 0xff);
	assert_int_equal(get(SETUP + 0x211, 1), 0x81);
	assert_int_equal(get(SETUP + 0x224, 2), 0xde00);
	assert_int_equal(get(SETUP + 0x228, 4), CMDLINE16);
	assert_string_equal((const char *)ram(CMDLINE16), "console=ttyS0");
	assert_int_equal(get(SETUP + 0x218, 8), 0);
}

static void a_bzimage_that_does_not_say_where_it_wants_to_be_is_entered_so_by_itself(
	void **state)
{
	(void)state;
	make_old(0x209, true);
	ok(LOAD_AUTO);
	check_entry16(SETUP, 0xe000);
	make_old(0x202, true);
	ok(LOAD_LINUX);
	check_entry16(SETUP, 0xe000);
	make_bzimage();
	ok(LOAD_AUTO);
	assert_int_equal(w.entry.mode, ENTRY_MODE_LONG);
}

static void before_protocol_2_02_the_command_line_is_told_in_the_first_sector(void **state)
{
	(void)state;
	make_old(0x201, true);
	set_text(&w.request.kernel.cmdline, "root=/dev/fd0");
	ok(LOAD_AUTO);
	check_entry16(SETUP_OLD, 0x9800);
	assert_true(has(0x100000, BZ_SETUP, BZ_PAYLOAD));
	assert_int_equal(get(SETUP_OLD + 0x20, 2), 0xa33f);
	assert_int_equal(get(SETUP_OLD + 0x22, 2), CMDLINE_OLD - SETUP_OLD);
	assert_int_equal(get(SETUP_OLD + 0x212, 2), 0x9800 + sizeof("root=/dev/fd0"));
	assert_string_equal((const char *)ram(CMDLINE_OLD), "root=/dev/fd0");
	assert_int_equal(get(SETUP_OLD + 0x224, 2), 0x9600);
	assert_true(has(SETUP_OLD + 0x228, 0x228, 4)); /* not yet a field */
	make_old(0x200, true);
	ok(LOAD_AUTO);
	assert_int_equal(get(SETUP_OLD + 0x211, 1), 1); /* nor the heap's flag */
	assert_true(has(SETUP_OLD + 0x224, 0x224, 2));
}

static void a_zimage_lies_below_its_setup_code(void **state)
{
	(void)state;
	make_old(0x203, false);
	ok(LOAD_AUTO);
	check_entry16(SETUP_OLD, 0x9800);
	assert_true(has(0x10000, BZ_SETUP, BZ_PAYLOAD));
	assert_int_equal(get(SETUP_OLD + 0x228, 4), CMDLINE_OLD);
	assert_true(all_zero(0x100000, RAM_SIZE));
}

/* memtest86+ before 6 is such a program: its sectors are code from 200H on. */
static void a_kernel_of_before_protocol_2_00_is_known_by_its_size(void **state)
{
	(void)state;
	w.size = 0;
	fill(0, 2560 + 1000);
	put(0x1f1, 1, 4);
	put(0x1f4, 2, (1000 + 15) / 16);
	put(0x1fe, 2, 0xaa55);
	set_text(&w.request.kernel.cmdline, "console=ttyS0");
	ok(LOAD_AUTO);
	check_entry16(SETUP_OLD, 0x9800);
	assert_true(has(0x10000, 2560, 1000));
	assert_true(has(SETUP_OLD + 0x200, 0x200, 2560 - 0x200));
	assert_int_equal(get(SETUP_OLD + 0x20, 2), 0xa33f);
	assert_string_equal((const char *)ram(CMDLINE_OLD), "console=ttyS0");
	put_mb1(0x800, 0); /* and before what else it may look like */
	ok(LOAD_AUTO);
	assert_int_equal(w.entry.mode, ENTRY_MODE_REAL);
	ok(LOAD_LINUX16);
	set_image(&w.request.initrd, "initrd", "");
	refused(LOAD_AUTO, "a kernel older than boot protocol 2.00 takes no initrd");
	w.request.initrd.size = 0;
	put(0x1f4, 2, 1000 / 16);
	refused(LOAD_LINUX, "not a Linux kernel");
	put(0x1f4, 2, (1000 + 15) / 16 + 1);
	refused(LOAD_LINUX16, "not a Linux kernel with a 16-bit entry");
	put(0x1f4, 2, (1000 + 15) / 16);
	put(0x1fe, 2, 0xaa56);
	refused(LOAD_LINUX, "not a Linux kernel");
}

static void an_initrd_ends_where_the_header_says(void **state)
{
	(void)state;
	set_image(&w.request.initrd, "initrd", "");
	make_old(0x203, true);
	put(0x22c, 4, 0x2fffff);
	ok(LOAD_LINUX16);
	assert_int_equal(get(SETUP + 0x218, 4), 0x2ff000);
	assert_int_equal(get(SETUP + 0x21c, 4), 6);
	assert_memory_equal(ram(0x2ff000), "initrd", 6);
	make_old(0x202, true); /* it says nothing then */
	put(0x22c, 4, 0x2fffff);
	ok(LOAD_LINUX16);
	assert_int_equal(get(SETUP + 0x218, 4), RAM_SIZE - 4096);
}

/* What it needs at its preferred address, from protocol 2.10 on. */
static void an_initrd_is_kept_out_of_the_unpacked_kernels_way(void **state)
{
	const char *small = "the VM's memory is too small for kernel and initrd";

	(void)state;
	set_image(&w.request.initrd, "initrd", "");
	make_bzimage();
	put(0x211, 1, 1);
	put(0x258, 8, 0x200000);
	put(0x260, 4, RAM_SIZE - 0x200000);
	refused(LOAD_LINUX16, small);
	put(0x260, 4, RAM_SIZE - 0x200000 - 4096);
	ok(LOAD_LINUX16);
	put(0x206, 2, 0x209);
	put(0x260, 4, RAM_SIZE - 0x200000);
	ok(LOAD_LINUX16);
}

static void images_that_cannot_be_entered_so_are_refused(void **state)
{
	static char line[257];

	(void)state;
	make_elf(true, kernel64.vaddr, &kernel64, 1);
	refused(LOAD_LINUX16, "not a Linux kernel with a 16-bit entry");
	make_old(0x202, true);
	w.size = BZ_SETUP;
	refused(LOAD_LINUX16, "the bzImage is cut");
	make_old(0x202, true);
	put(0x1f1, 1, 103);
	fill(BZ_SETUP, 60 << 10);
	ok(LOAD_LINUX16);
	put(0x1f1, 1, 104);
	w.size = 60 << 10;
	refused(LOAD_LINUX16, "the bzImage's setup code is too large");
	memset(line, 'x', 256);
	set_text(&w.request.kernel.cmdline, line);
	make_old(0x205, true);
	refused(LOAD_LINUX16, "the command line is longer than the kernel takes");
	make_old(0x206, true);
	put(0x238, 4, 256);
	ok(LOAD_LINUX16);
}

static void what_does_not_fit_is_refused(void **state)
{
	static uint8_t large[SMALL + BZ_SETUP + 1];

	(void)state;
	make_old(0x203, false);
	memcpy(large, w.kernel, w.size);
	w.request.format = LOAD_AUTO;
	w.request.kernel = (struct load_image){large, sizeof(large) - 1, {"", 0}};
	assert_null(load_images(&w.target, &w.request, &w.entry));
	w.request.kernel.size++;
	assert_string_equal(load_images(&w.target, &w.request, &w.entry),
		"the zImage is too large for its place below 576 KiB");
	large[0x211] = 1;
	assert_null(load_images(&w.target, &w.request, &w.entry));
	w.target.ram[0].size = 0x100000 + SMALL;
	assert_string_equal(load_images(&w.target, &w.request, &w.entry),
		"the VM's memory is too small for the kernel");
	w.target.ram[0].size = RAM_SIZE;
}

/* ---- what real mode finds ---- */

static uint32_t place(const uint8_t *of)
{
	return BIOS + (uint32_t)(of - bios_code);
}

static uint32_t vector(unsigned i)
{
	return (uint32_t)(get(4 * i + 2, 2) << 4) + (uint32_t)get(4 * i, 2);
}

static void every_vector_leads_into_the_code(void **state)
{
	(void)state;
	make_bzimage();
	ok(LOAD_LINUX);
	for (unsigned i = 0; i < 256; i++) {
		assert_in_range(vector(i), place(bios_sizes), place(bios_end) - 1);
		assert_int_equal(get(4 * i + 2, 2), BIOS >> 4);
	}
	assert_memory_equal(
		ram(place(bios_restart)), bios_restart, (size_t)(bios_end - bios_restart));
	for (unsigned i = 0x10; i <= 0x16; i++)
		for (unsigned k = 0x10; k < i; k++)
			assert_int_not_equal(vector(i), vector(k));
	assert_int_equal(vector(0x60), vector(0xff)); /* not supported */
	assert_int_not_equal(vector(0x00), vector(0xff));
	assert_int_equal(vector(0x71), vector(0x77));
	assert_int_not_equal(vector(0x70), vector(0x77));
}

static void the_restart_is_a_far_jump(void **state)
{
	(void)state;
	make_bzimage();
	ok(LOAD_LINUX);
	assert_int_equal(get(0xffff0, 1), 0xea);
	assert_int_equal((get(0xffff3, 2) << 4) + get(0xffff1, 2), place(bios_restart));
	assert_int_equal(get(0xffffe, 1), 0xfc);
	assert_memory_equal(ram(0xff000), ram(0xffff0), 5);
}

static void the_bios_data_area_tells_of_one_serial_port_and_no_keys(void **state)
{
	(void)state;
	make_bzimage();
	ok(LOAD_LINUX);
	assert_int_equal(get(0x400, 8), 0x3f8);
	assert_int_equal(get(0x40e, 2), 0x9fc0);
	assert_int_equal(get(0x410, 2), 0x0202);
	assert_int_equal(get(0x413, 2), 639);
	assert_int_equal(get(0x41a, 4), 0x001e001e);
	assert_int_equal(get(0x480, 4), 0x003e001e);
	assert_true(all_zero(0x402, 0x40e));
	assert_true(all_zero(0x43e, 0x480)); /* no cursor, ticks, hard disks */
	assert_int_equal(get(0x9fc00, 1), 1);
}

static void the_memory_map_is_the_one_of_other_protocols(void **state)
{
	(void)state;
	make_bzimage();
	ok(LOAD_LINUX);
	assert_int_equal(bios_sizes - bios_map, LOAD_MAX_RANGES * ROW);
	assert_int_equal(get(place(bios_sizes), 2), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(get(place(bios_map) + ROW * i, 8), w.target.map[i].start);
		assert_int_equal(get(place(bios_map) + ROW * i + 8, 8), w.target.map[i].size);
		assert_int_equal(get(place(bios_map) + ROW * i + 16, 4), w.target.map[i].type);
	}
	assert_true(all_zero(place(bios_map) + 3 * ROW, place(bios_sizes)));
}

static void check_sizes(uint64_t end, uint32_t type, const uint16_t expected[3])
{
	w.target.map[2] = (struct load_range){0x100000, end - 0x100000, type};
	make_bzimage();
	ok(LOAD_LINUX);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(get(place(bios_sizes) + 2 + 2 * i, 2), expected[i]);
}

static void sizes_of_memory_end_where_each_function_ends(void **state)
{
	(void)state;
	check_sizes(0x100400, LOAD_RANGE_RAM, (const uint16_t[]){1, 1, 0});
	check_sizes(16 << 20, LOAD_RANGE_RAM, (const uint16_t[]){0x3c00, 0x3c00, 0});
	check_sizes(
		(16 << 20) + 0x10000, LOAD_RANGE_RAM, (const uint16_t[]){0x3c40, 0x3c00, 1});
	check_sizes(64 << 20, LOAD_RANGE_RAM, (const uint16_t[]){0xfc00, 0x3c00, 0x300});
	check_sizes(3ull << 30, LOAD_RANGE_RAM, (const uint16_t[]){0xfc00, 0x3c00, 0xbf00});
	check_sizes(5ull << 30, LOAD_RANGE_RAM, (const uint16_t[]){0xfc00, 0x3c00, 0xff00});
	check_sizes(64 << 20, LOAD_RANGE_RESERVED, (const uint16_t[]){0, 0, 0});
	w.target.map_count = 2;
	ok(LOAD_LINUX);
	assert_int_equal(get(place(bios_sizes), 8), 2);
}

static void a_map_of_all_rows_fits(void **state)
{
	(void)state;
	w.target.map_count = LOAD_MAX_RANGES;
	for (unsigned i = 0; i < LOAD_MAX_RANGES; i++)
		w.target.map[i] = (struct load_range){i, UINT64_MAX, i};
	make_bzimage();
	ok(LOAD_LINUX);
	assert_int_equal(
		get(place(bios_map) + ROW * (LOAD_MAX_RANGES - 1), 8), LOAD_MAX_RANGES - 1);
	assert_int_equal(get(place(bios_sizes), 2), LOAD_MAX_RANGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bzimage_enters_its_setup_code_as_it_is_in_the_file),
		TEST(a_bzimage_that_does_not_say_where_it_wants_to_be_is_entered_so_by_itself),
		TEST(before_protocol_2_02_the_command_line_is_told_in_the_first_sector),
		TEST(a_zimage_lies_below_its_setup_code),
		TEST(a_kernel_of_before_protocol_2_00_is_known_by_its_size),
		TEST(an_initrd_ends_where_the_header_says),
		TEST(an_initrd_is_kept_out_of_the_unpacked_kernels_way),
		TEST(images_that_cannot_be_entered_so_are_refused),
		TEST(what_does_not_fit_is_refused),
		TEST(every_vector_leads_into_the_code),
		TEST(the_restart_is_a_far_jump),
		TEST(the_bios_data_area_tells_of_one_serial_port_and_no_keys),
		TEST(the_memory_map_is_the_one_of_other_protocols),
		TEST(sizes_of_memory_end_where_each_function_ends),
		TEST(a_map_of_all_rows_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
