/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that clients lend to CD-ROM drives (media.h), by the run's socket: `lend` becomes a
 * request to Nestor when its file is copied. Between files of the bridge.
 */
#ifndef NESTOR_BRIDGE_MEDIA_H
#define NESTOR_BRIDGE_MEDIA_H

#include "bridge.h"

#define BRIDGE_WHY 128

/* The file that came with @r, a `lend`, is copied from now on; false: why not. */
bool bridge_media_begin(struct bridge *b, struct bridge_client *c,
	const struct manage_request *r, char why[BRIDGE_WHY]);
/*
 * Copies a piece more of what @c lends. All of it is there: the client's line is the request
 * for Nestor. False: it cannot be copied, why.
 */
bool bridge_media_go_on(struct bridge *b, struct bridge_client *c, char why[BRIDGE_WHY]);

/* Whether the client's request is not ready, since its file is copied. */
bool bridge_media_waits(const struct bridge_client *c);
/* The client's request is on its way to Nestor. */
void bridge_media_sent(struct bridge_client *c);

/* Nestor has done the last request, or not, whoever asked: what has which drive now? */
void bridge_media_settle(struct bridge *b, bool done);

#endif
