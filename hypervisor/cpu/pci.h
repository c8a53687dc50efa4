/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's PCI configuration space, by mechanism 1: the first 256 bytes of each function.
 */
#ifndef NESTOR_CPU_PCI_H
#define NESTOR_CPU_PCI_H

#include <stdint.h>

/* size: 1, 2 or 4; the offset is a multiple of it. Any CPU. */
uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned size);
void pci_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value);

#endif
