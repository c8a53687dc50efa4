/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP for `nestor serve`, by libmicrohttpd: takes requests off its connections, asks who they
 * are from, and sends answers. A thread a connection, so that nobody waits for another.
 */
#ifndef NESTOR_SERVE_HTTP_H
#define NESTOR_SERVE_HTTP_H

#include <stdbool.h>

#include "serve_auth.h"
#include "status.h"

struct serve_http {
	const char *at;                    /* the run's socket */
	const struct serve_tokens *tokens; /* NULL: whoever can connect may ask */
	bool logs;                         /* who asks for what, to standard error */
	char *key, *cert;                  /* PEM; NULL: no TLS */
	int listener;
	struct MHD_Daemon *daemon;
};

int serve_http_begin(struct serve_http *h, struct error *e);
/* Ends all connections. */
void serve_http_end(struct serve_http *h);

#endif
