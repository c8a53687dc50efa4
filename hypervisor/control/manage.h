/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the host tool (lib/manage.h, docs/management.md). The ways in are seams of vm/
 * (vm/operate.h); here is what the files of control/ share.
 */
#ifndef NESTOR_CONTROL_MANAGE_H
#define NESTOR_CONTROL_MANAGE_H

#include "lib/manage.h"

struct vcpu;

/*
 * manage_look.c: a request that only looks, or writes memory. The vCPU is current. *why: words,
 * or NULL. Its items are told.
 */
enum manage_status manage_look(
	struct vcpu *vcpu, const struct manage_request *r, const char **why);
/* manage_debug.c: the same for a request of a debugger. */
enum manage_status manage_debug(
	struct vcpu *vcpu, const struct manage_request *r, const char **why);
/* manage_ept.c: how a guest-physical address is mapped. */
enum manage_status manage_ept(
	struct vcpu *vcpu, const struct manage_request *r, const char **why);

/* manage_trace.c: a trace begins or ends; what it has. Likewise. */
enum manage_status manage_trace(
	struct vcpu *vcpu, const struct manage_request *r, const char **why);
enum manage_status manage_records(
	const struct vcpu *vcpu, const struct manage_request *r, const char **why);
/* manage_change.c: tells the images that there are. */
void manage_images(const struct manage_request *r);
void manage_networks(const struct manage_request *r);
/*
 * manage_change.c: what has an answer without the VM's vCPUs. Any CPU. *why: words, or NULL.
 * Its items are told. A request by DEVICE is only looked at: what is left is one of the next
 * two.
 */
enum manage_status manage_change(unsigned vm, const struct manage_request *r, const char **why);
/* Of such a request that was found good: of a VM that does not run; by its first vCPU. */
const char *manage_change_off(unsigned vm, const struct manage_request *r);
enum manage_status manage_change_here(
	struct vcpu *vcpu, const struct manage_request *r, const char **why);

#endif
