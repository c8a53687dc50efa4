/* SPDX-License-Identifier: Apache-2.0 */
/* A trace as text and as JSON, a line a record; see trace_show.h. */
#include "trace_show.h"

#include <inttypes.h>
#include <string.h>

#include "spec/exits.h"

bool trace_has_info(unsigned kind)
{
	return kind == TRACE_EXIT || kind == TRACE_L2_BEGINS || kind == TRACE_L2_ENDS ||
	       kind == TRACE_VMCS || kind == TRACE_INJECT;
}

static bool has_rip(unsigned kind)
{
	return kind == TRACE_EXIT || kind == TRACE_L2_BEGINS || kind == TRACE_L2_ENDS;
}

static bool has_ticks(unsigned kind)
{
	return kind == TRACE_EXIT || kind == TRACE_ENTRY || kind == TRACE_OUT ||
	       kind == TRACE_IN;
}

/* ---- text ---- */

static void text_lost(FILE *out, const struct trace_event *ev)
{
	if (ev->lost == UINT64_MAX)
		fprintf(out, "vcpu %u: records are missing here\n", ev->r.vcpu);
	else if (ev->lost)
		fprintf(out, "vcpu %u: %" PRIu64 " records were overwritten here\n", ev->r.vcpu,
			ev->lost);
}

void trace_show_text(FILE *out, const struct trace_file *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct trace_record *r = &f->events[i].r;

		text_lost(out, &f->events[i]);
		fprintf(out, "%" PRIu64 " vcpu %u L%u %-9s %s", r->tsc, r->vcpu, r->level,
			trace_kind_word(r->kind), exit_reason_name(r->reason));
		if (has_rip(r->kind))
			fprintf(out, " rip=0x%" PRIx64, r->rip);
		if (trace_has_info(r->kind))
			fprintf(out, " info=0x%" PRIx64, r->info);
		if (r->address)
			fprintf(out, " address=0x%" PRIx64, r->address);
		if (has_ticks(r->kind))
			fprintf(out, " ticks=%" PRIu32, r->ticks);
		putc('\n', out);
	}
}

/* ---- JSON ---- */

static void json_lost(FILE *out, const struct trace_event *ev)
{
	if (ev->lost == UINT64_MAX)
		fprintf(out, "{\"vcpu\":%u,\"kind\":\"gap\"}\n", ev->r.vcpu);
	else if (ev->lost)
		fprintf(out, "{\"vcpu\":%u,\"kind\":\"lost\",\"records\":%" PRIu64 "}\n",
			ev->r.vcpu, ev->lost);
}

void trace_show_json(FILE *out, const struct trace_file *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct trace_event *ev = &f->events[i];
		const struct trace_record *r = &ev->r;

		json_lost(out, ev);
		fprintf(out,
			"{\"vcpu\":%u,\"number\":%" PRIu64 ",\"tsc\":%" PRIu64
			",\"kind\":\"%s\",\"level\":%u,\"reason\":\"%s\"",
			r->vcpu, ev->number, r->tsc, trace_kind_word(r->kind), r->level,
			exit_reason_name(r->reason));
		if (has_rip(r->kind))
			fprintf(out, ",\"rip\":\"0x%" PRIx64 "\"", r->rip);
		if (trace_has_info(r->kind))
			fprintf(out, ",\"info\":\"0x%" PRIx64 "\"", r->info);
		if (r->address)
			fprintf(out, ",\"address\":\"0x%" PRIx64 "\"", r->address);
		if (has_ticks(r->kind))
			fprintf(out, ",\"ticks\":%" PRIu32, r->ticks);
		fputs("}\n", out);
	}
}

/* ---- what L1 did in between ---- */

/* After exits of L2 for one reason, all together. */
struct between {
	uint64_t count, ticks_l0, ticks_l1;
	uint64_t exits[256]; /* of L1, by reason */
};

struct summary {
	struct between by_reason[256];
	/* By vCPU: what L1 handles now; NULL: nothing, or it is not known. */
	struct between *now[LIMIT_VCPUS];
	bool over[LIMIT_VCPUS]; /* L2 begins: it ends with L0's work for that */
	struct between current[LIMIT_VCPUS];
};

static void add_up(struct between *sum, const struct between *one)
{
	sum->count++;
	sum->ticks_l0 += one->ticks_l0;
	sum->ticks_l1 += one->ticks_l1;
	for (unsigned i = 0; i < 256; i++)
		sum->exits[i] += one->exits[i];
}

static void summarize(struct summary *s, const struct trace_event *ev)
{
	const struct trace_record *r = &ev->r;
	struct between *one = &s->current[r->vcpu], **now = &s->now[r->vcpu];
	bool *over = &s->over[r->vcpu];

	if (ev->lost)
		*now = NULL;
	switch (r->kind) {
	case TRACE_L2_ENDS:
		*now = &s->by_reason[r->reason];
		*over = false;
		memset(one, 0, sizeof(*one));
		break;
	case TRACE_L2_BEGINS:
		*over = true;
		break;
	case TRACE_EXIT:
		one->exits[r->reason] += r->level == 1;
		one->ticks_l1 += r->level == 1 ? r->ticks : 0;
		break;
	case TRACE_ENTRY:
		one->ticks_l0 += r->ticks;
		if (*now && *over) {
			add_up(*now, one);
			*now = NULL;
		}
		break;
	default:
		break;
	}
}

static void show_between(FILE *out, unsigned reason, const struct between *b)
{
	double n = (double)b->count;

	fprintf(out, "%-20s %8" PRIu64 " %9.0f %9.0f ", exit_reason_name(reason), b->count,
		(double)b->ticks_l0 / n, (double)b->ticks_l1 / n);
	for (unsigned i = 0; i < 256; i++)
		if (b->exits[i])
			fprintf(out, " %s %.2f", exit_reason_name(i), (double)b->exits[i] / n);
	putc('\n', out);
}

void trace_show_summary(FILE *out, const struct trace_file *f)
{
	static struct summary s;

	memset(&s, 0, sizeof(s));
	for (size_t i = 0; i < f->count; i++)
		summarize(&s, &f->events[i]);
	fprintf(out, "%-20s %8s %9s %9s  %s\n", "exit of L2", "times", "L0 ticks", "L1 ticks",
		"exits of L1 for each");
	for (unsigned i = 0; i < 256; i++)
		if (s.by_reason[i].count)
			show_between(out, i, &s.by_reason[i]);
}
