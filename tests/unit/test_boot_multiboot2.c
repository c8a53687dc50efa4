/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 reads from its loader: the Multiboot2 block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/multiboot2.h"
#include "mm/layout.h"
#include "random.h"

struct block {
	uint8_t bytes[1024];
	uint32_t size;
};

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void begin(struct block *b)
{
	memset(b, 0, sizeof(*b));
	b->size = 8;
}

static void tag(struct block *b, uint32_t type, const void *body, uint32_t size)
{
	put32(b->bytes + b->size, type);
	put32(b->bytes + b->size + 4, size + 8);
	if (size)
		memcpy(b->bytes + b->size + 8, body, size);
	b->size += (size + 8 + 7) & ~7u;
	put32(b->bytes, b->size);
}

static void module(struct block *b, uint32_t start, uint32_t end, const char *cmdline)
{
	uint8_t body[128];

	put32(body, start);
	put32(body + 4, end);
	strcpy((char *)body + 8, cmdline);
	tag(b, 3, body, 8 + (uint32_t)strlen(cmdline) + 1);
}

static void mmap_tag(struct block *b, uint32_t step)
{
	uint32_t body[2 + 12] = {step, 0, 0, 0, 0x9f000, 0, 1, 0, 0x100000, 0, 0x1000, 0, 2, 0};

	tag(b, 6, body, sizeof(body));
}

static void range(uint32_t *body, unsigned i, uint64_t start, uint64_t size, uint32_t type)
{
	uint32_t *at = body + 2 + 6 * (size_t)i;

	memcpy(at, &start, sizeof(start));
	memcpy(at + 2, &size, sizeof(size));
	at[4] = type;
	at[5] = 0;
}

/* 2: reserved, 4: ACPI's own; 3 is given back when ACPI's tables were read, 5 is broken. */
static void what_is_firmwares_own_is_known(void **state)
{
	static struct boot_info info;
	static struct block b;
	uint32_t body[2 + 6 * 7] = {24, 0};

	(void)state;
	range(body, 0, 0, 0x9f000, 1);
	range(body, 1, 0x9f000, 0x1000, 2);
	range(body, 2, 0xa0000, 0x60000, 4);
	range(body, 3, 0x100000, 0x1000, 3);
	range(body, 4, 0x101000, 0x1000, 5);
	range(body, 5, 0xbf000000, 0x100000, 2);
	range(body, 6, UINT64_MAX - 0xfff, 0x2000, 2); /* beyond all memory */
	begin(&b);
	tag(&b, 6, body, sizeof(body));
	assert_true(mb2_parse(b.bytes, b.size, &info));
	assert_int_equal(info.ram_count, 1);
	assert_int_equal(info.reserved_count, 2);
	assert_int_equal(info.reserved[0].start, 0x9f000);
	assert_int_equal(info.reserved[0].size, 0x61000);
	assert_int_equal(info.reserved[1].start, 0xbf000000);
	assert_int_equal(info.reserved[1].size, 0x100000);
}

static void of_more_reserved_memory_than_there_is_room_for_the_first_is_known(void **state)
{
	static struct boot_info info;
	static uint32_t body[2 + 6 * (BOOT_MAX_RESERVED + 2)] = {24, 0};
	static uint8_t bytes[sizeof(body) + 64];

	(void)state;
	for (unsigned i = 0; i < BOOT_MAX_RESERVED + 2; i++)
		range(body, i, (uint64_t)i * 0x10000, 0x1000, 2);
	put32(bytes, 8 + 8 + sizeof(body));
	put32(bytes + 8, 6);
	put32(bytes + 12, 8 + sizeof(body));
	memcpy(bytes + 16, body, sizeof(body));
	assert_true(mb2_parse(bytes, sizeof(bytes), &info));
	assert_int_equal(info.reserved_count, BOOT_MAX_RESERVED);
	assert_int_equal(
		info.reserved[BOOT_MAX_RESERVED - 1].start, (BOOT_MAX_RESERVED - 1) * 0x10000);
}

