/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux by its 64-bit boot protocol, or where a kernel has no entry for that, by the 32-bit
 * one: bzImage, and vmlinux as ELF. A bzImage that has neither goes to linux_real.c.
 * boot_params is built from nothing; of a bzImage only the setup header is kept.
 */
#include "load/linux_int.h"

#include "spec/addr.h"
#include "spec/vga.h"

#define XLF_KERNEL_64  0x01u
#define VERSION        0x020fu
#define EGA_256K       3u /* as INT 10H, AH = 12H says it */
#define ENTRY64_OFFSET 0x200u

bool linux_is_bzimage(const struct load_image *i)
{
	uint32_t magic;
	uint16_t flag;

	return image_get16(i, BP_BOOT_FLAG, &flag) && flag == BOOT_FLAG &&
	       image_get32(i, BP_MAGIC, &magic) && magic == MAGIC_HDRS;
}

uint32_t linux_setup_size(const struct load_image *i)
{
	uint8_t sectors = i->data[BP_SETUP_SECTS];

	return ((sectors == 0 ? 4u : sectors) + 1u) * 512u;
}

static void put(uint8_t *bp, unsigned at, uint64_t v, unsigned size)
{
	__builtin_memcpy(bp + at, &v, size);
}

static void put_e820(uint8_t *bp, const struct load_target *t)
{
	bp[BP_E820_COUNT] = (uint8_t)t->map_count;
	for (unsigned i = 0; i < t->map_count; i++) {
		put(bp, BP_E820 + 20 * i, t->map[i].start, 8);
		put(bp, BP_E820 + 20 * i + 8, t->map[i].size, 8);
		put(bp, BP_E820 + 20 * i + 16, t->map[i].type, 4);
	}
}

/* Of struct screen_info; the cursor is at the top left. */
static void put_screen(uint8_t *bp)
{
	put(bp, BP_VIDEO_MODE, VGA_MODE_TEXT, 1);
	put(bp, BP_VIDEO_COLS, VGA_COLUMNS, 1);
	put(bp, BP_VIDEO_EGA, EGA_256K, 2);
	put(bp, BP_VIDEO_LINES, VGA_ROWS, 1);
	put(bp, BP_VIDEO_IS_VGA, 1, 1);
	put(bp, BP_VIDEO_POINTS, VGA_LINES, 2);
}

/*
 * The highest place in RAM for so many bytes, that end at or below a limit; 0: there is none.
 */
static uint64_t highest_place(const struct load_target *t, uint64_t size, uint64_t limit)
{
	uint64_t best = 0;

	for (unsigned i = 0; i < t->ram_count; i++) {
		const struct load_ram *r = &t->ram[i];
		uint64_t top = r->start + r->size < limit ? r->start + r->size : limit, at;

		if (top < r->start || top - r->start < size)
			continue;
		at = (top - size) & ~PAGE_MASK;
		if (at >= r->start && at > best)
			best = at;
	}
	return best;
}

const char *linux_place_initrd(const struct load_target *t, const struct load_image *initrd,
	uint32_t limit, uint64_t kernel_end, uint64_t *at)
{
	*at = highest_place(t, initrd->size, limit < INITRD_LIMIT ? limit : INITRD_LIMIT);
	if (*at == 0)
		return "the initrd is larger than the VM's memory";
	if (*at < kernel_end || !ram_write(t, *at, initrd->data, initrd->size))
		return "the VM's memory is too small for kernel and initrd";
	return NULL;
}

static const char *place_initrd(const struct load_target *t, uint8_t *bp,
	const struct load_image *initrd, uint64_t kernel_end)
{
	const char *error;
	uint64_t at;
	uint32_t limit;

	if (initrd->size == 0)
		return NULL;
	__builtin_memcpy(&limit, bp + BP_INITRD_MAX, sizeof(limit));
	error = linux_place_initrd(t, initrd, limit, kernel_end, &at);
	if (error != NULL)
		return error;
	put(bp, BP_RAMDISK, at, 4);
	put(bp, BP_RAMDISK_SIZE, initrd->size, 4);
	return NULL;
}

