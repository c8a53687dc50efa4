/* SPDX-License-Identifier: Apache-2.0 */
/* The body of an HTTP request whose route is known; see serve_route.h. */
#include "serve_route.h"

#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/text.h"
#include "serve_subscription.h"
#include "spec/virtio_blk.h"

static bool is_type(const char *type, const char *wanted)
{
	size_t n = strlen(wanted);

	return type && strncasecmp(type, wanted, n) == 0 && strchr("; \t", type[n]);
}

static bool read_vcpu(struct serve_request *r, const json_t *vcpu, struct serve_problem *p)
{
	if (!json_is_integer(vcpu) || json_integer_value(vcpu) < 0 ||
		json_integer_value(vcpu) >= LIMIT_VCPUS)
		return serve_problem(
			p, 400, "\"vcpu\" must be a number from 0 to %d", LIMIT_VCPUS - 1);
	r->vcpu = (unsigned)json_integer_value(vcpu);
	r->vcpu_given = true;
	return true;
}

static bool read_string(
	char *out, size_t size, const char *key, const json_t *value, struct serve_problem *p)
{
	const char *text = json_string_value(value);

	if (!text || !*text || strlen(text) >= size)
		return serve_problem(
			p, 400, "\"%s\" must be a text of 1 to %zu characters", key, size - 1);
	strcpy(out, text);
	return true;
}

static bool read_target(struct serve_request *r, const json_t *target, struct serve_problem *p)
{
	if (!json_is_integer(target) || json_integer_value(target) < 0)
		return serve_problem(p, 400, "\"target\" must be a number of bytes");
	r->balloon = (uint64_t)json_integer_value(target);
	r->balloon_given = true;
	return true;
}

static bool read_scratch(struct serve_request *r, const json_t *value, struct serve_problem *p)
{
	json_int_t bytes = json_integer_value(value);

	if (bytes <= 0 || bytes % VIRTIO_BLK_SECTOR != 0)
		return serve_problem(p, 400,
			"\"scratch\" must be a number of bytes, a multiple of %u",
			VIRTIO_BLK_SECTOR);
	r->scratch = (uint64_t)bytes;
	return true;
}

/* Bytes take less room than the JSON that they came in. */
static bool read_bytes(
	struct serve_request *r, const json_t *value, uint8_t *body, struct serve_problem *p)
{
	const char *text = json_string_value(value);
	size_t size = json_string_length(value), n = 0;

	if (!text || size % 2)
		return serve_problem(p, 400, "\"data\" must be pairs of hexadecimal digits");
	for (; 2 * n < size; n++) {
		int high = serve_hex(text[2 * n]), low = serve_hex(text[2 * n + 1]);

		if (high < 0 || low < 0)
			return serve_problem(
				p, 400, "\"data\" must be pairs of hexadecimal digits");
		body[n] = (uint8_t)(high << 4 | low);
	}
	r->data = body;
	r->size = n;
	return true;
}

static bool read_text(
	struct serve_request *r, const json_t *value, uint8_t *body, struct serve_problem *p)
{
	if (!json_is_string(value))
		return serve_problem(p, 400, "\"text\" must be a text");
	memcpy(body, json_string_value(value), json_string_length(value));
	r->data = body;
	r->size = json_string_length(value);
	return true;
}

static bool read_bool(bool *out, const char *key, const json_t *value, struct serve_problem *p)
{
	if (!json_is_boolean(value))
		return serve_problem(p, 400, "\"%s\" must be true or false", key);
	*out = json_is_true(value);
	return true;
}

static bool read_weight(struct serve_request *r, const json_t *value, struct serve_problem *p)
{
	if (!json_is_integer(value) || json_integer_value(value) < 1 ||
		json_integer_value(value) > LIMIT_WEIGHT)
		return serve_problem(
			p, 400, "\"weight\" must be a number from 1 to %d", LIMIT_WEIGHT);
	r->weight = (uint64_t)json_integer_value(value);
	return true;
}

/* What a client may say of an inserted medium because it cannot be otherwise here. */
static bool read_default(const char *key, const json_t *value, struct serve_problem *p)
{
	return json_is_true(value) ||
	       serve_problem(p, 400, "\"%s\" can only be true here", key);
}

static bool read_boot(struct serve_request *r, json_t *object, struct serve_problem *p);

/* A setting's value as the run writes it; false: it can be none. */
static bool setting_text(const json_t *value, char *out, size_t size)
{
	const char *text = json_string_value(value);
	int n;

	if (json_is_integer(value))
		n = snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		n = snprintf(out, size, "%s", json_is_true(value) ? "on" : "off");
	else
		n = text && *text && strlen(text) == json_string_length(value) &&
				    !strpbrk(text, " \t\r\n;")
			    ? snprintf(out, size, "%s", text)
			    : -1;
	return n > 0 && (size_t)n < size;
}