static void a_block_gives_command_line_memory_and_modules(void **state)
{
	static struct boot_info info;
	struct block b;

	(void)state;
	begin(&b);
	tag(&b, 1, "log=debug", 10);
	mmap_tag(&b, 24);
	module(&b, 0x1000, 0x3000, "kernel vm=a");
	tag(&b, 0, NULL, 0);
	assert_true(mb2_parse(b.bytes, sizeof(b.bytes), &info));
	assert_false(info.truncated);
	assert_true(text_is(info.cmdline, "log=debug"));
	assert_int_equal(info.ram_count, 1);
	assert_int_equal(info.ram[0].size, 0x9f000);
	assert_int_equal(info.module_count, 1);
	assert_int_equal(info.modules[0].range.size, 0x2000);
	assert_true(text_is(info.modules[0].cmdline, "kernel vm=a"));
}

/* Each prefix lies at the end of its own allocation, so that a read beyond it is found. */
static void no_byte_behind_the_block_is_read(void **state)
{
	static struct boot_info info;
	struct block b;

	(void)state;
	begin(&b);
	tag(&b, 1, "x", 2);
	mmap_tag(&b, 24);
	module(&b, 0x1000, 0x3000, "kernel vm=a");
	tag(&b, 15, "RSD PTR xxxxxxxxxxxx", 20);
	for (uint32_t n = 0; n <= b.size; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		memcpy(copy, b.bytes, n);
		if (n >= 4)
			put32(copy, n);
		(void)mb2_parse(copy, n, &info);
		free(copy);
	}
}

/* A block of nothing but a map, whose entries begin at byte 24, and the end. */
static void frame_map(uint8_t *bytes, uint32_t size)
{
	put32(bytes, size);
	put32(bytes + 8, 6);
	put32(bytes + 12, size - 16);
	put32(bytes + 16, 24);
	put32(bytes + size - 4, 8);
}

#define PIECES 12000

/* As firmware of servers leaves memory: in thousands of pieces, the largest last. */
static void of_memory_in_pieces_the_largest_are_kept(void **state)
{
	static uint8_t bytes[8 + 16 + 24 * PIECES + 8];
	static struct boot_info info;
	uint64_t at = 0x100000, sum = 0;

	(void)state;
	frame_map(bytes, sizeof(bytes));
	for (unsigned i = 0; i < PIECES; i++) {
		uint8_t *e = bytes + 24 + 24 * i;
		uint64_t size = i == PIECES - 1 ? UINT64_C(1) << 40 : 0x1000 * (1 + i % 7);

		sum += size;
		memcpy(e, &at, 8);
		memcpy(e + 8, &size, 8);
		put32(e + 16, 1);
		at += size + (i % 10 == 0 ? 0 : 0x1000); /* some lie side by side */
	}
	assert_true(mb2_parse(bytes, sizeof(bytes), &info));
	assert_false(info.truncated);
	assert_int_equal(info.ram_count, BOOT_MAX_RANGES);
	at = 0;
	for (unsigned i = 0; i < info.ram_count; i++) {
		assert_true(info.ram[i].size >= 0x5000);
		at = info.ram[i].size > at ? info.ram[i].size : at;
		sum -= info.ram[i].size;
	}
	assert_true(sum == info.left_out);
	assert_true(at == UINT64_C(1) << 40);
}

