/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multiboot 2, for i386 protected mode.
 */
#include "load/multiboot_int.h"

#define MAGIC      0xe85250d6u
#define BOOT_MAGIC 0x36d76289u
#define SEARCH     32768u
#define RSDP_SIZE  36u

#define TAG_HEAD 8u
#define MMAP_ROW 24u

/* All tags at their largest, in the order in which they are written. */
_Static_assert(8 + (TAG_HEAD + LOAD_CMDLINE_SIZE) + (TAG_HEAD + 8) +
			       MULTIBOOT_MODULES * (TAG_HEAD + 8 + LOAD_MODULE_TEXT) +
			       (TAG_HEAD + 8) + (TAG_HEAD + 8 + MMAP_ROW * LOAD_MAX_RANGES) +
			       (TAG_HEAD + 40) + (TAG_HEAD + 24) + TAG_HEAD <=
		       LOAD_TABLES - LOAD_INFO2,
	"the information does not reach the page tables");

enum header_tag {
	HEADER_END = 0,
	HEADER_ADDRESS = 2,
	HEADER_ENTRY = 3,
	HEADER_CONSOLE = 4,
	HEADER_SCREEN = 5
};

enum info_tag {
	INFO_END = 0,
	INFO_CMDLINE = 1,
	INFO_LOADER = 2,
	INFO_MODULE = 3,
	INFO_MEMORY = 4,
	INFO_MMAP = 6,
	INFO_SCREEN = 8,
	INFO_RSDP = 15
};

/* Offset of the header in the image, or -1. */
static int64_t find_header(const struct load_image *i)
{
	uint32_t v[4];

	for (uint64_t at = 0; at < SEARCH && image_get32(i, at, &v[0]); at += 8) {
		if (v[0] != MAGIC)
			continue;
		for (unsigned k = 1; k < 4; k++) {
			if (!image_get32(i, at + 4u * k, &v[k]))
				return -1;
		}
		if (v[0] + v[1] + v[2] + v[3] == 0 && v[1] == 0)
			return (int64_t)at;
	}
	return -1;
}

bool mb2_is(const struct load_image *i)
{
	return find_header(i) >= 0;
}

/* What the header's tags ask for. */
struct wishes {
	bool has_entry, has_addresses, wants_screen;
	uint32_t entry;
	struct multiboot_addresses addresses;
};

static bool read_addresses(
	const struct load_image *i, uint64_t at, struct multiboot_addresses *a)
{
	return image_get32(i, at, &a->header) && image_get32(i, at + 4, &a->load) &&
	       image_get32(i, at + 8, &a->load_end) && image_get32(i, at + 12, &a->bss_end);
}

/* False: malformed. Tags end with the image, or with the part of it that a header may be in. */
static bool read_tags(const struct load_image *i, uint64_t at, struct wishes *w)
{
	uint16_t type;
	uint32_t size;

	*w = (struct wishes){0};
	while (image_get16(i, at, &type) && image_get32(i, at + 4, &size) &&
		type != HEADER_END) {
		if (size < 8 || at >= SEARCH)
			return false;
		if (type == HEADER_ENTRY)
			w->has_entry = image_get32(i, at + 8, &w->entry);
		if (type == HEADER_ADDRESS)
			w->has_addresses = read_addresses(i, at + 8, &w->addresses);
		if (type == HEADER_CONSOLE || type == HEADER_SCREEN)
			w->wants_screen = true;
		at += ((uint64_t)size + 7) & ~7ull;
	}
	return true;
}

static const char *load_kernel(
	const struct load_target *t, const struct load_image *i, struct loaded *l, bool *screen)
{
	uint64_t header = (uint64_t)find_header(i);
	struct wishes w;
	const char *error;

	if (!read_tags(i, header + 16, &w))
		return "the Multiboot 2 header is malformed";
	if (w.has_addresses && !w.has_entry)
		return "the Multiboot 2 header has addresses but no entry point";
	error = w.has_addresses ? multiboot_load_flat(t, i, header, &w.addresses, l)
				: multiboot_load_elf(t, i, l);
	*screen = w.wants_screen && t->vga;
	if (w.has_entry)
		l->entry = w.entry;
	return error;
}

