/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens, as Redfish tells it: the event service with its subscriptions, the form of an
 * event, and the registries of messages.
 */
#include "serve_redfish_events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "record.h"
#include "serve_push.h"
#include "serve_redfish.h"
#include "serve_subscription.h"

#define ROOT       REDFISH_ROOT "/EventService"
#define REGISTRIES REDFISH_ROOT "/Registries"
#define REGISTRY   "NestorEvent"
#define VERSION    "1.0"
#define DOCUMENT   REGISTRIES "/" REGISTRY "/" REGISTRY "." VERSION ".0.json"

static const char *const types[] = SERVE_EVENT_TYPES;

enum {
	STATUS_CHANGE,
	RESOURCE_UPDATED,
	RESOURCE_ADDED,
	RESOURCE_REMOVED,
	ALERT,
	TYPES
};

/* A record of the run, and the message that it is. key: of the second argument. */
static const struct message {
	const char *record, *id;
	unsigned type;
	const char *key, *severity, *format;
} messages[] = {
	{"vm-start", "VMStarted", STATUS_CHANGE, NULL, "OK", "The VM '%1' has begun."},
	{"vm-end", "VMEnded", STATUS_CHANGE, "kind", "OK", "The VM '%1' has ended: %2."},
	{"vm-defined", "VMDefined", RESOURCE_ADDED, "like", "OK",
		"There is a new VM '%1', like '%2'."},
	{"vm-gone", "VMGone", RESOURCE_REMOVED, NULL, "OK", "The VM '%1' is gone for good."},
	{"device-gone", "DeviceGone", RESOURCE_REMOVED, "slot", "OK",
		"What was behind root port %2 of the VM '%1' is out of its slot."},
	{"vm-refused", "VMRefused", ALERT, NULL, "Warning", "The VM '%1' could not begin."},
	{"stopped", "VMStopped", STATUS_CHANGE, "why", "OK",
		"The VM '%1' stands still for its debugger: %2."},
	{"explain", "GuestRefused", ALERT, "rule", "Warning",
		"Something was refused to the VM '%1', by the rule %2."},
};

#define MESSAGES (sizeof(messages) / sizeof(messages[0]))

static const struct message *message_of(const char *record)
{
	for (size_t i = 0; i < MESSAGES; i++)
		if (record_is(record, messages[i].record))
			return &messages[i];
	return NULL;
}

/* ---- an event ---- */

static void put_words(const char *format, const char *const args[2], char *out, size_t size)
{
	size_t n = 0;

	for (const char *c = format; *c && n + 1 < size; c++) {
		if (*c == '%') {
			const char *arg = args[*++c - '1'];

			n += (size_t)snprintf(out + n, size - n, "%.80s", arg);
		} else {
			out[n++] = *c;
		}
	}
	out[n < size ? n : size - 1] = 0;
}

static json_t *arguments_of(const struct message *m, const char *const args[2])
{
	json_t *list = json_pack("[s]", args[0]);

	if (m->key)
		json_array_append_new(list, json_string(args[1]));
	return list;
}

static json_t *describe_event(
	const struct message *m, const char *record, const struct serve_log_reader *r)
{
	char vm[SERVE_WORD], more[80] = "", words[300], when[40], id[40], name[80], at[160];
	const char *const args[2] = {vm, more};
	time_t seconds = (time_t)r->when;
	struct tm t;

	record_text(record, "vm", vm, sizeof(vm));
	if (m->key)
		record_text(record, m->key, more, sizeof(more));
	put_words(m->format, args, words, sizeof(words));
	gmtime_r(&seconds, &t);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &t);
	serve_log_name(r->after, id, sizeof(id));
	snprintf(name, sizeof(name), REGISTRY "." VERSION ".%s", m->id);
	snprintf(at, sizeof(at), REDFISH_ROOT "/Systems/%s", vm);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:{s:s}}", "MemberId",
		"0", "EventId", id, "EventType", types[m->type], "EventTimestamp", when,
		"MessageId", name, "Message", words, "MessageSeverity", m->severity,
		"MessageArgs", arguments_of(m, args), "Severity", m->severity,
		"OriginOfCondition", "@odata.id", at);
}

char *redfish_event(const char *record, const struct serve_log_reader *r, const char *context,
	uint32_t wanted)
{
	const struct message *m = message_of(record);
	json_t *event;
	char *text, id[40];

	if (!m || (wanted && !(wanted & 1u << m->type)))
		return NULL;
	serve_log_name(r->after, id, sizeof(id));
	event = json_pack("{s:s, s:s, s:s, s:o}", "@odata.type", "#Event.v1_7_0.Event", "Id",
		id, "Name", "What happened", "Events",
		json_pack("[o]", describe_event(m, record, r)));
	if (*context)
		json_object_set_new(event, "Context", json_string(context));
	text = json_dumps(event, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(event);
	return text;
}

/* ---- the service ---- */

static json_t *all_types(uint32_t bits)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < TYPES; i++)
		if (!bits || bits & 1u << i)
			json_array_append_new(list, json_string(types[i]));
	return list;
}