/* What is there already takes nobody's place. */
static void a_piece_that_comes_twice_takes_no_room(void **state)
{
	static uint8_t bytes[8 + 16 + 24 * (BOOT_MAX_RANGES + 3) + 8];
	static struct boot_info info;
	const uint64_t inside[3][2] = {
		{0x103000, 0x2000}, {0x102000, 0x2000}, {0x102000, 0x4000}};

	(void)state;
	frame_map(bytes, sizeof(bytes));
	for (unsigned i = 0; i < BOOT_MAX_RANGES + 3; i++) {
		uint64_t at = 0x102000 + UINT64_C(0x10000) * i, size = i == 0 ? 0x4000 : 0x1000;
		uint8_t *e = bytes + 24 + 24 * i;

		memcpy(e, i < BOOT_MAX_RANGES ? &at : &inside[i - BOOT_MAX_RANGES][0], 8);
		memcpy(e + 8, i < BOOT_MAX_RANGES ? &size : &inside[i - BOOT_MAX_RANGES][1], 8);
		put32(e + 16, 1);
	}
	assert_true(mb2_parse(bytes, sizeof(bytes), &info));
	assert_int_equal(info.ram_count, BOOT_MAX_RANGES);
	assert_int_equal(info.left_out, 0);
}

/* Its end is 2^64; one beyond that is nobody's word (see above). */
static void what_is_not_usable_up_to_the_end_is_not_used(void **state)
{
	static struct boot_info info;
	static struct block b;
	uint32_t body[2 + 6 * 3] = {24, 0};

	(void)state;
	range(body, 0, 0x100000, 0x3ff00000, 1);
	range(body, 1, 0x20000000, UINT64_MAX - 0x1fffffff, 2);
	range(body, 2, 0x10000000, UINT64_MAX - 0x1000, 2);
	begin(&b);
	tag(&b, 6, body, sizeof(body));
	assert_true(mb2_parse(b.bytes, b.size, &info));
	assert_int_equal(info.ram_count, 1);
	assert_true(info.ram[0].start == 0x100000 && info.ram[0].size == 0x1ff00000);
	assert_int_equal(info.reserved_count, 1);
}

#define ENTRIES 4000

/* Each odd one fills a gap; put in in an order that has nothing to do with where they are. */
static void pieces_in_any_order_are_sorted_and_joined_on_both_sides(void **state)
{
	static uint8_t bytes[8 + 16 + 24 * ENTRIES + 8];
	static struct boot_info info;

	(void)state;
	frame_map(bytes, sizeof(bytes));
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t k = UINT64_C(1237) * i % ENTRIES, at = UINT64_C(0x10000000) * k;
		uint64_t size = k % 4 == 3 ? 0x1000 : 0x10000000; /* of four three are one */

		memcpy(bytes + 24 + 24 * i, &at, 8);
		memcpy(bytes + 24 + 24 * i + 8, &size, 8);
		put32(bytes + 24 + 24 * i + 16, 1);
	}
	assert_true(mb2_parse(bytes, sizeof(bytes), &info));
	assert_int_equal(info.left_out, 0);
	assert_int_equal(info.ram_count, ENTRIES / 4);
	for (unsigned i = 0; i < info.ram_count; i++) {
		assert_true(info.ram[i].start == UINT64_C(0x40000000) * i);
		assert_true(info.ram[i].size == 0x30001000);
	}
}

/* What is RAM and something else is something else, whichever comes first; zero is nothing. */
static void memory_of_which_the_map_says_two_things_is_not_used(void **state)
{
	static const struct {
		uint64_t start, size;
	} expected[] = {{0x1000, 0x1000}, {0x3000, 0x1800}, {0x5000, 0x1000}, {0x9000, 0x7000},
		{0x14000, 0xc000}};
	static struct boot_info info;
	static struct block b;
	uint32_t body[2 + 6 * 12] = {24, 0};

	(void)state;
	range(body, 0, 0x2000, 0x1000, 2); /* before what it is in */
	range(body, 1, 0x4000, 0x1000, 1);
	range(body, 2, 0x0, 0x10000, 1);
	range(body, 3, 0x8000, 0x18000, 1); /* the end of one before, and more */
	range(body, 4, 0x10000, 0x4000, 77);
	range(body, 5, 0x4800, 0x800, 3);
	range(body, 6, 0x6000, 0x1000, 5);
	range(body, 7, 0x7000, 0x2000, 0);
	range(body, 8, 0x0, 0x1000, 4);
	range(body, 9, 0xa000, 0, 2);
	range(body, 10, 0xb000, 0, 1);
	range(body, 11, 0x1000, UINT64_MAX, 2); /* that no memory can be */
	begin(&b);
	tag(&b, 6, body, sizeof(body));
	assert_true(mb2_parse(b.bytes, b.size, &info));
	assert_int_equal(info.ram_count, sizeof(expected) / sizeof(expected[0]));
	for (unsigned i = 0; i < info.ram_count; i++) {
		assert_int_equal(info.ram[i].start, expected[i].start);
		assert_int_equal(info.ram[i].size, expected[i].size);
	}
}

