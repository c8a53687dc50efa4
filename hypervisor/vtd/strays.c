/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/strays.h"

#include <stdbool.h>

#include "spec/pci.h"
#include "spec/pci_find.h"
#include "vtd/seam.h"

static uint32_t get(uint32_t sbdf, unsigned offset, unsigned size)
{
	return vtd_seam_config(sbdf, offset, size);
}

static bool is_there(uint32_t sbdf)
{
	return get(sbdf, PCI_VENDOR, 2) != PCI_NO_VENDOR;
}

static unsigned functions_of(uint32_t first)
{
	return get(first, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTIFUNCTION ? PCI_FUNCTIONS : 1;
}

/*
 * Where firmware forwards by alternative routing-IDs all places of a bus are one device's, and
 * its first function alone says so (PCI Express Base Specification 4.0, 6.13).
 */
static bool has_ari(uint32_t first)
{
	return pcie_find(vtd_seam_config, first, PCIE_EXTENDED_ARI, PCIE_ARI_SIZE) != 0;
}

static void visit_bus(uint32_t bus, void (*visit)(uint32_t sbdf, void *with), void *with)
{
	bool all = false;

	for (unsigned device = 0; device < PCI_DEVICES; device++) {
		uint32_t first = bus + device * PCI_FUNCTIONS;
		bool there = is_there(first);
		unsigned count;

		if (device == 0)
			all = there && has_ari(first);
		count = all ? PCI_FUNCTIONS : there ? functions_of(first) : 0;
		for (unsigned i = 0; i < count; i++)
			if (i == 0 ? there : is_there(first + i))
				visit(first + i, with);
	}
}

void strays_visit(
	const struct stray_buses *where, void (*visit)(uint32_t sbdf, void *with), void *with)
{
	for (unsigned bus = where->first; bus <= where->last; bus++)
		visit_bus(PCI_SBDF(where->segment, PCI_BDF(bus, 0, 0)), visit, with);
}

/* Host bridges, and others without a header of type 1, by their class. */
static bool is_bridge(uint32_t sbdf)
{
	return (get(sbdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT) != 0 ||
	       get(sbdf, PCI_CLASS_CODE, 2) >> 8 == PCI_CLASS_BRIDGE;
}

/* Bits of two bytes; STATUS, whose bits are cleared by ones, is behind those of COMMAND. */
static bool clear(uint32_t sbdf, unsigned offset, uint32_t bits)
{
	uint32_t was = get(sbdf, offset, 2);

	if ((was & bits) == 0)
		return false;
	vtd_seam_set_config(sbdf, offset, 2, was & ~bits);
	return (get(sbdf, offset, 2) & bits) == 0;
}

static bool clear_in(uint32_t sbdf, enum pci_capability id, unsigned offset, uint32_t bits)
{
	unsigned at = pci_find(vtd_seam_config, sbdf, id);

	return at != 0 && clear(sbdf, at + offset, bits);
}

/* What it says there afterwards counts for nothing before a second has passed. */
static bool end_virtual(uint32_t sbdf)
{
	unsigned at = pcie_find(vtd_seam_config, sbdf, PCIE_EXTENDED_SRIOV, PCIE_SRIOV_SIZE);
	uint32_t was = at != 0 ? get(sbdf, at + PCIE_SRIOV_CONTROL, 2) : 0;

	if ((was & (PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY)) == 0)
		return false;
	vtd_seam_set_config(sbdf, at + PCIE_SRIOV_CONTROL, 2,
		was & ~(PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY));
	return was & PCIE_SRIOV_ENABLE;
}

void strays_stop(uint32_t sbdf, stray_judge *judge, struct strays *all)
{
	enum stray what = is_bridge(sbdf) ? STRAY_LEAVE : judge(sbdf);
	bool done = what == STRAY_STOP && clear(sbdf, PCI_COMMAND, PCI_COMMAND_MASTER);

	if (what == STRAY_LEAVE)
		return;
	all->virtual += end_virtual(sbdf);
	if (what == STRAY_VIRTUAL)
		return;
	done |= clear_in(sbdf, PCI_CAP_MSI, PCI_MSI_CONTROL, PCI_MSI_ENABLE);
	done |= clear_in(sbdf, PCI_CAP_MSIX, PCI_MSIX_CONTROL, PCI_MSIX_ENABLE);
	all->stopped += done;
	all->stuck += what == STRAY_STOP && get(sbdf, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}
