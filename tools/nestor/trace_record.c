/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a running VM, into a file; see trace_record.h. */
#include "trace_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client_link.h"
#include "record.h"
#include "trace_file.h"

#define PIECE (MANAGE_ITEMS * MANAGE_BYTES) /* bytes of records in an answer at most */

struct reader {
	const struct trace_wish *wish;
	struct client_link link;
	FILE *out;
	unsigned vcpus;
	bool known; /* the VM is there */
	uint64_t tsc_khz;
	uint64_t next[LIMIT_VCPUS];
	/* The answer under way. */
	uint64_t first, end, lost;
	uint8_t data[PIECE];
	size_t size;
	bool bad; /* it is none */
	struct trace_result *result;
	struct error *e;
};

/* ---- items ---- */

static void take_vm(void *context, const char *line)
{
	struct reader *r = context;
	char name[LIMIT_NAME];
	uint64_t cpus = record_number(line, "cpus");

	if (!record_text(line, "vm", name, sizeof(name)) || strcmp(name, r->wish->vm) != 0)
		return;
	r->known = true;
	r->vcpus = (unsigned)(cpus < LIMIT_VCPUS ? cpus : LIMIT_VCPUS);
}

static void take_begin(void *context, const char *line)
{
	struct reader *r = context;

	r->tsc_khz = record_number(line, "tsc_khz");
	r->first = record_number(line, "from");
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void take_data(struct reader *r, const char *hex)
{
	for (; hex[0] && hex[1]; hex += 2) {
		int high = digit(hex[0]), low = digit(hex[1]);

		if (high < 0 || low < 0 || r->size == PIECE) {
			r->bad = true;
			return;
		}
		r->data[r->size++] = (uint8_t)(high << 4 | low);
	}
}

static void take_records(void *context, const char *line)
{
	struct reader *r = context;
	const char *data = record_rest(line, "data");

	if (data) {
		take_data(r, data);
		return;
	}
	r->first = record_number(line, "first");
	r->end = record_number(line, "end");
	r->lost = record_number(line, "lost");
}

/* ---- requests ---- */

static int ask(struct reader *r, const char *word, const char *more, client_item item,
	struct client_answer *answer)
{
	if (client_link_ask(&r->link, word, more, item, r, answer, r->e))
		return r->e->status;
	if (answer->status == MANAGE_IS_OK)
		return 0;
	return fail(r->e,
		answer->status == MANAGE_IS_NO_VM ? STATUS_BAD_INPUT : STATUS_VM_ERROR,
		"trace of '%s': %s", r->wish->vm, answer->text);
}

static int begin(struct reader *r, unsigned vcpu)
{
	const struct trace_wish *w = r->wish;
	struct client_answer answer;
	char more[MANAGE_LINE];
	int n = snprintf(more, sizeof(more),
		"vm=%s vcpu=%u on=1 hold=1 low=0x%" PRIx64 " high=0x%" PRIx64, w->vm, vcpu,
		w->low, w->high);

	if (w->level)
		n += snprintf(more + n, sizeof(more) - (size_t)n, " level=%u", w->level);
	if (w->reason >= 0)
		snprintf(more + n, sizeof(more) - (size_t)n, " reason=%d", w->reason);
	if (ask(r, "trace", more, take_begin, &answer))
		return r->e->status;
	r->next[vcpu] = r->first;
	return 0;
}

static int stop(struct reader *r, unsigned vcpu)
{
	struct client_answer answer;
	char more[MANAGE_LINE];

	snprintf(more, sizeof(more), "vm=%s vcpu=%u on=0", r->wish->vm, vcpu);
	return ask(r, "trace", more, take_begin, &answer);
}

static int write_all(struct reader *r, const void *data, size_t size)
{
	if (size != 0 && fwrite(data, size, 1, r->out) != 1)
		return fail(r->e, STATUS_HOST_ERROR, "cannot write '%s': %s", r->wish->output,
			strerror(errno));
	return 0;
}

static int write_records(struct reader *r, unsigned vcpu)
{
	uint8_t head[TRACE_CHUNK_SIZE];
	struct trace_chunk c = {.vcpu = vcpu,
		.count = (uint32_t)(r->size / TRACE_RECORD_SIZE),
		.first = r->first,
		.lost = r->lost};

	trace_file_put_chunk(&c, head);
	r->result->records += c.count;
	r->result->lost += c.lost;
	r->next[vcpu] = r->first + c.count;
	if (write_all(r, head, sizeof(head)))
		return r->e->status;
	return write_all(r, r->data, r->size);
}

/* What there is now, in one answer; *more: there was more. */
static int read_records(struct reader *r, unsigned vcpu, bool *more)
{
	struct client_answer answer;
	char line[MANAGE_LINE];

	r->size = 0;
	r->first = r->end = r->lost = 0;
	snprintf(line, sizeof(line), "vm=%s vcpu=%u from=%" PRIu64, r->wish->vm, vcpu,
		r->next[vcpu]);
	if (ask(r, "records", line, take_records, &answer))
		return r->e->status;
	if (r->bad || r->size % TRACE_RECORD_SIZE != 0)
		return fail(r->e, STATUS_VM_ERROR,
			"trace of '%s': the run's answer has no records of %d bytes",
			r->wish->vm, TRACE_RECORD_SIZE);
	*more = answer.next != 0 && r->size != 0;
	return r->size == 0 && r->lost == 0 ? 0 : write_records(r, vcpu);
}

/* ---- the run ---- */

static int open_all(struct reader *r)
{
	uint8_t head[TRACE_HEADER_SIZE];
	struct trace_head h;
	struct client_answer answer;

	if (client_link_ask_all(&r->link, "list", "", take_vm, r, &answer, r->e))
		return r->e->status;
	if (!r->known)
		return fail(
			r->e, STATUS_BAD_INPUT, "trace: the run has no VM '%s'", r->wish->vm);
	r->result->vcpus = r->vcpus;
	r->out = fopen(r->wish->output, "we");
	if (!r->out)
		return fail(r->e, STATUS_HOST_ERROR, "cannot write '%s': %s", r->wish->output,
			strerror(errno));
	for (unsigned i = 0; i < r->vcpus; i++)
		if (begin(r, i))
			return r->e->status;
	h = (struct trace_head){.tsc_khz = r->tsc_khz};
	snprintf(h.vm, sizeof(h.vm), "%s", r->wish->vm);
	trace_file_put_head(&h, head);
	if (write_all(r, head, sizeof(head)) == 0)
		fflush(r->out); /* it is not empty any more: records come */
	return r->e->status;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int follow(struct reader *r)
{
	static const struct timespec pause = {.tv_nsec = 10000000};
	double end = now() + (double)r->wish->seconds;

	while (now() < end) {
		bool any = false;

		for (unsigned i = 0; i < r->vcpus; i++) {
			bool more;

			if (read_records(r, i, &more))
				return r->e->status;
			any = any || more;
		}
		if (!any)
			nanosleep(&pause, NULL);
	}
	return 0;
}

/* Nothing comes any more: what is left is bounded by the rings. */
static int finish(struct reader *r)
{
	for (unsigned i = 0; i < r->vcpus; i++)
		if (stop(r, i))
			return r->e->status;
	for (unsigned i = 0; i < r->vcpus; i++) {
		bool more = true;

		while (more)
			if (read_records(r, i, &more))
				return r->e->status;
	}
	return 0;
}

int trace_record_vm(const struct trace_wish *w, struct trace_result *result, struct error *e)
{
	struct reader r = {.wish = w, .result = result, .e = e};

	*result = (struct trace_result){.records = 0};
	if (client_link_open(&r.link, w->at, e))
		return e->status;
	if (open_all(&r) == 0 && follow(&r) == 0)
		finish(&r);
	client_link_close(&r.link);
	if (r.out && fclose(r.out) != 0)
		fail(e, STATUS_HOST_ERROR, "cannot write '%s': %s", w->output, strerror(errno));
	return e->status;
}
