/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register that resets the machine, as the ACPI table FADT tells it (ACPI 6.5, 5.2.9 "Fixed
 * ACPI Description Table (FADT)", 4.8.3.6 "Reset Register").
 */
#ifndef NESTOR_LIB_FADT_H
#define NESTOR_LIB_FADT_H

#include <stdbool.h>
#include <stdint.h>

#define FADT_FLAGS 112u /* 32 bits of the table */

enum fadt_space {
	FADT_MEMORY = 0,
	FADT_PORT = 1,
	FADT_PCI = 2 /* configuration space of bus 0 */
};

/* A byte that is written. */
struct fadt_reset {
	uint8_t space; /* enum fadt_space */
	uint8_t value;
	uint64_t address; /* in memory, a port, or the offset in configuration space */
	uint16_t bdf;     /* FADT_PCI */
};

/* False: there is none, or it is nowhere that can be. */
bool fadt_reset_register(const uint8_t *fadt, uint32_t length, struct fadt_reset *r);

#endif
