/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breakpoints on code without a bound that anybody meets: more than debug registers have room
 * for. The registers then hold those of one page of code, the page that is open; all other
 * pages with breakpoints are not executable. Owns the set, and the rules of which pages count
 * and what fits. Pure.
 */
#ifndef NESTOR_EMUL_DEBUGGER_CODE_H
#define NESTOR_EMUL_DEBUGGER_CODE_H

#include "emul/debugger.h"

#define DEBUGGER_CODE 256u

/* All are DEBUGGER_EXECUTE, in the order of their addresses. */
struct debugger_code {
	unsigned count;
	struct debugger_point p[DEBUGGER_CODE];
};

/* The page of L1's memory where each of a set was found last; DEBUGGER_NOWHERE. */
#define DEBUGGER_NOWHERE UINT64_MAX
struct debugger_frames {
	uint64_t of[DEBUGGER_CODE];
};

/* False: there are DEBUGGER_CODE. One that is there already is there once. */
bool debugger_code_add(struct debugger_code *c, const struct debugger_point *p);
/* False: there is none like this; `l2` does not count. */
bool debugger_code_remove(struct debugger_code *c, const struct debugger_point *p);
/* The breakpoint that is met at a linear address, or NULL. */
const struct debugger_point *debugger_code_at(
	const struct debugger_code *c, const struct debugger_place *place, uint64_t linear);

void debugger_frames_forget(struct debugger_frames *f);

/* What a page of code is, that is about to be executed. */
enum debugger_page {
	DEBUGGER_PAGE_PLAIN,  /* nothing in it counts: it stays executable */
	DEBUGGER_PAGE_POINTS, /* there are breakpoints at its address */
	/* ... at another address where its memory is, too: RIP is to be looked at */
	DEBUGGER_PAGE_ALIAS
};

/*
 * Of the page at a linear address, whose memory is at `frame`; frames learn it. any: what
 * counts elsewhere counts, too, because L1 and L2 have this page of the same EPT.
 */
enum debugger_page debugger_code_page(const struct debugger_code *c, struct debugger_frames *f,
	const struct debugger_place *place, bool any, uint64_t linear, uint64_t frame);

/* Which of a set shall be in registers. */
enum debugger_which {
	DEBUGGER_ALL,
	DEBUGGER_NONE,
	DEBUGGER_OF_PAGE
};

/*
 * Adds those that count, all or those of a page, to what is in `out` already, in free places:
 * bits of `added`. False: there are not enough.
 */
bool debugger_code_arrange(const struct debugger_code *c, const struct debugger_place *place,
	enum debugger_which which, uint64_t page, struct debugger_points *out, uint8_t *added);

#endif
