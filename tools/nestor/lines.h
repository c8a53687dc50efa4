/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of several VMs on one stream, in whole lines. Each is led by its VM's name and "| ".
 * What has no end yet, as a prompt, is shown after a quarter of a second; when another VM then
 * has something to say, the line is cut, and its rest is led by the name and "+ ".
 */
#ifndef NESTOR_LINES_H
#define NESTOR_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "policy/scenario.h"

#define LINES_ROOM 4096 /* bytes of a VM that wait at most; of more a part is shown at once */
#define LINES_HOLD 0.25 /* seconds for the end of a line to come */
#define LINES_WAIT 1.0  /* seconds that a VM waits for a line of another that goes on and on */

struct lines {
	FILE *out;
	int open; /* whose line is shown without its end; -1: nobody's */
	double touched;
	struct lines_vm {
		const char *name;
		char data[LINES_ROOM]; /* not shown yet */
		size_t size;
		double since; /* when its first byte came */
		bool cut;     /* the line that it goes on with was cut */
	} vms[SCENARIO_MAX_VMS];
};

void lines_init(struct lines *l, FILE *out);

/* @vm, below SCENARIO_MAX_VMS, has the name @name, which must stay. */
void lines_name(struct lines *l, unsigned vm, const char *name);

/* @vm says @data. @now: seconds of a monotonic clock, as below. */
void lines_add(struct lines *l, unsigned vm, const char *data, size_t size, double now);

/* Shows what has waited long enough. */
void lines_attend(struct lines *l, double now);

/* When lines_attend is wanted next; 0: never, as things are. */
double lines_deadline(const struct lines *l);

/*
 * Shows all that waits. @cut_last: a line without an end is cut, for a message that comes next.
 */
void lines_flush(struct lines *l, bool cut_last);

#endif
