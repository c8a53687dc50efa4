/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace for Perfetto's and Chrome's viewers; see trace_show.h. A slice begins and ends by
 * events of its own, which come in the order of time, so that slices of a track nest by
 * construction. What is open where records are missing ends there.
 */
#include "trace_show.h"

#include <inttypes.h>
#include <string.h>

#include "spec/exits.h"

enum {
	TRACKS = 3, /* L0, L1, L2 */
	DEPTH = 2   /* of slices on one */
};

struct lane {
	uint64_t last;          /* time of the last event */
	unsigned depth[TRACKS]; /* slices that are open */
	bool seen;
};

struct writer {
	FILE *out;
	const struct trace_file *f;
	struct lane lanes[LIMIT_VCPUS];
	uint64_t begin; /* the first time of all */
	bool any;       /* an event was written */
};

static void separate(struct writer *w)
{
	fputs(w->any ? ",\n" : "\n", w->out);
	w->any = true;
}

/* Microseconds, with nanoseconds. */
static void put_time(const struct writer *w, uint64_t tsc)
{
	uint64_t ticks = tsc - w->begin, khz = w->f->head.tsc_khz, ms = ticks / khz;
	uint64_t ns = UINT64_MAX; /* as late as can be said */

	if (ms < UINT64_MAX / 1000000)
		ns = ms * 1000000 + ticks % khz * 1000000 / khz;
	fprintf(w->out, "%" PRIu64 ".%03" PRIu64, ns / 1000, ns % 1000);
}

/* The start of an event; its end is the caller's. */
static void put(struct writer *w, const char *phase, unsigned vcpu, unsigned track, uint64_t at)
{
	struct lane *l = &w->lanes[vcpu];

	l->last = at > l->last ? at : l->last;
	separate(w);
	fprintf(w->out, "{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u,\"ts\":", phase, vcpu + 1,
		track + 1);
	put_time(w, l->last);
}

static void end_slice(struct writer *w, unsigned vcpu, unsigned track, uint64_t at)
{
	struct lane *l = &w->lanes[vcpu];

	if (l->depth[track] == 0)
		return;
	l->depth[track]--;
	put(w, "E", vcpu, track, at);
	fputs("}", w->out);
}

/* Those that are open on the track, but for so many outer ones. */
static void end_slices(
	struct writer *w, unsigned vcpu, unsigned track, unsigned keep, uint64_t at)
{
	while (w->lanes[vcpu].depth[track] > keep)
		end_slice(w, vcpu, track, at);
}

static void begin_slice(struct writer *w, unsigned track, uint64_t at,
	const struct trace_record *r, const char *name, const char *detail)
{
	struct lane *l = &w->lanes[r->vcpu];

	if (l->depth[track] == DEPTH)
		end_slice(w, r->vcpu, track, at);
	l->depth[track]++;
	put(w, "B", r->vcpu, track, at);
	fprintf(w->out, ",\"name\":\"%s%s\",\"args\":{\"rip\":\"0x%" PRIx64 "\"", name, detail,
		r->rip);
	if (trace_has_info(r->kind))
		fprintf(w->out, ",\"info\":\"0x%" PRIx64 "\"", r->info);
	if (r->address)
		fprintf(w->out, ",\"address\":\"0x%" PRIx64 "\"", r->address);
	fputs("}}", w->out);
}

static void instant(struct writer *w, const struct trace_record *r, const char *name)
{
	put(w, "i", r->vcpu, 0, r->tsc);
	fprintf(w->out, ",\"s\":\"t\",\"name\":\"%s\",\"args\":{\"info\":\"0x%" PRIx64 "\"}}",
		name, r->info);
}

/* ---- records ---- */

/* The level ran up to now, from then on; the other one did not. */
static void show_exit(struct writer *w, const struct trace_record *r)
{
	struct lane *l = &w->lanes[r->vcpu];
	uint64_t begin = r->tsc > r->ticks ? r->tsc - r->ticks : 0;

	begin = begin > l->last ? begin : l->last;
	end_slices(w, r->vcpu, 0, 0, l->last); /* its entry is not there */
	end_slices(w, r->vcpu, 3u - r->level, 0, begin);
	if (r->level == 2 && l->depth[2] == 0)
		begin_slice(w, 2, begin, r, "L2", "");
	begin_slice(w, r->level, begin, r, "runs", "");
	end_slice(w, r->vcpu, r->level, r->tsc);
	begin_slice(
		w, 0, r->tsc, r, r->level == 2 ? "L2: " : "L1: ", exit_reason_name(r->reason));
}

