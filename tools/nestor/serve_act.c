/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of /v1 to what changes something and has more than a word: see serve_api.h. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_bundle.h"
#include "file.h"
#include "serve_api.h"

static void ignore_item(void *context, const char *line)
{
	(void)context;
	(void)line;
}

static bool has_begun(struct serve_job *j)
{
	j->reply->status = 204;
	return true;
}

bool serve_balloon(struct serve_job *j)
{
	char more[MANAGE_LINE];

	snprintf(more, sizeof(more), "vm=%s target=%" PRIu64, j->request->vm,
		j->request->balloon);
	return serve_run_ask(&j->run, "balloon", more, ignore_item, NULL) && has_begun(j);
}

/* What went wrong behind the first @done bytes. */
static bool in_the_middle(struct serve_job *j, size_t done, const char *what)
{
	char why[sizeof(j->problem.detail)];

	if (done) {
		memcpy(why, j->problem.detail, sizeof(why));
		serve_problem(&j->problem, j->problem.status,
			"after %zu bytes that were %s: %.150s", done, what, why);
	}
	return false;
}

/* `data=` and a part of what is to be sent, behind the @n characters of @line. */
static size_t put_part(
	const struct serve_request *q, size_t from, char line[MANAGE_LINE], int n)
{
	size_t part = q->size - from < MANAGE_DATA ? q->size - from : MANAGE_DATA;

	for (size_t i = 0; i < part; i++)
		n += snprintf(line + n, MANAGE_LINE - (size_t)n, "%s%02x",
			i ? "" : " data=", q->data[from + i]);
	return part;
}

bool serve_poke(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	uint64_t at = q->arg[SERVE_ARG_AT];
	char level[16] = "", more[MANAGE_LINE];

	if (at > UINT64_MAX - (q->size - 1))
		return serve_problem(&j->problem, 400, "it goes beyond the last address");
	if (q->given & 1u << SERVE_ARG_LEVEL)
		snprintf(level, sizeof(level), " level=%u", (unsigned)q->arg[SERVE_ARG_LEVEL]);
	for (size_t done = 0, part; done < q->size; done += part) {
		int n = snprintf(more, sizeof(more), "vm=%s vcpu=%u at=0x%" PRIx64 "%s%s",
			q->vm, q->vcpu, at + done, level,
			q->arg[SERVE_ARG_PHYSICAL] ? " physical=1" : "");

		part = put_part(q, done, more, n);
		if (!serve_run_ask(&j->run, "write", more, ignore_item, NULL))
			return in_the_middle(j, done, "written");
	}
	return has_begun(j);
}

bool serve_type(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];

	for (size_t done = 0, part; done < q->size; done += part) {
		int n = snprintf(more, sizeof(more), "vm=%s%s%s", q->vm,
			*q->port ? " port=" : "", q->port);

		part = put_part(q, done, more, n);
		if (!serve_run_ask(&j->run, "type", more, ignore_item, NULL))
			return in_the_middle(j, done, "typed");
	}
	return has_begun(j);
}

/* ---- the bundle ---- */

static bool unsuccessful(struct serve_job *j, const struct error *e)
{
	return serve_problem(
		&j->problem, e->status == STATUS_TIMEOUT ? 504 : 503, "%.200s", e->text);
}

/* Packed in a folder of its own, which the arena's owner removes. */
static bool make_bundle(struct serve_job *j, struct arena *a, const char *folder)
{
	const char *path = arena_format(a, "%s/bundle.tar.gz", folder);
	struct bytes file;
	struct error e = {0};
	char *data;

	if (client_bundle(&j->run.link, path, &e) || file_read(a, path, "bundle", &file, &e))
		return unsuccessful(j, &e);
	data = malloc(file.size);
	if (!data)
		return serve_problem(&j->problem, 503, "no memory is left");
	memcpy(data, file.data, file.size);
	serve_reply_bytes(j->reply, "application/gzip", data, file.size);
	j->reply->file = "attachment; filename=\"nestor-bundle.tar.gz\"";
	return true;
}

/* One at a time: each lets go on only what it has paused itself. */
bool serve_bundle(struct serve_job *j)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct arena a = {NULL};
	struct error e = {0};
	const char *folder = NULL;
	bool made = false;

	if (pthread_mutex_trylock(&one) != 0)
		return serve_problem(&j->problem, 503, "another bundle is being made");
	if (!serve_run_ask(&j->run, "list", "", ignore_item, NULL))
		made = false;
	else if (file_make_temporary(&a, &folder, &e))
		made = unsuccessful(j, &e);
	else
		made = make_bundle(j, &a, folder);
	if (folder)
		file_remove_tree(folder);
	arena_free(&a);
	pthread_mutex_unlock(&one);
	return made;
}
