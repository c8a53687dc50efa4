/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of /v1; see serve_api.h. */
#include "serve_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/manage.h"
#include "record.h"

static const serve_handler handlers[SERVE_ROUTES] = {
#define R(id, method, path, handler, ...) serve_##handler,
#include "serve_route.def"
};

void serve_answer(const struct serve_request *request, const char *at,
	const struct serve_tokens *tokens, struct serve_who *who, bool octets,
	struct serve_reply *reply)
{
	struct serve_job j = {.at = at,
		.tokens = tokens,
		.who = *who,
		.request = request,
		.octets = octets,
		.reply = reply};

	serve_run_begin(&j.run, at, &j.problem);
	if (!handlers[request->id](&j)) {
		serve_reply_clear(reply);
		serve_reply_problem(
			reply, &j.problem, serve_is_redfish(serve_routes[request->id].path));
	}
	serve_run_end(&j.run);
	*who = j.who;
}

static bool done(struct serve_job *j, json_t *object)
{
	serve_reply_json(j->reply, 200, object);
	return true;
}

bool serve_version(struct serve_job *j)
{
	return done(j, json_pack("{s:s, s:s, s:i}", "nestor", NESTOR_VERSION, "api", "v1",
			       "protocol", MANAGE_VERSION));
}

bool serve_vms(struct serve_job *j)
{
	json_t *vms = serve_run_vms(&j->run);

	return vms && done(j, json_pack("{s:o}", "vms", vms));
}

bool serve_vm(struct serve_job *j)
{
	json_t *vm = serve_run_vm(&j->run, j->request->vm);

	if (!vm)
		return false;
	serve_etag(vm, j->reply->etag, sizeof(j->reply->etag));
	return done(j, vm);
}

bool serve_meets_condition(struct serve_job *j, const json_t *object)
{
	const char *wanted = j->request->if_match;
	char etag[SERVE_WORD];

	if (!*wanted || strcmp(wanted, "*") == 0)
		return true;
	serve_etag(object, etag, sizeof(etag));
	return strcmp(wanted, etag) == 0 ||
	       serve_problem(&j->problem, 412, "If-Match: it is not as it was: %s", etag);
}

bool serve_action(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];
	json_t *items;
	bool is_done;

	snprintf(more, sizeof(more), "vm=%s", q->vm);
	if (q->vcpu_given)
		snprintf(more, sizeof(more), "vm=%s vcpu=%u", q->vm, q->vcpu);
	items = serve_run_items(&j->run, serve_routes[q->id].word, more);
	is_done = items != NULL;
	json_decref(items);
	j->reply->status = 204;
	return is_done;
}

/* ---- a vCPU ---- */

static bool given(const struct serve_job *j, enum serve_arg arg)
{
	return j->request->given & 1u << arg;
}

/* The items of what is asked of the vCPU. */
static json_t *of_vcpu(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];
	int n = snprintf(more, sizeof(more), "vm=%s vcpu=%u", q->vm, q->vcpu);

	if (given(j, SERVE_ARG_LEVEL))
		snprintf(more + n, sizeof(more) - (size_t)n, " level=%" PRIu64,
			q->arg[SERVE_ARG_LEVEL]);
	return serve_run_items(&j->run, serve_routes[q->id].word, more);
}

static json_t *head(const struct serve_job *j)
{
	return json_pack("{s:s, s:i}", "vm", j->request->vm, "vcpu", (int)j->request->vcpu);
}

/* Is it an item with such a key? Its value is in *name. */
static bool has(const json_t *item, const char *key, const char **name)
{
	*name = json_string_value(json_object_get(item, key));
	return *name != NULL;
}

/* Always as a number, however large. */
static json_t *number(const json_t *item, const char *key)
{
	return json_integer((json_int_t)serve_number(item, key));
}

/* Figures and exits of `stat` go to @out. */
static void add_stat(json_t *out, json_t *items)
{
	json_t *figures = json_object(), *exits = json_array(), *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		const char *name;

		if (has(item, "figure", &name)) {
			json_object_set_new(figures, name, number(item, "value"));
			continue;
		}
		json_object_set_new(item, "count", number(item, "count"));
		if (has(item, "to_l1", &name))
			json_object_set_new(item, "to_l1", number(item, "to_l1"));
		json_array_append(exits, item);
	}
	json_object_set_new(out, "figures", figures);
	json_object_set_new(out, "exits", exits);
	json_decref(items);
}

