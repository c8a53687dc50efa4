/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the run, and consoles, as server-sent events; see serve_events.h. */
#include "serve_events.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_show.h"
#include "record.h"
#include "serve_redfish_events.h"
#include "serve_run.h"

#define LOOK    500  /* milliseconds until it is looked whether all ends */
#define SILENCE 10.0 /* seconds until a comment tells that the stream is alive */
#define EVENT   8192 /* bytes: a record of the run is shorter than its link's buffer */

struct stream {
	struct client_link *link; /* of a console; NULL: it is the log's */
	struct serve_log_reader log;
	bool as_redfish;
	char text[2 * EVENT]; /* what is on its way */
	size_t size, sent;
};

static atomic_bool stopped;

void serve_events_stop(void)
{
	atomic_store(&stopped, true);
}

/* The record's word is the event's name. */
static void put_event(struct stream *s, const char *record)
{
	json_t *object = client_show_object(record);
	char *data = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
	int n = snprintf(s->text, sizeof(s->text), "event: %.*s\ndata: %s\n\n",
		(int)strcspn(record, " "), record, data ? data : "{}");

	s->size = n > 0 && (size_t)n < sizeof(s->text) ? (size_t)n : 0;
	s->sent = 0;
	free(data);
	json_decref(object);
}

/* Of the log, with the number by which it can be asked for again. */
static void put_numbered(struct stream *s, const char *record)
{
	char id[SERVE_WORD], *data;
	json_t *object = s->as_redfish ? NULL : client_show_object(record);
	int n;

	serve_log_name(s->log.after, id, sizeof(id));
	data = s->as_redfish ? redfish_event(record, &s->log, "", 0)
			     : json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
	n = snprintf(s->text, sizeof(s->text), "id: %s\n%s%.*s%sdata: %s\n\n", id,
		s->as_redfish ? "" : "event: ", s->as_redfish ? 0 : (int)strcspn(record, " "),
		record, s->as_redfish ? "" : "\n", data ? data : "{}");
	s->size = data && n > 0 && (size_t)n < sizeof(s->text) ? (size_t)n : 0;
	s->sent = 0;
	free(data);
	json_decref(object);
}

static void put_comment(struct stream *s)
{
	s->size = (size_t)snprintf(s->text, sizeof(s->text), ": nothing new\n\n");
	s->sent = 0;
}

static bool wait_for_event(struct stream *s)
{
	double until = serve_now() + SILENCE;
	char record[SERVE_LOG_RECORD];

	while (s->sent == s->size) {
		enum serve_log_next is = serve_log_next(&s->log, LOOK, record);

		if (is == LOG_ENDED)
			return false;
		if (is == LOG_EVENT)
			put_numbered(s, record);
		else if (serve_now() > until)
			put_comment(s);
	}
	return true;
}

/* Something to send is there; false: nothing comes any more. */
static bool wait_for_text(struct stream *s)
{
	double until = serve_now() + SILENCE;

	if (!s->link)
		return wait_for_event(s);

	while (s->sent == s->size) {
		struct error e = {0};
		const char *line = client_link_line(s->link, LOOK, &e);

		if (atomic_load(&stopped) || (!line && e.status != STATUS_TIMEOUT))
			return false;
		if (line && record_is(line, "output"))
			put_event(s, line);
		else if (line && record_is(line, "end")) /* of the VM whose console it is */
			return false;
		else if (!line && serve_now() > until)
			put_comment(s);
	}
	return true;
}

static ssize_t read_stream(void *context, uint64_t at, char *out, size_t room)
{
	struct stream *s = context;
	size_t n;

	(void)at;
	if (!wait_for_text(s))
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = s->size - s->sent < room ? s->size - s->sent : room;
	memcpy(out, s->text + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

static void end_stream(void *context)
{
	struct stream *s = context;

	if (s->link)
		serve_run_stream_end(s->link);
	else
		serve_run_stream_give();
	free(s);
}

struct MHD_Response *serve_events_response(struct serve_reply *r)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct MHD_Response *m;

	if (!s)
		return NULL;
	s->link = r->events;
	s->log = r->log;
	s->as_redfish = r->as_redfish;
	put_comment(s); /* the client learns at once that it is heard */
	m = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 4096, read_stream, s, end_stream);
	if (!m) {
		free(s);
		return NULL;
	}
	r->events = NULL;
	r->happens = false;
	return m;
}
