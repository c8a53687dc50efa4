/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP for `nestor serve`; see serve_http.h. */
#include "serve_http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <strings.h>

#include "fetch.h"
#include "serve_api.h"
#include "serve_auth.h"
#include "serve_conn.h"
#include "serve_events.h"
#include "serve_media.h"
#include "serve_log.h"
#include "serve_push.h"
#include "serve_session.h"

#define HEADERS (32u << 10)  /* bytes of a request without its body, and of an answer's head */
#define STACK   (512u << 10) /* of a thread */

/* Whatever a guest or a run says: the page has nothing that is not ours, and is in no other. */
#define PAGE_POLICY                                                                    \
	"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; " \
	"frame-ancestors 'none'"

/* A request while it comes. */
struct exchange {
	bool known;     /* its headers are there */
	bool too_large; /* its body */
	char *target;   /* as it came */
	char *body;
	size_t size;
	char method[16];
	struct serve_who who; /* once it is known */
};

/* ---- its beginning and end ---- */

static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
	struct exchange *x = calloc(1, sizeof(*x));

	(void)context;
	(void)connection;
	if (x)
		x->target = strdup(target);
	return x;
}

static struct serve_conn *conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **exchange,
	enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *exchange;

	(void)context;
	(void)why;
	serve_conn_phase(conn_of(connection), PHASE_ASKS);
	if (!x)
		return;
	free(x->target);
	free(x->body);
	free(x);
	*exchange = NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **conn,
	enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	(void)context;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*conn = info ? serve_conn_begin(info->connect_fd) : NULL;
	else
		serve_conn_end(*conn);
}

/* ---- an answer ---- */

static void add_headers(struct MHD_Response *m, const struct serve_reply *r, bool redfish)
{
	MHD_add_response_header(m, "Cache-Control", "no-store");
	MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
	if (r->type)
		MHD_add_response_header(m, "Content-Type", r->type);
	if (*r->allow)
		MHD_add_response_header(m, "Allow", r->allow);
	if (*r->etag)
		MHD_add_response_header(m, "ETag", r->etag);
	if (*r->location)
		MHD_add_response_header(m, "Location", r->location);
	if (*r->session)
		MHD_add_response_header(m, "X-Auth-Token", r->session);
	if (r->file)
		MHD_add_response_header(m, "Content-Disposition", r->file);
	if (r->page) {
		MHD_add_response_header(m, "Content-Security-Policy", PAGE_POLICY);
		MHD_add_response_header(m, "Referrer-Policy", "no-referrer");
	}
	if (r->status == 401)
		MHD_add_response_header(m, "WWW-Authenticate", "Basic realm=\"nestor\"");
	if (r->status == 503)
		MHD_add_response_header(m, "Retry-After", "1");
	if (redfish)
		MHD_add_response_header(m, "OData-Version", "4.0");
}

/* Takes what *r has. */
static struct MHD_Response *response_of(struct serve_reply *r)
{
	struct MHD_Response *m;

	if (r->events || r->happens)
		return serve_events_response(r);
	m = MHD_create_response_from_buffer(r->size, r->data, MHD_RESPMEM_MUST_FREE);
	r->data = m ? NULL : r->data;
	return m;
}

static enum MHD_Result send_reply(
	struct MHD_Connection *connection, struct serve_reply *r, bool redfish)
{
	bool streams = r->events || r->happens;
	struct MHD_Response *m = response_of(r);
	enum MHD_Result is = MHD_NO;

	serve_conn_phase(conn_of(connection), streams ? PHASE_STREAMS : PHASE_ANSWERS);
	if (m) {
		add_headers(m, r, redfish);
		is = MHD_queue_response(connection, (unsigned)r->status, m);
		MHD_destroy_response(m);
	}
	serve_reply_clear(r);
	return is;
}

/* What of a client's own text may be in a line of the log, up to a query. */
static void clean(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; text[n] && text[n] != '?' && n + 1 < size; n++)
		out[n] = text[n] > ' ' && text[n] <= '~' ? text[n] : '?';
	out[n] = 0;
}

/* What was changed, or refused, and by whom. */
static void note(const struct serve_http *h, const struct exchange *x, int status)
{
	char method[sizeof(x->method)], target[128];
	bool looks = strcmp(x->method, "GET") == 0 || strcmp(x->method, "HEAD") == 0;

	if (!h->logs || (status < 400 && looks))
		return;
	clean(method, sizeof(method), x->method);
	clean(target, sizeof(target), x->target);
	fprintf(stderr, "nestor serve: %s %s %s %d\n", *x->who.name ? x->who.name : "-", method,
		target, status);
}

static enum MHD_Result refuse(const struct serve_http *h, struct MHD_Connection *connection,
	const struct exchange *x, const struct serve_problem *p)
{
	bool redfish = serve_is_redfish(x->target);
	struct serve_reply r = {0};

	note(h, x, p->status);
	serve_reply_problem(&r, p, redfish);
	return send_reply(connection, &r, redfish);
}

