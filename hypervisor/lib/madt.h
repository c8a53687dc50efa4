/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processors and IOAPICs of the ACPI table MADT (ACPI 6.5, 5.2.12 "Multiple APIC Description
 * Table (MADT)"). A table that is cut or damaged tells what stands before the damage.
 */
#ifndef NESTOR_LIB_MADT_H
#define NESTOR_LIB_MADT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Local APICs of processors that firmware has enabled, each once: many firmwares name one as a
 * local APIC and as an x2APIC. The identifier of all local APICs is none. Returns how many
 * there are in @ids, @most at most.
 */
unsigned madt_cpus(const uint8_t *madt, uint32_t length, uint32_t *ids, unsigned most);

/* Where IOAPICs are; likewise. */
unsigned madt_ioapics(const uint8_t *madt, uint32_t length, uint32_t *addresses, unsigned most);

/* The identifier of the IOAPIC at this address. False: none is told of. */
bool madt_ioapic(const uint8_t *madt, uint32_t length, uint32_t address, uint8_t *id);

#endif