/* Each byte is asked for in the list, and by the rule. */
static bool is_ram(const uint32_t *body, unsigned count, uint64_t at)
{
	bool ram = false, other = false;

	for (unsigned i = 0; i < count; i++) {
		const uint32_t *e = body + 2 + 6 * (size_t)i;
		bool in = at >= e[0] && at < (uint64_t)e[0] + e[2];

		ram = ram || (in && e[4] == 1);
		other = other || (in && e[4] != 1);
	}
	return ram && !other;
}

static void random_maps_have_the_memory_that_is_ram_and_nothing_else(void **state)
{
	uint64_t r = 1;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		static struct boot_info info;
		static struct block b;
		uint32_t body[2 + 6 * 30] = {24, 0};
		unsigned k = 0;

		for (unsigned i = 0; i < 30; i++)
			range(body, i, random_below(&r, 500), random_below(&r, 60),
				random_below(&r, 2) ? 1 : (uint32_t)random_below(&r, 7));
		begin(&b);
		tag(&b, 6, body, sizeof(body));
		assert_true(mb2_parse(b.bytes, b.size, &info));
		for (uint64_t at = 0; at < 600; at++) {
			bool in;

			while (k < info.ram_count && info.ram[k].start + info.ram[k].size <= at)
				k++;
			in = k < info.ram_count && info.ram[k].start <= at;
			assert_int_equal(in, is_ram(body, 30, at));
		}
	}
}

static void as_many_modules_are_taken_as_all_vms_can_have(void **state)
{
	static uint8_t bytes[16 + 32 * (LIMIT_BOOT_MODULES + 1)];
	static struct boot_info info;
	uint32_t size = 8;

	(void)state;
	for (unsigned i = 0; i <= LIMIT_BOOT_MODULES; i++, size += 32) {
		put32(bytes + size, 3);
		put32(bytes + size + 4, 16 + sizeof("module vm=a"));
		strcpy((char *)bytes + size + 16, "module vm=a");
		put32(bytes + size + 36, 8); /* the tag that ends the block */
		put32(bytes, size + 40);
		assert_true(mb2_parse(bytes, sizeof(bytes), &info));
		assert_true(info.truncated == (i == LIMIT_BOOT_MODULES));
	}
	assert_int_equal(info.module_count, LIMIT_BOOT_MODULES);
}

static void tags_with_impossible_sizes_are_left_out(void **state)
{
	static const uint32_t sizes[] = {0, 7, 0xffffffff, 0xfffffff9, 500};
	static struct boot_info info;
	struct block b;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin(&b);
		tag(&b, 1, "x", 2);
		tag(&b, 3, "xxxxxxxxxxxx", 12);
		put32(b.bytes + 24 + 4, sizes[i]);
		assert_true(mb2_parse(b.bytes, sizeof(b.bytes), &info));
		assert_true(info.truncated);
		assert_int_equal(info.module_count, 0);
	}
	begin(&b);
	mmap_tag(&b, 8);
	assert_true(mb2_parse(b.bytes, sizeof(b.bytes), &info));
	assert_true(info.truncated);
}

