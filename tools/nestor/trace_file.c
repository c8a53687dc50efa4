/* SPDX-License-Identifier: Apache-2.0 */
/* Files of traces; see trace_file.h. */
#include "trace_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VM_SIZE 64

_Static_assert(LIMIT_NAME <= VM_SIZE, "the name fits");

void trace_file_put_head(const struct trace_head *h, uint8_t *out)
{
	struct bytes b = {out, TRACE_HEADER_SIZE};

	memset(out, 0, TRACE_HEADER_SIZE);
	memcpy(out, TRACE_MAGIC, 8);
	bytes_put(&b, 8, 4, TRACE_VERSION);
	bytes_put(&b, 12, 4, TRACE_RECORD_SIZE);
	bytes_put(&b, 16, 8, h->tsc_khz);
	memcpy(out + 24, h->vm, strlen(h->vm));
}

void trace_file_put_chunk(const struct trace_chunk *c, uint8_t *out)
{
	struct bytes b = {out, TRACE_CHUNK_SIZE};

	bytes_put(&b, 0, 4, c->vcpu);
	bytes_put(&b, 4, 4, c->count);
	bytes_put(&b, 8, 8, c->first);
	bytes_put(&b, 16, 8, c->lost);
}

/* ---- reading ---- */

struct parse {
	const char *path;
	const struct bytes *content;
	uint64_t at;
	struct trace_file *out;
	/* By vCPU: the number that comes next, and the time of the last record. */
	uint64_t next[LIMIT_VCPUS], tsc[LIMIT_VCPUS];
	struct error *e;
};

static int parse_head(struct parse *p)
{
	const struct bytes *b = p->content;
	struct trace_head *h = &p->out->head;
	uint64_t version = bytes_value(b, 8, 4), size = bytes_value(b, 12, 4);

	if (!bytes_has(b, 0, TRACE_HEADER_SIZE) || !bytes_match(b, 0, TRACE_MAGIC, 8))
		return fail(p->e, STATUS_BAD_INPUT, "%s: this is no trace of `nestor trace`",
			p->path);
	if (version != TRACE_VERSION || size != TRACE_RECORD_SIZE)
		return fail(p->e, STATUS_BAD_INPUT,
			"%s: a trace of version %" PRIu64 " with records of %" PRIu64
			" bytes; this is for version %d with %d",
			p->path, version, size, TRACE_VERSION, TRACE_RECORD_SIZE);
	h->tsc_khz = bytes_value(b, 16, 8);
	if (h->tsc_khz == 0 || h->tsc_khz > UINT32_MAX)
		return fail(p->e, STATUS_BAD_INPUT,
			"%s: a TSC of %" PRIu64 " kHz; possible are 1 to 4294967295", p->path,
			h->tsc_khz);
	memcpy(h->vm, b->data + 24, LIMIT_NAME - 1);
	for (char *c = h->vm; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
	p->at = TRACE_HEADER_SIZE;
	return 0;
}

static int parse_chunk(struct parse *p, struct trace_chunk *c)
{
	const struct bytes *b = p->content;

	if (!bytes_has(b, p->at, TRACE_CHUNK_SIZE))
		return fail(p->e, STATUS_BAD_INPUT, "%s: it ends in the middle of a piece",
			p->path);
	*c = (struct trace_chunk){.vcpu = (uint32_t)bytes_value(b, p->at, 4),
		.count = (uint32_t)bytes_value(b, p->at + 4, 4),
		.first = bytes_value(b, p->at + 8, 8),
		.lost = bytes_value(b, p->at + 16, 8)};
	if (c->vcpu >= LIMIT_VCPUS)
		return fail(p->e, STATUS_BAD_INPUT,
			"%s: a piece at byte %" PRIu64 " is of vCPU %" PRIu32
			"; possible are 0 to %u",
			p->path, p->at, c->vcpu, LIMIT_VCPUS - 1u);
	p->at += TRACE_CHUNK_SIZE;
	if (!bytes_has(b, p->at, (uint64_t)c->count * TRACE_RECORD_SIZE))
		return fail(p->e, STATUS_BAD_INPUT,
			"%s: it ends before %" PRIu32 " records from byte %" PRIu64 " on",
			p->path, c->count, p->at);
	return 0;
}

static int parse_record(struct parse *p, const struct trace_chunk *c, struct trace_event *ev)
{
	struct trace_record *r = &ev->r;

	trace_decode(p->content->data + p->at, r);
	if (r->kind >= TRACE_KINDS || (r->level != 1 && r->level != 2) || r->vcpu != c->vcpu)
		return fail(p->e, STATUS_BAD_INPUT,
			"%s: the record at byte %" PRIu64
			" is of kind %u, level %u and vCPU %u; possible are kinds below %u, "
			"levels 1 and 2, and the vCPU of its piece",
			p->path, p->at, r->kind, r->level, r->vcpu, (unsigned)TRACE_KINDS);
	/* Two CPUs may not agree to the tick. */
	if (r->tsc < p->tsc[c->vcpu])
		r->tsc = p->tsc[c->vcpu];
	p->tsc[c->vcpu] = r->tsc;
	p->at += TRACE_RECORD_SIZE;
	return 0;
}

static int parse_records(struct parse *p, const struct trace_chunk *c)
{
	uint64_t *next = &p->next[c->vcpu];
	bool follows = c->first == *next + c->lost;

	p->out->lost[c->vcpu] += c->lost;
	for (uint32_t i = 0; i < c->count; i++) {
		struct trace_event *ev = &p->out->events[p->out->count];

		if (parse_record(p, c, ev))
			return p->e->status;
		ev->number = c->first + i;
		ev->place = p->out->count;
		ev->lost = i != 0 ? 0 : follows ? c->lost : UINT64_MAX;
		p->out->count++;
	}
	if (c->count != 0)
		*next = c->first + c->count;
	return 0;
}

/* Of a vCPU later pieces have later records, whatever their numbers are: places decide. */
static int by_time(const void *a, const void *b)
{
	const struct trace_event *x = a, *y = b;

	if (x->r.tsc != y->r.tsc)
		return x->r.tsc < y->r.tsc ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

int trace_file_parse(struct arena *a, const char *path, const struct bytes *content,
	struct trace_file *out, struct error *e)
{
	struct parse p = {.path = path, .content = content, .out = out, .e = e};
	struct trace_chunk c;

	*out = (struct trace_file){.count = 0};
	if (parse_head(&p))
		return e->status;
	out->events =
		arena_alloc(a, (content->size / TRACE_RECORD_SIZE + 1) * sizeof(*out->events));
	while (p.at < content->size)
		if (parse_chunk(&p, &c) || parse_records(&p, &c))
			return e->status;
	qsort(out->events, out->count, sizeof(*out->events), by_time);
	return 0;
}
