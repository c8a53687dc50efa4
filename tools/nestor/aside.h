/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A console and Nestor's log, where both are looked at together: the log comes between lines
 * of the console. It waits while a line has no end, as a prompt has none, until the console
 * has been quiet: a quarter of a second where somebody looks at it. A file or a pipe has time,
 * since a machine whose host has no CPU for it is quiet as well, in the midst of a line. A line
 * that never ends is waited for ASIDE_PATIENCE times as long.
 */
#ifndef NESTOR_ASIDE_H
#define NESTOR_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define ASIDE_ROOM      8192 /* bytes that wait at most; more do not wait */
#define ASIDE_HOLD      0.25 /* seconds; at a terminal */
#define ASIDE_HOLD_FILE 5.0
#define ASIDE_PATIENCE  8

struct aside {
	FILE *console, *log;
	bool amid; /* a line of the console is shown without its end */
	char data[ASIDE_ROOM];
	size_t size;
	double hold;
	double first, since; /* when its first byte came; or a later one of the console */
};

/* @watched: the log's place is a terminal. */
void aside_init(struct aside *a, FILE *console, FILE *log, bool watched);

/* @now: seconds of a monotonic clock, as below. */
void aside_console(struct aside *a, const void *data, size_t size, double now);
void aside_log(struct aside *a, const void *data, size_t size, double now);

/* Shows what has waited long enough. */
void aside_attend(struct aside *a, double now);
/* When aside_attend is wanted next; 0: never, as things are. */
double aside_deadline(const struct aside *a);

/* Shows all that waits. */
void aside_flush(struct aside *a);

#endif
