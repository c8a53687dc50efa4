/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vtd/ needs of L0: registers in every address space, and pages: a unit's own are in all
 * of them, too; those of a VM's tables are in its pool.
 */
#include "vtd/seam.h"

#include "cpu/asm.h"
#include "cpu/lock.h"
#include "cpu/mem.h"
#include "cpu/tsc.h"
#include "cpu/wipe.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "mm/pool.h"
#include "spec/addr.h"
#include "spec/pci.h"
#include "vm/ecam.h"
#include "vm/iommu_int.h"
#include "vm/sched.h"

#define LOW_MEMORY 0x100000u /* where no registers of a device are */

static uint8_t *own; /* pages one behind the other */
static uint64_t own_count;
static uint64_t own_used; /* by one CPU at a time: with the lock of units, or at the start */

bool iommu_take_pages(uint64_t count)
{
	struct hpa at;

	if (!page_alloc(count * PAGE_SIZE, PAGE_SIZE, PAGE_ANYWHERE, &at))
		return false;
	if (!paging_everywhere(at, count * PAGE_SIZE, PT_RW_DATA)) {
		page_free(at, count * PAGE_SIZE);
		return false;
	}
	own = memset(direct_va(at), 0, count * PAGE_SIZE);
	own_count = count;
	return true;
}

static void *at_register(uint64_t registers, unsigned at)
{
	return direct_va((struct hpa){registers + at});
}

uint32_t vtd_seam_read32(uint64_t registers, unsigned at)
{
	return *(volatile uint32_t *)at_register(registers, at);
}

uint64_t vtd_seam_read64(uint64_t registers, unsigned at)
{
	return *(volatile uint64_t *)at_register(registers, at);
}

void vtd_seam_write32(uint64_t registers, unsigned at, uint32_t value)
{
	*(volatile uint32_t *)at_register(registers, at) = value;
}

void vtd_seam_write64(uint64_t registers, unsigned at, uint64_t value)
{
	*(volatile uint64_t *)at_register(registers, at) = value;
}

/* While L0 starts, in the boot address space. */
bool vtd_seam_reach(uint64_t address, uint64_t size)
{
	if (address < LOW_MEMORY || address > DIRECT_SIZE - size || page_known(address, size))
		return false;
	return paging_map_direct(
		sched_boot_space, (struct hpa){address}, size, PT_RW_DATA | PT_UC);
}

void *vtd_seam_page(void *pool)
{
	if (pool != NULL)
		return pool_get(pool);
	return own_used < own_count ? own + own_used++ * PAGE_SIZE : NULL;
}

/* Units keep theirs. */
void vtd_seam_page_back(void *pool, void *page)
{
	if (pool != NULL)
		pool_put(pool, page);
}

uint64_t vtd_seam_address(const void *at)
{
	return hpa_of(at).v;
}

void *vtd_seam_pointer(uint64_t address)
{
	return direct_va((struct hpa){address});
}

void vtd_seam_write_back(const void *at, unsigned size)
{
	mem_write_back(at, size);
}

uint64_t vtd_seam_now(void)
{
	cpu_pause();
	return rdtsc() / (tsc_khz / 1000 != 0 ? tsc_khz / 1000 : 1);
}

uint32_t vtd_seam_config(uint32_t sbdf, unsigned offset, unsigned size)
{
	return ecam_read(sbdf, offset, size);
}

void vtd_seam_set_config(uint32_t sbdf, unsigned offset, unsigned size, uint32_t value)
{
	ecam_write(sbdf, offset, size, value);
}

bool vtd_seam_bridge(uint32_t sbdf, uint8_t *secondary, uint8_t *subordinate)
{
	if (ecam_read(sbdf, PCI_VENDOR, 2) == PCI_NO_VENDOR ||
		(ecam_read(sbdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT) != PCI_HEADER_BRIDGE)
		return false;
	*secondary = (uint8_t)ecam_read(sbdf, PCI_BRIDGE_SECONDARY, 1);
	*subordinate = (uint8_t)ecam_read(sbdf, PCI_BRIDGE_SUBORDINATE, 1);
	return *secondary > PCI_BDF_BUS(PCI_SBDF_BDF(sbdf));
}