/* A Multiboot 1 block is no Multiboot2 block. */
static struct boot_screen screen_of(uint64_t start, uint32_t pitch, uint32_t columns,
	uint32_t rows, uint8_t bits, uint8_t kind)
{
	struct block b;
	struct boot_info info = {0};
	uint8_t body[23] = {0}, end = 0;

	put32(body, (uint32_t)start);
	put32(body + 4, (uint32_t)(start >> 32));
	put32(body + 8, pitch);
	put32(body + 12, columns);
	put32(body + 16, rows);
	body[20] = bits;
	body[21] = kind;
	begin(&b);
	tag(&b, 8, body, sizeof(body));
	tag(&b, 0, &end, 0);
	assert_true(mb2_parse(b.bytes, sizeof(b.bytes), &info));
	assert_false(info.truncated);
	return info.screen;
}

static void only_a_vgas_screen_of_characters_is_taken(void **state)
{
	struct boot_screen s = screen_of(0xb8000, 160, 80, 25, 16, 2);

	(void)state;
	assert_int_equal(s.start, 0xb8000);
	assert_int_equal(s.columns, 80);
	assert_int_equal(s.rows, 25);
	assert_int_equal(screen_of(0xe0000000, 4096, 1024, 768, 32, 1).start, 0);
	assert_int_equal(screen_of(0xb8000, 160, 80, 25, 16, 1).start, 0);
	assert_int_equal(screen_of(0xb8000, 160, 80, 25, 8, 2).start, 0);
	assert_int_equal(screen_of(0xb8000, 162, 80, 25, 16, 2).start, 0);
	assert_int_equal(screen_of(0x9fffe, 160, 80, 25, 16, 2).start, 0);
	assert_int_equal(screen_of(0xb8001, 160, 80, 25, 16, 2).start, 0);
	assert_int_equal(screen_of(0xc0000 - 4000, 160, 80, 25, 16, 2).start, 0xc0000 - 4000);
	assert_int_equal(screen_of(0xc0000 - 3998, 160, 80, 25, 16, 2).start, 0);
	assert_int_equal(screen_of(0x1000b8000, 160, 80, 25, 16, 2).start, 0);
	assert_int_equal(screen_of(0xb8000, 0, 0, 25, 16, 2).start, 0);
	assert_int_equal(screen_of(0xb8000, 2u << 31, 1u << 31, 25, 16, 2).start, 0);
	assert_int_equal(screen_of(0xb8000, 160, 80, UINT32_MAX, 16, 2).start, 0);
}

/* A frame buffer as a loader tells of it, of which so many bytes are said. */
static struct pixels pixels_of(uint64_t start, uint32_t pitch, uint32_t width, uint32_t height,
	const uint8_t kind[8], uint32_t size)
{
	struct block b;
	struct boot_info info = {0};
	uint8_t body[64] = {0};

	put32(body, (uint32_t)start);
	put32(body + 4, (uint32_t)(start >> 32));
	put32(body + 8, pitch);
	put32(body + 12, width);
	put32(body + 16, height);
	memcpy(body + 20, kind, 2); /* bits and type; two bytes are reserved */
	memcpy(body + 24, kind + 2, 6);
	begin(&b);
	tag(&b, 8, body, size);
	mmap_tag(&b, 24); /* RAM at 0 to 9F000H */
	tag(&b, 0, NULL, 0);
	assert_true(mb2_parse(b.bytes, sizeof(b.bytes), &info));
	assert_false(info.truncated);
	assert_int_equal(info.screen.start, 0);
	return info.pixels;
}

