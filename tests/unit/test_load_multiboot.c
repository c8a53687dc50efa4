/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multiboot 1 and 2, and ELF files entered in the same way: what lies in RAM afterwards, the
 * state in which the VM starts, and what is said of images that cannot be.
 */
#include "load_world.h"

static void check_multiboot_entry(uint32_t magic, uint64_t rip)
{
	assert_int_equal(w.entry.mode, ENTRY_MODE_PROTECTED);
	assert_int_equal(w.entry.rip, rip);
	assert_int_equal(w.entry.rax, magic);
	assert_int_equal(w.entry.rbx, magic == 0x2badb002 ? INFO : INFO2);
	assert_int_equal(w.entry.rsi, 0);
	check_gdt(0x08, 0x00cf9b000000ffff);
	assert_int_equal(get(0x40e, 2), 0x9fc0);
	assert_int_equal(get(0x413, 2), 639);
}

/* ---- what real mode finds: more in test_load_real.c ---- */

static void an_image_that_wants_low_memory_has_it(void **state)
{
	static const struct elf_segment low = {0, 0, 0x500, 0x500};

	(void)state;
	make_elf(false, 8, &low, 1);
	ok(LOAD_ELF);
	assert_true(has(0, ELF_DATA, 0x500));
}

static void linux_finds_the_same_in_real_mode(void **state)
{
	static uint8_t table[0x1000], code[0x10000];

	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	ok(LOAD_ELF);
	memcpy(table, ram(0), sizeof(table));
	memcpy(code, ram(0xf0000), sizeof(code));
	make_bzimage();
	ok(LOAD_LINUX);
	assert_memory_equal(ram(0), table, sizeof(table));
	assert_memory_equal(ram(0xf0000), code, sizeof(code));
	assert_false(all_zero(0, 0x400));
}

/* ---- Multiboot 1 ---- */

static void an_elf_file_is_entered_as_multiboot_1_does(void **state)
{
	(void)state;
	make_elf(false, kernel32.vaddr + 8, &kernel32, 1);
	ok(LOAD_ELF);
	check_multiboot_entry(0x2badb002, 0x100008);
	assert_true(has(0x100000, ELF_DATA, 4000));
	assert_true(all_zero(0x100000 + 4000, RAM_SIZE));
}

static void an_entry_in_no_segment_is_a_physical_address(void **state)
{
	(void)state;
	make_elf(false, 0x123456, &kernel32, 1);
	ok(LOAD_ELF);
	assert_int_equal(w.entry.rip, 0x123456);
}

static void a_multiboot_1_kernel_finds_its_information(void **state)
{
	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	put_mb1(MB_HEADER, 0);
	set_text(&w.request.kernel.cmdline, "noapic");
	ok(LOAD_AUTO);
	check_multiboot_entry(0x2badb002, 0x100000);
	assert_int_equal(get(INFO, 4), 0x24d);
	assert_int_equal(get(INFO + 4, 4), 639);
	assert_int_equal(get(INFO + 8, 4), 3 * 1024);
	assert_string_equal((const char *)ram(get(INFO + 16, 4)), "noapic");
	assert_int_equal(get(INFO + 20, 4), 0);
	assert_int_equal(get(INFO + 44, 4), 3 * 24);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t at = get(INFO + 48, 4) + 24 * i;

		assert_int_equal(get(at, 4), 20);
		assert_int_equal(get(at + 4, 8), w.target.map[i].start);
		assert_int_equal(get(at + 12, 8), w.target.map[i].size);
		assert_int_equal(get(at + 20, 4), w.target.map[i].type);
	}
	assert_string_equal((const char *)ram(get(INFO + 64, 4)), "Nestor");
}

static void the_name_of_the_image_comes_first_when_asked_for(void **state)
{
	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	set_text(&w.request.kernel.cmdline, "noapic");
	w.request.cmdline0 = true;
	ok(LOAD_ELF);
	assert_string_equal((const char *)ram(CMDLINE), "kernel noapic");
	set_text(&w.request.kernel.cmdline, "");
	ok(LOAD_ELF);
	assert_string_equal((const char *)ram(CMDLINE), "kernel");
}

