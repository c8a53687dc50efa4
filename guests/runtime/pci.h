/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration space by the ports of mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2). One CPU at a
 * time: address and data are two accesses.
 */
#ifndef NESTOR_GUESTS_RUNTIME_PCI_H
#define NESTOR_GUESTS_RUNTIME_PCI_H

#include <stdint.h>

#include "cpu.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc

/*
 * Its routing ID (PCI Express 6.0, 2.2.6.2), as these functions take it; bus: 0 to 255, device:
 * 0 to 31, number: 0 to 7.
 */
#define PCI_FUNCTION(bus, device, number) ((bus) << 8 | (device) << 3 | (number))

/* The next access to PCI_DATA is to these four bytes. */
static inline void pci_select(unsigned function, unsigned offset)
{
	outl(PCI_ADDRESS, 0x80000000u | function << 8 | (offset & 0xfc));
}

/* Four bytes from the one at offset (0 to 255) on; of an odd one those up to the next four. */
static inline uint32_t pci_read(unsigned function, unsigned offset)
{
	pci_select(function, offset);
	return inl(PCI_DATA) >> (offset & 3) * 8;
}

/* offset: a multiple of 4. */
static inline void pci_write(unsigned function, unsigned offset, uint32_t v)
{
	pci_select(function, offset);
	outl(PCI_DATA, v);
}

/* By one access, since bits of the other half may be cleared by 1. offset: a multiple of 2. */
static inline void pci_write16(unsigned function, unsigned offset, uint16_t v)
{
	pci_select(function, offset);
	__asm__ volatile("outw %0, %w1" : : "a"(v), "Nd"((uint16_t)(PCI_DATA + (offset & 2))));
}

#endif
