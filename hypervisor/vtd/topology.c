/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/topology.h"

#include <stdbool.h>
#include <stddef.h>

#include "spec/pci.h"
#include "spec/pcie.h"
#include "vtd/seam.h"

#define FUNCTIONS 8u
#define DEVICES   32u

static bool is_there(uint16_t bdf)
{
	return vtd_seam_config(bdf, PCI_VENDOR, 2) != PCI_NO_VENDOR;
}

static bool is_multifunction(uint16_t bdf)
{
	uint16_t first = (uint16_t)(bdf & ~(FUNCTIONS - 1));

	return is_there(first) &&
	       vtd_seam_config(first, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTIFUNCTION;
}

/* Offset of its PCI Express capability, or 0. A list without end was walked enough. */
static unsigned express_of(uint16_t bdf)
{
	unsigned at = 0;

	if (vtd_seam_config(bdf, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES)
		at = vtd_seam_config(bdf, PCI_CAPABILITIES, 1) & 0xfc;
	for (unsigned i = 0; i < PCI_CAPABILITIES_MAX && at >= PCI_HEADER_END; i++) {
		if (vtd_seam_config(bdf, at, 1) == PCI_CAP_EXPRESS)
			return at;
		at = vtd_seam_config(bdf, at + 1, 1) & 0xfc;
	}
	return 0;
}

/* The bridge on a lower bus behind which the bus is, next to it. False: it is a root bus. */
static bool find_parent(unsigned bus, uint16_t *parent)
{
	uint8_t secondary, subordinate;

	for (unsigned slot = 0; slot < bus * DEVICES; slot++) {
		uint16_t first = (uint16_t)(slot * FUNCTIONS);
		unsigned functions = is_multifunction(first) ? FUNCTIONS : 1;

		for (unsigned i = 0; i < functions; i++) {
			*parent = (uint16_t)(first + i);
			if (vtd_seam_bridge(*parent, &secondary, &subordinate) &&
				secondary == bus)
				return true;
		}
	}
	return false;
}

static bool hides_requesters(uint16_t bridge)
{
	unsigned express = express_of(bridge);

	return express == 0 || PCIE_TYPE(vtd_seam_config(bridge, express + PCIE_CAPABLE, 2)) ==
				       PCIE_TYPE_TO_PCI;
}

/*
 * Whether ports and functions redirect requests to each other upwards (ACS) is not read: all
 * behind a port of the root complex is one group, and so are the functions of a device that has
 * several. Virtual functions are devices of their own.
 */
const char *topology_group(uint16_t bdf, uint16_t *group)
{
	uint16_t parent;

	while (find_parent(PCI_BDF_BUS(bdf), &parent)) {
		if (hides_requesters(parent))
			return "it is behind a PCI bridge, which hides whose a request is";
		bdf = parent;
	}
	*group = is_multifunction(bdf) ? (uint16_t)(bdf & ~(FUNCTIONS - 1)) : bdf;
	return NULL;
}
