/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that clients put into bays (host_disk.h), by the run's socket: `fill` becomes the
 * request `attach` with fresh=1. Between files of the bridge.
 */
#ifndef NESTOR_BRIDGE_BAY_H
#define NESTOR_BRIDGE_BAY_H

#include "bridge.h"

/*
 * The file that came with @r, a `fill`, lies ready: the client's line is the request for
 * Nestor. False: why not.
 */
bool bridge_bay_begin(struct bridge *b, struct bridge_client *c, const struct manage_request *r,
	const char **why);
/* Nestor has answered the client's request. */
void bridge_bay_settle(struct bridge *b, struct bridge_client *c, bool done);

#endif
