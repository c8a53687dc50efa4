/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is in which place of a run: the VMs of its scenario, and those that come while it goes,
 * by Nestor's records.
 */
#ifndef NESTOR_SESSION_VMS_H
#define NESTOR_SESSION_VMS_H

#include <stdbool.h>

#include "boot.h"
#include "scenario.h"

struct session_vms {
	const struct vm_files *files; /* of the scenario's VMs; NULL: none */
	unsigned shown;               /* of those; the others are hidden */
	bool several;                 /* there are, or were, more than one to be shown */
	struct session_vm {
		char name[LIMIT_NAME]; /* "": nobody */
		unsigned files;        /* whose images it has */
		bool later;            /* it was not there at the start */
	} at[SCENARIO_MAX_VMS];
};

void session_vms_init(
	struct session_vms *v, const struct scenario_spec *s, const struct vm_files *files);

/*
 * A record `vm-defined` or `vm-gone`. The place that it is about, which has somebody new or
 * nobody (name "") now; SCENARIO_MAX_VMS: it is about none.
 */
unsigned session_vms_record(struct session_vms *v, const char *record);

/* The image of a VM, for its symbols; NULL: it is not known. */
const struct bytes *session_vms_image(const struct session_vms *v, const char *name);
/* Is it one that the user has not asked for? */
bool session_vms_hides(const struct session_vms *v, const char *name);

#endif
