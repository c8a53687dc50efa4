/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EPT that a vCPU runs on in place of EPT01 while pages of code have more breakpoints than
 * registers hold: a cache of EPT01, filled by violations and emptied when EPT01 takes something
 * away, in which nothing is executable that was not asked for. Of one vCPU. Owns the tables,
 * not what is mapped. Pure.
 */
#ifndef NESTOR_EMUL_DEBUGGER_VIEW_H
#define NESTOR_EMUL_DEBUGGER_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"
#include "spec/ept.h"

/* More than the pages that an instruction and an event's delivery need at once are in. */
#define DEBUGGER_TABLES 64u

/* The first is the root. */
struct debugger_view {
	uint64_t *table[DEBUGGER_TABLES];
	uint64_t hpa[DEBUGGER_TABLES];
	unsigned count; /* that there are; others give them */
	unsigned used;
};

void debugger_view_empty(struct debugger_view *v);
/*
 * Maps what an entry of EPT01 says of `gpa` (below 2^48), a leaf of pages of 2^shift bytes; an
 * entry without EPT_EXEC keeps a page of 4 KiB executable that was so. True: the caller has to
 * flush, because what was there is gone.
 */
bool debugger_view_map(
	struct debugger_view *v, struct gpa_l1 gpa, uint64_t entry, unsigned shift);
/* The page is not executable any more. True: it was, and the caller has to flush. */
bool debugger_view_close(struct debugger_view *v, struct gpa_l1 gpa);

#endif
