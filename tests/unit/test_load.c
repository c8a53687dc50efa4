/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loaders: which format is taken, and Linux: what lies in RAM afterwards, the state in
 * which the VM starts, and what is said of images that cannot be.
 */
#include "load_world.h"

/* ---- entry states ---- */

static void check_linux_entry(uint64_t rip)
{
	assert_int_equal(w.entry.mode, ENTRY_MODE_LONG);
	assert_int_equal(w.entry.rip, rip);
	assert_int_equal(w.entry.rsi, INFO);
	assert_int_equal(w.entry.rax | w.entry.rbx, 0);
	check_gdt(0x10, 0x00af9b000000ffff);
}

static void the_page_tables_of_the_64_bit_entry_map_4_gib_onto_itself(void **state)
{
	(void)state;
	make_bzimage();
	ok(LOAD_LINUX);
	for (uint64_t va = 0; va < HIGH_RAM; va += 0x200000) {
		uint64_t pml4e = get(w.entry.cr3 + 8 * (va >> 39), 8);
		uint64_t pdpte = get((pml4e & ~0xfffull) + 8 * (va >> 30 & 511), 8);

		assert_int_equal(pml4e & 0xfff, 3);
		assert_int_equal(pdpte & 0xfff, 3);
		assert_int_equal(get((pdpte & ~0xfffull) + 8 * (va >> 21 & 511), 8), va | 0x83);
	}
}

/* ---- Linux ---- */

static void check_boot_params(const char *cmdline)
{
	assert_int_equal(get(INFO + 0x70, 8), RSDP);
	assert_int_equal(get(INFO + 0x210, 1), 0xff);
	assert_int_equal(get(INFO + 0x228, 4), CMDLINE);
	assert_string_equal((const char *)ram(CMDLINE), cmdline);
	assert_int_equal(get(INFO + 0x1e8, 1), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(get(INFO + 0x2d0 + 20 * i, 8), w.target.map[i].start);
		assert_int_equal(get(INFO + 0x2d8 + 20 * i, 8), w.target.map[i].size);
		assert_int_equal(get(INFO + 0x2e0 + 20 * i, 4), w.target.map[i].type);
	}
}

static void a_bzimage_is_put_where_it_wants_to_be_and_entered_in_long_mode(void **state)
{
	(void)state;
	make_bzimage();
	set_text(&w.request.kernel.cmdline, "console=ttyS0");
	ok(LOAD_AUTO);
	check_linux_entry(BZ_ADDRESS + 0x200);
	assert_true(has(BZ_ADDRESS, BZ_SETUP, BZ_PAYLOAD));
	assert_true(all_zero(BZ_ADDRESS + BZ_PAYLOAD, RAM_SIZE));
	check_boot_params("console=ttyS0");
	assert_int_equal(get(INFO + 0x218, 8), 0);
}

static void of_a_bzimages_first_sectors_the_setup_header_is_kept_only(void **state)
{
	(void)state;
	make_bzimage();
	ok(LOAD_LINUX);
	assert_true(all_zero(INFO, INFO + 0x70));
	assert_int_equal(get(INFO + 0x1f0, 1), 0);
	assert_int_equal(get(INFO + 0x206, 2), 0x20f);
	assert_true(has(INFO + BZ_HEAD_END - 4, BZ_HEAD_END - 4, 4));
	assert_true(all_zero(INFO + BZ_HEAD_END, INFO + 0x2d0));
}

static void setup_sectors_of_zero_mean_four(void **state)
{
	(void)state;
	make_bzimage();
	fill(BZ_SETUP, 3000);
	put(0x1f1, 1, 0);
	ok(LOAD_LINUX);
	assert_true(has(BZ_ADDRESS, 2560, BZ_SETUP + 3000 - 2560));
}

static void an_initrd_lies_at_the_end_of_memory(void **state)
{
	(void)state;
	make_bzimage();
	set_image(&w.request.initrd, "initrd", "");
	ok(LOAD_LINUX);
	assert_int_equal(get(INFO + 0x218, 4), RAM_SIZE - 4096);
	assert_int_equal(get(INFO + 0x21c, 4), 6);
	assert_memory_equal(ram(RAM_SIZE - 4096), "initrd", 6);
}

static void an_initrd_lies_below_2_gib(void **state)
{
	uint64_t size = 0x7ffff000ull + 0x2000;

	(void)state;
	free(w.target.ram[0].host);
	w.target.ram[0] = (struct load_ram){0, size, calloc(1, size)};
	assert_non_null(w.target.ram[0].host);
	make_bzimage();
	set_image(&w.request.initrd, "initrd", "");
	ok(LOAD_LINUX);
	assert_int_equal(get(INFO + 0x218, 4), 0x7ffff000);
	assert_memory_equal(ram(0x7ffff000), "initrd", 6);
}

