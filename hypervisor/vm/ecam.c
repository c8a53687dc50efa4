/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/ecam.h"

#include "cpu/acpi.h"
#include "cpu/log.h"
#include "cpu/pci.h"
#include "cpu/text_screen.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "spec/pci_find.h"
#include "spec/pcie.h"
#include "vm/iommu.h"
#include "vm/passed.h"
#include "vm/sched.h"
#include "vtd/mcfg.h"

#define KEPT_MAX  (2 * PASSED_MAX) /* functions of VMs, and physical ones of such */
#define THERE_MAX 1024u

static struct mcfg mcfg = {.why = "firmware's tables were not read"};
static bool is_open;
static uint16_t kept[KEPT_MAX];
static unsigned kept_count;

/* Functions of the machine, found once: looking at all places takes thousands of accesses. More
 * than there is room for are looked for each time. */
static uint32_t there[THERE_MAX];
static unsigned there_count;
static unsigned beyond; /* of PCI Express, on buses that MCFG does not have */

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

static const char *map_range(const struct mcfg_range *r)
{
	struct hpa start = {mcfg_start(r)};

	if (page_known(start.v, mcfg_size(r)))
		return "it is in usable memory";
	if (iommu_is_at(start.v, mcfg_size(r)))
		return "an IOMMU has registers there";
	if (text_screen_meets(start.v, mcfg_size(r)))
		return "the screen is there";
	return paging_map_direct(sched_boot_space, start, mcfg_size(r), PT_RW_DATA | PT_UC)
		       ? NULL
		       : "there is no memory for L0's page tables";
}

static void tell_range(const struct mcfg_range *r)
{
	if (r->why == NULL)
		log_info("configuration space of PCI Express is at 0x%lx, of buses %02x to "
			 "%02x of segment %u",
			mcfg_start(r), r->first, r->last, r->segment);
	else
		log_info("the table MCFG's entry for buses %02x to %02x of segment %u is not "
			 "used: %s",
			r->first, r->last, r->segment, r->why);
}

void ecam_open(void)
{
	for (unsigned i = 0; i < mcfg.count && mcfg.why == NULL; i++)
		if (mcfg.ranges[i].why == NULL)
			mcfg.ranges[i].why = map_range(&mcfg.ranges[i]);
	mcfg_check(&mcfg, by_ports, by_memory);
	is_open = mcfg.why == NULL;
	if (!is_open)
		log_info("the table MCFG is not used: %s", mcfg.why);
	for (unsigned i = 0; i < mcfg.count && is_open; i++)
		tell_range(&mcfg.ranges[i]);
}

void ecam_close(void)
{
	is_open = false;
}

const char *ecam_why_not(unsigned bus)
{
	if (mcfg.why != NULL)
		return mcfg.why;
	return mcfg_find(&mcfg, PCI_BDF(bus, 0, 0)) == NULL
		       ? "firmware's table MCFG does not have its bus"
		       : NULL;
}

bool ecam_meets(uint64_t first, uint64_t size)
{
	for (unsigned i = 0; i < mcfg.count && mcfg.why == NULL; i++) {
		const struct mcfg_range *r = &mcfg.ranges[i];

		if (r->why == NULL && first < mcfg_start(r) + mcfg_size(r) &&
			mcfg_start(r) < first + size)
			return true;
	}
	return false;
}

/* ---- which functions there are ---- */

/* Number i of those of other segments that are used. */
static const struct mcfg_range *other(unsigned i)
{
	for (unsigned k = 0; k < mcfg.count && mcfg.why == NULL; k++)
		if (mcfg.ranges[k].segment != 0 && mcfg.ranges[k].why == NULL && i-- == 0)
			return &mcfg.ranges[k];
	return NULL;
}

const char *ecam_refused(void)
{
	return mcfg.there ? mcfg.why : NULL;
}

/* Entries that are used have all buses of it. */
static bool is_elsewhere(const struct mcfg_range *r)
{
	for (unsigned bus = r->first; bus <= r->last; bus++)
		if (mcfg_find(&mcfg, PCI_SBDF(r->segment, PCI_BDF(bus, 0, 0))) == NULL)
			return false;
	return true;
}