static bool read_settings(struct serve_request *r, json_t *object, struct serve_problem *p)
{
	size_t used = 0;
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return serve_problem(p, 400, "\"settings\" must be an object");
	json_object_foreach(object, key, value)
	{
		char text[MANAGE_WITH];
		int n;

		if (!serve_is_name(key) || !setting_text(value, text, sizeof(text)))
			return serve_problem(p, 400,
				"the setting \"%.40s\" must be a word, a number, true or false",
				key);
		n = snprintf(r->with + used, sizeof(r->with) - used, "%s%s=%s", used ? ";" : "",
			key, text);
		if ((size_t)n >= sizeof(r->with) - used)
			return serve_problem(p, 400,
				"\"settings\" have more than %u characters", MANAGE_WITH);
		used += (size_t)n;
	}
	return true;
}

/* Members by the body that has them. */
enum member_kind {
	MEMBER_VCPU,
	MEMBER_WEIGHT,
	MEMBER_TEXT,
	MEMBER_NAME,
	MEMBER_FLAG,
	MEMBER_TRUE,
	MEMBER_BOOT,
	MEMBER_SETTINGS,
	MEMBER_BALLOON,
	MEMBER_SCRATCH,
	MEMBER_BYTES, /* into the place of the body, like the next */
	MEMBER_TYPED
};

#define AT(member) \
	offsetof(struct serve_request, member), sizeof(((struct serve_request *)NULL)->member)

static const struct member {
	enum serve_body body;
	const char *key;
	enum member_kind kind;
	size_t offset, size; /* of TEXT */
} members[] = {
	{BODY_NMI, "vcpu", MEMBER_VCPU, 0, 0},
	{BODY_RESET, "ResetType", MEMBER_TEXT, AT(reset)},
	{BODY_SESSION, "UserName", MEMBER_TEXT, AT(user)},
	{BODY_SESSION, "Password", MEMBER_TEXT, AT(password)},
	{BODY_CHANGE, "weight", MEMBER_WEIGHT, 0, 0},
	{BODY_CHANGE, "cpus", MEMBER_TEXT, AT(cpus)},
	{BODY_ORDER, "device", MEMBER_NAME, AT(device)},
	{BODY_ORDER, "once", MEMBER_FLAG, 0, 0},
	{BODY_MEDIUM, "image", MEMBER_NAME, AT(image)},
	{BODY_MEDIUM, "uri", MEMBER_TEXT, AT(uri)},
	{BODY_MEDIUM, "force", MEMBER_FLAG, 0, 0},
	{BODY_LINK, "up", MEMBER_FLAG, 0, 0},
	{BODY_LINK, "network", MEMBER_NAME, AT(network)},
	{BODY_SLOT, "disk", MEMBER_NAME, AT(file)},
	{BODY_SLOT, "network", MEMBER_NAME, AT(network)},
	{BODY_SLOT, "scratch", MEMBER_SCRATCH, 0, 0},
	{BODY_SLOT, "keep", MEMBER_FLAG, 0, 0},
	{BODY_BOOT, "Boot", MEMBER_BOOT, 0, 0},
	{BODY_IMAGE, "Image", MEMBER_TEXT, AT(uri)},
	{BODY_IMAGE, "TransferProtocolType", MEMBER_TEXT, AT(protocol)},
	{BODY_IMAGE, "TransferMethod", MEMBER_TEXT, AT(method)},
	{BODY_IMAGE, "Inserted", MEMBER_TRUE, 0, 0},
	{BODY_IMAGE, "WriteProtected", MEMBER_TRUE, 0, 0},
	{BODY_DEFINE, "name", MEMBER_NAME, AT(name)},
	{BODY_DEFINE, "like", MEMBER_NAME, AT(like)},
	{BODY_DEFINE, "settings", MEMBER_SETTINGS, 0, 0},
	{BODY_BALLOON, "target", MEMBER_BALLOON, 0, 0},
	{BODY_DATA, "data", MEMBER_BYTES, 0, 0},
	{BODY_TEXT, "text", MEMBER_TYPED, 0, 0},
};

static bool read_member(struct serve_request *r, const char *key, json_t *value, uint8_t *raw,
	struct serve_problem *p)
{
	const struct member *m = members;

	if (serve_routes[r->id].body == BODY_SUBSCRIPTION)
		return serve_subscription_member(r, key, value, p);
	while (m < members + sizeof(members) / sizeof(members[0]) &&
		(m->body != serve_routes[r->id].body || strcmp(m->key, key) != 0))
		m++;
	if (m == members + sizeof(members) / sizeof(members[0]))
		return serve_problem(p, 400, "it takes no \"%.40s\"", key);
	switch (m->kind) {
	case MEMBER_VCPU:
		return read_vcpu(r, value, p);
	case MEMBER_WEIGHT:
		return read_weight(r, value, p);
	case MEMBER_FLAG:
		r->flag_given = true;
		return read_bool(&r->flag, key, value, p);
	case MEMBER_TRUE:
		return read_default(key, value, p);
	case MEMBER_BOOT:
		return read_boot(r, value, p);
	case MEMBER_SETTINGS:
		return read_settings(r, value, p);
	case MEMBER_BALLOON:
		return read_target(r, value, p);
	case MEMBER_SCRATCH:
		return read_scratch(r, value, p);
	case MEMBER_BYTES:
		return read_bytes(r, value, raw, p);
	case MEMBER_TYPED:
		return read_text(r, value, raw, p);
	case MEMBER_NAME:
		return read_string((char *)r + m->offset, m->size, key, value, p) &&
		       (serve_is_name((char *)r + m->offset) ||
			       serve_problem(p, 400,
				       "\"%s\" must be a name: letters, digits, '-', '_' and '.'",
				       key));
	default:
		return read_string((char *)r + m->offset, m->size, key, value, p);
	}
}

