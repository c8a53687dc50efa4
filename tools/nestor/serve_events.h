/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of the run as server-sent events: one `event:` with its `data:`, an object, each, and
 * an `id:`, by which who connects again gets what it missed.
 */
#ifndef NESTOR_SERVE_EVENTS_H
#define NESTOR_SERVE_EVENTS_H

#include "serve_reply.h"

struct MHD_Response;

/*
 * Takes over what streams of @r: its link, of serve_run_stream(), or its place among the
 * streams; unless it returns NULL.
 */
struct MHD_Response *serve_events_response(struct serve_reply *r);

/* Streams end, soon. */
void serve_events_stop(void);

#endif
