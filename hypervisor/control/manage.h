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

/* manage_trace.c: a trace begins or ends; what it has. Likewise. */
enum manage_status manage_trace(
	struct vcpu *vcpu, const struct manage_request *r, const char **why);
enum manage_status manage_records(
	const struct vcpu *vcpu, const struct manage_request *r, const char **why);

#endif