bool serve_stat(struct serve_job *j)
{
	json_t *items = of_vcpu(j), *out;

	if (!items)
		return false;
	out = head(j);
	add_stat(out, items);
	return done(j, out);
}

/* The same of each vCPU; false: why is in the problem. */
static bool add_vcpus(struct serve_job *j, json_t *vcpus, uint64_t cpus)
{
	char more[MANAGE_LINE];

	for (unsigned n = 0; n < cpus && n < LIMIT_VCPUS; n++) {
		json_t *items, *vcpu;

		snprintf(more, sizeof(more), "vm=%s vcpu=%u", j->request->vm, n);
		items = serve_run_items(&j->run, "stat", more);
		if (!items) /* a VM that ended meanwhile has no figures */
			return j->problem.status == 409 || j->problem.status == 404;
		vcpu = json_pack("{s:i}", "vcpu", (int)n);
		add_stat(vcpu, items);
		json_array_append_new(vcpus, vcpu);
	}
	return true;
}

bool serve_vm_stat(struct serve_job *j)
{
	json_t *vm = serve_run_vm(&j->run, j->request->vm), *vcpus;
	const char *state = serve_text(vm, "state");
	bool runs = strcmp(state, "running") == 0 || strcmp(state, "paused") == 0;

	if (!vm)
		return false;
	vcpus = json_array();
	if (runs && !add_vcpus(j, vcpus, serve_number(vm, "cpus"))) {
		json_decref(vcpus);
		json_decref(vm);
		return false;
	}
	json_object_set_new(vm, "seconds", json_real(serve_now()));
	json_object_set_new(vm, "vcpus", vcpus);
	return done(j, vm);
}

bool serve_explain(struct serve_job *j)
{
	char more[MANAGE_LINE];
	json_t *items;

	snprintf(more, sizeof(more), "vm=%s", j->request->vm);
	items = serve_run_items(&j->run, "explain", more);
	return items &&
	       done(j, json_pack("{s:s, s:o}", "vm", j->request->vm, "refusals", items));
}

static void add_register(json_t *out, json_t *registers, json_t *segments, json_t *item)
{
	const char *name;

	if (has(item, "register", &name)) {
		json_object_set(registers, name, json_object_get(item, "value"));
	} else if (has(item, "segment", &name)) {
		json_object_set(segments, name, item);
		json_object_del(item, "segment");
	} else if (json_object_get(item, "level")) {
		json_object_set(out, "level", json_object_get(item, "level"));
		json_object_set_new(out, "current",
			json_boolean(json_integer_value(json_object_get(item, "current"))));
	}
}

bool serve_registers(struct serve_job *j)
{
	json_t *items = of_vcpu(j), *out, *registers, *segments, *item;
	size_t i;

	if (!items)
		return false;
	out = head(j);
	registers = json_object();
	segments = json_object();
	json_array_foreach(items, i, item)
	{
		json_incref(item); /* its name is a string of it */
		add_register(out, registers, segments, item);
		json_decref(item);
	}
	json_object_set_new(out, "registers", registers);
	json_object_set_new(out, "segments", segments);
	json_decref(items);
	return done(j, out);
}

bool serve_vmcs(struct serve_job *j)
{
	json_t *items = of_vcpu(j), *out;

	if (!items)
		return false;
	out = head(j);
	json_object_set_new(out, "level",
		json_integer(given(j, SERVE_ARG_LEVEL)
				     ? (json_int_t)j->request->arg[SERVE_ARG_LEVEL]
				     : 1));
	json_object_set_new(out, "fields", items);
	return done(j, out);
}

/* ---- memory ---- */

/* Pieces of it, as they come: in hexadecimal. */
struct memory {
	char *hex;
	size_t size, room; /* characters */
	uint64_t level;
};

