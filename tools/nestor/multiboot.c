/* SPDX-License-Identifier: Apache-2.0 */
/* Multiboot 1 and 2; see multiboot.h. */
#include "multiboot.h"

#define LOADER_NAME   "nestor"
#define HEADER1_MAGIC 0x1badb002U
#define HEADER2_MAGIC 0xe85250d6U
#define KLUDGE        (1U << 16)

static bool sums_to_zero(const struct bytes *f, uint64_t at, unsigned words)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < words; i++)
		sum += (uint32_t)bytes_value(f, at + 4 * i, 4);
	return sum == 0 && bytes_has(f, at, 4 * words);
}

static bool find_header(const struct bytes *f, unsigned version, uint64_t *offset)
{
	uint32_t magic = version == 2 ? HEADER2_MAGIC : HEADER1_MAGIC;
	uint64_t limit = version == 2 ? 32768 : 8192;
	unsigned step = version == 2 ? 8 : 4;

	for (uint64_t at = 0; at < limit && at < f->size; at += step) {
		if (bytes_value(f, at, 4) == magic &&
			sums_to_zero(f, at, version == 2 ? 4 : 3)) {
			*offset = at;
			return true;
		}
	}
	return false;
}

/* The four address words that both versions have: header, load, load end, bss end. */
static const char *read_addresses(
	const struct bytes *f, struct multiboot_header *h, uint64_t at)
{
	uint64_t header = bytes_value(f, at, 4);
	uint64_t load = bytes_value(f, at + 4, 4);
	uint64_t load_end = bytes_value(f, at + 8, 4);
	uint64_t bss_end = bytes_value(f, at + 12, 4);

	if (load > header || header - load > h->offset)
		return "has a Multiboot header with wrong load addresses";
	h->has_address = true;
	h->load_low = load;
	h->load_offset = h->offset - (header - load);
	h->load_file_end = load_end ? load_end : load + f->size - h->load_offset;
	h->load_high = bss_end ? bss_end : h->load_file_end;
	if (h->load_file_end < load || h->load_high < h->load_file_end ||
		h->load_file_end - load > f->size - h->load_offset)
		return "has a Multiboot header with wrong load addresses";
	return NULL;
}

static const char *read_header1(const struct bytes *f, struct multiboot_header *h)
{
	if (!(bytes_value(f, h->offset + 4, 4) & KLUDGE))
		return NULL;
	h->has_entry = true;
	h->entry = bytes_value(f, h->offset + 28, 4);
	return read_addresses(f, h, h->offset + 12);
}

static const char *read_header2(const struct bytes *f, struct multiboot_header *h)
{
	uint64_t end = h->offset + bytes_value(f, h->offset + 8, 4);
	uint64_t at = h->offset + 16;
	const char *problem = NULL;

	while (!problem && at + 8 <= end && bytes_has(f, at, 8)) {
		uint64_t type = bytes_value(f, at, 2);
		uint64_t size = bytes_value(f, at + 4, 4);

		if (type == 0 || size < 8)
			break;
		if (type == 2 && size >= 24) {
			problem = read_addresses(f, h, at + 8);
		} else if (type == 3 && size >= 12) {
			h->has_entry = true;
			h->entry = bytes_value(f, at + 8, 4);
		}
		at += (size + 7) & ~7ULL;
	}
	return problem;
}

const char *multiboot_find_version(
	const struct bytes *file, unsigned version, struct multiboot_header *out)
{
	*out = (struct multiboot_header){0};
	if (!find_header(file, version, &out->offset))
		return NULL;
	out->version = version;
	return version == 2 ? read_header2(file, out) : read_header1(file, out);
}

const char *multiboot_find(const struct bytes *file, struct multiboot_header *out)
{
	const char *problem = multiboot_find_version(file, 2, out);

	return problem || out->version ? problem : multiboot_find_version(file, 1, out);
}

/* A block under construction: measured in a first pass with no memory, filled in a second. */
struct writer {
	struct bytes b;
	size_t at;
};

static void put(struct writer *w, unsigned size, uint64_t value)
{
	if (w->b.data)
		bytes_put(&w->b, w->at, size, value);
	w->at += size;
}

static void put_text(struct writer *w, const char *text)
{
	if (w->b.data)
		memcpy(w->b.data + w->at, text, strlen(text) + 1);
	w->at += strlen(text) + 1;
}

static void align(struct writer *w, size_t to)
{
	w->at = (w->at + to - 1) / to * to;
}

static void put_tag(struct writer *w, uint32_t type, size_t content)
{
	align(w, 8);
	put(w, 4, type);
	put(w, 4, 8 + content);
}

