/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for a function whose owner has a virtual unit: what the owner's own tables say,
 * composed with where the owner's memory is. They follow the owner's by comparison, where it
 * has said that something may have changed, in pieces that are bounded.
 *
 * What a piece changed may still be used by the unit until what was noted is invalidated there
 * (vtd_mirror_changed).
 */
#ifndef NESTOR_VTD_MIRROR_H
#define NESTOR_VTD_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "vtd/tables.h"

/* Pages of the owner's tables one behind the other, or a hole: nothing is mapped in all of it.
 */
struct vtd_leaf {
	uint64_t at, size; /* whole pages of the owner's */
	uint64_t gpa;      /* of the first page */
	uint64_t rights;   /* VTD_SL_*; 0: a hole */
};

/* ---- seam ---- */

/* What the owner's tables have from this address on; of what is behind `end` the page of it. */
void vtd_seam_leaf(void *owner, uint64_t at, uint64_t end, struct vtd_leaf *leaf);
/*
 * How many bytes of [gpa, gpa + size), from the start on, are RAM in one piece at *host; or are
 * no RAM at all, then *host is VTD_NO_RAM. Whole pages, one at least.
 */
#define VTD_NO_RAM UINT64_MAX
uint64_t vtd_seam_host(void *owner, uint64_t gpa, uint64_t size, uint64_t *host);

/* ---- */

struct vtd_mirror {
	struct vtd_tables tables;
	uint64_t at, end; /* what is to be compared yet; at >= end: nothing */
	bool begun;       /* at is where a page of the owner's begins, or inside one that is */
	/* What differs from what the unit may have cached; from >= to: nothing. */
	uint64_t changed_from, changed_to;
	const char
		*why; /* something could not be mapped; the first time since it was cleared */
};

/* Empty, and nothing is known of the owner's. False: the pool has no page. */
bool vtd_mirror_create(struct vtd_mirror *m, const struct vtd_caps *c, void *pool);
/* No unit uses it any more. */
void vtd_mirror_destroy(struct vtd_mirror *m);

/* The owner's tables may be other ones in [at, at + size), and in pages that meet it. */
void vtd_mirror_forget(struct vtd_mirror *m, uint64_t at, uint64_t size);

/*
 * Nothing leads to the page of 4 KiB at `host` any more, a multiple of that, wherever the owner
 * has it; vtd_mirror_changed says what the unit must forget. *most loses one for each table
 * that is looked at. False: it is used up, or there is no table for the rest of a large page,
 * and something may lead there: no unit may go on with these tables before they are compared.
 */
bool vtd_mirror_leave(struct vtd_mirror *m, uint64_t host, unsigned *most);

/* Compares so many pieces, of 256 KiB or a hole each at most. True: there are more. */
bool vtd_mirror_step(struct vtd_mirror *m, void *owner, unsigned most);

/* Takes the note of what must be invalidated: whole pages. False: nothing. */
bool vtd_mirror_changed(struct vtd_mirror *m, uint64_t *at, uint64_t *size);

#endif