static void modules_follow_the_kernel_page_by_page_the_initrd_first(void **state)
{
	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	set_image(&w.request.initrd, "the initrd", "");
	set_image(&w.request.modules[0], "module", "its line");
	set_image(&w.request.modules[1], "", "empty");
	w.request.module_count = 2;
	ok(LOAD_ELF);
	assert_int_equal(get(INFO + 20, 4), 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct load_image *m =
			i == 0 ? &w.request.initrd : &w.request.modules[i - 1];
		uint64_t at = get(INFO + 24, 4) + 16 * i, start = get(at, 4);

		assert_int_equal(start, 0x103000 + 0x1000 * i);
		assert_int_equal(get(at + 4, 4), start + m->size);
		assert_memory_equal(ram(start), m->data, m->size);
		assert_memory_equal(ram(get(at + 8, 4)), m->cmdline.s, m->cmdline.len + 1);
	}
}

static void modules_lie_above_1_mib(void **state)
{
	const struct elf_segment low = {0x20000, 0x20000, 4000, 4000};

	(void)state;
	make_elf(false, low.vaddr, &low, 1);
	set_image(&w.request.initrd, "the initrd", "");
	ok(LOAD_ELF);
	assert_memory_equal(ram(0x100000), "the initrd", 10);
}

static void as_many_modules_as_may_be_do_not_overlap(void **state)
{
	static char line[LIMIT_NAMED_LINE + 1];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	set_image(&w.request.initrd, "the initrd", line);
	for (unsigned i = 0; i < LOAD_MAX_MODULES; i++)
		set_image(&w.request.modules[i], "module", line);
	w.request.module_count = LOAD_MAX_MODULES;
	w.request.cmdline0 = true;
	ok(LOAD_ELF);
	assert_int_equal(get(INFO + 20, 4), LOAD_MAX_MODULES + 1);
	for (unsigned i = 0; i <= LOAD_MAX_MODULES; i++) {
		uint64_t text = get(get(INFO + 24, 4) + 16 * i + 8, 4);

		size_t length = strlen("module ") + LIMIT_NAMED_LINE;

		assert_in_range(text, CMDLINE + 4096, 0x10000 - length - 1);
		assert_int_equal(strlen((const char *)ram(text)), length);
	}
	assert_string_equal((const char *)ram(get(INFO + 64, 4)), "Nestor");
}

/* Cut silently, it would say something else. */
static void a_command_line_that_is_too_long_is_refused(void **state)
{
	static char line[LIMIT_NAMED_LINE + 2];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	set_image(&w.request.modules[0], "module", "");
	set_image(&w.request.modules[1], "module", line);
	w.request.module_count = 2;
	refused(LOAD_ELF, "a module's command line is longer than 2303 bytes");
	set_text(&w.request.modules[1].cmdline, line + 1);
	ok(LOAD_ELF);
	set_text(&w.request.initrd.cmdline, line);
	refused(LOAD_ELF, "the initrd's command line is longer than 2303 bytes");
	set_text(&w.request.initrd.cmdline, "");
	set_text(&w.request.kernel.cmdline, line);
	refused(LOAD_ELF, "the kernel's command line is longer than 2303 bytes");
	make_bzimage(); /* Linux takes no name, and cuts what is longer */
	line[LIMIT_LINE + 1] = 0;
	set_text(&w.request.kernel.cmdline, line);
	refused(LOAD_LINUX, "the kernel's command line is longer than 2047 bytes");
	set_text(&w.request.kernel.cmdline, line + 1);
	ok(LOAD_LINUX);
}

static void modules_that_do_not_fit_are_refused(void **state)
{
	static uint8_t large[RAM_SIZE];
	const char *text = "the modules do not fit into the VM's memory";

	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	w.request.modules[0] = (struct load_image){large, RAM_SIZE - 0x103000, {"", 0}};
	w.request.module_count = 1;
	ok(LOAD_ELF);
	w.request.modules[0].size++;
	refused(LOAD_ELF, text);
	w.request.modules[0].size = SIZE_MAX;
	refused(LOAD_ELF, text);
	w.request.modules[0].size = RAM_SIZE - 0x103000;
	w.request.modules[1] = (struct load_image){large, 1, {"", 0}};
	w.request.module_count = 2;
	refused(LOAD_ELF, text);
}

static void modules_do_not_follow_a_kernel_above_4_gib(void **state)
{
	const struct elf_segment both[] = {kernel32, {HIGH_RAM, HIGH_RAM, 1, 1}};

	(void)state;
	make_elf(true, kernel32.vaddr, both, 2);
	ok(LOAD_ELF);
	set_image(&w.request.initrd, "the initrd", "");
	refused(LOAD_ELF, "the modules do not fit into the VM's memory");
}

/* ---- headers with addresses ---- */

/* Header at 64, loaded to 0x200000 - 16 from offset 48 on; up to which end, and where it ends
 * with zeros. */
