/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd_pci.h"

#include "cpu.h"

#define BUSES 4u

static void select(uint16_t bdf, unsigned offset)
{
	outl(PCI_PORT_ADDRESS, PCI_ADDRESS_ENABLE | (uint32_t)bdf << 8 | (offset & 0xfc));
}

uint32_t config_read(uint16_t bdf, unsigned offset)
{
	select(bdf, offset);
	return inl(PCI_PORT_DATA) >> 8 * (offset & 3);
}

void config_write(uint16_t bdf, unsigned offset, uint32_t value)
{
	select(bdf, offset);
	outl(PCI_PORT_DATA, value);
}

bool pci_find(uint32_t id, uint16_t *bdf)
{
	for (unsigned n = 0; n < BUSES * 256; n++)
		if (config_read((uint16_t)n, PCI_VENDOR) == id) {
			*bdf = (uint16_t)n;
			return true;
		}
	return false;
}

unsigned pci_capability(uint16_t bdf, unsigned id)
{
	unsigned at = config_read(bdf, PCI_CAPABILITIES) & 0xfc;

	for (unsigned n = 0; at != 0 && n < 48; n++) {
		if ((config_read(bdf, at) & 0xff) == id)
			return at;
		at = config_read(bdf, at + 1) & 0xfc;
	}
	return 0;
}

volatile uint8_t *pci_place(uint16_t bdf, uint32_t place)
{
	uint32_t bar = config_read(bdf, PCI_BAR);

	config_write(bdf, PCI_BAR, place);
	if (bar & PCI_BAR_64)
		config_write(bdf, PCI_BAR + 4, 0);
	return (volatile uint8_t *)(uintptr_t)place;
}

void pci_on(uint16_t bdf)
{
	config_write(bdf, PCI_COMMAND,
		(config_read(bdf, PCI_COMMAND) & 0xffff) | PCI_COMMAND_MEMORY |
			PCI_COMMAND_MASTER);
}

void pci_bridge_on(uint16_t bdf, uint8_t bus, uint32_t window, uint32_t size)
{
	uint32_t buses = config_read(bdf, PCI_BRIDGE_PRIMARY);

	pci_on(bdf);
	if ((buses >> 8 & 0xff) == 0)
		config_write(bdf, PCI_BRIDGE_PRIMARY,
			(buses & 0xff000000) | (uint32_t)bus << 16 | (uint32_t)bus << 8);
	config_write(
		bdf, PCI_BRIDGE_MEMORY_BASE, window >> 16 | ((window + size - 1) & 0xfff00000));
}

void pci_message(uint16_t bdf, uint32_t address, uint32_t data)
{
	unsigned c = pci_capability(bdf, PCI_CAP_MSI);
	uint32_t first = config_read(bdf, c);
	bool wide = first >> 16 & PCI_MSI_64;

	config_write(bdf, c + 4, address);
	if (wide)
		config_write(bdf, c + 8, 0);
	config_write(bdf, c + (wide ? 12 : 8), data);
	config_write(bdf, c, first | (uint32_t)PCI_MSI_ENABLE << 16);
}

void pci_message_off(uint16_t bdf)
{
	unsigned c = pci_capability(bdf, PCI_CAP_MSI);

	config_write(bdf, c, config_read(bdf, c) & ~((uint32_t)PCI_MSI_ENABLE << 16));
}

void pci_messages(uint16_t bdf, volatile uint8_t *registers, uint32_t address, uint32_t data)
{
	unsigned c = pci_capability(bdf, PCI_CAP_MSIX);
	volatile uint8_t *entry =
		registers + PCI_MSIX_OFFSET(config_read(bdf, c + PCI_MSIX_TABLE));

	config_write(bdf, c,
		(config_read(bdf, c) & ~((uint32_t)PCI_MSIX_MASK_ALL << 16)) |
			(uint32_t)PCI_MSIX_ENABLE << 16);
	*reg32(entry, 0) = address;
	*reg32(entry, 4) = 0;
	*reg32(entry, PCI_MSIX_ENTRY_DATA) = data;
	*reg32(entry, PCI_MSIX_ENTRY_CONTROL) = 0;
}
