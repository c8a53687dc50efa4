/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `nestor serve` asks the run: each HTTP request has a link of its own while it lasts, so
 * that the run gives them turns and nothing stays behind. Links are counted: the run has room
 * for its verbs, too.
 */
#ifndef NESTOR_SERVE_RUN_H
#define NESTOR_SERVE_RUN_H

#include <jansson.h>
#include <stdbool.h>

#include "client_link.h"
#include "serve_route.h"

#define SERVE_LINKS   8  /* requests that speak to the run at a time */
#define SERVE_STREAMS 12 /* of events and consoles; the bridge has room for 32 clients */
#define SERVE_TIME    45 /* seconds that a request may take, with all that it asks */

/* One request's way to the run. */
struct serve_run {
	const char *at;
	struct client_link link;
	bool counted;
	int file;        /* that goes with the next request; -1: none */
	double deadline; /* of serve_now() */
	struct serve_problem *problem;
};

/* Seconds, of a clock that only goes forward. */
double serve_now(void);

/* Called once. */
void serve_run_setup(void);

/* A request begins. What goes wrong is told in @p: 503, the run is not there or too many ask at
 * once; 504, it is silent; 400, 404, 409, as it says itself. */
void serve_run_begin(struct serve_run *run, const char *at, struct serve_problem *p);
void serve_run_end(struct serve_run *run);

/* Asks @word, with @more as its arguments, for all that there is. False: why is in the problem,
 * and its status is the one of manage.h that @refusal gets, if it is not NULL. */
bool serve_run_ask(struct serve_run *run, const char *word, const char *more, client_item item,
	void *context);

/*
 * Asks @word with a file, which stays the caller's; the run may take so many seconds.
 */
bool serve_run_lend(
	struct serve_run *run, const char *word, const char *more, int file, int seconds);

/* The same; the items become objects of an array. NULL: why is in the problem. */
json_t *serve_run_items(struct serve_run *run, const char *word, const char *more);

/*
 * The VMs (an item each), or the one with this name. NULL: as above, or there is no such one.
 */
json_t *serve_run_vms(struct serve_run *run);
json_t *serve_run_vm(struct serve_run *run, const char *name);

/* What an item has at @key: "" or 0 if it has none. Large numbers are text there. */
const char *serve_text(const json_t *item, const char *key);
uint64_t serve_number(const json_t *item, const char *key);

/*
 * A link at which events or what a console says comes, as @word with @more asks for, malloc'ed,
 * which serve_run_stream_end() takes back.
 */
struct client_link *serve_run_stream(
	const char *at, const char *word, const char *more, struct serve_problem *p);
void serve_run_stream_end(struct client_link *l);

/* A place among those streams for one without a link of its own, and back. */
bool serve_run_stream_take(struct serve_problem *p);
void serve_run_stream_give(void);

#endif
