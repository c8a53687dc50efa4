/* SPDX-License-Identifier: Apache-2.0 */
/* What `nestor serve` answers: a status, bytes of a type, and a few headers. */
#ifndef NESTOR_SERVE_REPLY_H
#define NESTOR_SERVE_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "client_link.h"
#include "serve_log.h"
#include "serve_route.h"

struct serve_reply {
	int status;
	const char *type; /* NULL: there is no content */
	char *data;       /* malloc'ed */
	size_t size;
	char location[160];          /* empty: none */
	char session[SERVE_WORD];    /* X-Auth-Token; empty: none */
	char allow[32];              /* empty: none */
	char etag[SERVE_WORD];       /* likewise */
	const char *file;            /* that it is to become; NULL: none */
	bool page;                   /* for people: nothing from elsewhere may come into it */
	struct client_link *events;  /* else the lines that come here; malloc'ed */
	bool happens;                /* else what happens, */
	struct serve_log_reader log; /* for this reader, */
	bool as_redfish;             /* in its form */
};

/* Takes @object over. */
void serve_reply_json(struct serve_reply *r, int status, json_t *object);
/* Takes @data over, which is malloc'ed. */
void serve_reply_bytes(struct serve_reply *r, const char *type, char *data, size_t size);
/* Problem details (RFC 9457), or Redfish's own form of an error. */
void serve_reply_problem(struct serve_reply *r, const struct serve_problem *p, bool redfish);

/* The ETag of what is answered: other when anything in it is. */
void serve_etag(const json_t *object, char *out, size_t size);

/* Nothing is left behind but *r as it was at the beginning. */
void serve_reply_clear(struct serve_reply *r);

/* The words of a status: "Not Found". */
const char *serve_status_words(int status);

#endif