static void vmlinux_is_entered_at_the_physical_address_of_its_entry(void **state)
{
	(void)state;
	make_elf(true, kernel64.vaddr + 0x40, &kernel64, 1);
	set_text(&w.request.kernel.cmdline, "quiet");
	ok(LOAD_LINUX);
	check_linux_entry(0x100040);
	assert_true(has(0x100000, ELF_DATA, 4000));
	assert_true(all_zero(0x100000 + 4000, RAM_SIZE));
	check_boot_params("quiet");
	assert_int_equal(get(INFO + 0x1fe, 2), 0xaa55);
	assert_int_equal(get(INFO + 0x202, 4), 0x53726448);
	assert_int_equal(get(INFO + 0x206, 2), 0x20f);
	assert_int_equal(get(INFO + 0x211, 1), 1);
	assert_int_equal(get(INFO + 0x22c, 4), 0x7fffffff);
	assert_int_equal(get(INFO + 0x236, 2), 1);
	assert_int_equal(get(INFO + 0x238, 4), 4095);
}

/* The 32-bit boot protocol: paging off, code at 0x10, data at 0x18, RSI = boot_params, EBP,
 * EDI, EBX zero. */
static void check_linux_entry32(uint64_t rip)
{
	assert_int_equal(w.entry.mode, ENTRY_MODE_PROTECTED);
	assert_int_equal(w.entry.rip, rip);
	assert_int_equal(w.entry.rsi, INFO);
	assert_int_equal(w.entry.rax | w.entry.rbx | w.entry.cr3, 0);
	check_gdt(0x10, 0x00cf9b000000ffff);
	assert_true(all_zero(0x10000, 0x16000));
}

static void a_32_bit_vmlinux_is_entered_in_protected_mode(void **state)
{
	(void)state;
	make_elf(false, kernel32.vaddr + 0x40, &kernel32, 1);
	set_text(&w.request.kernel.cmdline, "quiet");
	ok(LOAD_LINUX);
	check_linux_entry32(kernel32.paddr + 0x40);
	assert_true(has(kernel32.paddr, ELF_DATA, 4000));
	check_boot_params("quiet");
	assert_int_equal(get(INFO + 0x22c, 4), 0x37ffffff);
	assert_int_equal(get(INFO + 0x236, 2), 0);
}

static void a_bzimage_without_64_bit_entry_is_entered_at_its_start(void **state)
{
	(void)state;
	make_bzimage();
	put(0x236, 2, 2); /* XLF_CAN_BE_LOADED_ABOVE_4G alone */
	set_text(&w.request.kernel.cmdline, "console=ttyS0");
	ok(LOAD_AUTO);
	check_linux_entry32(BZ_ADDRESS);
	assert_true(has(BZ_ADDRESS, BZ_SETUP, BZ_PAYLOAD));
	check_boot_params("console=ttyS0");
	make_bzimage();
	put(0x206, 2, 0x20b); /* before 2.12 the flag means nothing */
	ok(LOAD_LINUX);
	check_linux_entry32(BZ_ADDRESS);
}

static void an_initrd_lies_where_a_32_bit_kernel_reaches_it(void **state)
{
	uint64_t size = 0x50000000ull;

	(void)state;
	free(w.target.ram[0].host);
	w.target.ram[0] = (struct load_ram){0, size, calloc(1, size)};
	assert_non_null(w.target.ram[0].host);
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	set_image(&w.request.initrd, "initrd", "");
	ok(LOAD_LINUX);
	assert_int_equal(get(INFO + 0x218, 4), 0x37fff000);
	assert_memory_equal(ram(get(INFO + 0x218, 4)), "initrd", 6);
}

static void a_command_line_as_long_as_may_be_is_not_cut(void **state)
{
	static char line[LIMIT_LINE + 1];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	make_bzimage();
	set_text(&w.request.kernel.cmdline, line);
	ok(LOAD_LINUX);
	assert_int_equal(strlen((const char *)ram(CMDLINE)), LIMIT_LINE);
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	w.request.cmdline0 = true;
	ok(LOAD_ELF);
	assert_int_equal(strlen((const char *)ram(CMDLINE)), strlen("kernel ") + LIMIT_LINE);
}

static void linux_kernels_that_cannot_be_started_are_refused(void **state)
{
	const char *too_small = "the VM's memory is too small for the kernel";

	(void)state;
	make_bzimage();
	put(0x236, 2, 2);
	put(0x258, 8, 1ull << 32);
	refused(LOAD_AUTO, "a 32-bit bzImage that wants to be above 4 GiB");
	make_bzimage();
	w.size = 0x263; /* a byte of init_size is missing */
	refused(LOAD_AUTO, "the bzImage is cut");
	make_bzimage();
	w.size = BZ_SETUP;
	refused(LOAD_AUTO, "the bzImage is cut");
	make_bzimage();
	put(0x260, 4, BZ_PAYLOAD - 1);
	refused(LOAD_AUTO, too_small);
	make_bzimage();
	put(0x260, 4, RAM_SIZE - BZ_ADDRESS + 1);
	refused(LOAD_AUTO, too_small);
	make_bzimage();
	put(0x258, 8, UINT64_MAX);
	refused(LOAD_AUTO, too_small);
	make_elf(true, 1ull << 63, &kernel64, 1);
	refused(LOAD_LINUX, "the entry point lies outside the VM's memory");
}

