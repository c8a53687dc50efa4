/* SPDX-License-Identifier: Apache-2.0 */
/* From an HTTP request to a route; see serve_route.h. */
#include "serve_route.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/text.h"
#include "serve_subscription.h"

/* For the table: sets of arguments. */
enum {
#define Q(name, ...) ARG_##name = 1 << SERVE_ARG_##name,
#include "serve_route.def"
};

const struct serve_query_arg serve_args[SERVE_ARGS] = {
#define Q(name, key, least, most, about) {key, least, most, about},
#include "serve_route.def"
};

const struct serve_route serve_routes[SERVE_ROUTES] = {
#define R(id, method, path, handler, word, needs, may, body, answer, open, about) \
	{#id, #method, path, word, needs, may, BODY_##body, ANSWER_##answer, open, about},
#include "serve_route.def"
};

bool serve_problem(struct serve_problem *p, int status, const char *format, ...)
{
	va_list args;

	p->status = status;
	va_start(args, format);
	vsnprintf(p->detail, sizeof(p->detail), format, args);
	va_end(args);
	return false;
}

bool serve_is_redfish(const char *target)
{
	return strncmp(target, "/redfish", 8) == 0 && strchr("/?", target[8]);
}

/* ---- texts of a target ---- */

/* What comes before the first @mark, which is taken off, too. */
static struct text take_until(struct text *rest, char mark)
{
	const char *end = rest->len ? memchr(rest->s, mark, rest->len) : NULL;
	struct text part = {rest->s, end ? (size_t)(end - rest->s) : rest->len};
	size_t used = part.len + (end ? 1 : 0);

	rest->s += used;
	rest->len -= used;
	return part;
}

int serve_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A part of a target without its %XX; false: it is malformed, too long, or has what is not
 * printable. */
static bool plain(struct text t, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < t.len; i++) {
		char c = t.s[i];

		if (c == '%') {
			int high = i + 2 < t.len ? serve_hex(t.s[i + 1]) : -1;
			int low = i + 2 < t.len ? serve_hex(t.s[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c <= ' ' || c == 0x7f || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return true;
}

/* ---- the path ---- */

/* Names of VMs have no other characters; one that has cannot be one. */
bool serve_is_name(const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return *word && word[strspn(word, letters)] == 0;
}

static bool take_number(struct text t, unsigned least, unsigned most, unsigned *out)
{
	uint64_t n;
	bool good = text_number(t, &n) && n >= least && n <= most;

	*out = good ? (unsigned)n : *out;
	return good;
}

/* A part of a path that stands where the table has @pattern. */
static bool take_part(struct serve_request *r, struct text pattern, const char *word)
{
	struct text t = text_of(word, SERVE_WORD);

	if (text_is(pattern, "{name}"))
		return serve_is_name(word) && text_copy(t, r->vm, sizeof(r->vm));
	if (text_is(pattern, "{session}") || text_is(pattern, "{subscription}"))
		return serve_is_name(word) && text_copy(t, r->session, sizeof(r->session));
	if (text_is(pattern, "{account}") || text_is(pattern, "{role}"))
		return serve_is_name(word) && text_copy(t, r->account, sizeof(r->account));
	if (text_is(pattern, "{disk}"))
		return serve_is_name(word) && text_copy(t, r->disk, sizeof(r->disk));
	if (text_is(pattern, "{port}"))
		return serve_is_name(word) && text_copy(t, r->port, sizeof(r->port));
	if (text_is(pattern, "{net}"))
		return take_number(t, 0, LIMIT_NETS - 1, &r->net);
	if (text_is(pattern, "{slot}"))
		return take_number(t, 1, LIMIT_ROOT_PORTS, &r->slot);
	if (text_is(pattern, "{n}"))
		return take_number(t, 0, LIMIT_VCPUS - 1, &r->vcpu);
	return text_is(pattern, word);
}

/* Does the path fit the row? Then its parts are in *r. One '/' at the end makes no difference:
 * clients of Redfish differ about it. */
static bool fits(const char *row, struct text path, struct serve_request *r)
{
	struct text pattern = text_of(row, SERVE_TARGET_MAX);
	char word[SERVE_WORD];

	*r = (struct serve_request){.id = 0};
	while (pattern.len && path.len) {
		struct text want = take_until(&pattern, '/'), got = take_until(&path, '/');

		if (!plain(got, word, sizeof(word)) || !take_part(r, want, word))
			return false;
	}
	return !pattern.len && !path.len;
}

static bool find_route(
	const char *method, struct text path, struct serve_request *r, struct serve_problem *p)
{
	bool head = strcmp(method, "HEAD") == 0, other = false;
	struct serve_request found;

	for (unsigned i = 0; i < SERVE_ROUTES; i++) {
		const struct serve_route *row = &serve_routes[i];

		if (!fits(row->path, path, &found))
			continue;
		if (strcmp(row->method, head ? "GET" : method) == 0) {
			*r = found;
			r->id = i;
			*p->allow = 0; /* of a row before it with another method */
			return true;
		}
		if (strlen(p->allow) + strlen(row->method) + 8 < sizeof(p->allow)) {
			strcat(p->allow, other ? ", " : "");
			strcat(p->allow, row->method);
		}
		other = true;
	}
	if (!other)
		return serve_problem(p, 404, "nothing is at this path");
	return serve_problem(p, 405, "not by %.16s: by %s", method, p->allow);
}

/* ---- the query ---- */

static bool take_argument(
	struct serve_request *r, const char *key, const char *value, struct serve_problem *p)
{
	const struct serve_route *row = &serve_routes[r->id];

	/* Redfish: what begins with $ must be done or refused, the rest may be ignored. */
	if (serve_is_redfish(row->path))
		return *key != '$' || serve_problem(p, 501, "'%.40s' is not supported", key);
	for (unsigned i = 0; i < SERVE_ARGS; i++) {
		if (strcmp(key, serve_args[i].key) != 0 || !((row->needs | row->may) & 1u << i))
			continue;
		if (r->given & 1u << i)
			return serve_problem(p, 400, "'%s' is there twice", key);
		if (!text_number(text_of(value, SERVE_WORD), &r->arg[i]) ||
			r->arg[i] < serve_args[i].least || r->arg[i] > serve_args[i].most)
			return serve_problem(p, 400,
				"%s=%.40s: a number from %" PRIu64 " to %" PRIu64 " it must be",
				key, value, serve_args[i].least, serve_args[i].most);
		r->given |= 1u << i;
		return true;
	}
	return serve_problem(p, 400, "it takes no argument '%.40s'", key);
}

static bool read_query(struct serve_request *r, struct text query, struct serve_problem *p)
{
	const struct serve_route *row = &serve_routes[r->id];
	char key[SERVE_WORD], value[SERVE_WORD];

	while (query.len) {
		struct text pair = take_until(&query, '&'), name = take_until(&pair, '=');

		if (!name.len && !pair.len)
			continue;
		if (!plain(name, key, sizeof(key)) || !plain(pair, value, sizeof(value)))
			return serve_problem(p, 400, "the query cannot be read");
		if (!take_argument(r, key, value, p))
			return false;
	}
	for (unsigned i = 0; i < SERVE_ARGS; i++)
		if (row->needs & 1u << i && !(r->given & 1u << i))
			return serve_problem(p, 400, "the argument '%s' is missing: %s",
				serve_args[i].key, serve_args[i].about);
	return true;
}

bool serve_route_read(const char *method, const char *target, struct serve_request *r,
	struct serve_problem *p)
{
	struct text query = text_of(target, SERVE_TARGET_MAX + 1), path;

	*r = (struct serve_request){.id = SERVE_ROUTES};
	*p = (struct serve_problem){0};
	if (query.len > SERVE_TARGET_MAX)
		return serve_problem(p, 400, "path and query have more than %u characters",
			SERVE_TARGET_MAX);
	path = take_until(&query, '?');
	return find_route(method, path, r, p) && read_query(r, query, p);
}
