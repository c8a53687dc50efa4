/* SPDX-License-Identifier: Apache-2.0 */
/* Names for addresses in guest images. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "symbols.h"

#include <cmocka.h> /* last: it has a macro named fail */

static uint8_t memory[4096];
static struct bytes image = {memory, sizeof(memory)};

static const char names[] = "\0start\0main\0late";

/* start is assembly without a size at 0x1000, main is 0x1100 to 0x1120, late is not in the
 * image. */
static void make_elf32(void **state)
{
	Elf32_Ehdr h = {.e_shoff = 512, .e_shentsize = sizeof(Elf32_Shdr), .e_shnum = 3};
	Elf32_Shdr s[3] = {{0},
		{.sh_type = SHT_SYMTAB,
			.sh_offset = 1024,
			.sh_size = 4 * sizeof(Elf32_Sym),
			.sh_link = 2},
		{.sh_type = SHT_STRTAB, .sh_offset = 2048, .sh_size = sizeof(names)}};
	Elf32_Sym t[4] = {{0},
		{.st_name = 1, .st_value = 0x1000, .st_shndx = 1, .st_info = STT_NOTYPE},
		{.st_name = 7,
			.st_value = 0x1100,
			.st_size = 0x20,
			.st_shndx = 1,
			.st_info = STT_FUNC},
		{.st_name = 12, .st_value = 0x1104, .st_shndx = SHN_UNDEF}};

	(void)state;
	memset(memory, 0, sizeof(memory));
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS32;
	memcpy(memory, &h, sizeof(h));
	memcpy(memory + 512, s, sizeof(s));
	memcpy(memory + 1024, t, sizeof(t));
	memcpy(memory + 2048, names, sizeof(names));
}

static void make_elf64(void **state)
{
	Elf64_Ehdr h = {.e_shoff = 512, .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 3};
	Elf64_Shdr s[3] = {{0},
		{.sh_type = SHT_SYMTAB,
			.sh_offset = 1024,
			.sh_size = 2 * sizeof(Elf64_Sym),
			.sh_link = 2},
		{.sh_type = SHT_STRTAB, .sh_offset = 2048, .sh_size = sizeof(names)}};
	Elf64_Sym t[2] = {{0}, {.st_name = 7,
				       .st_value = 0xffffffff81000000,
				       .st_size = 0x20,
				       .st_shndx = 1,
				       .st_info = STT_FUNC}};

	make_elf32(state);
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	memcpy(memory, &h, sizeof(h));
	memcpy(memory + 512, s, sizeof(s));
	memcpy(memory + 1024, t, sizeof(t));
}

static void the_nearest_symbol_below_an_address_names_it(void **state)
{
	uint64_t offset = 99;

	make_elf32(state);
	assert_string_equal(symbols_find(&image, 0x1000, &offset), "start");
	assert_int_equal(offset, 0);
	assert_string_equal(symbols_find(&image, 0x111f, &offset), "main");
	assert_int_equal(offset, 0x1f);
	assert_string_equal(symbols_find(&image, 0x1120, &offset), "start");
	assert_null(symbols_find(&image, 0xfff, &offset));
	make_elf64(state);
	assert_string_equal(symbols_find(&image, 0xffffffff81000004, &offset), "main");
	assert_null(symbols_find(&image, 0xffffffff81000020, &offset));
}

static void marked_addresses_in_a_text_get_their_symbols(void **state)
{
	char out[100];

	make_elf32(state);
	symbols_explain(&image, "rip @1104; to a@b, @ and @0 x4", out, sizeof(out));
	assert_string_equal(out, "rip 0x1104 <main+0x4>; to a0xb, @ and 0x0 x4");
	symbols_explain(NULL, "rip @1104", out, sizeof(out));
	assert_string_equal(out, "rip 0x1104");
}

static void a_text_that_does_not_fit_is_cut(void **state)
{
	char out[20];

	make_elf32(state);
	for (size_t size = 1; size < sizeof(out); size++) {
		memset(out, '#', sizeof(out));
		symbols_explain(&image, "ab @1104 @1104", out, size);
		assert_true(strlen(out) < size);
		assert_int_equal(out[size], '#');
	}
}

/* Every byte of the headers, changed in some ways: nothing outside the file is read. */
static void damaged_files_have_no_symbols_or_wrong_ones(void **state)
{
	uint64_t offset;

	for (size_t at = 0; at < 2048; at++) {
		for (unsigned value = 1; value < 256; value <<= 1) {
			make_elf32(state);
			memory[at] ^= (uint8_t)value;
			symbols_find(&image, 0x1104, &offset);
		}
		make_elf32(state);
		symbols_find(&(struct bytes){memory, at}, 0x1104, &offset);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_symbol_below_an_address_names_it),
		cmocka_unit_test(marked_addresses_in_a_text_get_their_symbols),
		cmocka_unit_test(a_text_that_does_not_fit_is_cut),
		cmocka_unit_test(damaged_files_have_no_symbols_or_wrong_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
