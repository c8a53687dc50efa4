/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/ecam.h"

#include "cpu/acpi.h"
#include "cpu/log.h"
#include "cpu/pci.h"
#include "mm/layout.h"
#include "mm/paging.h"
#include "spec/pcie.h"
#include "vm/passed.h"
#include "vm/sched.h"
#include "vtd/mcfg.h"

#define KEPT_MAX (2 * PASSED_MAX) /* functions of VMs, and physical ones of such */

static struct mcfg mcfg = {.why = "firmware's tables were not read"};
static bool is_open;
static uint16_t kept[KEPT_MAX];
static unsigned kept_count;

void ecam_find(const uint8_t *rsdp, size_t size)
{
	uint32_t length = 0;
	const uint8_t *table = acpi_find(rsdp, size, "MCFG", &length);

	mcfg_read(table, length, &mcfg);
}

static uint32_t by_ports(uint16_t bdf)
{
	return pci_read(bdf, PCI_VENDOR, 4);
}

static volatile void *at(uint64_t address)
{
	return direct_va((struct hpa){address});
}

static uint32_t by_memory(uint64_t address)
{
	return *(volatile uint32_t *)at(address);
}

void ecam_open(void)
{
	if (mcfg.why == NULL &&
		!paging_map_direct(sched_boot_space, (struct hpa){mcfg_start(&mcfg)},
			mcfg_size(&mcfg), PT_RW_DATA | PT_UC))
		mcfg.why = "there is no memory for L0's page tables";
	mcfg.why = mcfg_check(&mcfg, by_ports, by_memory);
	is_open = mcfg.why == NULL;
	if (is_open)
		log_info("configuration space of PCI Express is at 0x%lx, of buses %02x to "
			 "%02x",
			mcfg_start(&mcfg), mcfg.first, mcfg.last);
	else
		log_info("the table MCFG is not used: %s", mcfg.why);
}

void ecam_close(void)
{
	is_open = false;
}

const char *ecam_why_not(unsigned bus)
{
	if (mcfg.why != NULL)
		return mcfg.why;
	return bus < mcfg.first || bus > mcfg.last ? "it does not have its bus" : NULL;
}

bool ecam_meets(uint64_t first, uint64_t size)
{
	return mcfg.why == NULL && first < mcfg_start(&mcfg) + mcfg_size(&mcfg) &&
	       mcfg_start(&mcfg) < first + size;
}

static bool is_kept(uint16_t bdf)
{
	for (unsigned i = 0; i < kept_count; i++)
		if (kept[i] == bdf)
			return true;
	return false;
}

bool ecam_keep(uint16_t bdf)
{
	if (is_kept(bdf))
		return true;
	if (kept_count == KEPT_MAX)
		return false;
	kept[kept_count++] = bdf;
	return true;
}

bool ecam_map(uint64_t cr3)
{
	uint64_t page;

	for (unsigned i = 0; i < kept_count; i++)
		if (mcfg_address(&mcfg, kept[i], 0, &page) &&
			!paging_map_direct(
				cr3, (struct hpa){page}, PCIE_CONFIG_SIZE, PT_RW_DATA | PT_UC))
			return false;
	return true;
}

/* Behind the first 256 bytes. */
static bool is_reached(uint16_t bdf, unsigned offset, uint64_t *address)
{
	return (is_open || is_kept(bdf)) && mcfg_address(&mcfg, bdf, offset, address);
}

uint32_t ecam_read(uint16_t bdf, unsigned offset, unsigned size)
{
	uint64_t address;

	if (offset < PCI_CONFIG_SIZE)
		return pci_read(bdf, offset, size);
	if (!is_reached(bdf, offset, &address))
		return UINT32_MAX >> (4 - size) * 8;
	if (size == 4)
		return *(volatile uint32_t *)at(address);
	return size == 2 ? *(volatile uint16_t *)at(address) : *(volatile uint8_t *)at(address);
}

void ecam_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	uint64_t address;

	if (offset < PCI_CONFIG_SIZE)
		pci_write(bdf, offset, size, value);
	else if (!is_reached(bdf, offset, &address))
		return;
	else if (size == 4)
		*(volatile uint32_t *)at(address) = value;
	else if (size == 2)
		*(volatile uint16_t *)at(address) = (uint16_t)value;
	else
		*(volatile uint8_t *)at(address) = (uint8_t)value;
}