bool serve_redfish_event_service(struct serve_job *j)
{
	json_t *service = redfish_resource(
		ROOT, "#EventService.v1_7_0.EventService", "EventService", "Events");

	json_object_update_new(service,
		json_pack("{s:b, s:o, s:i, s:i, s:[s], s:[s], s:o, s:s, s:o}", "ServiceEnabled",
			1, "Status", redfish_status("Enabled"), "DeliveryRetryAttempts",
			PUSH_TRIES - 1, "DeliveryRetryIntervalSeconds", PUSH_INTERVAL,
			"EventFormatTypes", "Event", "RegistryPrefixes", REGISTRY,
			"EventTypesForSubscription", all_types(0), "ServerSentEventUri",
			ROOT "/SSE", "Subscriptions", redfish_link(ROOT, "Subscriptions")));
	return redfish_done(j, service);
}

bool serve_redfish_subscriptions(struct serve_job *j)
{
	struct serve_push list[PUSH_SUBSCRIPTIONS];
	unsigned n = serve_push_list(list);
	json_t *links = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(links, redfish_link(ROOT "/Subscriptions", list[i].id));
	return redfish_done(j, redfish_collection(ROOT "/Subscriptions",
				       "#EventDestinationCollection.EventDestinationCollection",
				       "Subscriptions", links));
}

static json_t *describe_subscription(const struct serve_push *p)
{
	char at[160];
	json_t *s;

	snprintf(at, sizeof(at), ROOT "/Subscriptions/%s", p->id);
	s = redfish_resource(at, "#EventDestination.v1_10_0.EventDestination", p->id, p->id);
	json_object_update_new(
		s, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "Destination",
			   p->destination, "Context", p->context, "Protocol", "Redfish",
			   "SubscriptionType", "RedfishEvent", "EventFormatType", "Event",
			   "DeliveryRetryPolicy", "TerminateAfterRetries", "EventTypes",
			   all_types(p->types), "Status", redfish_status("Enabled")));
	return s;
}

bool serve_redfish_subscribe(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	struct serve_push p = {.types = q->types};

	memcpy(p.destination, q->destination, sizeof(p.destination));
	memcpy(p.context, q->context, sizeof(p.context));
	if (!serve_push_is_allowed(p.destination))
		return serve_problem(&j->problem, 403,
			"nestor serve may not send events there: see its option --events-to");
	if (!serve_push_begin(&p))
		return serve_problem(&j->problem, 503, "there are %u subscriptions already",
			PUSH_SUBSCRIPTIONS);
	serve_reply_json(j->reply, 201, describe_subscription(&p));
	snprintf(
		j->reply->location, sizeof(j->reply->location), ROOT "/Subscriptions/%s", p.id);
	return true;
}

static bool no_subscription(struct serve_job *j)
{
	return serve_problem(&j->problem, 404, "there is no such subscription");
}

bool serve_redfish_subscription(struct serve_job *j)
{
	struct serve_push p;

	if (!serve_push_find(j->request->session, &p))
		return no_subscription(j);
	return redfish_done(j, describe_subscription(&p));
}

bool serve_redfish_unsubscribe(struct serve_job *j)
{
	j->reply->status = 204;
	return serve_push_end(j->request->session) || no_subscription(j);
}

/* ---- registries ---- */

bool serve_redfish_registries(struct serve_job *j)
{
	return redfish_done(
		j, redfish_collection(REGISTRIES,
			   "#MessageRegistryFileCollection.MessageRegistryFileCollection",
			   "Registries of messages",
			   json_pack("[o, o]", redfish_link(REGISTRIES, "Base"),
				   redfish_link(REGISTRIES, REGISTRY))));
}

/* DMTF's own is where DMTF has it; it is the one that errors are of. */
bool serve_redfish_registry(struct serve_job *j)
{
	bool own = j->request->id == SERVE_RF_REGISTRY_EVENT;
	const char *id = own ? REGISTRY : "Base";
	char at[160];
	json_t *file;

	snprintf(at, sizeof(at), REGISTRIES "/%s", id);
	file = redfish_resource(at, "#MessageRegistryFile.v1_1_0.MessageRegistryFile", id, id);
	json_object_update_new(
		file, json_pack("{s:[s], s:s, s:[{s:s, s:s}]}", "Languages", "en", "Registry",
			      own ? REGISTRY "." VERSION : "Base.1.8", "Location", "Language",
			      "en", own ? "Uri" : "PublicationUri",
			      own ? DOCUMENT
				  : "https://redfish.dmtf.org/registries/Base.1.8.1.json"));
	return redfish_done(j, file);
}

bool serve_redfish_messages(struct serve_job *j)
{
	json_t *all = json_object();

	for (size_t i = 0; i < MESSAGES; i++) {
		const struct message *m = &messages[i];

		json_object_set_new(all, m->id,
			json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:s}", "Description",
				m->format, "Message", m->format, "Severity", m->severity,
				"MessageSeverity", m->severity, "NumberOfArgs", m->key ? 2 : 1,
				"ParamTypes",
				m->key ? json_pack("[s, s]", "string", "string")
				       : json_pack("[s]", "string"),
				"Resolution", "None."));
	}
	return redfish_done(
		j, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "@odata.type",
			   "#MessageRegistry.v1_4_0.MessageRegistry", "Id",
			   REGISTRY "." VERSION ".0", "Name", "What happens to VMs", "Language",
			   "en", "RegistryPrefix", REGISTRY, "RegistryVersion", VERSION ".0",
			   "OwningEntity", "Nestor", "Messages", all));
}
