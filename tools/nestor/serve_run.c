/* SPDX-License-Identifier: Apache-2.0 */
/* What `nestor serve` asks the run; see serve_run.h. */
#include "serve_run.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client_show.h"

/* Seconds that the run may be silent: a request that was lost is asked again after 10. */
#define PATIENCE 30
#define WAIT     5 /* seconds for a free link */

static sem_t links, streams;

double serve_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void serve_run_setup(void)
{
	sem_init(&links, 0, SERVE_LINKS);
	sem_init(&streams, 0, SERVE_STREAMS);
}

void serve_run_begin(struct serve_run *run, const char *at, struct serve_problem *p)
{
	*run = (struct serve_run){
		.at = at, .file = -1, .deadline = serve_now() + SERVE_TIME, .problem = p};
	run->link.fd = run->link.file = -1;
}

void serve_run_end(struct serve_run *run)
{
	client_link_close(&run->link);
	if (run->counted)
		sem_post(&links);
	run->counted = false;
}

static bool wait_for(sem_t *s, int seconds)
{
	struct timespec until;
	int failed;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	do {
		failed = sem_timedwait(s, &until);
	} while (failed && errno == EINTR);
	return failed == 0;
}

/* What the link's error is to a client of HTTP. */
static bool unreachable(struct serve_problem *p, const struct error *e)
{
	return serve_problem(p, e->status == STATUS_TIMEOUT ? 504 : 503, "%s", e->text);
}

static bool connected(struct serve_run *run)
{
	struct error e = {0};

	if (run->link.fd >= 0)
		return true;
	if (!run->counted)
		run->counted = wait_for(&links, WAIT);
	if (!run->counted)
		return serve_problem(run->problem, 503, "too many ask the run at once");
	if (client_link_open(&run->link, run->at, &e))
		return unreachable(run->problem, &e);
	return true;
}

static int status_of(enum manage_status status)
{
	switch (status) {
	case MANAGE_IS_NO_VM:
	case MANAGE_IS_NO_MEMORY:
		return 404;
	case MANAGE_IS_STATE:
		return 409;
	case MANAGE_IS_BAD:
		return 400;
	default:
		return 503;
	}
}

static bool ask(struct serve_run *run, const char *word, const char *more, client_item item,
	void *context, int patience)
{
	double left = run->deadline - serve_now();
	struct client_answer answer;
	struct error e = {0};

	if (left <= 0)
		return serve_problem(
			run->problem, 504, "it takes longer than %d s", SERVE_TIME);
	if (!connected(run))
		return false;
	run->link.patience = (int)(1000 * (left < patience ? left : patience)) + 1;
	run->link.file = run->file;
	run->file = -1;
	if (client_link_ask_all(&run->link, word, more, item, context, &answer, &e))
		return unreachable(run->problem, &e);
	if (answer.status == MANAGE_IS_OK)
		return true;
	return serve_problem(run->problem, status_of(answer.status), "%s", answer.text);
}

bool serve_run_ask(struct serve_run *run, const char *word, const char *more, client_item item,
	void *context)
{
	return ask(run, word, more, item, context, PATIENCE);
}

static void ignore_item(void *context, const char *line)
{
	(void)context;
	(void)line;
}

bool serve_run_lend(
	struct serve_run *run, const char *word, const char *more, int file, int seconds)
{
	bool done;

	run->deadline = serve_now() + seconds;
	run->file = fcntl(file, F_DUPFD_CLOEXEC, 0); /* the link closes its own */
	done = ask(run, word, more, ignore_item, NULL, seconds);
	if (run->file >= 0)
		close(run->file);
	run->file = -1;
	run->deadline = serve_now() + SERVE_TIME;
	return done;
}

/* ---- items as JSON ---- */

static void add_item(void *context, const char *line)
{
	json_array_append_new(context, client_show_object(line));
}

json_t *serve_run_items(struct serve_run *run, const char *word, const char *more)
{
	json_t *items = json_array();

	if (serve_run_ask(run, word, more, add_item, items))
		return items;
	json_decref(items);
	return NULL;
}

const char *serve_text(const json_t *item, const char *key)
{
	const char *text = json_string_value(json_object_get(item, key));

	return text ? text : "";
}

uint64_t serve_number(const json_t *item, const char *key)
{
	const json_t *value = json_object_get(item, key);

	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 0);
	return (uint64_t)json_integer_value(value);
}

json_t *serve_run_vms(struct serve_run *run)
{
	json_t *vms = serve_run_items(run, "list", ""), *vm;
	size_t i;

	/* An item's key is that of a request's argument; in JSON a VM has a name. */
	json_array_foreach(vms, i, vm)
	{
		json_t *name = json_object_get(vm, "vm"), *named = json_object();

		json_object_set(named, "name", name);
		json_object_del(vm, "vm");
		json_object_update(named, vm);
		json_array_set_new(vms, i, named);
	}
	return vms;
}

json_t *serve_run_vm(struct serve_run *run, const char *name)
{
	json_t *vms = serve_run_vms(run), *vm;
	size_t i;

	if (!vms)
		return NULL;
	json_array_foreach(vms, i, vm)
	{
		if (strcmp(serve_text(vm, "name"), name) != 0)
			continue;
		json_incref(vm);
		json_decref(vms);
		return vm;
	}
	json_decref(vms);
	serve_problem(run->problem, 404, "there is no VM '%s'", name);
	return NULL;
}

/* ---- events ---- */

bool serve_run_stream_take(struct serve_problem *p)
{
	return sem_trywait(&streams) == 0 ||
	       serve_problem(p, 503, "there are %d streams already", SERVE_STREAMS);
}

void serve_run_stream_give(void)
{
	sem_post(&streams);
}

struct client_link *serve_run_stream(
	const char *at, const char *word, const char *more, struct serve_problem *p)
{
	struct client_link *l = calloc(1, sizeof(*l));
	struct client_answer answer;
	struct error e = {0};

	if (!l) {
		serve_problem(p, 503, "no memory is left");
		return NULL;
	}
	if (!serve_run_stream_take(p)) {
		free(l);
		return NULL;
	}
	if (!client_link_open(l, at, &e)) {
		l->patience = 1000 * PATIENCE;
		if (!client_link_ask(l, word, more, ignore_item, NULL, &answer, &e) &&
			answer.status == MANAGE_IS_OK)
			return l;
	}
	if (e.status)
		unreachable(p, &e);
	else
		serve_problem(p, status_of(answer.status), "%s", answer.text);
	serve_run_stream_end(l);
	return NULL;
}

void serve_run_stream_end(struct client_link *l)
{
	client_link_close(l);
	free(l);
	serve_run_stream_give();
}
