/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the pins of PCI functions lead, as the ACPI tables say it, too: facts of this chipset.
 */
#include "dev/vpci.h"

/* The ISA lines that firmware for this chipset gives PIRQA to PIRQH. */
static const uint8_t pirq_lines[VPCI_PIRQS] = {10, 10, 11, 11, 10, 10, 11, 11};

uint8_t vpci_pirq_line(unsigned pirq)
{
	return pirq_lines[pirq];
}

/*
 * As on the chipset that the host bridge names: devices 0 to 24 use PIRQE to PIRQH in turn, the
 * others PIRQA to PIRQD.
 */
unsigned vpci_pirq_of(uint16_t bdf, uint8_t pin)
{
	unsigned device = PCI_BDF_DEVICE(bdf);

	return device < 25 ? 4 + ((device + pin - 1u) & 3) : (pin - 1u) & 3;
}