static void a_frame_buffer_is_taken_with_its_format(void **state)
{
	static const uint8_t rgb32[8] = {32, 1, 16, 8, 8, 8, 0, 8},
			     rgb16[8] = {16, 1, 11, 5, 5, 6, 0, 5},
			     rgb15[8] = {15, 1, 10, 5, 5, 5, 0, 5},
			     palette[8] = {8, 0, 16, 0, 0, 0, 0, 0},
			     gaps[8] = {32, 1, 16, 8, 8, 8, 0, 0};
	struct pixels p = pixels_of(0x4000000000, 4096 + 64, 1024, 768, rgb32, 30);

	(void)state;
	assert_true(p.start == 0x4000000000);
	assert_int_equal(p.pitch, 4096 + 64);
	assert_int_equal(p.width, 1024);
	assert_int_equal(p.height, 768);
	assert_int_equal(p.format.bytes, 4);
	assert_int_equal(p.format.red.at, 16);
	assert_int_equal(p.format.green.at, 8);
	assert_int_equal(p.format.blue.at, 0);
	assert_int_equal(p.format.blue.bits, 8);
	p = pixels_of(0xe0000000, 2048, 1024, 768, rgb16, 30);
	assert_int_equal(p.format.bytes, 2);
	assert_int_equal(p.format.green.bits, 6);
	assert_int_equal(pixels_of(0xe0000000, 2048, 1024, 768, rgb15, 30).format.bytes, 2);
	assert_true(pixels_of(0xe0000000, 1024, 1024, 768, palette, 30).start == 0);
	assert_true(pixels_of(0xe0000000, 4096, 1024, 768, gaps, 30).start == 0);
	assert_true(pixels_of(0xe0000000, 4096, 1024, 768, rgb32, 29).start == 0); /* cut */
	assert_true(pixels_of(0xe0000000, 4095, 1024, 768, rgb32, 30).start == 0);
	assert_true(pixels_of(UINT64_MAX - 4096, 4096, 1024, 768, rgb32, 30).start == 0);
	assert_true(pixels_of(DIRECT_SIZE - 4096 * 768, 4096, 1024, 768, rgb32, 30).start != 0);
	assert_true(
		pixels_of(DIRECT_SIZE - 4096 * 768 + 16, 4096, 1024, 768, rgb32, 30).start ==
		0);
}

static void a_frame_buffer_in_ram_is_left_alone(void **state)
{
	static const uint8_t rgb32[8] = {32, 1, 16, 8, 8, 8, 0, 8};

	(void)state;
	assert_true(pixels_of(0x9eff0, 64, 16, 16, rgb32, 30).start == 0);
	assert_true(pixels_of(0x1000, 64, 16, 16, rgb32, 30).start == 0);
	assert_true(pixels_of(0x9f000, 64, 16, 16, rgb32, 30).start == 0x9f000);
}

static void a_loader_of_another_protocol_is_refused(void **state)
{
	struct boot_info info;

	(void)state;
	assert_false(boot_info_read(0x2badb002, 0x10000, &info));
	assert_false(boot_info_read(0, 0x10000, &info));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_gives_command_line_memory_and_modules),
		cmocka_unit_test(what_is_firmwares_own_is_known),
		cmocka_unit_test(
			of_more_reserved_memory_than_there_is_room_for_the_first_is_known),
		cmocka_unit_test(no_byte_behind_the_block_is_read),
		cmocka_unit_test(of_memory_in_pieces_the_largest_are_kept),
		cmocka_unit_test(a_piece_that_comes_twice_takes_no_room),
		cmocka_unit_test(what_is_not_usable_up_to_the_end_is_not_used),
		cmocka_unit_test(pieces_in_any_order_are_sorted_and_joined_on_both_sides),
		cmocka_unit_test(memory_of_which_the_map_says_two_things_is_not_used),
		cmocka_unit_test(random_maps_have_the_memory_that_is_ram_and_nothing_else),
		cmocka_unit_test(as_many_modules_are_taken_as_all_vms_can_have),
		cmocka_unit_test(tags_with_impossible_sizes_are_left_out),
		cmocka_unit_test(a_loader_of_another_protocol_is_refused),
		cmocka_unit_test(only_a_vgas_screen_of_characters_is_taken),
		cmocka_unit_test(a_frame_buffer_is_taken_with_its_format),
		cmocka_unit_test(a_frame_buffer_in_ram_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
