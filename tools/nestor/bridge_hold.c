/* SPDX-License-Identifier: Apache-2.0 */
/* What ends with a client's connection; see bridge_hold.h. */
#include "bridge_hold.h"

#include <stdio.h>

struct bridge_hold bridge_hold_of(const struct manage_request *r, unsigned vm)
{
	bool hold = r->number[MANAGE_ARG_HOLD] != 0;
	struct bridge_hold h = {0};

	if (vm >= LIMIT_VMS)
		return h;
	/* Where one vCPU goes on the VM stands still, unless a debugger lets it. */
	if (r->op == MANAGE_PAUSE || (r->op == MANAGE_STEP && hold) ||
		(r->op == MANAGE_RESUME && (hold || !manage_given(r, MANAGE_ARG_VCPU))))
		set_add(h.paused, vm);
	else if (r->op == MANAGE_BREAK ||
		 (r->op == MANAGE_UNBREAK && !manage_given(r, MANAGE_ARG_AT)))
		set_add(h.debugged, vm);
	else if (r->op == MANAGE_TRACE)
		vcpu_set_add(&h.traced[vm], (unsigned)r->number[MANAGE_ARG_VCPU]);
	return h;
}

void bridge_hold_add(struct bridge_hold *to, const struct bridge_hold *more)
{
	for (unsigned i = 0; i < BRIDGE_VM_WORDS; i++) {
		to->paused[i] |= more->paused[i];
		to->debugged[i] |= more->debugged[i];
	}
	for (unsigned i = 0; i < LIMIT_VMS; i++)
		vcpu_set_join(&to->traced[i], &more->traced[i]);
}

void bridge_hold_remove(struct bridge_hold *from, const struct bridge_hold *less)
{
	for (unsigned i = 0; i < BRIDGE_VM_WORDS; i++) {
		from->paused[i] &= ~less->paused[i];
		from->debugged[i] &= ~less->debugged[i];
	}
	for (unsigned i = 0; i < LIMIT_VMS; i++)
		vcpu_set_leave(&from->traced[i], &less->traced[i]);
}

void bridge_hold_forget(struct bridge_hold *h, unsigned vm)
{
	set_drop(h->paused, vm);
	set_drop(h->debugged, vm);
	h->traced[vm] = (struct vcpu_set){{0}};
}

/* LIMIT_VMS: none; likewise the next. */
static unsigned first(const uint64_t vms[BRIDGE_VM_WORDS])
{
	return set_next(vms, 0, LIMIT_VMS);
}

static unsigned first_traced(const struct bridge_hold *h)
{
	unsigned vm = 0;

	while (vm < LIMIT_VMS && vcpu_set_is_empty(&h->traced[vm]))
		vm++;
	return vm;
}

bool bridge_hold_is_empty(const struct bridge_hold *h)
{
	return first(h->paused) == LIMIT_VMS && first(h->debugged) == LIMIT_VMS &&
	       first_traced(h) == LIMIT_VMS;
}

size_t bridge_hold_undo(
	struct bridge_hold *h, const char *const names[], uint32_t id, char out[MANAGE_LINE])
{
	unsigned bit, vm = first(h->debugged);

	/* First, or the VM would meet them again at once. */
	if (vm != LIMIT_VMS) {
		set_drop(h->debugged, vm);
		return (size_t)snprintf(out, MANAGE_LINE, "unbreak id=%u vm=%s", id, names[vm]);
	}
	vm = first(h->paused);
	if (vm != LIMIT_VMS) {
		set_drop(h->paused, vm);
		return (size_t)snprintf(out, MANAGE_LINE, "resume id=%u vm=%s", id, names[vm]);
	}
	vm = first_traced(h);
	bit = vcpu_set_first(&h->traced[vm]);
	vcpu_set_drop(&h->traced[vm], bit);
	return (size_t)snprintf(
		out, MANAGE_LINE, "trace id=%u vm=%s vcpu=%u on=0", id, names[vm], bit);
}
