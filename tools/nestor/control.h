/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from the tool to a running Nestor: a pseudoterminal that is the machine's second
 * serial port. Nestor's end is hypervisor/cpu/request.h.
 */
#ifndef NESTOR_CONTROL_H
#define NESTOR_CONTROL_H

#include <stdbool.h>

#include "arena.h"

struct control {
	int master, slave; /* slave: held open, so that the machine may open it late */
	const char *path;  /* for the machine; NULL: there is none on this host */
};

/* Makes the pseudoterminal; without one, Nestor cannot be asked for anything. */
void control_open(struct arena *a, struct control *c);
void control_close(struct control *c);

/* Asks Nestor to stop all VMs and to report on them; false if it cannot be asked. */
bool control_stop(const struct control *c);

#endif