/* The object at "Boot". */
static bool read_boot(struct serve_request *r, json_t *object, struct serve_problem *p)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return serve_problem(p, 400, "\"Boot\" must be an object");
	json_object_foreach(object, key, value)
	{
		bool good;

		if (strcmp(key, "BootSourceOverrideTarget") == 0)
			good = read_string(r->target, sizeof(r->target), key, value, p);
		else if (strcmp(key, "BootSourceOverrideEnabled") == 0)
			good = read_string(r->enabled, sizeof(r->enabled), key, value, p);
		else
			good = serve_problem(p, 400, "\"Boot\" takes no \"%.40s\"", key);
		if (!good)
			return false;
	}
	return true;
}

static bool read_members(
	struct serve_request *r, json_t *object, uint8_t *raw, struct serve_problem *p)
{
	const char *key;
	json_t *value;

	json_object_foreach(
		object, key, value) if (!read_member(r, key, value, raw, p)) return false;
	return true;
}

static bool has_all(const struct serve_request *r, struct serve_problem *p)
{
	static const struct {
		enum serve_body body;
		const char *needs;
	} all[] = {
		{BODY_RESET, "\"ResetType\""},
		{BODY_SESSION, "\"UserName\" and \"Password\""},
		{BODY_CHANGE, "\"weight\" or \"cpus\""},
		{BODY_ORDER, "\"device\""},
		{BODY_MEDIUM, "either \"image\" or \"uri\""},
		{BODY_LINK, "\"up\" or \"network\""},
		{BODY_SLOT,
			"\"disk\", with \"keep\" or without, \"scratch\", \"network\" or nothing"},
		{BODY_BOOT, "\"Boot\" with \"BootSourceOverrideTarget\" or "
			    "\"BootSourceOverrideEnabled\""},
		{BODY_IMAGE, "\"Image\""},
		{BODY_SUBSCRIPTION, "\"Destination\" and \"Protocol\""},
		{BODY_DEFINE, "\"name\" and \"like\""},
		{BODY_BALLOON, "\"target\""},
		{BODY_DATA, "bytes"},
		{BODY_TEXT, "bytes"},
	};
	const bool there[BODIES] = {
		[BODY_RESET] = *r->reset,
		[BODY_SESSION] = *r->user && *r->password,
		[BODY_CHANGE] = r->weight || *r->cpus,
		[BODY_ORDER] = *r->device,
		[BODY_MEDIUM] = !*r->image != !*r->uri,
		[BODY_LINK] = r->flag_given || *r->network,
		[BODY_SLOT] = (*r->file || !r->flag) &&
			      (*r->file != 0) + (r->scratch != 0) + (*r->network != 0) <= 1,
		[BODY_BOOT] = *r->target || *r->enabled,
		[BODY_IMAGE] = *r->uri,
		[BODY_SUBSCRIPTION] = *r->destination && r->flag,
		[BODY_DEFINE] = *r->name && *r->like,
		[BODY_BALLOON] = r->balloon_given,
		[BODY_DATA] = r->size != 0,
		[BODY_TEXT] = r->size != 0,
	};
	enum serve_body body = serve_routes[r->id].body;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].body == body && !there[body])
			return serve_problem(p, 400, "the body must have %s", all[i].needs);
	return true;
}

static bool read_json(
	struct serve_request *r, uint8_t *body, size_t size, struct serve_problem *p)
{
	json_error_t why;
	json_t *object = json_loadb((char *)body, size, JSON_REJECT_DUPLICATES, &why);
	bool good;

	if (!object)
		return serve_problem(p, 400, "line %d of the body: %.120s", why.line, why.text);
	good = json_is_object(object) ? read_members(r, object, body, p) && has_all(r, p)
				      : serve_problem(p, 400, "the body must be an object");
	json_decref(object);
	return good;
}

bool serve_body_read(struct serve_request *r, const char *type, void *body, size_t size,
	struct serve_problem *p)
{
	enum serve_body takes = serve_routes[r->id].body;
	bool octets = takes == BODY_DATA || takes == BODY_TEXT;

	*p = (struct serve_problem){0};
	if (size > SERVE_BODY_MAX)
		return serve_problem(p, 413, "a body has %u bytes at most", SERVE_BODY_MAX);
	if (!size)
		return has_all(r, p);
	if (takes == BODY_NONE)
		return serve_problem(p, 400, "it takes no body");
	if (is_type(type, "application/json"))
		return read_json(r, body, size, p);
	if (!octets || !is_type(type, "application/octet-stream"))
		return serve_problem(p, 415, "a body must be application/json%s",
			octets ? " or application/octet-stream" : "");
	r->data = body;
	r->size = size;
	return true;
}
