/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that firmware wants devices to reach as if there were no unit (VT-d 8.4 "Reserved
 * Memory Region Reporting Structure"): what an integrated display shows, a management
 * controller's, that of keyboards on USB. Functions that no VM has go on reaching it. One set
 * of tables for a unit: where firmware has several regions behind it, its functions reach them
 * all.
 */
#include "vm/iommu.h"
#include "vm/iommu_int.h"

#include "cpu/log.h"
#include "lib/fmt.h"
#include "mm/page.h"
#include "spec/pci.h"
#include "vm/ecam.h"
#include "vtd/ranges.h"

#define USES_MAX 256u

/* A function behind a unit that is to reach a region. */
static struct use {
	uint32_t sbdf;
	uint8_t unit, region;
	bool attached; /* the first one of a function */
} uses[USES_MAX];
static unsigned use_count;
static bool left_out;

static bool refused[DMAR_REGIONS];
static struct vtd_tables tables[DMAR_UNITS];

const char *iommu_name(uint32_t sbdf, char out[IOMMU_NAME])
{
	uint16_t segment = PCI_SBDF_SEGMENT(sbdf), bdf = PCI_SBDF_BDF(sbdf);
	size_t n = fmt(out, IOMMU_NAME, "pci:");

	if (segment != 0)
		n += fmt(out + n, IOMMU_NAME - n, "%04x:", segment);
	(void)fmt(out + n, IOMMU_NAME - n, "%02x:%02x.%u", PCI_BDF_BUS(bdf),
		PCI_BDF_DEVICE(bdf), PCI_BDF_FUNCTION(bdf));
	return out;
}

static bool meets_unit(uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < iommu_dmar.unit_count; i++)
		if (iommu_dmar.units[i].registers < start + size &&
			start < iommu_dmar.units[i].registers + VTD_REGISTERS_SIZE)
			return true;
	return false;
}

static const char *why_not(const struct dmar_region *r)
{
	const char *why = vtd_region_error(r);
	uint64_t size = r->last - r->first + 1;

	if (why != NULL)
		return why;
	if (page_known(r->first, size))
		return "it is in usable memory, which is VMs'";
	if (meets_unit(r->first, size))
		return "an IOMMU has its registers there";
	return page_is_reserved(r->first, size) ? NULL
						: "the memory map does not have it as reserved";
}

static void judge_regions(void)
{
	for (unsigned i = 0; i < iommu_dmar.region_count; i++) {
		const struct dmar_region *r = &iommu_dmar.regions[i];
		const char *why = why_not(r);

		refused[i] = why != NULL;
		if (why != NULL)
			log_warn(
				"firmware's memory at 0x%lx to 0x%lx (RMRR) is not for devices: %s",
				r->first, r->last, why);
	}
}

static void add_use(uint32_t sbdf, uint8_t unit, uint8_t region)
{
	if (refused[region])
		return;
	left_out = left_out || use_count == USES_MAX;
	if (use_count < USES_MAX)
		uses[use_count++] = (struct use){.sbdf = sbdf, .unit = unit, .region = region};
}

static void find_uses(uint32_t sbdf, void *with)
{
	uint16_t segment = PCI_SBDF_SEGMENT(sbdf), bdf = PCI_SBDF_BDF(sbdf);
	uint8_t regions[DMAR_REGIONS];
	unsigned count = dmar_regions_of(&iommu_dmar, segment, bdf, regions, DMAR_REGIONS);
	const char *why;
	uint32_t unit = count != 0 ? dmar_unit_of(&iommu_dmar, segment, bdf, &why) : DMAR_NONE;

	(void)with;
	if (unit == DMAR_NONE || iommu_units[unit].failed != NULL)
		return;
	for (unsigned i = 0; i < count; i++)
		add_use(sbdf, (uint8_t)unit, regions[i]);
}

void iommu_regions_find(void)
{
	if (iommu_dmar.why != NULL || iommu_dmar.region_count == 0)
		return;
	judge_regions();
	ecam_visit(find_uses, NULL);
	if (left_out)
		log_warn(
			"firmware has memory (RMRR) for more than %u functions: the others do not reach it",
			USES_MAX);
}

/* What the functions of the unit are to reach. */
static const struct vtd_ranges *ranges_of(unsigned unit)
{
	static struct vtd_ranges all; /* more than the stack shall hold */
	bool have[DMAR_REGIONS] = {false};

	all.count = 0;
	for (unsigned i = 0; i < use_count; i++) {
		if (uses[i].unit != unit || have[uses[i].region])
			continue;
		have[uses[i].region] = true;
		vtd_ranges_add(&all, &iommu_dmar.regions[uses[i].region]);
	}
	return &all;
}

/* And one for each function: its bus may have none yet. */
uint64_t iommu_regions_pages(void)
{
	uint64_t pages = use_count;

	for (unsigned i = 0; i < iommu_dmar.unit_count && use_count != 0; i++) {
		const struct vtd_ranges *all = ranges_of(i);

		if (all->count != 0)
			pages += vtd_ranges_pages(all, &iommu_units[i].caps);
	}
	return pages;
}

static struct use *first_use(uint32_t sbdf)
{
	for (unsigned i = 0; i < use_count; i++)
		if (uses[i].sbdf == sbdf)
			return &uses[i];
	return NULL;
}

static void attach(struct use *u)
{
	const char *why = vtd_unit_attach(&iommu_units[u->unit], PCI_SBDF_BDF(u->sbdf),
		&tables[u->unit], IOMMU_DOMAIN_FIRMWARE);
	char name[IOMMU_NAME];

	u->attached = why == NULL;
	if (why == NULL)
		log_info("%s goes on reaching what firmware has for it (RMRR)",
			iommu_name(u->sbdf, name));
	else
		log_warn("%s does not reach what firmware has for it (RMRR): %s",
			iommu_name(u->sbdf, name), why);
}

void iommu_regions_attach(unsigned unit)
{
	const struct vtd_ranges *all = ranges_of(unit);
	const char *why = NULL;

	if (all->count == 0 || iommu_units[unit].failed != NULL)
		return;
	if (!vtd_tables_create(&tables[unit], &iommu_units[unit].caps, NULL))
		why = "there is no memory for its tables";
	else
		why = vtd_ranges_map(all, &tables[unit]);
	if (why != NULL) {
		log_warn(
			"no device reaches what firmware has for it (RMRR) by the IOMMU at 0x%lx: %s",
			iommu_units[unit].registers, why);
		return;
	}
	for (unsigned i = 0; i < use_count; i++)
		if (uses[i].unit == unit && first_use(uses[i].sbdf) == &uses[i])
			attach(&uses[i]);
}

bool iommu_regions_meet(uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < use_count; i++) {
		const struct dmar_region *r = &iommu_dmar.regions[uses[i].region];

		if (start <= r->last && r->first < start + size)
			return true;
	}
	return false;
}

void iommu_regions_release(uint16_t bdf)
{
	struct use *u = first_use(bdf);
	const char *why = NULL;
	char name[IOMMU_NAME];

	if (u == NULL || !u->attached)
		return;
	u->attached = false;
	why = vtd_unit_detach(&iommu_units[u->unit], bdf, IOMMU_DOMAIN_FIRMWARE);
	if (why != NULL)
		log_warn("%s may reach what firmware has for it (RMRR) yet: %s",
			iommu_name(bdf, name), why);
}
