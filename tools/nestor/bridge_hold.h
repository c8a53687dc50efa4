/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends with the connection of the client that asked for it (hold=1): VMs that stand still,
 * or would when they meet one of its breakpoints; these; and traces. However a client goes, the
 * bridge undoes it. Does not own how requests travel.
 */
#ifndef NESTOR_BRIDGE_HOLD_H
#define NESTOR_BRIDGE_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/manage.h"
#include "lib/set.h"
#include "lib/vcpu_set.h"

#define BRIDGE_VM_WORDS SET_WORDS((unsigned)LIMIT_VMS)

/* A bit for each VM, and for each vCPU of each. */
struct bridge_hold {
	uint64_t paused[BRIDGE_VM_WORDS], debugged[BRIDGE_VM_WORDS];
	struct vcpu_set traced[LIMIT_VMS];
};

/*
 * What the request @r changes that may be held, of the VM in the place @vm (LIMIT_VMS: there is
 * no such one); else nothing.
 */
struct bridge_hold bridge_hold_of(const struct manage_request *r, unsigned vm);

void bridge_hold_add(struct bridge_hold *to, const struct bridge_hold *more);
void bridge_hold_remove(struct bridge_hold *from, const struct bridge_hold *less);
/* The VM in this place has gone: nothing of it is held. */
void bridge_hold_forget(struct bridge_hold *h, unsigned vm);
bool bridge_hold_is_empty(const struct bridge_hold *h);

/*
 * Takes one thing off @h, which is not empty, and writes the request that undoes it, with @id;
 * names[]: those of the VMs. Returns its length, less than MANAGE_LINE.
 */
size_t bridge_hold_undo(
	struct bridge_hold *h, const char *const names[], uint32_t id, char out[MANAGE_LINE]);

#endif
