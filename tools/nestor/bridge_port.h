/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named ports of VMs at the run's socket: a port has one other end at a time, the place that
 * the run has for it (--port) or one client, which gets what it says until it goes. What it
 * says waits in its guest while that client does not read. Between files of the bridge.
 */
#ifndef NESTOR_BRIDGE_PORT_H
#define NESTOR_BRIDGE_PORT_H

#include "bridge.h"

/* To a client; one that does not read what it asked for is cut off: nobody waits for it. */
__attribute__((format(printf, 2, 3))) void bridge_say(
	struct bridge_client *c, const char *format, ...);

/*
 * `console` and `type` with `port`, of the VM in the place @vm: the answer, and in *why more.
 */
enum manage_status bridge_port_ask(struct bridge *b, struct bridge_client *c, unsigned vm,
	const struct manage_request *r, const char **why);

/* What a port says, by its line (l0_stream.h). */
void bridge_port_output(struct bridge *b, unsigned line, const uint8_t *bytes, size_t size);

/* Who has gone has no ports; who has read gets more. */
void bridge_port_attend(struct bridge *b);

/* A VM is gone for good: so are its ports, which the next one in its place has not. */
void bridge_port_vm_gone(struct bridge *b, unsigned vm);

#endif
