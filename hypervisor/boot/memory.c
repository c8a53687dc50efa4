/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/memory.h"

#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/mtrr.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"

extern const uint8_t image_start[], image_end[];

static void keep_own(void)
{
	page_reserve(0, PAGE_SIZE);
	page_reserve(hpa_of(image_start).v, (uint64_t)(image_end - image_start));
	bad_memory_own(hpa_of(image_start).v, (uint64_t)(image_end - image_start));
}

static void cut(struct boot_info *info)
{
	uint64_t without = 0;

	for (unsigned i = 0; i < info->ram_count; i++) {
		struct boot_range *r = &info->ram[i];
		uint64_t most = r->start < DIRECT_SIZE ? DIRECT_SIZE - r->start : 0;

		if (r->size <= most)
			continue;
		without += r->size - most;
		r->size = most;
	}
	if (without != 0)
		log_warn("%lu MiB of memory above 64 TiB are not used", without >> 20);
}

void boot_memory_init(struct boot_info *info)
{
	cut(info);
	for (unsigned i = 0; i < info->ram_count; i++) {
		page_know(info->ram[i].start, info->ram[i].size);
		page_add(info->ram[i].start, info->ram[i].size);
	}
	for (unsigned i = 0; i < info->reserved_count; i++)
		page_know_reserved(info->reserved[i].start, info->reserved[i].size);
	keep_own();
	page_reserve(info->block.start, info->block.size);
	for (unsigned i = 0; i < info->module_count; i++)
		page_reserve(info->modules[i].range.start, info->modules[i].range.size);
}

/* Rounded up. */
static uint64_t mib(uint64_t bytes)
{
	return (bytes + BIT64(20) - 1) >> 20;
}

/*
 * What L0 maps is write-back only as far as MTRRs say so, too (SDM 11.5.2.2); guests' EPTs do
 * not ask them. Nobody has set them where there is no firmware: on the emulated machine, which
 * may have ACPI tables of the host tool's, and on others that start from its ROM, where nothing
 * tells of any.
 */
void boot_memory_types(const struct boot_info *info)
{
	const struct mtrrs *m = mtrr_of_boot_cpu();
	bool no_firmware = l0_config()->machine.no_firmware || info->rsdp == NULL;
	uint64_t bytes = 0, first = 0, all = 0;

	if (m == NULL || (no_firmware && !(m->def_type & MTRR_DEF_TYPE_ON)))
		return;
	for (unsigned i = 0; i < info->ram_count; i++) {
		const struct boot_range *r = &info->ram[i];
		uint64_t at = 0, here = mtrr_not_write_back(m, r->start, r->size, &at);

		if (bytes == 0)
			first = at;
		bytes += here;
		all += r->size;
	}
	if (bytes != 0)
		log_warn(
			"%lu of %lu MiB of memory are not write-back by firmware's MTRRs, from "
			"0x%lx on: L0 is slow there",
			mib(bytes), mib(all), first);
}

/* Page-aligned outwards. */
static bool map(uint64_t cr3, const struct boot_range *r)
{
	uint64_t start = r->start & ~PAGE_MASK;
	uint64_t end = (r->start + r->size + PAGE_MASK) & ~PAGE_MASK;

	return paging_map_direct(cr3, (struct hpa){start}, end - start, PT_RW_DATA);
}

bool boot_memory_map(const struct boot_info *info, uint64_t *cr3)
{
	bool ok = paging_create(cr3);

	for (unsigned i = 0; i < info->ram_count && ok; i++)
		ok = map(*cr3, &info->ram[i]);
	for (unsigned i = 0; i < info->module_count && ok; i++)
		ok = map(*cr3, &info->modules[i].range);
	ok = ok && map(*cr3, &info->block);
	if (!ok) {
		log_error("no memory for L0's page tables");
		return false;
	}
	write_cr3(*cr3);
	return true;
}

/*
 * To page boundaries outwards: who else is there is moved, too, or is L0, see keep_own. What
 * the map does not have as usable was no memory of L0's before, either.
 */
static void give_back(const struct boot_info *info, struct boot_range r)
{
	uint64_t start = r.start & ~PAGE_MASK;
	uint64_t end = (r.start + r.size + PAGE_MASK) & ~PAGE_MASK;

	if (r.size == 0)
		return;
	memset(direct_va((struct hpa){r.start}), 0, r.size);
	for (unsigned i = 0; i < info->ram_count; i++) {
		uint64_t from = info->ram[i].start, to = from + info->ram[i].size;

		from = from > start ? from : start;
		to = to < end ? to : end;
		if (from < to)
			page_add(from, to - from);
	}
}

/* What is wrong is not read, and stays: who has it is told (vm/images_check.c). */
static bool move(struct boot_range *r)
{
	struct hpa at;

	if (r->size == 0 || bad_memory_in(r->start, r->size))
		return true;
	if (!page_alloc(r->size, PAGE_SIZE, PAGE_ANYWHERE, &at)) {
		log_error("no memory to move %lu KiB of the loader's", r->size >> 10);
		return false;
	}
	memcpy(direct_va(at), direct_va((struct hpa){r->start}), r->size);
	r->start = at.v;
	return true;
}

static bool move_block(struct boot_info *info)
{
	uint64_t from = info->block.start;
	ptrdiff_t by;

	if (!move(&info->block))
		return false;
	by = (ptrdiff_t)(info->block.start - from);
	info->cmdline.s += by;
	for (unsigned i = 0; i < info->module_count; i++)
		info->modules[i].cmdline.s += by;
	if (info->rsdp != NULL)
		info->rsdp += by;
	return true;
}

/* A module before this one that lies there, too: an image of several disks. */
static unsigned same_range(const struct boot_range *old, unsigned i)
{
	unsigned k = 0;

	while (k < i && (old[k].start != old[i].start || old[k].size != old[i].size))
		k++;
	return k;
}

/* All but what has stayed. */
static void give_back_old(const struct boot_info *info, const struct boot_range *old)
{
	for (unsigned i = 0; i < info->module_count; i++)
		if (same_range(old, i) == i && old[i].start != info->modules[i].range.start)
			give_back(info, old[i]);
	for (unsigned i = 0; i < info->module_count; i++)
		page_reserve(info->modules[i].range.start, info->modules[i].range.size);
	page_reserve(info->block.start, info->block.size);
}

bool boot_memory_move(struct boot_info *info)
{
	static struct boot_range old[BOOT_MAX_MODULES];
	struct boot_range block = info->block;

	for (unsigned i = 0; i < info->module_count; i++) {
		unsigned k;

		old[i] = info->modules[i].range;
		k = same_range(old, i);
		if (k < i)
			info->modules[i].range = info->modules[k].range;
		else if (!move(&info->modules[i].range))
			return false;
	}
	if (!move_block(info))
		return false;
	if (block.start != info->block.start)
		give_back(info, block);
	give_back_old(info, old);
	keep_own();
	return true;
}