struct tag_writer {
	const struct load_target *target;
	uint64_t at;
};

/* Body NULL: it is there already. */
static void tag(struct tag_writer *w, enum info_tag type, const void *body, uint32_t size)
{
	ram_put32(w->target, w->at, type);
	ram_put32(w->target, w->at + 4, TAG_HEAD + size);
	if (body != NULL)
		(void)ram_write(w->target, w->at + TAG_HEAD, body, size);
	w->at += (TAG_HEAD + size + 7) & ~7u;
}

static void tag_modules(struct tag_writer *w, const struct placed_module *m, unsigned count)
{
	for (unsigned k = 0; k < count; k++) {
		uint64_t body = w->at + TAG_HEAD;

		ram_put32(w->target, body, (uint32_t)m[k].start);
		ram_put32(w->target, body + 4, (uint32_t)m[k].end);
		tag(w, INFO_MODULE, NULL,
			8 + multiboot_put_text(w->target, body + 8, m[k].name, m[k].cmdline));
	}
}

static void tag_memory(struct tag_writer *w)
{
	struct {
		uint32_t entry_size, version;
		struct {
			uint64_t start, size;
			uint32_t type, reserved;
		} entry[LOAD_MAX_RANGES];
	} map = {.entry_size = MMAP_ROW};
	const struct load_target *t = w->target;
	uint32_t basic[2] = {LOAD_LOW_KIB, multiboot_high_kib(t)};

	for (unsigned i = 0; i < t->map_count; i++) {
		map.entry[i].start = t->map[i].start;
		map.entry[i].size = t->map[i].size;
		map.entry[i].type = t->map[i].type;
	}
	tag(w, INFO_MEMORY, basic, sizeof(basic));
	tag(w, INFO_MMAP, &map, 8 + MMAP_ROW * t->map_count);
}

/* Text whatever size it prefers: the header's wishes are no conditions. */
static void tag_screen(struct tag_writer *w)
{
	const struct {
		struct multiboot_screen screen;
		uint16_t reserved;
	} __attribute__((packed)) body = {multiboot_text_screen, 0};

	tag(w, INFO_SCREEN, &body, sizeof(body));
}

const char *mb2_load(
	const struct load_target *t, const struct load_request *r, struct entry_state *e)
{
	struct placed_module modules[MULTIBOOT_MODULES];
	struct tag_writer w = {t, LOAD_INFO2 + 8};
	const char *cmdline = (const char *)ram_at(t, LOAD_CMDLINE, LOAD_CMDLINE_SIZE);
	struct loaded l;
	unsigned count;
	bool screen;
	const char *error;

	error = load_kernel(t, &r->kernel, &l, &screen);
	if (error == NULL)
		error = multiboot_place_modules(t, r, l.end, modules, &count);
	if (error != NULL)
		return error;
	tag(&w, INFO_CMDLINE, cmdline, multiboot_put_cmdline(t, r));
	tag(&w, INFO_LOADER, MULTIBOOT_LOADER_NAME, sizeof(MULTIBOOT_LOADER_NAME));
	tag_modules(&w, modules, count);
	tag_memory(&w);
	if (screen)
		tag_screen(&w);
	tag(&w, INFO_RSDP, ram_at(t, t->rsdp, RSDP_SIZE), RSDP_SIZE);
	tag(&w, INFO_END, NULL, 0);
	ram_put32(t, LOAD_INFO2, (uint32_t)(w.at - LOAD_INFO2));
	multiboot_finish(t, BOOT_MAGIC, LOAD_INFO2, l.entry, e);
	return NULL;
}
