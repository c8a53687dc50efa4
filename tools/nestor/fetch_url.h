/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From where `nestor serve` fetches media: which URIs it takes, and which of them somebody has
 * allowed it. Whoever may ask it could otherwise reach, through it, all that this machine can.
 * Asks nobody, opens nothing.
 */
#ifndef NESTOR_FETCH_URL_H
#define NESTOR_FETCH_URL_H

#include <stdbool.h>
#include <stddef.h>

#define FETCH_URL_MAX 1024u /* characters of a URI, with the NUL; SERVE_URI */
#define FETCH_ORIGINS 16u   /* prefixes that may be allowed */

enum fetch_scheme {
	FETCH_HTTP,
	FETCH_HTTPS,
	FETCH_FILE /* of this machine */
};

/* A URI in its parts, which are in `text`. Host: lower case, of a file empty. */
struct fetch_url {
	enum fetch_scheme scheme;
	char host[256];
	unsigned port;            /* also where the URI has none */
	char path[FETCH_URL_MAX]; /* begins with '/', as it came */
	size_t folder;            /* characters of it before a query */
};

/* NULL, or what is wrong with it in words. */
const char *fetch_url_read(const char *text, struct fetch_url *u);

/*
 * Whether a URI is below a prefix: the same scheme, host and port, and the prefix's path is its
 * own, or a folder that it is in.
 */
bool fetch_url_is_below(const struct fetch_url *u, const struct fetch_url *prefix);

#endif
