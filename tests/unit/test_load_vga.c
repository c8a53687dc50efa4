/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel that was started without firmware is told of a VGA in text mode, by each
 * protocol and in the BIOS data area; and that it is told of none without one.
 */
#include "load_world.h"

#define TEXT 0xb8000u

static void screen_of_a_bios(void)
{
	assert_int_equal(get(0x410, 2), 0x222); /* 80 columns in colour, UART, FPU */
	assert_int_equal(get(0x449, 1), 3);
	assert_int_equal(get(0x44a, 2), 80);
	assert_int_equal(get(0x44c, 2), 4096);
	assert_int_equal(get(0x44e, 8), 0);
	assert_int_equal(get(0x460, 2), 0x0d0e);
	assert_int_equal(get(0x463, 2), 0x3d4);
	assert_int_equal(get(0x484, 1), 24);
	assert_int_equal(get(0x485, 2), 16);
	for (uint32_t at = TEXT; at < TEXT + 0x8000; at += 2)
		assert_int_equal(get(at, 2), 0x0720);
	assert_true(all_zero(TEXT - 0x18000, TEXT) && all_zero(TEXT + 0x8000, 0xe0000));
}

static void linux_is_told_of_its_screen(void **state)
{
	(void)state;
	w.target.vga = true;
	make_bzimage();
	ok(LOAD_LINUX);
	assert_int_equal(get(INFO, 6), 0); /* cursor and page */
	assert_int_equal(get(INFO + 6, 1), 3);
	assert_int_equal(get(INFO + 7, 1), 80);
	assert_int_equal(get(INFO + 0x0a, 2), 3);
	assert_int_equal(get(INFO + 0x0e, 1), 25);
	assert_int_equal(get(INFO + 0x0f, 1), 1);
	assert_int_equal(get(INFO + 0x10, 2), 16);
	assert_true(all_zero(INFO + 0x12, INFO + 0x70));
	screen_of_a_bios();
}

static void without_one_linux_is_told_of_none(void **state)
{
	(void)state;
	make_bzimage();
	ok(LOAD_LINUX);
	assert_true(all_zero(INFO, INFO + 0x70));
	assert_int_equal(get(0x410, 2), 0x202);
	assert_true(all_zero(0x449, 0x467) && all_zero(0x484, 0x48a));
	assert_true(all_zero(0xa0000, 0xc0000));
}

/* Both protocols have the same fields, one behind the other. */
static void is_text_screen(uint64_t at)
{
	assert_int_equal(get(at, 8), TEXT);
	assert_int_equal(get(at + 8, 4), 160);
	assert_int_equal(get(at + 12, 4), 80);
	assert_int_equal(get(at + 16, 4), 25);
	assert_int_equal(get(at + 20, 1), 16);
	assert_int_equal(get(at + 21, 1), 2);
}

static void load_mb1(uint32_t flags, bool vga)
{
	w.target.vga = vga;
	make_elf(false, kernel32.vaddr, &kernel32, 1);
	put_mb1(MB_HEADER, flags);
	memset(w.target.ram[0].host + INFO, 0, 0x1000);
	ok(LOAD_MULTIBOOT1);
}

static void multiboot_1_tells_who_asks_for_a_screen(void **state)
{
	(void)state;
	load_mb1(4, true);
	assert_int_equal(get(INFO, 4), 0x124d);
	is_text_screen(INFO + 88);
	screen_of_a_bios();
	load_mb1(0, true);
	assert_int_equal(get(INFO, 4), 0x24d);
	assert_true(all_zero(INFO + 88, INFO + 112));
	load_mb1(4, false);
	assert_int_equal(get(INFO, 4), 0x24d);
	assert_true(all_zero(INFO + 88, INFO + 112));
}

/* The tag of this type in the information, or 0. */
static uint64_t info_tag(uint32_t type)
{
	uint64_t end = INFO2 + get(INFO2, 4);

	for (uint64_t at = INFO2 + 8; at < end; at += (get(at + 4, 4) + 7) & ~7ull)
		if (get(at, 4) == type)
			return at;
	return 0;
}

static void load_mb2(const uint32_t *tags, unsigned words, bool vga)
{
	w.target.vga = vga;
	make_elf(true, kernel64.vaddr, &kernel64, 1);
	put_mb2(MB_HEADER, tags, words);
	ok(LOAD_MULTIBOOT2);
	assert_int_not_equal(info_tag(15), 0);
	assert_int_equal(get(INFO2 + get(INFO2, 4) - 8, 8), 0x800000000);
}

static void multiboot_2_tells_who_asks_for_a_screen(void **state)
{
	static const uint32_t console[] = {4, 12, 3, 0};
	static const uint32_t screen[] = {5, 20, 1024, 768, 32, 0};

	(void)state;
	load_mb2(console, 4, true);
	assert_int_equal(get(info_tag(8) + 4, 4), 32);
	is_text_screen(info_tag(8) + 8);
	screen_of_a_bios();
	load_mb2(screen, 6, true);
	is_text_screen(info_tag(8) + 8);
	load_mb2(screen, 0, true);
	assert_int_equal(info_tag(8), 0);
	load_mb2(screen, 6, false);
	assert_int_equal(info_tag(8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(linux_is_told_of_its_screen),
		TEST(without_one_linux_is_told_of_none),
		TEST(multiboot_1_tells_who_asks_for_a_screen),
		TEST(multiboot_2_tells_who_asks_for_a_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
