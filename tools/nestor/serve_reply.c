/* SPDX-License-Identifier: Apache-2.0 */
/* What `nestor serve` answers; see serve_reply.h. */
#include "serve_reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve_run.h"

static const struct {
	int status;
	const char *words;
	const char *redfish; /* the message of DMTF's Base registry that says the same */
} statuses[] = {
	{400, "Bad Request", "Base.1.8.GeneralError"},
	{401, "Unauthorized", "Base.1.8.NoValidSession"},
	{403, "Forbidden", "Base.1.8.InsufficientPrivilege"},
	{404, "Not Found", "Base.1.8.ResourceMissingAtURI"},
	{405, "Method Not Allowed", "Base.1.8.GeneralError"},
	{409, "Conflict", "Base.1.8.ResourceInUse"},
	{412, "Precondition Failed", "Base.1.8.PreconditionFailed"},
	{413, "Content Too Large", "Base.1.8.GeneralError"},
	{415, "Unsupported Media Type", "Base.1.8.GeneralError"},
	{500, "Internal Server Error", "Base.1.8.InternalError"},
	{501, "Not Implemented", "Base.1.8.QueryNotSupported"},
	{503, "Service Unavailable", "Base.1.8.ServiceTemporarilyUnavailable"},
	{504, "Gateway Timeout", "Base.1.8.ServiceTemporarilyUnavailable"},
};

#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

static unsigned find(int status)
{
	for (unsigned i = 0; i < STATUSES; i++)
		if (statuses[i].status == status)
			return i;
	return find(500);
}

const char *serve_status_words(int status)
{
	return statuses[find(status)].words;
}

void serve_reply_bytes(struct serve_reply *r, const char *type, char *data, size_t size)
{
	r->status = 200;
	r->type = type;
	r->data = data;
	r->size = size;
}

void serve_reply_json(struct serve_reply *r, int status, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);

	json_decref(object);
	serve_reply_bytes(r, "application/json", text, text ? strlen(text) : 0);
	r->status = text ? status : 500;
}

/* An error as Redfish's specification has it (DSP0266, "Error responses"). */
static json_t *redfish_error(const struct serve_problem *p)
{
	const char *message = p->message ? p->message : statuses[find(p->status)].redfish;

	return json_pack("{s:{s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}}", "error", "code", message,
		"message", p->detail, "@Message.ExtendedInfo", "@odata.type",
		"#Message.v1_1_1.Message", "MessageId", message, "Message", p->detail,
		"Severity", "Warning");
}

void serve_reply_problem(struct serve_reply *r, const struct serve_problem *p, bool redfish)
{
	json_t *object =
		redfish ? redfish_error(p)
			: json_pack("{s:s, s:i, s:s}", "title", serve_status_words(p->status),
				  "status", p->status, "detail", p->detail);

	serve_reply_json(r, p->status, object);
	if (!redfish)
		r->type = "application/problem+json";
	memcpy(r->allow, p->allow, sizeof(r->allow));
}

/* FNV-1a of the text: nobody who would gain by a collision makes it. */
void serve_etag(const json_t *object, char *out, size_t size)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	uint64_t hash = 0xcbf29ce484222325u;

	for (const char *c = text; c && *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
	free(text);
	snprintf(out, size, "\"%016" PRIx64 "\"", hash);
}

void serve_reply_clear(struct serve_reply *r)
{
	free(r->data);
	if (r->events)
		serve_run_stream_end(r->events);
	if (r->happens)
		serve_run_stream_give();
	*r = (struct serve_reply){0};
}
