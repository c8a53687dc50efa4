/* SPDX-License-Identifier: Apache-2.0 */
/* What a client says of a subscription to events. Pure. */
#ifndef NESTOR_SERVE_SUBSCRIPTION_H
#define NESTOR_SERVE_SUBSCRIPTION_H

#include <jansson.h>

#include "serve_route.h"

/* Types of Redfish's events, bits of `types` in this order. */
#define SERVE_EVENT_TYPES                                                                      \
	{                                                                                      \
		"StatusChange", "ResourceUpdated", "ResourceAdded", "ResourceRemoved", "Alert" \
	}

/* Takes a member of the body; r->flag: "Protocol" was there. */
bool serve_subscription_member(
	struct serve_request *r, const char *key, const json_t *value, struct serve_problem *p);

#endif
