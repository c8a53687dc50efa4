/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI table MCFG: where configuration space of PCI Express is in memory (PCI Firmware
 * Specification 3.2, 4.1.2 "MCFG Table Description"). Segment 0 only.
 */
#ifndef NESTOR_VTD_MCFG_H
#define NESTOR_VTD_MCFG_H

#include <stdbool.h>
#include <stdint.h>

struct mcfg {
	const char *why; /* it is not used; NULL: what follows is right in itself */
	uint64_t base;   /* of bus 0, though the first bus may be another */
	uint8_t first, last;
};

/* A table whose length and checksum are right, or NULL: there is none. */
void mcfg_read(const uint8_t *table, uint32_t length, struct mcfg *m);

/* The buses' bytes. */
uint64_t mcfg_start(const struct mcfg *m);
uint64_t mcfg_size(const struct mcfg *m);

/* Where a byte of a function is. False: not in there. */
bool mcfg_address(const struct mcfg *m, uint16_t bdf, unsigned offset, uint64_t *address);

/*
 * Whether the memory shows the functions that mechanism 1 shows: those of the first bus are
 * compared by what they are, read by these two, each word once. NULL, or why it is not used.
 */
const char *mcfg_check(const struct mcfg *m, uint32_t (*by_ports)(uint16_t bdf),
	uint32_t (*by_memory)(uint64_t address));

#endif
