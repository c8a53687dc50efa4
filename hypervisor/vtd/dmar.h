/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI table DMAR: which remapping units the machine has, and which devices are whose. What
 * firmware says is believed only where it is consistent: a device that it does not put behind
 * exactly one unit has none, with the reason in words.
 */
#ifndef NESTOR_VTD_DMAR_H
#define NESTOR_VTD_DMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/vtd.h"

/* Machines of eight sockets have up to a dozen units each, whose scopes name their ports. */
#define DMAR_UNITS   128u
#define DMAR_REGIONS 128u
#define DMAR_SCOPES  2048u /* of all units and regions */
#define DMAR_HOPS    8192u /* of the paths of all scopes */
#define DMAR_NONE    UINT32_MAX

struct dmar_unit {
	uint64_t registers;
	uint16_t segment;
	bool all;        /* the devices of its segment that are nobody else's */
	const char *why; /* it cannot be used; or NULL */
};

/* Memory that firmware wants devices to reach as if there were no unit (RMRR). */
struct dmar_region {
	uint64_t first, last;
	uint16_t segment;
};

struct dmar_scope {
	uint8_t kind; /* DMAR_SCOPE_* */
	uint8_t id;   /* of an IOAPIC */
	bool region;  /* of a region, else of a unit */
	bool found;   /* the path leads somewhere */
	uint8_t owner;
	uint8_t bus;   /* where the path begins */
	uint8_t hops;  /* of the path, each as in a bdf, in struct dmar */
	uint16_t path; /* number of the first one */
	uint16_t bdf;  /* where it leads */
};

struct dmar {
	const char *why; /* nothing of the table can be used; or NULL */
	uint8_t flags;   /* DMAR_FLAG_* */
	unsigned host_bits;
	unsigned unit_count, region_count, scope_count, hop_count;
	struct dmar_unit units[DMAR_UNITS];
	struct dmar_region regions[DMAR_REGIONS];
	struct dmar_scope scopes[DMAR_SCOPES];
	uint8_t hops[DMAR_HOPS];
};

/*
 * @table has @size readable bytes, whatever its own length says. NULL: there is no such table.
 */
void dmar_read(const uint8_t *table, size_t size, struct dmar *d);

/*
 * Follows the paths of scopes through bridges, by vtd_seam_bridge: no function is behind a unit
 * before, but those of one that has all others. Configuration space of the segments is reached.
 */
void dmar_follow(struct dmar *d);

/* The unit that the function's requests go through; DMAR_NONE: *why says why there is none. */
uint32_t dmar_unit_of(const struct dmar *d, uint16_t segment, uint16_t bdf, const char **why);

/* A region that firmware has for this function, or NULL. */
const struct dmar_region *dmar_region_of(const struct dmar *d, uint16_t segment, uint16_t bdf);

/* Numbers of the regions that it has for this function, @most at most; returns how many. */
unsigned dmar_regions_of(
	const struct dmar *d, uint16_t segment, uint16_t bdf, uint8_t *regions, unsigned most);

/* The unit of the IOAPIC with this ACPI identifier and the source-id of its requests. */
uint32_t dmar_ioapic(const struct dmar *d, uint8_t id, uint16_t *source);

#endif
