/* SPDX-License-Identifier: Apache-2.0 */
/* What a client says of a subscription; see serve_subscription.h. */
#include "serve_subscription.h"

#include <string.h>

static const char *const types[] = SERVE_EVENT_TYPES;

#define TYPES (sizeof(types) / sizeof(types[0]))

/* What can have one value here, since it is nothing that we have a choice of. */
static const struct {
	const char *key, *value;
} fixed[] = {
	{"Protocol", "Redfish"},
	{"EventFormatType", "Event"},
	{"SubscriptionType", "RedfishEvent"},
	{"DeliveryRetryPolicy", "TerminateAfterRetries"},
};

#define FIXED (sizeof(fixed) / sizeof(fixed[0]))

static bool take_types(struct serve_request *r, const json_t *value, struct serve_problem *p)
{
	const json_t *word;
	size_t i;

	if (!json_is_array(value))
		return serve_problem(p, 400, "\"EventTypes\" must be an array");
	json_array_foreach(value, i, word)
	{
		const char *text = json_string_value(word);
		size_t type = 0;

		while (type < TYPES && !(text && strcmp(text, types[type]) == 0))
			type++;
		if (type == TYPES)
			return serve_problem(p, 400, "there is no EventType '%.40s'",
				text ? text : "that is no text");
		r->types |= 1u << type;
	}
	return true;
}

static bool take_text(
	char *out, size_t size, const char *key, const json_t *value, struct serve_problem *p)
{
	const char *text = json_string_value(value);

	if (!text || strlen(text) >= size || strlen(text) != json_string_length(value))
		return serve_problem(
			p, 400, "\"%s\" must be a text of up to %zu characters", key, size - 1);
	memcpy(out, text, strlen(text) + 1);
	return true;
}

/* A URL is ASCII without spaces. */
static bool take_destination(
	struct serve_request *r, const json_t *value, struct serve_problem *p)
{
	if (!take_text(r->destination, sizeof(r->destination), "Destination", value, p))
		return false;
	for (const char *c = r->destination; *c; c++)
		if (*c <= ' ' || *c > '~')
			return serve_problem(p, 400, "\"Destination\" must be a URL");
	return true;
}

bool serve_subscription_member(
	struct serve_request *r, const char *key, const json_t *value, struct serve_problem *p)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; i < FIXED; i++) {
		if (strcmp(key, fixed[i].key) != 0)
			continue;
		if (!text || strcmp(text, fixed[i].value) != 0)
			return serve_problem(
				p, 400, "\"%s\" can only be %s here", key, fixed[i].value);
		r->flag |= i == 0;
		return true;
	}
	if (strcmp(key, "Destination") == 0)
		return take_destination(r, value, p);
	if (strcmp(key, "Context") == 0)
		return take_text(r->context, sizeof(r->context), key, value, p);
	if (strcmp(key, "EventTypes") == 0)
		return take_types(r, value, p);
	return serve_problem(p, 400, "it takes no \"%.40s\"", key);
}