bool ecam_lost(unsigned i, struct stray_buses *buses, const char **why)
{
	for (unsigned k = 0; k < mcfg.count && mcfg.why == NULL; k++) {
		const struct mcfg_range *r = &mcfg.ranges[k];

		if (r->why == NULL || is_elsewhere(r) || i-- != 0)
			continue;
		*buses = (struct stray_buses){r->segment, r->first, r->last};
		*why = r->why;
		return true;
	}
	return false;
}

unsigned ecam_beyond(void)
{
	return beyond;
}

const char *ecam_segment_why_not(uint16_t segment)
{
	for (unsigned i = 0; i < mcfg.count; i++)
		if (mcfg.ranges[i].segment == segment)
			return NULL;
	return mcfg.there ? "the table MCFG has nothing for it" : mcfg.why;
}

/* Number i of the buses that are looked at. */
static bool buses_of(unsigned i, struct stray_buses *buses)
{
	const struct mcfg_range *r = i == 0 ? NULL : other(i - 1);

	*buses = (struct stray_buses){.last = UINT8_MAX};
	if (r != NULL)
		*buses = (struct stray_buses){r->segment, r->first, r->last};
	return i == 0 || r != NULL;
}

static void visit_all(void (*visit)(uint32_t sbdf, void *with), void *with)
{
	struct stray_buses buses;

	for (unsigned i = 0; buses_of(i, &buses); i++)
		strays_visit(&buses, visit, with);
}

static void note(uint32_t sbdf, void *with)
{
	(void)with;
	beyond += mcfg.why == NULL && mcfg_find(&mcfg, sbdf) == NULL &&
		  pci_find(ecam_read, sbdf, PCI_CAP_EXPRESS) != 0;
	if (there_count < THERE_MAX)
		there[there_count] = sbdf;
	there_count++;
}

void ecam_visit(void (*visit)(uint32_t sbdf, void *with), void *with)
{
	if (there_count == 0)
		visit_all(note, NULL);
	if (there_count > THERE_MAX)
		visit_all(visit, with);
	else
		for (unsigned i = 0; i < there_count; i++)
			visit(there[i], with);
}

/* ---- after it was closed ---- */

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

/* ---- accesses ---- */

static bool by_mechanism_1(uint32_t sbdf, unsigned offset)
{
	return PCI_SBDF_SEGMENT(sbdf) == 0 && offset < PCI_CONFIG_SIZE;
}

static bool is_reached(uint32_t sbdf, unsigned offset, uint64_t *address)
{
	return (is_open || (PCI_SBDF_SEGMENT(sbdf) == 0 && is_kept(PCI_SBDF_BDF(sbdf)))) &&
	       mcfg_address(&mcfg, sbdf, offset, address);
}

uint32_t ecam_read(uint32_t sbdf, unsigned offset, unsigned size)
{
	uint64_t address;

	if (by_mechanism_1(sbdf, offset))
		return pci_read(PCI_SBDF_BDF(sbdf), offset, size);
	if (!is_reached(sbdf, offset, &address))
		return UINT32_MAX >> (4 - size) * 8;
	if (size == 4)
		return *(volatile uint32_t *)at(address);
	return size == 2 ? *(volatile uint16_t *)at(address) : *(volatile uint8_t *)at(address);
}

void ecam_write(uint32_t sbdf, unsigned offset, unsigned size, uint32_t value)
{
	uint64_t address;

	if (by_mechanism_1(sbdf, offset))
		pci_write(PCI_SBDF_BDF(sbdf), offset, size, value);
	else if (!is_reached(sbdf, offset, &address))
		return;
	else if (size == 4)
		*(volatile uint32_t *)at(address) = value;
	else if (size == 2)
		*(volatile uint16_t *)at(address) = (uint16_t)value;
	else
		*(volatile uint8_t *)at(address) = (uint8_t)value;
}
