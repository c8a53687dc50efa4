/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/multiboot2.h"

#include "mm/layout.h"

enum tag_type {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_MODULE = 3,
	TAG_MMAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_ACPI_OLD = 14,
	TAG_ACPI_NEW = 15
};

#define TAG_HEADER    8u
#define MMAP_HEADER   16u
#define MMAP_ENTRY    24u
#define MMAP_RAM      1u
#define MMAP_RESERVED 2u
#define MMAP_NVS      4u /* of ACPI's */
#define MODULE_HEADER 16u
#define FRAMEBUFFER   30u /* of its tag, what all kinds have */
#define DIRECT_RGB    38u /* with its colours */
#define KIND_DIRECT   1u
#define KIND_TEXT     2u
#define VGA_START     0xa0000u /* where a VGA has its memory, and nobody RAM */
#define VGA_END       0xc0000u
#define COLUMNS_MAX   256u
#define ROWS_MAX      128u

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static unsigned smallest(const struct boot_info *info)
{
	unsigned least = 0;

	for (unsigned i = 1; i < info->ram_count; i++)
		if (info->ram[i].size < info->ram[least].size)
			least = i;
	return least;
}

static void remove_ram(struct boot_info *info, unsigned i)
{
	info->ram_count--;
	for (; i < info->ram_count; i++)
		info->ram[i] = info->ram[i + 1];
}

/* Number i, and those behind it that it reaches. */
static void join_ram(struct boot_info *info, unsigned i)
{
	struct boot_range *r = &info->ram[i];

	while (i + 1 < info->ram_count && r->start + r->size >= r[1].start) {
		uint64_t with = r[1].start + r[1].size - r->start;

		r->size = with > r->size ? with : r->size;
		remove_ram(info, i + 1);
	}
}

/* Is all of that in one piece that is known? */
static bool has_ram(const struct boot_info *info, uint64_t start, uint64_t length)
{
	unsigned low = 0, high = info->ram_count; /* before `low` all begin there or before */

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (info->ram[middle].start <= start)
			low = middle + 1;
		else
			high = middle;
	}
	return low != 0 && info->ram[low - 1].size >= length &&
	       start - info->ram[low - 1].start <= info->ram[low - 1].size - length;
}

/*
 * Firmware cuts memory by what it was used for: what lies side by side, or twice, is one. Most
 * maps are sorted: then each place is found at once. When there is no more room the smallest
 * are left out.
 */
static void add_ram(struct boot_info *info, uint64_t start, uint64_t length)
{
	unsigned i = info->ram_count;

	if (length == 0 || has_ram(info, start, length))
		return;
	if (i == BOOT_MAX_RANGES) {
		unsigned least = smallest(info);

		if (info->ram[least].size >= length) {
			info->left_out += length;
			return;
		}
		info->left_out += info->ram[least].size;
		remove_ram(info, least);
	}
	for (i = info->ram_count; i > 0 && info->ram[i - 1].start > start; i--)
		info->ram[i] = info->ram[i - 1];
	info->ram[i] = (struct boot_range){start, length};
	info->ram_count++;
	join_ram(info, i);
	if (i > 0)
		join_ram(info, i - 1);
}

/* Firmware may have two opinions of some memory: it is none of ours then. */
static void cut_ram(struct boot_info *info, uint64_t start, uint64_t length)
{
	uint64_t end = start + length;

	for (unsigned i = info->ram_count; i-- > 0;) {
		struct boot_range r = info->ram[i];

		if (r.start >= end || r.start + r.size <= start)
			continue;
		remove_ram(info, i);
		if (r.start + r.size > end)
			add_ram(info, end, r.start + r.size - end);
		if (r.start < start)
			add_ram(info, r.start, start - r.start);
	}
}

/* What lies behind the one before is one with it, as far as they come in order. */
static void add_reserved(struct boot_info *info, uint64_t start, uint64_t length)
{
	struct boot_range *last = &info->reserved[info->reserved_count];

	if (info->reserved_count != 0 && last[-1].start + last[-1].size == start)
		last[-1].size += length;
	else if (info->reserved_count < BOOT_MAX_RESERVED && length != 0)
		info->reserved[info->reserved_count++] = (struct boot_range){start, length};
}

typedef void use_range(struct boot_info *info, uint32_t type, uint64_t start, uint64_t length);

static void add_range(struct boot_info *info, uint32_t type, uint64_t start, uint64_t length)
{
	if (type == MMAP_RAM)
		add_ram(info, start, length);
	else if (type == MMAP_RESERVED || type == MMAP_NVS)
		add_reserved(info, start, length);
}

static void cut_range(struct boot_info *info, uint32_t type, uint64_t start, uint64_t length)
{
	if (type != MMAP_RAM && length != 0)
		cut_ram(info, start, length);
}

static void parse_mmap(
	const uint8_t *tag, uint32_t size, struct boot_info *info, use_range *use)
{
	uint32_t step;

	if (size < MMAP_HEADER || (step = get32(tag + 8)) < MMAP_ENTRY) {
		info->truncated = true;
		return;
	}
	for (uint32_t at = MMAP_HEADER; size - at >= MMAP_ENTRY; at += step) {
		uint32_t type = get32(tag + at + 16);
		uint64_t start = get64(tag + at), length = get64(tag + at + 8);

		if (length <= UINT64_MAX - start)
			use(info, type, start, length);
		else if (start + length == 0 && type != MMAP_RAM) /* to the end */
			use(info, type, start, UINT64_MAX - start);
		if (step > size - at)
			break;
	}
}

