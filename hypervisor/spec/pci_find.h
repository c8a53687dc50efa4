/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a function of PCI has a capability. Both lists come from devices: a walk follows no
 * more links than there is room for, and what it finds is inside configuration space.
 */
#ifndef NESTOR_SPEC_PCI_FIND_H
#define NESTOR_SPEC_PCI_FIND_H

#include <stdint.h>

#include "spec/pcie.h"

/* Configuration space of a function, PCI_SBDF; size 1, 2 or 4. Ones where nothing is. */
typedef uint32_t pci_reader(uint32_t sbdf, unsigned offset, unsigned size);

/* The first one with this identifier; 0: there is none. */
unsigned pci_find(pci_reader *read, uint32_t sbdf, enum pci_capability id);

/*
 * The first extended one with this identifier, of so many bytes. 0: there is none, or extended
 * configuration space is not reached.
 */
unsigned pcie_find(pci_reader *read, uint32_t sbdf, unsigned id, unsigned size);

#endif