/* KiB of usable memory from @base on, as the "basic memory information" has it. */
static uint32_t usable_kib(const struct boot_info *info, uint64_t base)
{
	for (unsigned i = 0; i < info->range_count; i++)
		if (info->ranges[i].type == MEMORY_USABLE && info->ranges[i].base == base)
			return (uint32_t)(info->ranges[i].size >> 10);
	return 0;
}

static void write_info2(struct writer *w, const struct boot_info *info, size_t total)
{
	put(w, 4, total);
	put(w, 4, 0);
	put_tag(w, 1, strlen(info->cmdline) + 1);
	put_text(w, info->cmdline);
	put_tag(w, 2, sizeof(LOADER_NAME));
	put_text(w, LOADER_NAME);
	for (unsigned i = 0; i < info->module_count; i++) {
		put_tag(w, 3, 8 + strlen(info->modules[i].cmdline) + 1);
		put(w, 4, info->modules[i].start);
		put(w, 4, info->modules[i].end);
		put_text(w, info->modules[i].cmdline);
	}
	put_tag(w, 4, 8);
	put(w, 4, usable_kib(info, 0));
	put(w, 4, usable_kib(info, 1 << 20));
	put_tag(w, 6, 8 + 24 * (size_t)info->range_count);
	put(w, 4, 24);
	put(w, 4, 0);
	for (unsigned i = 0; i < info->range_count; i++) {
		put(w, 8, info->ranges[i].base);
		put(w, 8, info->ranges[i].size);
		put(w, 8, info->ranges[i].type);
	}
	if (info->rsdp.size != 0)
		put_tag(w, 15, info->rsdp.size);
	for (size_t i = 0; i < info->rsdp.size; i++)
		put(w, 1, info->rsdp.data[i]);
	put_tag(w, 0, 0);
}

struct bytes multiboot2_info(struct arena *a, const struct boot_info *info)
{
	struct writer measure = {{NULL, 0}, 0};
	struct writer w = {{NULL, 0}, 0};

	write_info2(&measure, info, 0);
	w.b = (struct bytes){arena_alloc(a, measure.at), measure.at};
	write_info2(&w, info, measure.at);
	return w.b;
}

/* Where the parts that the Multiboot 1 information points to are. */
struct parts1 {
	size_t cmdline, name, modules, mmap;
};

/* Places a text in the block and returns its offset. */
static size_t place_text(struct writer *w, const char *text)
{
	size_t at = w->at;

	put_text(w, text);
	return at;
}

static void write_modules1(struct writer *w, const struct boot_info *info, uint32_t at)
{
	size_t text = w->at + 16 * (size_t)info->module_count;

	for (unsigned i = 0; i < info->module_count; i++) {
		put(w, 4, info->modules[i].start);
		put(w, 4, info->modules[i].end);
		put(w, 4, at + text);
		put(w, 4, 0);
		text += strlen(info->modules[i].cmdline) + 1;
	}
	for (unsigned i = 0; i < info->module_count; i++)
		put_text(w, info->modules[i].cmdline);
}

static void write_parts1(
	struct writer *w, const struct boot_info *info, uint32_t at, struct parts1 *parts)
{
	w->at = 120;
	parts->cmdline = place_text(w, info->cmdline);
	parts->name = place_text(w, LOADER_NAME);
	align(w, 8);
	parts->modules = w->at;
	write_modules1(w, info, at);
	align(w, 8);
	parts->mmap = w->at;
	for (unsigned i = 0; i < info->range_count; i++) {
		put(w, 4, 20);
		put(w, 8, info->ranges[i].base);
		put(w, 8, info->ranges[i].size);
		put(w, 4, info->ranges[i].type);
	}
}

struct bytes multiboot1_info(struct arena *a, const struct boot_info *info, uint32_t at)
{
	struct writer w = {{NULL, 0}, 0};
	struct parts1 parts;

	write_parts1(&w, info, at, &parts);
	w.b = (struct bytes){arena_alloc(a, w.at), w.at};
	write_parts1(&w, info, at, &parts);
	/* flags: memory, command line, modules, memory map, loader name */
	bytes_put(&w.b, 0, 4, 1U << 0 | 1U << 2 | 1U << 3 | 1U << 6 | 1U << 9);
	bytes_put(&w.b, 4, 4, usable_kib(info, 0));
	bytes_put(&w.b, 8, 4, usable_kib(info, 1 << 20));
	bytes_put(&w.b, 16, 4, at + parts.cmdline);
	bytes_put(&w.b, 20, 4, info->module_count);
	bytes_put(&w.b, 24, 4, at + parts.modules);
	bytes_put(&w.b, 44, 4, w.at - parts.mmap);
	bytes_put(&w.b, 48, 4, at + parts.mmap);
	bytes_put(&w.b, 64, 4, at + parts.name);
	return w.b;
}
