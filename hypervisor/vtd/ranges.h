/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that firmware wants devices to reach as if there were no unit (RMRR), of one unit: the
 * regions overlap and repeat each other, tables map each page once.
 */
#ifndef NESTOR_VTD_RANGES_H
#define NESTOR_VTD_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "vtd/dmar.h"
#include "vtd/tables.h"

/* Sorted, disjoint, not adjacent; [start, end). */
struct vtd_ranges {
	unsigned count;
	struct {
		uint64_t start, end;
	} at[DMAR_REGIONS];
};

/*
 * What is wrong with the region by itself; NULL: nothing (VT-d 8.4 "Reserved Memory Region
 * Reporting Structure"). Whose memory it is the caller knows.
 */
const char *vtd_region_error(const struct dmar_region *r);

/* A region without an error; DMAR_REGIONS of them at most. */
void vtd_ranges_add(struct vtd_ranges *all, const struct dmar_region *r);

/* Pages that tables for these need at most, with their root. */
uint64_t vtd_ranges_pages(const struct vtd_ranges *all, const struct vtd_caps *c);
/* To themselves. NULL, or why not: those before are mapped then. */
const char *vtd_ranges_map(const struct vtd_ranges *all, struct vtd_tables *t);

#endif
