/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/topology.h"

#include <stddef.h>

#include "spec/pci.h"
#include "spec/pci_find.h"
#include "spec/pcie.h"
#include "vtd/seam.h"

#define BUSES 256u

/* What ports do for functions behind them, and functions of a device for each other. */
#define BY_PORTS     (PCIE_ACS_SOURCE | PCIE_ACS_REQUESTS | PCIE_ACS_COMPLETION | PCIE_ACS_UPSTREAM)
#define BY_FUNCTIONS (PCIE_ACS_REQUESTS | PCIE_ACS_COMPLETION)

static uint32_t get(uint16_t bdf, unsigned offset, unsigned size)
{
	return vtd_seam_config(bdf, offset, size);
}

static bool is_there(uint16_t bdf)
{
	return get(bdf, PCI_VENDOR, 2) != PCI_NO_VENDOR;
}

static uint16_t first_of(uint16_t bdf)
{
	return (uint16_t)(bdf & ~(PCI_FUNCTIONS - 1));
}

static bool is_multifunction(uint16_t bdf)
{
	uint16_t first = first_of(bdf);

	return is_there(first) && get(first, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTIFUNCTION;
}

static unsigned functions_of(uint16_t first)
{
	return is_multifunction(first) ? PCI_FUNCTIONS : 1;
}

static unsigned express_of(uint16_t bdf)
{
	return pci_find(vtd_seam_config, bdf, PCI_CAP_EXPRESS);
}

#define NO_TYPE 16u

/* PCIE_TYPE_ROOT and so on. */
static unsigned type_of(uint16_t bdf)
{
	unsigned express = express_of(bdf);

	return express != 0 ? PCIE_TYPE(get(bdf, express + PCIE_CAPABLE, 2)) : NO_TYPE;
}

/* The bridge on a lower bus behind which the bus is, next to it. False: it is a root bus. */
static bool find_parent(unsigned bus, uint16_t *parent)
{
	uint8_t secondary, subordinate;

	for (unsigned slot = 0; slot < bus * PCI_DEVICES; slot++) {
		uint16_t first = (uint16_t)(slot * PCI_FUNCTIONS);

		for (unsigned i = 0; i < functions_of(first); i++) {
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
	unsigned type = type_of(bridge);

	return type == NO_TYPE || type == PCIE_TYPE_TO_PCI;
}

static bool has_ari(uint16_t bdf)
{
	return pcie_find(vtd_seam_config, bdf, PCIE_EXTENDED_ARI, PCIE_ARI_SIZE) != 0;
}

/* ---- Access Control Services ---- */

static unsigned acs_of(uint16_t bdf)
{
	return pcie_find(vtd_seam_config, bdf, PCIE_EXTENDED_ACS, PCIE_ACS_SIZE);
}

/*
 * Nothing that L0 gives away uses translated requests: they are blocked where that is possible,
 * and go no way of their own.
 */
void topology_separate_function(uint16_t bdf)
{
	unsigned acs = acs_of(bdf);
	uint32_t wanted, was;

	if (acs == 0)
		return;
	was = get(bdf, acs + PCIE_ACS_CONTROL, 2);
	wanted = (was & ~PCIE_ACS_DIRECT) |
		 (get(bdf, acs + PCIE_ACS_CAPABLE, 2) & (BY_PORTS | PCIE_ACS_BLOCK));
	if (wanted != was)
		vtd_seam_set_config(bdf, acs + PCIE_ACS_CONTROL, 2, wanted);
}

void topology_separate(void)
{
	for (unsigned slot = 0; slot < BUSES * PCI_DEVICES; slot++) {
		uint16_t first = (uint16_t)(slot * PCI_FUNCTIONS);

		for (unsigned i = 0; is_there(first) && i < functions_of(first); i++)
			topology_separate_function((uint16_t)(first + i));
	}
}

/*
 * Ports of a switch must have all of it; others, and functions, may lack what they have no such
 * traffic for (6.12.1). Without the capability nobody knows.
 */
static bool keeps_apart(uint16_t bdf, unsigned type)
{
	unsigned acs = acs_of(bdf);
	uint32_t needed, can;

	if (acs == 0)
		return false;
	can = get(bdf, acs + PCIE_ACS_CAPABLE, 2);
	if (type == PCIE_TYPE_DOWN)
		needed = BY_PORTS;
	else
		needed = can & (type == PCIE_TYPE_ROOT ? BY_PORTS : BY_FUNCTIONS);
	return (can & get(bdf, acs + PCIE_ACS_CONTROL, 2) & needed) == needed;
}

/*
 * Functions of the device, from its first one on. With alternative routing-IDs all of the bus
 * behind a port is one device (6.13), whatever its port forwards now.
 */
static unsigned device_of(uint16_t bdf, uint16_t *first)
{
	uint16_t port, bus = (uint16_t)(bdf & ~(PCI_DEVICES * PCI_FUNCTIONS - 1));

	if (has_ari(bus) && find_parent(PCI_BDF_BUS(bdf), &port)) {
		*first = bus;
		return PCI_DEVICES * PCI_FUNCTIONS;
	}
	*first = first_of(bdf);
	return functions_of(*first);
}

/* One function that does not is enough for it to reach, and answer, all others. */
static bool device_keeps_apart(uint16_t bdf, uint16_t *first)
{
	unsigned functions = device_of(bdf, first), there = 0;
	bool apart = true;

	for (unsigned i = 0; i < functions; i++) {
		uint16_t one = (uint16_t)(*first + i);

		if (!is_there(one))
			continue;
		there++;
		apart = apart && keeps_apart(one, type_of(one));
	}
	return apart || there <= 1;
}

/* Those on the bus inside a switch. */
static bool ports_keep_apart(unsigned bus)
{
	for (unsigned device = 0; device < PCI_DEVICES; device++) {
		uint16_t first = PCI_BDF(bus, device, 0);

		for (unsigned i = 0; is_there(first) && i < functions_of(first); i++) {
			uint16_t port = (uint16_t)(first + i);

			if (is_there(port) && !keeps_apart(port, type_of(port)))
				return false;
		}
	}
	return true;
}

/* ---- groups ---- */

/*
 * From the function on up: what is behind a port that keeps nothing apart is in its group, and
 * so up to the last such port.
 */
static const char *climb(uint16_t bdf, uint16_t *group)
{
	uint16_t parent, first;

	while (find_parent(PCI_BDF_BUS(bdf), &parent)) {
		unsigned type = type_of(parent);

		if (hides_requesters(parent))
			return "it is behind a PCI bridge, which hides whose a request is";
		if (type == PCIE_TYPE_UP ? !ports_keep_apart(PCI_BDF_BUS(bdf))
					 : !keeps_apart(parent, type))
			*group = parent;
		if (!device_keeps_apart(parent, &first))
			*group = first;
		bdf = parent;
	}
	return NULL;
}

const char *topology_group(uint16_t bdf, uint16_t *group)
{
	uint16_t first;

	*group = device_keeps_apart(bdf, &first) ? bdf : first;
	return climb(bdf, group);
}

/*
 * Among themselves, and from physical ones that keep themselves apart, these are apart: those
 * that could reach each other must have the capability (6.12.1.2), and what has it is told to
 * send that upwards.
 */
const char *topology_group_of_virtual(uint16_t physical, uint16_t bdf, uint16_t *group)
{
	uint16_t first;
	bool apart = device_keeps_apart(physical, &first);

	*group = apart && (acs_of(bdf) == 0 || keeps_apart(bdf, type_of(bdf))) ? bdf : first;
	return climb(physical, group);
}

/* ---- alternative routing-IDs ---- */

/* Offset of the port's Express capability, if it has the second part; 0: it is no such port. */
static unsigned forwarder(uint16_t physical, uint16_t *port)
{
	unsigned express, type;

	if (!find_parent(PCI_BDF_BUS(physical), port))
		return 0;
	express = express_of(*port);
	type = type_of(*port);
	if (express == 0 || (type != PCIE_TYPE_ROOT && type != PCIE_TYPE_DOWN))
		return 0;
	return (get(*port, express + PCIE_CAPABLE, 2) & 15) >= PCIE_VERSION ? express : 0;
}

bool topology_forward(uint16_t physical)
{
	uint16_t port;
	unsigned express = forwarder(physical, &port);
	uint32_t control;

	if (express == 0 || !has_ari(physical) || !has_ari(first_of(physical)) ||
		!(get(port, express + PCIE_CAPABLE_2, 4) & PCIE_ARI_FORWARDING))
		return false;
	control = get(port, express + PCIE_CONTROL_2, 2);
	vtd_seam_set_config(port, express + PCIE_CONTROL_2, 2, control | PCIE_ARI_FORWARDING);
	return get(port, express + PCIE_CONTROL_2, 2) & PCIE_ARI_FORWARDING;
}

const char *topology_reaches(uint16_t physical, uint16_t bdf)
{
	unsigned bus = PCI_BDF_BUS(bdf), express;
	uint8_t secondary, subordinate;
	uint16_t port, other;

	if (!find_parent(PCI_BDF_BUS(physical), &port))
		return bus == PCI_BDF_BUS(physical)
			       ? NULL
			       : "its place is on another bus than the root complex has it on";
	if (bus != PCI_BDF_BUS(physical)) {
		(void)vtd_seam_bridge(port, &secondary, &subordinate);
		if (bus < secondary || bus > subordinate || find_parent(bus, &other))
			return "its place is on a bus that firmware has not left to its port";
		return NULL;
	}
	express = forwarder(physical, &port);
	if (PCI_BDF_DEVICE(bdf) == 0 ||
		(express != 0 && get(port, express + PCIE_CONTROL_2, 2) & PCIE_ARI_FORWARDING))
		return NULL;
	return "its place is not reached: its port does not forward by alternative routing-IDs";
}
