/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor check --host`: what VT-x this machine offers, feature by feature, what an L1 would
 * see of it, and why something is off.
 */
#ifndef NESTOR_HOST_H
#define NESTOR_HOST_H

#include <stdbool.h>

#include "arena.h"
#include "status.h"

/*
 * @msrs: a file with the capability MSRs of a machine, NULL for this one. @features: what the
 * VMs are offered, a mask of caps_feature. Prints; fails with STATUS_NO_VTX where Nestor does
 * not run.
 */
int host_check(struct arena *a, const char *msrs, unsigned long long features, bool json,
	struct error *e);

#endif