/* The setup header is in boot_params already, the mode in the entry state. */
static const char *finish(const struct load_target *t, const struct load_request *r,
	const struct loaded *l, struct entry_state *e)
{
	uint8_t *bp = ram_at(t, LOAD_INFO, PAGE_SIZE);

	if (r->kernel.cmdline.len > LIMIT_LINE)
		return "the kernel's command line is longer than 2047 bytes";
	put(bp, BP_ACPI_RSDP, t->rsdp, 8);
	put(bp, BP_LOADER_TYPE, LOADER_OTHER, 1);
	put(bp, BP_CMDLINE, LOAD_CMDLINE, 4);
	put_e820(bp, t);
	if (t->vga)
		put_screen(bp);
	ram_put_text(t, LOAD_CMDLINE, r->kernel.cmdline, LOAD_CMDLINE_SIZE);
	e->rip = l->entry;
	e->rsi = LOAD_INFO;
	if (e->mode == ENTRY_MODE_LONG)
		e->cr3 = ram_put_identity_map(t);
	ram_put_gdt(t, e, GDT_CODE);
	return place_initrd(t, bp, &r->initrd, l->end);
}

const char *linux_load_elf(
	const struct load_target *t, const struct load_request *r, struct entry_state *e)
{
	uint8_t *bp = ram_at(t, LOAD_INFO, PAGE_SIZE);
	bool is64 = elf_is64(&r->kernel);
	struct loaded l;
	const char *error;

	error = elf_load(t, &r->kernel, &l);
	if (error != NULL)
		return error;
	/* A VM entry at an address that is not canonical fails (SDM 26.3.1.4). */
	if (ram_at(t, l.entry, 1) == NULL)
		return "the entry point lies outside the VM's memory";
	put(bp, BP_BOOT_FLAG, BOOT_FLAG, 2);
	put(bp, BP_MAGIC, MAGIC_HDRS, 4);
	put(bp, BP_VERSION, VERSION, 2);
	put(bp, BP_LOADFLAGS, LOADED_HIGH, 1);
	put(bp, BP_XLOADFLAGS, is64 ? XLF_KERNEL_64 : 0, 2);
	put(bp, BP_INITRD_MAX, is64 ? INITRD_LIMIT : INITRD_LIMIT32, 4);
	put(bp, BP_CMDLINE_SIZE, LOAD_CMDLINE_SIZE - 1, 4);
	e->mode = is64 ? ENTRY_MODE_LONG : ENTRY_MODE_PROTECTED;
	return finish(t, r, &l, e);
}

/* Protocol 2.12 says whether there is a 64-bit entry; the 32-bit one is always there. */
static bool has_entry64(const struct load_image *i)
{
	uint16_t version, xloadflags;

	return image_get16(i, BP_VERSION, &version) && version >= 0x020c &&
	       image_get16(i, BP_XLOADFLAGS, &xloadflags) && xloadflags & XLF_KERNEL_64;
}

const char *linux_load_bzimage(
	const struct load_target *t, const struct load_request *r, struct entry_state *e)
{
	const struct load_image *i = &r->kernel;
	uint8_t *bp = ram_at(t, LOAD_INFO, PAGE_SIZE);
	bool is64 = has_entry64(i);
	uint16_t version;
	uint32_t init_size;
	uint64_t at, setup;

	/* One that does not say where it wants to be: its own setup code knows. */
	if (image_get16(i, BP_VERSION, &version) && version < VERSION_PLACE)
		return linux_load_real(t, r, e);
	if (!image_get64(i, BP_PREF_ADDRESS, &at) || !image_get32(i, BP_INIT_SIZE, &init_size))
		return "the bzImage is cut";
	if (!is64 && at > UINT32_MAX)
		return "a 32-bit bzImage that wants to be above 4 GiB";
	if (at < LOAD_LOW_END)
		return "a bzImage that wants to be below 1 MiB";
	setup = linux_setup_size(i);
	if (setup >= i->size)
		return "the bzImage is cut";
	if (ram_at(t, at, init_size) == NULL || i->size - setup > init_size)
		return "the VM's memory is too small for the kernel";
	(void)ram_write(t, at, i->data + setup, i->size - setup);
	/* the header ends where the jump at its start leads to */
	__builtin_memcpy(bp + BP_HEADER, i->data + BP_HEADER,
		(uint64_t)BP_MAGIC + i->data[BP_JUMP_OFFSET] - BP_HEADER);
	e->mode = is64 ? ENTRY_MODE_LONG : ENTRY_MODE_PROTECTED;
	return finish(
		t, r, &(struct loaded){at + (is64 ? ENTRY64_OFFSET : 0), at + init_size}, e);
}
