/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the reader of traces: any bytes, as they are and behind a head that is right. What is
 * taken is shown in all ways; Chrome's JSON is such, its slices nest, and its times do not go
 * back.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_show.h"

#define EVENTS_MAX 4000u /* that JSON is read back of */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct lanes {
	double last[LIMIT_VCPUS + 1];
	int depth[LIMIT_VCPUS + 1][4];
};

static void check_event(struct lanes *l, const json_t *event)
{
	const char *phase = json_string_value(json_object_get(event, "ph"));
	json_int_t pid = json_integer_value(json_object_get(event, "pid"));
	json_int_t tid = json_integer_value(json_object_get(event, "tid"));
	double at = json_number_value(json_object_get(event, "ts"));

	check(phase && pid >= 1 && pid <= LIMIT_VCPUS && tid >= 0 && tid <= 3);
	if (*phase == 'M')
		return;
	check(at >= l->last[pid]);
	l->last[pid] = at;
	l->depth[pid][tid] += *phase == 'B' ? 1 : *phase == 'E' ? -1 : 0;
	check(l->depth[pid][tid] >= 0 && l->depth[pid][tid] <= 2);
}

static void check_perfetto(const char *text, size_t size)
{
	json_t *all = json_loadb(text, size, 0, NULL), *event;
	static struct lanes l;
	size_t i;

	check(all != NULL);
	memset(&l, 0, sizeof(l));
	json_array_foreach(json_object_get(all, "traceEvents"), i, event)
		check_event(&l, event);
	for (unsigned v = 0; v <= LIMIT_VCPUS; v++)
		for (unsigned t = 0; t < 4; t++)
			check(l.depth[v][t] == 0);
	json_decref(all);
}

static void show(const struct trace_file *f)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	check(out != NULL);
	trace_show_text(out, f);
	trace_show_json(out, f);
	trace_show_summary(out, f);
	fclose(out);
	free(text);
	out = open_memstream(&text, &size);
	check(out != NULL);
	trace_show_perfetto(out, f);
	fclose(out);
	if (f->count <= EVENTS_MAX)
		check_perfetto(text, size);
	free(text);
}

static void parse(uint8_t *data, size_t size)
{
	struct arena a = {NULL};
	struct error e = {0};
	struct bytes b = {data, size};
	struct trace_file f;

	if (trace_file_parse(&a, "input", &b, &f, &e) == 0)
		show(&f);
	else
		check(e.status != 0 && e.text[0] != 0);
	arena_free(&a);
}

/* Of records: levels, vCPUs and kinds that are some, and sizes that fit, most of the time. */
static void mend(uint8_t *data, size_t size)
{
	const struct trace_head h = {.tsc_khz = 3000000, .vm = "a"};
	size_t at = TRACE_HEADER_SIZE;

	trace_file_put_head(&h, data);
	while (size - at > TRACE_CHUNK_SIZE) {
		size_t room = (size - at - TRACE_CHUNK_SIZE) / TRACE_RECORD_SIZE;
		struct trace_chunk c = {.vcpu = data[at] % LIMIT_VCPUS,
			.count =
				(uint32_t)(data[at + 1] % 8u < room ? data[at + 1] % 8u : room),
			.first = data[at + 8],
			.lost = data[at + 16] % 3u};

		trace_file_put_chunk(&c, data + at);
		at += TRACE_CHUNK_SIZE;
		for (uint32_t i = 0; i < c.count; i++, at += TRACE_RECORD_SIZE) {
			data[at + 36] %= TRACE_KINDS;
			data[at + 37] = data[at + 37] % 2 + 1;
			data[at + 39] = (uint8_t)c.vcpu;
			data[at + 40] = (uint8_t)(c.vcpu >> 8);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + TRACE_HEADER_SIZE + 1);

	check(copy != NULL);
	memcpy(copy, data, size);
	parse(copy, size);
	memset(copy, 0, TRACE_HEADER_SIZE);
	memcpy(copy + TRACE_HEADER_SIZE, data, size);
	mend(copy, size + TRACE_HEADER_SIZE);
	parse(copy, size + TRACE_HEADER_SIZE);
	free(copy);
	return 0;
}
