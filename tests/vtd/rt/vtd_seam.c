/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vtd/ needs, as a payload has it: memory is where it is, and a page is never scarce.
 */
#include "vtd/seam.h"

#include "cpu.h"
#include "rt.h"
#include "vtd_pci.h"

#define TICKS_PER_US 100u /* fewer than any machine has: patience lasts longer, not shorter */
#define HEADER_KIND  0x7fu
#define IS_BRIDGE    1u

uint32_t vtd_seam_read32(uint64_t registers, unsigned at)
{
	return *(volatile uint32_t *)(uintptr_t)(registers + at);
}

uint64_t vtd_seam_read64(uint64_t registers, unsigned at)
{
	return *(volatile uint64_t *)(uintptr_t)(registers + at);
}

void vtd_seam_write32(uint64_t registers, unsigned at, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(registers + at) = value;
}

void vtd_seam_write64(uint64_t registers, unsigned at, uint64_t value)
{
	*(volatile uint64_t *)(uintptr_t)(registers + at) = value;
}

/* Pages that came back are used first. */
static void *free_pages;

void *vtd_seam_page(void *pool)
{
	void **page = free_pages;

	(void)pool;
	if (page == NULL)
		return page_alloc();
	free_pages = *page;
	return memset(page, 0, 4096);
}

void vtd_seam_page_back(void *pool, void *page)
{
	(void)pool;
	*(void **)page = free_pages;
	free_pages = page;
}

uint64_t vtd_seam_address(const void *at)
{
	return address_of(at);
}

void *vtd_seam_pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

void vtd_seam_write_back(const void *at, unsigned size)
{
	for (unsigned i = 0; i < size; i += 16)
		__asm__ volatile("clflush %0" : : "m"(*((const char *)at + i)) : "memory");
}

uint64_t vtd_seam_now(void)
{
	return rdtsc_exact() / TICKS_PER_US;
}

uint32_t vtd_seam_config(uint32_t sbdf, unsigned offset, unsigned size)
{
	return config_read(PCI_SBDF_BDF(sbdf), offset & ~3u) >> offset % 4 * 8 &
	       UINT32_MAX >> (4 - size) * 8;
}

bool vtd_seam_bridge(uint32_t sbdf, uint8_t *secondary, uint8_t *subordinate)
{
	uint16_t bdf = PCI_SBDF_BDF(sbdf);
	uint32_t buses = config_read(bdf, PCI_BRIDGE_PRIMARY);

	if ((config_read(bdf, PCI_HEADER_TYPE) & HEADER_KIND) != IS_BRIDGE)
		return false;
	*secondary = (uint8_t)(buses >> 8);
	*subordinate = (uint8_t)(buses >> 16);
	return true;
}
