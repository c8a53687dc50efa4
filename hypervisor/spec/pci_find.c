/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/pci_find.h"

unsigned pci_find(pci_reader *read, uint32_t sbdf, enum pci_capability id)
{
	unsigned at;

	if (read(sbdf, PCI_VENDOR, 2) == PCI_NO_VENDOR && read(sbdf, PCI_STATUS, 2) == 0xffff)
		return 0;
	if (!(read(sbdf, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES))
		return 0;
	at = read(sbdf, PCI_CAPABILITIES, 1) & 0xfc;
	for (unsigned i = 0; i < PCI_CAPABILITIES_MAX && at >= PCI_HEADER_END; i++) {
		if (read(sbdf, at, 1) == (uint32_t)id)
			return at;
		at = read(sbdf, at + 1, 1) & 0xfc;
	}
	return 0;
}

/* Without the capability of PCI Express there is nothing behind the first 256 bytes. */
unsigned pcie_find(pci_reader *read, uint32_t sbdf, unsigned id, unsigned size)
{
	unsigned at = PCIE_EXTENDED;

	if (pci_find(read, sbdf, PCI_CAP_EXPRESS) == 0)
		return 0;
	for (unsigned i = 0; i < PCIE_EXTENDED_MAX && at >= PCIE_EXTENDED; i++) {
		uint32_t header = read(sbdf, at, 4);

		if (header == UINT32_MAX || header == 0)
			return 0;
		if (PCIE_EXTENDED_ID(header) == id && at + size <= PCIE_CONFIG_SIZE)
			return at;
		at = PCIE_EXTENDED_LINK(header);
	}
	return 0;
}
