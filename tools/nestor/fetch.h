/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `nestor serve` fetches for CD-ROM drives: a file from a place that it is allowed to ask,
 * into one that has no name, so that it is gone with its last user, whatever happens.
 */
#ifndef NESTOR_FETCH_H
#define NESTOR_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "fetch_url.h"
#include "serve_route.h"
#include "status.h"

#define FETCH_TIME 600 /* seconds that one may take */

struct fetch_rules {
	struct fetch_url origin[FETCH_ORIGINS]; /* prefixes; none: nothing is fetched */
	unsigned origins;
	uint64_t limit;     /* bytes of a file */
	const char *folder; /* for files under way */
	const char *ca;     /* PEM, of whom servers are certified by; NULL: the system's */
};

/* Adds a prefix; @text must outlive nothing. */
int fetch_allow(struct fetch_rules *r, const char *text, struct error *e);

/* Once, before the first one; the rules stay where they are. */
int fetch_begin(const struct fetch_rules *r, struct error *e);
/* Is there a place to fetch from? */
bool fetch_may(void);
/* What is under way fails soon. */
void fetch_stop(void);

/* The descriptor of what is at @uri, to be closed. -1: @p says why it cannot be had. */
int fetch_file(const char *uri, struct serve_problem *p);

#endif
