/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/memory.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"

extern const uint8_t image_start[], image_end[];

void boot_memory_init(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->ram_count; i++)
		page_add(info->ram[i].start, info->ram[i].size);
	page_reserve(0, PAGE_SIZE);
	page_reserve(hpa_of(image_start).v, (uint64_t)(image_end - image_start));
	page_reserve(info->block.start, info->block.size);
	for (unsigned i = 0; i < info->module_count; i++)
		page_reserve(info->modules[i].range.start, info->modules[i].range.size);
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
	if (!ok) {
		log_error("no memory for L0's page tables");
		return false;
	}
	write_cr3(*cr3);
	return true;
}
