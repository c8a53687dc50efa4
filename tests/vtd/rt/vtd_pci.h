/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI by configuration mechanism 1, for payloads that look for devices on whatever machine.
 */
#ifndef NESTOR_TESTS_VTD_PCI_H
#define NESTOR_TESTS_VTD_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/pci.h"

uint32_t config_read(uint16_t bdf, unsigned offset);
void config_write(uint16_t bdf, unsigned offset, uint32_t value);

/* The first function with this vendor (low half) and device on buses 0 to 3. */
bool pci_find(uint32_t id, uint16_t *bdf);
/* Where the capability is; 0: there is none. */
unsigned pci_capability(uint16_t bdf, unsigned id);
/* The register block behind BAR 0, which is there from now on. */
volatile uint8_t *pci_place(uint16_t bdf, uint32_t place);
/* Memory accesses and bus mastership. */
void pci_on(uint16_t bdf);
/* Numbers the bus behind the root port, if firmware did not; its window is there. */
void pci_bridge_on(uint16_t bdf, uint8_t bus, uint32_t window, uint32_t size);

/* Messages by the capability MSI, which it has on from then on. */
void pci_message(uint16_t bdf, uint32_t address, uint32_t data);
void pci_message_off(uint16_t bdf);

/* The first message of MSI-X, with the table behind BAR 0. */
void pci_messages(uint16_t bdf, volatile uint8_t *registers, uint32_t address, uint32_t data);

static inline volatile uint32_t *reg32(volatile uint8_t *registers, unsigned at)
{
	return (volatile uint32_t *)(volatile void *)(registers + at);
}

static inline volatile uint64_t *reg64(volatile uint8_t *registers, unsigned at)
{
	return (volatile uint64_t *)(volatile void *)(registers + at);
}

#endif