static void make_flat_mb1(uint32_t load_end, uint32_t bss_end)
{
	w.size = 0;
	fill(0, 3000);
	put_mb1(64, 1u << 16);
	put(76, 4, 0x200000);
	put(80, 4, 0x200000 - 16);
	put(84, 4, load_end);
	put(88, 4, bss_end);
	put(92, 4, 0x200010);
}

static void the_addresses_of_a_multiboot_1_header_count(void **state)
{
	(void)state;
	make_flat_mb1(0x200100, 0x201001);
	set_image(&w.request.initrd, "the initrd", "");
	ok(LOAD_MULTIBOOT1);
	check_multiboot_entry(0x2badb002, 0x200010);
	assert_true(has(0x200000 - 16, 48, 16));
	assert_true(has(0x200020, 96, 0x100 - 0x20));
	assert_true(all_zero(0x200100, 0x202000));
	assert_memory_equal(ram(0x202000), "the initrd", 10);
}

static void a_load_end_of_zero_means_all_of_the_file(void **state)
{
	(void)state;
	make_flat_mb1(0, 0);
	set_image(&w.request.initrd, "the initrd", "");
	ok(LOAD_MULTIBOOT1);
	assert_true(has(0x200020, 96, 3000 - 96));
	assert_memory_equal(ram(0x201000), "the initrd", 10);
}

static void addresses_that_cannot_be_are_refused(void **state)
{
	const char *contradict = "the Multiboot header's addresses contradict each other";
	const char *outside = "the Multiboot header's load addresses lie outside the file";
	const char *no_room = "the kernel does not fit into the VM's memory";

	(void)state;
	make_flat_mb1(0, 0);
	put(80, 4, 0x200001);
	refused(LOAD_MULTIBOOT1, contradict);
	put(80, 4, 0x200000 - 65);
	refused(LOAD_MULTIBOOT1, contradict);
	make_flat_mb1(0x200000 - 17, 0);
	refused(LOAD_MULTIBOOT1, outside);
	make_flat_mb1(0x200000 - 16 + 3000 - 48 + 1, 0);
	refused(LOAD_MULTIBOOT1, outside);
	make_flat_mb1(0, 0);
	put(76, 4, RAM_SIZE + 16);
	put(80, 4, RAM_SIZE);
	refused(LOAD_MULTIBOOT1, no_room);
	make_flat_mb1(0, 0);
	put(76, 4, UINT32_MAX);
	put(80, 4, UINT32_MAX - 16);
	refused(LOAD_MULTIBOOT1, no_room);
	make_flat_mb1(0, 0);
	w.size = 95;
	refused(LOAD_MULTIBOOT1, "the Multiboot header is cut");
}

static void a_flat_kernel_may_reach_to_the_end_of_memory(void **state)
{
	uint32_t size = 3000 - 48;

	(void)state;
	make_flat_mb1(0, 0);
	put(76, 4, RAM_SIZE - size + 16);
	put(80, 4, RAM_SIZE - size);
	ok(LOAD_MULTIBOOT1);
	assert_true(has(RAM_SIZE - 100, 2900, 100));
	put(76, 4, RAM_SIZE - size + 17);
	put(80, 4, RAM_SIZE - size + 1);
	refused(LOAD_MULTIBOOT1, "the kernel does not fit into the VM's memory");
}

static void zeros_behind_a_flat_kernel_lie_in_memory(void **state)
{
	(void)state;
	make_flat_mb1(0, RAM_SIZE);
	ok(LOAD_MULTIBOOT1);
	make_flat_mb1(0, RAM_SIZE + 1);
	refused(LOAD_MULTIBOOT1, "the kernel does not fit into the VM's memory");
	make_flat_mb1(0, UINT32_MAX);
	refused(LOAD_MULTIBOOT1, "the kernel does not fit into the VM's memory");
}

/* ---- Multiboot 2 ---- */

/* The tag of this type in the information, or 0. */
static uint64_t info_tag(uint32_t type)
{
	uint64_t end = INFO2 + get(INFO2, 4);

	for (uint64_t at = INFO2 + 8; at < end; at += (get(at + 4, 4) + 7) & ~7ull) {
		if (get(at, 4) == type)
			return at;
		assert_in_range(get(at + 4, 4), 8, end - at);
	}
	return 0;
}

