/* SPDX-License-Identifier: Apache-2.0 */
/* The machine that a scenario runs on: QEMU, with VT-x where the host nests it, or Bochs. */
#ifndef NESTOR_MACHINE_H
#define NESTOR_MACHINE_H

#include <stdbool.h>

#include "boot.h"
#include "control.h"

/* How to start the prepared machine, and where to find what it leaves. */
struct machine {
	enum machine_kind kind; /* never MACHINE_AUTO */
	const char *reason;     /* why this kind: a line for the user */
	struct control control; /* its first serial port; path NULL: that is a file */
	bool lends;             /* it has a disk by which media are lent to its drives, */
	const char *media;      /* in this file (media.h) */
	const char *const *argv;
	const char *error_path; /* its standard error */
	const char *com1_path;  /* what it sent to its first serial port */
};

/* Does this host give its guests VT-x? Sets @why either way. */
bool machine_host_nests(struct arena *a, const char **why);

/* Chooses the kind: sets kind and reason. */
void machine_choose(struct arena *a, const struct machine_spec *config, struct machine *m);

/* Writes the files to start @plan with into @folder, and sets argv and the paths. */
int machine_prepare(struct arena *a, const struct machine_spec *config, struct boot_plan *plan,
	const char *folder, struct machine *m, struct error *e);

/* Returns a line on how the machine ended, from its standard error: NULL if it says nothing. */
const char *machine_last_words(struct arena *a, const struct machine *m);

/*
 * All of the machine's standard error when it complains of something, NULL when it has nothing
 * but warnings.
 */
const char *machine_complaint(struct arena *a, const struct machine *m);

#endif
