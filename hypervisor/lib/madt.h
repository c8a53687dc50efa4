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

/* What has the machine's NMI: a processor and an input of its local APIC. */
struct madt_nmi {
	uint32_t id;  /* of the local APIC */
	uint8_t lint; /* 0 or 1 */
	bool active_low;
};

/*
 * The one processor that shall get it, where firmware tells: a structure may mean all, and one
 * press of a button be an NMI on each. The boot processor, if it is connected; else the first
 * enabled one that is. False: firmware does not tell. (5.2.12.7 "Local APIC NMI Structure",
 * 5.2.12.13 "Local x2APIC NMI Structure")
 */
bool madt_nmi_input(
	const uint8_t *madt, uint32_t length, uint32_t boot_id, struct madt_nmi *nmi);

/* The identifier of the IOAPIC at this address. False: none is told of. */
bool madt_ioapic(const uint8_t *madt, uint32_t length, uint32_t address, uint8_t *id);

#endif
