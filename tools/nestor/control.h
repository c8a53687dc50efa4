/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line to the machine: a pseudoterminal that is its first serial port. Nestor's end is
 * hypervisor/cpu/request.h; what goes through is in sender.h.
 */
#ifndef NESTOR_CONTROL_H
#define NESTOR_CONTROL_H

#include <stdbool.h>

#include "arena.h"

struct control {
	int master, slave; /* slave: held open, so that the machine may open it late */
	const char *path;  /* for the machine; NULL: there is none on this host */
};

/* Makes the pseudoterminal, whose master does not wait; without one, Nestor gets nothing. */
void control_open(struct arena *a, struct control *c);
void control_close(struct control *c);

/* Has the machine opened it? What was sent before may be lost. */
bool control_is_taken(const struct control *c);

#endif
