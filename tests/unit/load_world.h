/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's RAM for the loaders, and images made in memory. RAM and images are allocated to their
 * size, so that the address sanitizer sees what is read or written beyond them.
 */
#ifndef LOAD_WORLD_H
#define LOAD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/limits.h"
#include "load/load.h"

#define RAM_SIZE  (4u << 20)
#define HIGH_RAM  (1ull << 32)
#define HIGH_SIZE (64u << 10)
#define RSDP      0xe0000u
#define GDT       0x1000u
#define INFO      0x2000u /* boot_params, Multiboot 1 information */
#define INFO2     0x5000u /* Multiboot 2 information */
#define CMDLINE   0x4000u
#define RSDP_TEXT "RSD PTR of this VM, 36 bytes of text"

struct world {
	struct load_target target;
	struct load_request request;
	struct entry_state entry;
	uint8_t kernel[64 << 10]; /* what load() makes the kernel of, and its size */
	size_t size;
};

bool load_ready(const struct load_target *t, uint64_t gpa, uint64_t size)
{
	(void)t;
	(void)gpa;
	(void)size;
	return true;
}

static struct world w;

static inline int world_setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.target = (struct load_target){
		.ram = {{0, RAM_SIZE, calloc(1, RAM_SIZE)},
			{HIGH_RAM, HIGH_SIZE, calloc(1, HIGH_SIZE)}},
		.ram_count = 2,
		.map = {{0, 0x9fc00, LOAD_RANGE_RAM}, {RSDP, 0x20000, LOAD_RANGE_RESERVED},
			{0x100000, RAM_SIZE - 0x100000, LOAD_RANGE_RAM}},
		.map_count = 3,
		.rsdp = RSDP,
	};
	memcpy(w.target.ram[0].host + RSDP, RSDP_TEXT, sizeof(RSDP_TEXT) - 1);
	return 0;
}

static inline int world_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		free(w.target.ram[i].host);
	return 0;
}

static inline void set_text(struct text *t, const char *s)
{
	*t = (struct text){s, strlen(s)};
}

/* Loads the kernel as it is now. */
static inline const char *load(enum load_format format)
{
	uint8_t *exact = malloc(w.size != 0 ? w.size : 1);
	const char *error;

	memcpy(exact, w.kernel, w.size);
	w.request.format = format;
	w.request.kernel.data = exact;
	w.request.kernel.size = w.size;
	error = load_images(&w.target, &w.request, &w.entry);
	free(exact);
	return error;
}

static inline void ok(enum load_format format)
{
	const char *error = load(format);

	if (error != NULL)
		fail_msg("%s", error);
}

static inline void refused(enum load_format format, const char *text)
{
	const char *error = load(format);

	assert_non_null(error);
	assert_string_equal(error, text);
}

static inline void set_image(struct load_image *i, const char *data, const char *cmdline)
{
	i->data = (const uint8_t *)data;
	i->size = strlen(data);
	set_text(&i->cmdline, cmdline);
}

/* ---- what is in RAM ---- */

static inline const uint8_t *ram(uint64_t gpa)
{
	return gpa >= HIGH_RAM ? w.target.ram[1].host + (gpa - HIGH_RAM)
			       : w.target.ram[0].host + gpa;
}

static inline uint64_t get(uint64_t gpa, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, ram(gpa), bytes);
	return v;
}

static inline bool all_zero(uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to; at++) {
		if (*ram(at) != 0)
			return false;
	}
	return true;
}

static inline void check_gdt(unsigned selector, uint64_t descriptor)
{
	assert_int_equal(w.entry.gdt_base, GDT);
	assert_int_equal(w.entry.gdt_limit, 31);
	assert_int_equal(w.entry.code_selector, selector);
	assert_int_equal(w.entry.data_selector, 0x18);
	assert_int_equal(get(GDT, 8), 0);
	assert_int_equal(get(GDT + selector, 8), descriptor);
	assert_int_equal(get(GDT + 0x18, 8), 0x00cf93000000ffff);
}

/* ---- images ---- */

static inline void put(size_t at, unsigned bytes, uint64_t v)
{
	memcpy(w.kernel + at, &v, bytes);
	if (w.size < at + bytes)
		w.size = at + bytes;
}