static void add_piece(void *context, const char *line)
{
	struct memory *m = context;
	const char *data = record_rest(line, "data");
	size_t size = data ? strcspn(data, " ") : 0;

	m->level = record_number(line, "level");
	if (size > m->room - m->size)
		size = m->room - m->size;
	memcpy(m->hex + m->size, data ? data : "", size);
	m->size += size;
}

static bool read_pieces(struct serve_job *j, struct memory *m)
{
	const struct serve_request *q = j->request;
	uint64_t at = q->arg[SERVE_ARG_AT], left = q->arg[SERVE_ARG_SIZE];

	if (at > UINT64_MAX - (left - 1))
		return serve_problem(&j->problem, 400, "it goes beyond the last address");
	while (left) {
		uint64_t part = left < MANAGE_BYTES ? left : MANAGE_BYTES;
		char more[MANAGE_LINE];
		int n = snprintf(more, sizeof(more),
			"vm=%s vcpu=%u at=0x%" PRIx64 " size=%" PRIu64, q->vm, q->vcpu, at,
			part);

		if (given(j, SERVE_ARG_LEVEL))
			n += snprintf(more + n, sizeof(more) - (size_t)n, " level=%" PRIu64,
				q->arg[SERVE_ARG_LEVEL]);
		if (q->arg[SERVE_ARG_PHYSICAL])
			snprintf(more + n, sizeof(more) - (size_t)n, " physical=1");
		if (!serve_run_ask(&j->run, "read", more, add_piece, m))
			return false;
		at += part;
		left -= part;
	}
	if (m->size != m->room)
		return serve_problem(&j->problem, 503, "the run gave less than was asked for");
	return true;
}

/* In place: two characters become a byte. */
static size_t to_bytes(char *hex, size_t size)
{
	for (size_t i = 0; i < size / 2; i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};

		hex[i] = (char)strtoul(pair, NULL, 16);
	}
	return size / 2;
}

bool serve_memory(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	struct memory m = {.room = 2 * (size_t)q->arg[SERVE_ARG_SIZE]};
	char at[24];
	json_t *out;

	m.hex = malloc(m.room);
	if (!m.hex)
		return serve_problem(&j->problem, 503, "no memory is left");
	if (!read_pieces(j, &m)) {
		free(m.hex);
		return false;
	}
	if (j->octets) {
		serve_reply_bytes(
			j->reply, "application/octet-stream", m.hex, to_bytes(m.hex, m.size));
		return true;
	}
	snprintf(at, sizeof(at), "0x%" PRIx64, q->arg[SERVE_ARG_AT]);
	out = head(j);
	json_object_set_new(out, "level", json_integer((json_int_t)m.level));
	json_object_set_new(out, "at", json_string(at));
	json_object_set_new(out, "size", json_integer((json_int_t)q->arg[SERVE_ARG_SIZE]));
	json_object_set_new(out, "data", json_stringn(m.hex, m.size));
	free(m.hex);
	return done(j, out);
}

static bool begin_stream(struct serve_job *j, const char *more)
{
	j->reply->events =
		serve_run_stream(j->at, serve_routes[j->request->id].word, more, &j->problem);
	j->reply->status = 200;
	j->reply->type = "text/event-stream";
	return j->reply->events != NULL;
}

bool serve_events(struct serve_job *j)
{
	if (!serve_run_stream_take(&j->problem))
		return false;
	j->reply->happens = true;
	j->reply->as_redfish = serve_is_redfish(serve_routes[j->request->id].path);
	j->reply->status = 200;
	j->reply->type = "text/event-stream";
	return serve_log_read(&j->reply->log, j->request->last_event) ||
	       serve_problem(&j->problem, 503, "no run can be reached at '%.100s'", j->at);
}

bool serve_console(struct serve_job *j)
{
	char more[MANAGE_LINE];

	if (*j->request->port)
		snprintf(more, sizeof(more), "vm=%s port=%s", j->request->vm, j->request->port);
	else
		snprintf(more, sizeof(more), "vm=%s at=%" PRIu64, j->request->vm,
			j->request->arg[SERVE_ARG_SINCE]);
	return begin_stream(j, more);
}
