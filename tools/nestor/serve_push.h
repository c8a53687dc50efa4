/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions of Redfish: what happens is sent to a URL by HTTP POST. A thread for each, so
 * that a destination that is slow or silent costs nobody else anything; only destinations that
 * the command line allows. Does not own how an event looks.
 */
#ifndef NESTOR_SERVE_PUSH_H
#define NESTOR_SERVE_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "serve_route.h"
#include "status.h"

#define PUSH_SUBSCRIPTIONS 8u
#define PUSH_PLACES        16u
#define PUSH_TRIES         3  /* for an event; then the subscription ends */
#define PUSH_INTERVAL      5  /* seconds in between */
#define PUSH_TIME          10 /* seconds that a destination has for an event */

struct serve_push {
	char id[SERVE_WORD];
	char destination[SERVE_DESTINATION], context[SERVE_SECRET];
	uint32_t types; /* of events, a bit each; 0: all */
};

/*
 * Destinations that are allowed: URLs, with commas between; each allows itself and what is in
 * its folder (fetch_url.h). NULL: none.
 */
int serve_push_allow(const char *list, struct error *e);
bool serve_push_is_allowed(const char *destination);

/*
 * Begins one; false: there are as many as may be, or no thread. @p->id is its name then.
 */
bool serve_push_begin(struct serve_push *p);
unsigned serve_push_list(struct serve_push p[PUSH_SUBSCRIPTIONS]);
bool serve_push_find(const char *id, struct serve_push *p);
/* False: there is no such one. */
bool serve_push_end(const char *id);
/* All end; waits for their threads. */
void serve_push_end_all(void);

#endif