static void parse_module(const uint8_t *tag, uint32_t size, struct boot_info *info)
{
	uint32_t start, end;

	if (size < MODULE_HEADER || info->module_count == BOOT_MAX_MODULES) {
		info->truncated = true;
		return;
	}
	start = get32(tag + 8);
	end = get32(tag + 12);
	if (end < start) {
		info->truncated = true;
		return;
	}
	info->modules[info->module_count++] = (struct boot_module){{start, end - start},
		text_of((const char *)tag + MODULE_HEADER, size - MODULE_HEADER)};
}

static void set_rsdp(const uint8_t *tag, uint32_t size, struct boot_info *info)
{
	info->rsdp = tag + TAG_HEADER;
	info->rsdp_size = size - TAG_HEADER;
}

static void parse_text(const uint8_t *tag, struct boot_info *info)
{
	struct boot_screen s;

	if (tag[28] != 16)
		return;
	s = (struct boot_screen){get64(tag + 8), get32(tag + 20), get32(tag + 24)};
	if (s.columns == 0 || s.columns > COLUMNS_MAX || s.rows == 0 || s.rows > ROWS_MAX ||
		get32(tag + 16) != 2 * s.columns)
		return;
	if (s.start >= VGA_START && s.start % 2 == 0 &&
		s.start <= VGA_END - 2ull * s.columns * s.rows)
		info->screen = s;
}

static struct pixel_field field_at(const uint8_t *p)
{
	return (struct pixel_field){p[0], p[1]};
}

static void parse_pixels(const uint8_t *tag, uint32_t size, struct boot_info *info)
{
	struct pixels p;

	if (size < DIRECT_RGB)
		return;
	p = (struct pixels){get64(tag + 8), get32(tag + 20), get32(tag + 24), get32(tag + 16),
		{(uint8_t)((tag[28] + 7u) / 8), field_at(tag + 32), field_at(tag + 34),
			field_at(tag + 36)}};
	if (pixels_ok(&p) && p.start + pixels_size(&p) <= DIRECT_SIZE)
		info->pixels = p;
}

/* Colours by a palette are left alone: no machine of these years starts with them. */
static void parse_framebuffer(const uint8_t *tag, uint32_t size, struct boot_info *info)
{
	if (size < FRAMEBUFFER)
		return;
	if (tag[29] == KIND_TEXT)
		parse_text(tag, info);
	else if (tag[29] == KIND_DIRECT)
		parse_pixels(tag, size, info);
}

/* Who draws in RAM draws over what others have there. */
static void check_pixels(struct boot_info *info)
{
	struct pixels *p = &info->pixels;

	for (unsigned i = 0; i < info->ram_count && p->start != 0; i++) {
		const struct boot_range *r = &info->ram[i];

		if (r->start < p->start + pixels_size(p) && p->start < r->start + r->size)
			p->start = 0;
	}
}

static void parse_tag(const uint8_t *tag, uint32_t type, uint32_t size, struct boot_info *info)
{
	switch (type) {
	case TAG_CMDLINE:
		info->cmdline = text_of((const char *)tag + TAG_HEADER, size - TAG_HEADER);
		break;
	case TAG_MODULE:
		parse_module(tag, size, info);
		break;
	case TAG_MMAP:
		parse_mmap(tag, size, info, add_range);
		break;
	case TAG_FRAMEBUFFER:
		parse_framebuffer(tag, size, info);
		break;
	case TAG_ACPI_OLD:
		if (info->rsdp == NULL)
			set_rsdp(tag, size, info);
		break;
	case TAG_ACPI_NEW:
		set_rsdp(tag, size, info);
		break;
	default:
		break;
	}
}

/* When all memory is known, in whatever order it came. */
static void parse_again(
	const uint8_t *tag, uint32_t type, uint32_t size, struct boot_info *info)
{
	if (type == TAG_MMAP)
		parse_mmap(tag, size, info, cut_range);
}

static void parse_tags(const uint8_t *block, uint32_t total, struct boot_info *info,
	void (*parse)(const uint8_t *tag, uint32_t type, uint32_t size, struct boot_info *info))
{
	for (uint32_t at = TAG_HEADER; total - at >= TAG_HEADER;) {
		uint32_t type = get32(block + at), size = get32(block + at + 4);

		if (type == TAG_END)
			return;
		if (size < TAG_HEADER || size > total - at)
			break;
		parse(block + at, type, size, info);
		size = (size + 7u) & ~7u;
		if (size > total - at)
			return; /* the padding of the last tag is cut: no end tag */
		at += size;
	}
	info->truncated = true;
}

bool mb2_parse(const uint8_t *block, size_t max, struct boot_info *info)
{
	uint32_t total;

	*info = (struct boot_info){0};
	if (max < TAG_HEADER)
		return false;
	total = get32(block);
	if (total < TAG_HEADER || total > max)
		return false;
	info->block.size = total;
	parse_tags(block, total, info, parse_tag);
	parse_tags(block, total, info, parse_again);
	check_pixels(info);
	return true;
}
