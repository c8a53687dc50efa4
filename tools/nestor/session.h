/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a machine: starts it, shows what its VMs print, follows Nestor's control records
 * and ends it.
 */
#ifndef NESTOR_SESSION_H
#define NESTOR_SESSION_H

#include "boot.h"
#include "console.h"
#include "machine.h"
#include "screenshot.h"

struct session_options {
	const char *l0_log; /* file for Nestor's log; NULL: standard error */
	const char *stats;  /* file for the `stat` records; NULL: none */
	bool bare;          /* no Nestor: nothing that is printed ends the run */
	bool raw;           /* what is in no channel is shown, too */
	bool summary;       /* figures as tables, to standard error at the end */
	bool explain;       /* what was refused to guests, and why, to standard error */
	bool progress;      /* milestones to standard error */
	uint64_t timeout;   /* seconds; 0: none */
	const char *folder; /* the machine's */
	const char *manage; /* socket of who manages the run; NULL: nobody does */
	const struct console_places *consoles;
	const struct screenshot_places *screenshots;
	const struct vm_files *files; /* of the VMs, for symbols; NULL: none */
};

/*
 * Runs @m to its end and returns the exit status. Consoles go to standard output. On return the
 * machine's process is gone, whatever happened.
 */
int session_run(struct arena *a, const struct scenario_spec *s, const struct machine *m,
	const struct session_options *o, struct error *e);

#endif