static void a_multiboot_2_kernel_finds_its_information(void **state)
{
	(void)state;
	make_elf(true, kernel64.vaddr + 4, &kernel64, 1);
	put_mb2(MB_HEADER, NULL, 0);
	set_text(&w.request.kernel.cmdline, "noapic");
	set_image(&w.request.modules[0], "module", "its line");
	w.request.module_count = 1;
	ok(LOAD_AUTO);
	check_multiboot_entry(0x36d76289, 0x100004);
	assert_true(has(0x100000, ELF_DATA, 4000));
	assert_int_equal(get(info_tag(1) + 4, 4), 8 + 7);
	assert_string_equal((const char *)ram(info_tag(1) + 8), "noapic");
	assert_string_equal((const char *)ram(info_tag(2) + 8), "Nestor");
	assert_int_equal(get(info_tag(3) + 4, 4), 16 + 9);
	assert_int_equal(get(info_tag(3) + 8, 4), 0x103000);
	assert_int_equal(get(info_tag(3) + 12, 4), 0x103006);
	assert_string_equal((const char *)ram(info_tag(3) + 16), "its line");
	assert_memory_equal(ram(0x103000), "module", 6);
	assert_int_equal(get(info_tag(4) + 8, 4), 639);
	assert_int_equal(get(info_tag(4) + 12, 4), 3 * 1024);
	assert_int_equal(get(info_tag(15) + 4, 4), 8 + 36);
	assert_memory_equal(ram(info_tag(15) + 8), RSDP_TEXT, 36);
	assert_int_equal(get(INFO2 + get(INFO2, 4) - 8, 8), 0x800000000);
}

static void multiboot_2_tells_the_memory_map(void **state)
{
	uint64_t map;

	(void)state;
	make_elf(true, kernel64.vaddr, &kernel64, 1);
	put_mb2(MB_HEADER, NULL, 0);
	ok(LOAD_MULTIBOOT2);
	map = info_tag(6);
	assert_int_equal(get(map + 4, 4), 16 + 3 * 24);
	assert_int_equal(get(map + 8, 8), 24);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(get(map + 16 + 24 * i, 8), w.target.map[i].start);
		assert_int_equal(get(map + 24 + 24 * i, 8), w.target.map[i].size);
		assert_int_equal(get(map + 32 + 24 * i, 8), w.target.map[i].type);
	}
}

/* Who takes the first word of its own line for a name does so with its modules', too. */
static void names_come_before_the_texts_of_modules_in_both_protocols(void **state)
{
	static const char *const want[] = {"initrd", "module its line", "module"};

	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	set_image(&w.request.initrd, "the initrd", "");
	set_image(&w.request.modules[0], "module", "its line");
	set_image(&w.request.modules[1], "other", "");
	w.request.module_count = 2;
	w.request.cmdline0 = true;
	ok(LOAD_ELF);
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(
			(const char *)ram(get(get(INFO + 24, 4) + 16 * i + 8, 4)), want[i]);
	put_mb2(MB_HEADER, NULL, 0);
	ok(LOAD_MULTIBOOT2);
	assert_string_equal((const char *)ram(info_tag(1) + 8), "kernel");
	for (uint64_t at = info_tag(3), i = 0; i < 3; i++) {
		assert_int_equal(get(at, 4), 3);
		assert_int_equal(get(at + 4, 4), 16 + strlen(want[i]) + 1);
		assert_string_equal((const char *)ram(at + 16), want[i]);
		at += (get(at + 4, 4) + 7) & ~7ull;
	}
}

static void all_that_multiboot_2_can_tell_fits_and_no_line_is_cut(void **state)
{
	static char line[LIMIT_NAMED_LINE + 1];
	unsigned modules = 0;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	put_mb2(MB_HEADER, NULL, 0);
	set_text(&w.request.kernel.cmdline, line);
	set_image(&w.request.initrd, "the initrd", line);
	for (unsigned i = 0; i < LOAD_MAX_MODULES; i++)
		set_image(&w.request.modules[i], "module", line);
	w.request.module_count = LOAD_MAX_MODULES;
	w.target.map_count = LOAD_MAX_RANGES;
	w.request.cmdline0 = true;
	ok(LOAD_MULTIBOOT2);
	assert_in_range(INFO2 + get(INFO2, 4), INFO2, 0x10000);
	for (uint64_t at = INFO2 + 8; get(at, 4) != 0; at += (get(at + 4, 4) + 7) & ~7ull)
		modules += get(at, 4) == 3 && strlen((const char *)ram(at + 16)) ==
						      strlen("module ") + LIMIT_NAMED_LINE;
	assert_int_equal(modules, LOAD_MAX_MODULES + 1);
	assert_memory_equal(ram(info_tag(15) + 8), RSDP_TEXT, 36);
	assert_int_equal(
		strlen((const char *)ram(CMDLINE)), strlen("kernel ") + LIMIT_NAMED_LINE);
}

