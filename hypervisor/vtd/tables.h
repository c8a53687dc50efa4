/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second-level tables: what a device's addresses mean. Who changes mappings that a unit may
 * have used invalidates them there (vtd/unit.h).
 */
#ifndef NESTOR_VTD_TABLES_H
#define NESTOR_VTD_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "vtd/caps.h"

struct vtd_tables {
	void *pool; /* for vtd_seam_page */
	uint64_t *root;
	unsigned levels, bits;
	uint64_t leaf; /* bits of each leaf */
	bool large_2m, large_1g, coherent;
	unsigned pages, most; /* how many it has, and may have; most 0: as many as there are */
};

/* Empty. False: the pool has no page. */
bool vtd_tables_create(struct vtd_tables *t, const struct vtd_caps *c, void *pool);
/* Gives all pages back; no unit uses them any more. */
void vtd_tables_destroy(struct vtd_tables *t);
/* So many of them, which *most loses. True: it was the last one. */
bool vtd_tables_destroy_some(struct vtd_tables *t, unsigned *most);

/*
 * Maps [at, at + size) to `host` with the largest pages that fit; all are multiples of 4 KiB.
 * rights: VTD_SL_*. NULL, or why not: nothing may be mapped twice, reach the addresses of
 * interrupt requests, or lie beyond what devices can address. What was mapped before the error
 * stays.
 */
const char *vtd_tables_map(
	struct vtd_tables *t, uint64_t at, uint64_t host, uint64_t size, uint64_t rights);

/* Of whole pages as they were mapped. False: a part of a larger one would be left. */
bool vtd_tables_unmap(struct vtd_tables *t, uint64_t at, uint64_t size);

/*
 * The page of 4 KiB at `at` is mapped no more, larger ones that it is part of are smaller
 * pages. What a unit may have used of before: [*from, *from + *size). False: there is no table
 * for that, and all is mapped as it was.
 */
bool vtd_tables_leave(struct vtd_tables *t, uint64_t at, uint64_t *from, uint64_t *size);

/*
 * Where devices get to the page of 4 KiB at `host`, a multiple of that: the first such address
 * from *at on, of a page or a part of one. False: nowhere; or *most is 0, which loses one for
 * each table that is looked at: then nobody knows.
 */
bool vtd_tables_find(const struct vtd_tables *t, uint64_t host, uint64_t *at, unsigned *most);

/*
 * What there is from `at` on: pages one behind the other, the first of them at *host, or (0
 * rights) none. *size: how far that goes on, as far as somebody looked. `at` is in reach.
 */
uint64_t vtd_tables_run(
	const struct vtd_tables *t, uint64_t at, uint64_t *host, uint64_t *size);
/* Where a device's access to `at` goes; 0 rights: nowhere. *size: of the page. */
uint64_t vtd_tables_look(
	const struct vtd_tables *t, uint64_t at, uint64_t *host, uint64_t *size);

#endif
