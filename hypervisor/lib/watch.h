/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a CPU stands still in L0, by looks of another one. Looks are counted, not time: what
 * stops all CPUs at once, a debugger or a host, makes nobody suspect.
 */
#ifndef NESTOR_LIB_WATCH_H
#define NESTOR_LIB_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Starts as zero. */
struct watched {
	uint32_t progress; /* as it was seen last */
	uint32_t looks;    /* at it, since then */
	bool told;
};

enum watch_verdict {
	WATCH_FINE,
	WATCH_PROBE,  /* a kick makes it show progress, if it makes any */
	WATCH_ASK,    /* where it stands */
	WATCH_TELL,   /* it had time to answer: tell of it, once */
	WATCH_GOES_ON /* after it was told of */
};

/*
 * One look. in_l0: it neither runs a guest nor sleeps. limit, 1 at least: looks after which it
 * is asked where it stands; the next one tells.
 */
enum watch_verdict watch_look(struct watched *w, bool in_l0, uint32_t progress, uint32_t limit);

#endif