static void show_record(struct writer *w, const struct trace_record *r)
{
	switch (r->kind) {
	case TRACE_EXIT:
		show_exit(w, r);
		break;
	case TRACE_ENTRY:
		end_slices(w, r->vcpu, 0, 0, r->tsc);
		break;
	case TRACE_L2_BEGINS:
		end_slices(w, r->vcpu, 1, 0, r->tsc);
		end_slices(w, r->vcpu, 2, 0, r->tsc);
		begin_slice(w, 2, r->tsc, r, "L2", "");
		break;
	case TRACE_L2_ENDS:
		end_slices(w, r->vcpu, 2, 0, r->tsc);
		end_slices(w, r->vcpu, 1, 0, r->tsc);
		begin_slice(w, 1, r->tsc, r, "handles ", exit_reason_name(r->reason));
		break;
	case TRACE_OUT:
		end_slices(w, r->vcpu, 0, 0, r->tsc);
		begin_slice(w, 0, r->tsc, r, "does not run", "");
		break;
	case TRACE_IN:
		end_slices(w, r->vcpu, 0, 0, r->tsc);
		begin_slice(w, 0, r->tsc, r, "goes on", "");
		break;
	default:
		instant(w, r, trace_kind_word(r->kind));
		break;
	}
}

/* ---- names ---- */

static void put_name(struct writer *w, unsigned vcpu, int track, const char *name)
{
	separate(w);
	fprintf(w->out,
		"{\"ph\":\"M\",\"pid\":%u,\"tid\":%d,\"name\":\"%s\",\"args\":{\"name\":\"",
		vcpu + 1, track + 1, track < 0 ? "process_name" : "thread_name");
	if (track < 0)
		fprintf(w->out, "%s vCPU %u", w->f->head.vm, vcpu);
	else
		fputs(name, w->out);
	fputs("\"}}", w->out);
	if (track < 0)
		return;
	separate(w);
	fprintf(w->out,
		"{\"ph\":\"M\",\"pid\":%u,\"tid\":%d,\"name\":\"thread_sort_index\","
		"\"args\":{\"sort_index\":%d}}",
		vcpu + 1, track + 1, track);
}

static void put_names(struct writer *w, unsigned vcpu)
{
	static const char *const names[TRACKS] = {"L0", "L1", "L2"};

	put_name(w, vcpu, -1, "");
	for (int i = 0; i < TRACKS; i++)
		put_name(w, vcpu, i, names[i]);
}

/* When the first record begins: with the time that a guest ran before it. */
static uint64_t first_time(const struct trace_file *f)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < f->count; i++) {
		const struct trace_record *r = &f->events[i].r;
		uint64_t ticks = r->kind == TRACE_EXIT ? r->ticks : 0;
		uint64_t begin = r->tsc > ticks ? r->tsc - ticks : 0;

		first = begin < first ? begin : first;
	}
	return first;
}

void trace_show_perfetto(FILE *out, const struct trace_file *f)
{
	struct writer w = {.out = out, .f = f, .begin = first_time(f)};

	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", out);
	for (size_t i = 0; i < f->count; i++) {
		const struct trace_event *ev = &f->events[i];
		struct lane *l = &w.lanes[ev->r.vcpu];

		if (!l->seen) {
			l->seen = true;
			l->last = w.begin;
			put_names(&w, ev->r.vcpu);
		}
		for (unsigned t = 0; ev->lost && t < TRACKS; t++)
			end_slices(&w, ev->r.vcpu, t, 0, l->last);
		show_record(&w, &ev->r);
	}
	for (unsigned v = 0; v < LIMIT_VCPUS; v++)
		for (unsigned t = 0; t < TRACKS; t++)
			end_slices(&w, v, t, 0, w.lanes[v].last);
	fputs("\n]}\n", out);
}