static void a_multiboot_2_header_may_name_its_entry(void **state)
{
	const uint32_t tags[] = {3, 12, 0x100234, 0};

	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	put_mb2(MB_HEADER, tags, 4);
	ok(LOAD_MULTIBOOT2);
	assert_int_equal(w.entry.rip, 0x100234);
}

static void the_addresses_of_a_multiboot_2_header_count(void **state)
{
	const uint32_t tags[] = {
		2, 24, 0x200000, 0x200000, 0x200800, 0x203000, 3, 12, 0x200080, 0};

	(void)state;
	w.size = 0;
	fill(0, 4096);
	put_mb2(64, tags, 10);
	set_image(&w.request.initrd, "the initrd", "");
	ok(LOAD_MULTIBOOT2);
	check_multiboot_entry(0x36d76289, 0x200080);
	assert_true(has(0x200080, 192, 0x800 - 0x80));
	assert_true(all_zero(0x200800, 0x203000));
	assert_memory_equal(ram(0x203000), "the initrd", 10);
}

static void tags_of_a_multiboot_2_header_lie_in_the_first_32_kib(void **state)
{
	const uint64_t any = 0x800000005, end = 0x800000000;

	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	put_mb2(MB_HEADER, NULL, 0);
	for (size_t at = MB_HEADER + 16; at < 32768; at += 8)
		put(at, 8, any);
	put(32768, 8, end);
	ok(LOAD_MULTIBOOT2);
	put(32768, 8, any);
	put(32776, 8, end);
	refused(LOAD_MULTIBOOT2, "the Multiboot 2 header is malformed");
}

static void multiboot_2_headers_that_cannot_be_are_refused(void **state)
{
	const uint32_t short_tag[] = {4, 7}, no_entry[] = {2, 24, 0x200000, 0x200000, 0, 0};

	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	put_mb2(MB_HEADER, short_tag, 2);
	refused(LOAD_MULTIBOOT2, "the Multiboot 2 header is malformed");
	put_mb2(MB_HEADER, no_entry, 6);
	refused(LOAD_MULTIBOOT2, "the Multiboot 2 header has addresses but no entry point");
	put_mb2(MB_HEADER, NULL, 0);
	put(MB_HEADER + 4, 4, 4); /* MIPS */
	put(MB_HEADER + 12, 4, (uint32_t)(0 - 0xe85250d6u - 4 - 24));
	refused(LOAD_MULTIBOOT2, "no Multiboot 2 header");
	w.size = 0;
	fill(0, 4096);
	put_mb2(64, NULL, 0);
	refused(LOAD_MULTIBOOT2, "a Multiboot kernel that is no ELF file");
	put_mb1(64, 0);
	refused(LOAD_MULTIBOOT1, "a Multiboot kernel that is no ELF file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_image_that_wants_low_memory_has_it),
		TEST(linux_finds_the_same_in_real_mode),
		TEST(an_elf_file_is_entered_as_multiboot_1_does),
		TEST(an_entry_in_no_segment_is_a_physical_address),
		TEST(a_multiboot_1_kernel_finds_its_information),
		TEST(the_name_of_the_image_comes_first_when_asked_for),
		TEST(names_come_before_the_texts_of_modules_in_both_protocols),
		TEST(modules_follow_the_kernel_page_by_page_the_initrd_first),
		TEST(modules_lie_above_1_mib),
		TEST(as_many_modules_as_may_be_do_not_overlap),
		TEST(modules_do_not_follow_a_kernel_above_4_gib),
		TEST(a_command_line_that_is_too_long_is_refused),
		TEST(modules_that_do_not_fit_are_refused),
		TEST(the_addresses_of_a_multiboot_1_header_count),
		TEST(a_load_end_of_zero_means_all_of_the_file),
		TEST(addresses_that_cannot_be_are_refused),
		TEST(a_flat_kernel_may_reach_to_the_end_of_memory),
		TEST(zeros_behind_a_flat_kernel_lie_in_memory),
		TEST(a_multiboot_2_kernel_finds_its_information),
		TEST(multiboot_2_tells_the_memory_map),
		TEST(all_that_multiboot_2_can_tell_fits_and_no_line_is_cut),
		TEST(a_multiboot_2_header_may_name_its_entry),
		TEST(the_addresses_of_a_multiboot_2_header_count),
		TEST(tags_of_a_multiboot_2_header_lie_in_the_first_32_kib),
		TEST(multiboot_2_headers_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