/* ---- a request ---- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static bool may_ask(const struct serve_http *h, struct MHD_Connection *connection,
	struct serve_who *who, struct serve_problem *p)
{
	const char *given = header(connection, "Authorization");

	const char *session = header(connection, "X-Auth-Token");

	*who = (struct serve_who){.role = h->tokens ? ROLE_READ : ROLE_ADMIN};
	if (!h->tokens || (given && serve_authorized(given, h->tokens, who)) ||
		(session && serve_session_known(session, who)))
		return true;
	return serve_problem(p, 401,
		given || session ? "the token is none of this service, or its session has ended"
				 : "a token is needed: Authorization: Bearer TOKEN");
}

/* What can be said before its body comes. */
static bool judge(const struct serve_http *h, struct MHD_Connection *connection,
	const char *method, struct exchange *x, struct serve_request *q,
	struct serve_problem *p)
{
	const char *length = header(connection, "Content-Length");
	bool found = serve_route_read(method, x->target, q, p);
	struct serve_problem other = {0};

	/* Who has no token learns of no path. */
	if (!(found && serve_routes[q->id].open) && !may_ask(h, connection, &x->who, &other)) {
		*p = other;
		return false;
	}
	if (found && !serve_routes[q->id].open && x->who.role < serve_role_needed(q->id))
		return serve_problem(p, 403, "this needs the role %s; '%s' has %s",
			serve_role_word(serve_role_needed(q->id)), x->who.name,
			serve_role_word(x->who.role));
	if (found && length && strtoull(length, NULL, 10) > SERVE_BODY_MAX)
		return serve_problem(p, 413, "a body has %u bytes at most", SERVE_BODY_MAX);
	return found;
}

static void keep_body(struct exchange *x, const char *data, size_t size)
{
	char *more;

	if (x->too_large || size > SERVE_BODY_MAX - x->size) {
		x->too_large = true;
		return;
	}
	more = realloc(x->body, x->size + size);
	if (!more) {
		x->too_large = true;
		return;
	}
	memcpy(more + x->size, data, size);
	x->body = more;
	x->size += size;
}

static bool wants_octets(struct MHD_Connection *connection)
{
	const char *accept = header(connection, "Accept");

	return accept && strncasecmp(accept, "application/octet-stream", 24) == 0;
}

/* One that is too long to be ours fits nothing. */
static void keep_condition(struct serve_request *q, const char *if_match)
{
	snprintf(q->if_match, sizeof(q->if_match), "%s", if_match ? if_match : "");
}

/* Until the answer goes out nobody may find that nothing happens. */
static void expect_answer(struct MHD_Connection *connection, bool late)
{
	serve_conn_phase(conn_of(connection), late ? PHASE_FETCHES : PHASE_ANSWERS);
	if (late)
		MHD_set_connection_option(
			connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)SERVE_FETCHING);
}

static void keep_last_event(struct serve_request *q, const char *id)
{
	snprintf(q->last_event, sizeof(q->last_event), "%s", id ? id : "");
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
	const char *url, const char *method, const char *version, const char *data,
	size_t *size, void **exchange)
{
	const struct serve_http *h = context;
	struct exchange *x = *exchange;
	struct serve_problem p = {0};
	struct serve_reply r = {0};
	struct serve_request q;

	(void)url;
	(void)version;
	if (!x || !x->target)
		return MHD_NO;
	snprintf(x->method, sizeof(x->method), "%s", method);
	if (x->known && *size) {
		keep_body(x, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!judge(h, connection, method, x, &q, &p))
		return refuse(h, connection, x, &p);
	if (!x->known) {
		x->known = true;
		return MHD_YES;
	}
	if (x->too_large)
		serve_problem(&p, 413, "a body has %u bytes at most", SERVE_BODY_MAX);
	else
		serve_body_read(&q, header(connection, "Content-Type"), x->body, x->size, &p);
	if (p.status)
		return refuse(h, connection, x, &p);
	keep_condition(&q, header(connection, "If-Match"));
	keep_last_event(&q, header(connection, "Last-Event-ID"));
	expect_answer(connection, serve_media_takes_long(&q));
	serve_answer(&q, h->at, h->tokens, &x->who, wants_octets(connection), &r);
	note(h, x, r.status);
	return send_reply(connection, &r, serve_is_redfish(x->target));
}

/* ---- all of it ---- */

int serve_http_begin(struct serve_http *h, struct error *e)
{
	const struct MHD_OptionItem options[] = {
		{MHD_OPTION_LISTEN_SOCKET, h->listener, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, SERVE_CONNECTIONS, NULL},
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADERS, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT, SERVE_ANSWERING, NULL},
		{MHD_OPTION_THREAD_STACK_SIZE, STACK, NULL},
		{MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
		{MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, NULL},
		{MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, NULL},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, NULL},
		/* These two must be last: without TLS the list ends before them. */
		{h->key ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0, h->key},
		{MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert},
		{MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			 MHD_USE_POLL | (h->key ? MHD_USE_TLS : 0);

	serve_run_setup();
	serve_log_begin(h->at);
	h->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, h, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (!h->daemon)
		return fail(e, STATUS_HOST_ERROR, "nestor serve: cannot serve%s",
			h->key ? "; are key and certificate PEM, and do they fit?" : "");
	return 0;
}

void serve_http_end(struct serve_http *h)
{
	serve_events_stop();
	fetch_stop();
	serve_log_end();
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	h->daemon = NULL;
	serve_push_end_all(); /* now that nobody subscribes any more */
}
