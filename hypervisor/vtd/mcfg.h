/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI table MCFG: where configuration space of PCI Express is in memory (PCI Firmware
 * Specification 3.2, 4.1.2 "MCFG Table Description"), an entry for some buses of a segment.
 */
#ifndef NESTOR_VTD_MCFG_H
#define NESTOR_VTD_MCFG_H

#include <stdbool.h>
#include <stdint.h>

#define MCFG_RANGES 256u

/* Buses of a segment. */
struct mcfg_range {
	const char *why; /* it is not used; or NULL */
	bool wrong;      /* in itself */
	uint64_t base;   /* of bus 0, though the first bus may be another */
	uint16_t segment;
	uint8_t first, last;
};

struct mcfg {
	const char *why; /* nothing of the table is used; or NULL */
	bool there;      /* firmware has one */
	unsigned count;
	struct mcfg_range ranges[MCFG_RANGES];
};

/*
 * A table whose length and checksum are right, or NULL: there is none. Entries that cannot be
 * right in themselves, or not both, have a reason.
 */
void mcfg_read(const uint8_t *table, uint32_t length, struct mcfg *m);

/* The buses' bytes; of a range that is used. */
uint64_t mcfg_start(const struct mcfg_range *r);
uint64_t mcfg_size(const struct mcfg_range *r);

/* The range that has the function's bus, PCI_SBDF, and is used. NULL: none. */
const struct mcfg_range *mcfg_find(const struct mcfg *m, uint32_t sbdf);
/* Where a byte of a function is. False: not in there. */
bool mcfg_address(const struct mcfg *m, uint32_t sbdf, unsigned offset, uint64_t *address);

/*
 * Whether the memory of segment 0 shows the functions that mechanism 1 shows: those of each
 * range's first bus that has any are compared by what they are, read by these two, each word
 * once. What has nothing to compare is not used; of a table that is wrong there, nothing is.
 * Mechanism 1 reaches no other segment, so that ranges of others are as good as the table.
 */
void mcfg_check(struct mcfg *m, uint32_t (*by_ports)(uint16_t bdf),
	uint32_t (*by_memory)(uint64_t address));

#endif
