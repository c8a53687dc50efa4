/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breakpoints of a debugger outside the VM, in the same four debug registers that the guest has
 * (SDM 17.2 "Debug Registers"): what is in them while the guest runs, and whose a debug
 * exception is. A register that the guest has enabled is the guest's; the debugger gets the
 * others. Pure.
 */
#ifndef NESTOR_EMUL_DEBUGGER_H
#define NESTOR_EMUL_DEBUGGER_H

#include <stdbool.h>
#include <stdint.h>

#define DEBUGGER_POINTS 4u

/* As the R/W field of DR7. */
enum debugger_on {
	DEBUGGER_EXECUTE = 0,
	DEBUGGER_WRITE = 1,
	DEBUGGER_ACCESS = 3 /* reads and writes */
};

struct debugger_point {
	uint64_t at;   /* linear address, a multiple of size */
	uint64_t l2;   /* counts only in the L2 that the caller names so; 0: in all */
	uint8_t on;    /* enum debugger_on */
	uint8_t size;  /* bytes: 1, 2, 4 or 8; 1 of DEBUGGER_EXECUTE; 0: there is none */
	uint8_t level; /* counts only at this level, 1 or 2; 0: at both */
};

struct debugger_points {
	struct debugger_point p[DEBUGGER_POINTS];
};

/* Where the vCPU is. */
struct debugger_place {
	unsigned level;
	uint64_t l2;   /* at level 2: its name, not 0 */
	bool skips;    /* it goes on behind a breakpoint: DEBUGGER_EXECUTE of `skip` */
	uint64_t skip; /* does not count */
};

struct debugger_plan {
	uint64_t dr[4], dr7;
	/* Whose each register is: the guest's (0), or 1 + the number of a point. */
	uint8_t owner[4];
	uint8_t taken;   /* how many are the debugger's */
	uint8_t missing; /* bits of points that count, but have no register */
};

/* Whose a debug exception is. */
struct debugger_split {
	uint8_t hits;   /* bits of points that were met */
	uint64_t guest; /* what is left for the guest */
};

bool debugger_valid(const struct debugger_point *p);
/* Is it to be met here? */
bool debugger_counts(const struct debugger_point *p, const struct debugger_place *place);

static inline bool debugger_same(const struct debugger_point *a, const struct debugger_point *b)
{
	return a->at == b->at && a->l2 == b->l2 && a->on == b->on && a->size == b->size &&
	       a->level == b->level;
}

/* dr, dr7: the guest's own. */
struct debugger_plan debugger_make(const struct debugger_points *points,
	const struct debugger_place *place, const uint64_t dr[4], uint64_t dr7);

/*
 * conditions: an exit qualification of #DB, or pending debug exceptions (24.4.2), that came
 * while `plan` was in the registers. dr7: the guest's own.
 */
struct debugger_split debugger_divide(
	const struct debugger_plan *plan, uint64_t dr7, uint64_t conditions);

/*
 * Bits of the points that an access meets which L0 made for the guest; how: enum emul_watch.
 */
uint8_t debugger_meets(const struct debugger_points *points, const struct debugger_place *place,
	uint64_t at, unsigned size, unsigned how);

#endif
