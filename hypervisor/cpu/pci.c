/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/pci.h"

#include "cpu/asm.h"
#include "cpu/lock.h"
#include "spec/pci.h"

static struct spinlock lock = {.rank = LOCK_MACHINE};

static uint16_t select(uint16_t bdf, unsigned offset)
{
	outl(PCI_PORT_ADDRESS, PCI_ADDRESS_ENABLE | (uint32_t)bdf << 8 | (offset & 0xfc));
	return (uint16_t)(PCI_PORT_DATA + (offset & 3));
}

uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned size)
{
	uint16_t port;
	uint32_t v;

	spin_lock(&lock);
	port = select(bdf, offset);
	v = size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
	spin_unlock(&lock);
	return v;
}

void pci_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	uint16_t port;

	spin_lock(&lock);
	port = select(bdf, offset);
	if (size == 1)
		outb(port, (uint8_t)value);
	else if (size == 2)
		outw(port, (uint16_t)value);
	else
		outl(port, value);
	spin_unlock(&lock);
}
