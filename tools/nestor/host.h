/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor check --host`: what VT-x this machine offers, feature by feature, what an L1 would
 * see of it, and why something is off; and which devices could be a VM's.
 */
#ifndef NESTOR_HOST_H
#define NESTOR_HOST_H

#include <stdbool.h>

#include "arena.h"
#include "status.h"

struct host_question {
	const char *msrs; /* a file with a machine's capability MSRs; NULL: this one */
	const char *sys;  /* a folder like /sys; NULL: this machine's */
	unsigned long long features; /* that VMs are offered, a mask of caps_feature */
	bool json;
	bool report; /* in place of all else: host_report.h */
};

/* Prints; fails with STATUS_NO_VTX where Nestor does not run. */
int host_check(struct arena *a, const struct host_question *q, struct error *e);

#endif