static void an_initrd_that_does_not_fit_is_refused(void **state)
{
	static uint8_t large[RAM_SIZE];

	(void)state;
	make_bzimage();
	put(0x260, 4, 0x200000);
	w.request.initrd = (struct load_image){large, 0x100000, {"", 0}};
	ok(LOAD_LINUX);
	w.request.initrd.size++; /* one page into the kernel's */
	refused(LOAD_LINUX, "the VM's memory is too small for kernel and initrd");
	w.request.initrd.size = RAM_SIZE + 1;
	refused(LOAD_LINUX, "the initrd is larger than the VM's memory");
	w.request.initrd.size = SIZE_MAX;
	refused(LOAD_LINUX, "the initrd is larger than the VM's memory");
}

/* ---- which format ---- */

static void what_a_kernel_looks_like_decides_in_order(void **state)
{
	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	refused(LOAD_AUTO, "the kernel is none of bzImage, Multiboot 1, Multiboot 2");
	put_mb1(MB_HEADER, 0);
	ok(LOAD_AUTO);
	assert_int_equal(w.entry.rax, 0x2badb002);
	put_mb2(MB_HEADER + 128, NULL, 0);
	ok(LOAD_AUTO);
	assert_int_equal(w.entry.rax, 0x36d76289);
	make_bzimage();
	put_mb1(BZ_SETUP, 0);
	put_mb2(BZ_SETUP + 128, NULL, 0);
	ok(LOAD_AUTO);
	assert_int_equal(w.entry.mode, ENTRY_MODE_LONG);
}

static void a_kernel_of_another_format_than_asked_for_is_refused(void **state)
{
	(void)state;
	w.size = 0;
	fill(0, 4096);
	refused(LOAD_AUTO, "the kernel is none of bzImage, Multiboot 1, Multiboot 2");
	refused(LOAD_LINUX, "not a Linux kernel");
	refused(LOAD_ELF, "not an ELF file");
	refused(LOAD_MULTIBOOT1, "no Multiboot header");
	refused(LOAD_MULTIBOOT2, "no Multiboot 2 header");
	w.size = 0;
	refused(LOAD_AUTO, "the kernel is none of bzImage, Multiboot 1, Multiboot 2");
}

static void headers_count_only_where_they_may_be_with_their_sum_right(void **state)
{
	(void)state;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	put_mb1(8192, 0);
	put_mb2(32768, NULL, 0);
	refused(LOAD_MULTIBOOT1, "no Multiboot header");
	refused(LOAD_MULTIBOOT2, "no Multiboot 2 header");
	put_mb1(8188, 0);
	put_mb2(32760, NULL, 0);
	ok(LOAD_MULTIBOOT1);
	ok(LOAD_MULTIBOOT2);
	put(8188 + 8, 4, 0);
	put(32760 + 12, 4, 0);
	refused(LOAD_MULTIBOOT1, "no Multiboot header");
	refused(LOAD_MULTIBOOT2, "no Multiboot 2 header");
}

static void a_vm_without_low_memory_is_refused(void **state)
{
	(void)state;
	make_bzimage();
	w.target.ram[0].size = 0xfffff;
	refused(LOAD_LINUX, "the VM has no low memory");
	w.target.ram[0].size = RAM_SIZE;
	w.target.ram[0].start = 0x1000;
	refused(LOAD_LINUX, "the VM has no low memory");
	w.target.ram_count = 0;
	refused(LOAD_LINUX, "the VM has no low memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_page_tables_of_the_64_bit_entry_map_4_gib_onto_itself),
		TEST(a_bzimage_is_put_where_it_wants_to_be_and_entered_in_long_mode),
		TEST(of_a_bzimages_first_sectors_the_setup_header_is_kept_only),
		TEST(setup_sectors_of_zero_mean_four),
		TEST(an_initrd_lies_at_the_end_of_memory),
		TEST(an_initrd_lies_below_2_gib),
		TEST(vmlinux_is_entered_at_the_physical_address_of_its_entry),
		TEST(a_command_line_as_long_as_may_be_is_not_cut),
		TEST(a_32_bit_vmlinux_is_entered_in_protected_mode),
		TEST(a_bzimage_without_64_bit_entry_is_entered_at_its_start),
		TEST(an_initrd_lies_where_a_32_bit_kernel_reaches_it),
		TEST(linux_kernels_that_cannot_be_started_are_refused),
		TEST(an_initrd_that_does_not_fit_is_refused),
		TEST(what_a_kernel_looks_like_decides_in_order),
		TEST(a_kernel_of_another_format_than_asked_for_is_refused),
		TEST(headers_count_only_where_they_may_be_with_their_sum_right),
		TEST(a_vm_without_low_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