/* Bytes that differ from their neighbours and are not zero. */
static inline uint8_t pattern(size_t at)
{
	return (uint8_t)(1 + at % 251);
}

static inline void fill(size_t at, size_t size)
{
	for (size_t i = at; i < at + size; i++)
		put(i, 1, pattern(i));
}

/* Whether RAM has this part of a filled image. */
static inline bool has(uint64_t gpa, size_t at, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (*ram(gpa + i) != pattern(at + i))
			return false;
	}
	return true;
}

#define BZ_SETUP    1024u /* of setup code: one sector and the boot sector */
#define BZ_ADDRESS  0x100000u
#define BZ_INIT     0x4000u
#define BZ_PAYLOAD  1000u
#define BZ_HEAD_END 0x268u

static inline void make_bzimage(void)
{
	w.size = 0;
	fill(0, BZ_SETUP + BZ_PAYLOAD);
	put(0x1f1, 1, 1); /* setup_sects */
	put(0x1fe, 2, 0xaa55);
	put(0x200, 2, 0x66eb); /* jump to 0x268: there the header ends */
	put(0x202, 4, 0x53726448);
	put(0x206, 2, 0x20f);
	put(0x218, 8, 0);          /* ramdisk */
	put(0x22c, 4, 0x7fffffff); /* highest end of an initrd */
	put(0x236, 2, 1);          /* XLF_KERNEL_64 */
	put(0x258, 8, BZ_ADDRESS);
	put(0x260, 4, BZ_INIT);
}

#define ELF_HEADERS 64u   /* offset of the program headers */
#define ELF_DATA    8192u /* offset of what the first segment loads */

struct elf_segment {
	uint64_t vaddr, paddr, file_size, memory_size;
};

static const struct elf_segment kernel32 = {0xc0100000, 0x100000, 4000, 0x3000};
static const struct elf_segment kernel64 = {0xffffffff81000000, 0x100000, 4000, 0x3000};

/* The segment's data are at ELF_DATA. */
static inline void put_segment(bool is64, unsigned k, const struct elf_segment *s)
{
	size_t at = ELF_HEADERS + (is64 ? 56 : 32) * k;
	unsigned n = is64 ? 8 : 4;
	const uint64_t v[] = {ELF_DATA, s->vaddr, s->paddr, s->file_size, s->memory_size};

	put(at, 4, 1); /* PT_LOAD */
	for (unsigned i = 0; i < 5; i++)
		put(at + n + n * i, n, v[i]);
}

static inline void make_elf(
	bool is64, uint64_t entry, const struct elf_segment *segments, unsigned count)
{
	memset(w.kernel, 0, sizeof(w.kernel));
	w.size = 0;
	put(0, 4, 0x464c457f);
	put(4, 1, is64 ? 2 : 1);
	put(5, 1, 1);
	put(24, is64 ? 8 : 4, entry);
	put(is64 ? 32 : 28, is64 ? 8 : 4, ELF_HEADERS);
	put(is64 ? 54 : 42, 2, is64 ? 56 : 32);
	put(is64 ? 56 : 44, 2, count);
	for (unsigned k = 0; k < count; k++)
		put_segment(is64, k, &segments[k]);
	fill(ELF_DATA, 4096);
}

#define MB_HEADER 7168u /* its offset in an ELF file */

static inline void put_mb1(size_t at, uint32_t flags)
{
	put(at, 4, 0x1badb002);
	put(at + 4, 4, flags);
	put(at + 8, 4, (uint32_t)(0 - 0x1badb002u - flags));
}

/* Its tags are words, an end tag behind them. */
static inline void put_mb2(size_t at, const uint32_t *tags, unsigned words)
{
	uint32_t size = 16 + 4 * words + 8;

	put(at, 4, 0xe85250d6);
	put(at + 4, 4, 0);
	put(at + 8, 4, size);
	put(at + 12, 4, (uint32_t)(0 - 0xe85250d6u - size));
	for (unsigned i = 0; i < words; i++)
		put(at + 16 + 4u * i, 4, tags[i]);
	put(at + 16 + 4u * words, 8, 0x800000000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
