/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multiboot 1. A kernel without its header, but an ELF file, is loaded in the same way.
 */
#include "load/multiboot_int.h"

#define MAGIC       0x1badb002u
#define BOOT_MAGIC  0x2badb002u
#define SEARCH      8192u
#define WANTS_VIDEO (1u << 2)
#define HAS_ADDRESS (1u << 16) /* the "a.out kludge" */
#define INFO_MEMORY (1u << 0)
#define INFO_CMD    (1u << 2)
#define INFO_MODS   (1u << 3)
#define INFO_MMAP   (1u << 6)
#define INFO_LOADER (1u << 9)
#define INFO_SCREEN (1u << 12)
#define SCREEN_AT   (LOAD_INFO + 88)

/* Where the parts are that the information points to. */
#define MMAP_AT    (LOAD_INFO + 0x100)
#define MODULES_AT (LOAD_INFO + 0x400)
#define LOADER_AT  (LOAD_INFO + 0x600)

#define MMAP_ROW   24u
#define MODULE_ROW 16u

_Static_assert(MMAP_ROW *LOAD_MAX_RANGES <= MODULES_AT - MMAP_AT, "memory map");
_Static_assert(MODULE_ROW *MULTIBOOT_MODULES <= LOADER_AT - MODULES_AT, "modules");
_Static_assert(
	LOAD_MODULE_TEXTS + LOAD_MODULE_TEXT * MULTIBOOT_MODULES <= LOAD_TABLES, "texts");

/* Offset of the header in the image, or -1. */
static int64_t find_header(const struct load_image *i)
{
	uint32_t magic, flags, sum;

	for (uint64_t at = 0; at < SEARCH && image_get32(i, at, &magic); at += 4) {
		if (magic == MAGIC && image_get32(i, at + 4, &flags) &&
			image_get32(i, at + 8, &sum) && magic + flags + sum == 0)
			return (int64_t)at;
	}
	return -1;
}

bool mb1_is(const struct load_image *i)
{
	return find_header(i) >= 0;
}

static void put_modules(
	const struct load_target *t, const struct placed_module *m, unsigned count)
{
	for (unsigned k = 0; k < count; k++) {
		uint64_t at = MODULES_AT + MODULE_ROW * k;
		uint64_t text = LOAD_MODULE_TEXTS + LOAD_MODULE_TEXT * k;

		ram_put32(t, at, (uint32_t)m[k].start);
		ram_put32(t, at + 4, (uint32_t)m[k].end);
		ram_put32(t, at + 8, (uint32_t)text);
		(void)multiboot_put_text(t, text, m[k].name, m[k].cmdline);
	}
	ram_put32(t, LOAD_INFO + 20, count);
	ram_put32(t, LOAD_INFO + 24, MODULES_AT);
}

static void put_memory(const struct load_target *t)
{
	ram_put32(t, LOAD_INFO + 4, LOAD_LOW_KIB);
	ram_put32(t, LOAD_INFO + 8, multiboot_high_kib(t));
	for (unsigned i = 0; i < t->map_count; i++) {
		uint64_t at = MMAP_AT + MMAP_ROW * i;

		ram_put32(t, at, MMAP_ROW - 4);
		ram_put64(t, at + 4, t->map[i].start);
		ram_put64(t, at + 12, t->map[i].size);
		ram_put32(t, at + 20, t->map[i].type);
	}
	ram_put32(t, LOAD_INFO + 44, MMAP_ROW * t->map_count);
	ram_put32(t, LOAD_INFO + 48, MMAP_AT);
}

/* 0 for an ELF file without a header. */
static uint32_t flags_of(const struct load_image *i)
{
	int64_t header = find_header(i);
	uint32_t flags = 0;

	if (header >= 0)
		image_get32(i, (uint64_t)header + 4, &flags);
	return flags;
}

/* Text whatever mode it prefers: the header's wishes are no conditions. */
static uint32_t put_screen(const struct load_target *t, const struct load_image *i)
{
	if (!t->vga || !(flags_of(i) & WANTS_VIDEO))
		return 0;
	(void)ram_write(t, SCREEN_AT, &multiboot_text_screen, sizeof(multiboot_text_screen));
	return INFO_SCREEN;
}

static const char *load_kernel(
	const struct load_target *t, const struct load_image *i, struct loaded *l)
{
	int64_t header = find_header(i);
	uint32_t v[5];
	struct multiboot_addresses a;

	if (!(flags_of(i) & HAS_ADDRESS))
		return multiboot_load_elf(t, i, l);
	for (unsigned k = 0; k < 5; k++) {
		if (!image_get32(i, (uint64_t)header + 12 + 4u * k, &v[k]))
			return "the Multiboot header is cut";
	}
	a = (struct multiboot_addresses){v[0], v[1], v[2], v[3]};
	l->entry = v[4];
	return multiboot_load_flat(t, i, (uint64_t)header, &a, l);
}

const char *mb1_load(
	const struct load_target *t, const struct load_request *r, struct entry_state *e)
{
	struct placed_module modules[MULTIBOOT_MODULES];
	struct loaded l;
	unsigned count;
	const char *error;

	error = load_kernel(t, &r->kernel, &l);
	if (error == NULL)
		error = multiboot_place_modules(t, r, l.end, modules, &count);
	if (error != NULL)
		return error;
	ram_put32(t, LOAD_INFO,
		INFO_MEMORY | INFO_CMD | INFO_MODS | INFO_MMAP | INFO_LOADER |
			put_screen(t, &r->kernel));
	put_memory(t);
	(void)multiboot_put_cmdline(t, r);
	ram_put32(t, LOAD_INFO + 16, LOAD_CMDLINE);
	put_modules(t, modules, count);
	(void)ram_write(t, LOADER_AT, MULTIBOOT_LOADER_NAME, sizeof(MULTIBOOT_LOADER_NAME));
	ram_put32(t, LOAD_INFO + 64, LOADER_AT);
	multiboot_finish(t, BOOT_MAGIC, LOAD_INFO, l.entry, e);
	return NULL;
}
