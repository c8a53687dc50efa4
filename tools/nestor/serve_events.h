/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the run as server-sent events: one `event:` with its `data:`, an object, each. */
#ifndef NESTOR_SERVE_EVENTS_H
#define NESTOR_SERVE_EVENTS_H

#include "client_link.h"

struct MHD_Response;

/* Takes over @l, of serve_run_stream(), unless it returns NULL. */
struct MHD_Response *serve_events_response(struct client_link *l);

/* Streams end, soon. */
void serve_events_stop(void);

#endif
