/* SPDX-License-Identifier: Apache-2.0 */
/* Media by URI; see serve_media.h. */
#include "serve_media.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch.h"
#include "policy/cdrom_config.h"
#include "serve_log.h"

#define COPYING 300 /* seconds until the run has its copy */

/* As many as the run lends; the oldest makes room. */
static struct origin {
	char vm[LIMIT_NAME], disk[SERVE_WORD], uri[FETCH_URL_MAX];
	uint64_t lent, run; /* its number there, and of which run */
} origins[MEDIA_SLOTS];
static unsigned next_origin;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool serve_media_takes_long(const struct serve_request *q)
{
	return *q->uri && strncmp(q->uri, REDFISH_IMAGE, strlen(REDFISH_IMAGE)) != 0;
}

void serve_media_origin(const char *vm, const char *disk, uint64_t lent, char *out)
{
	uint64_t run = serve_log_run();

	*out = 0;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < MEDIA_SLOTS; i++) {
		const struct origin *o = &origins[i];

		if (o->lent == lent && o->run == run && strcmp(o->vm, vm) == 0 &&
			strcmp(o->disk, disk) == 0)
			snprintf(out, FETCH_URL_MAX, "%s", o->uri);
	}
	pthread_mutex_unlock(&lock);
}

/* Which number the run gave it, only its drive tells. */
static void remember(struct serve_job *j, const char *uri)
{
	const struct serve_request *q = j->request;
	struct serve_problem unheard = {0};
	uint64_t run = serve_log_run();
	json_t *devices, *medium;
	struct origin *o;
	size_t i;

	j->run.problem = &unheard; /* it is in, whatever is known of it */
	devices = serve_devices_of(j);
	j->run.problem = &j->problem;
	pthread_mutex_lock(&lock);
	o = &origins[next_origin++ % MEDIA_SLOTS];
	json_array_foreach(json_object_get(devices, "media"), i, medium)
	{
		if (strcmp(serve_text(medium, "disk"), q->disk) != 0)
			continue;
		snprintf(o->vm, sizeof(o->vm), "%s", q->vm);
		snprintf(o->disk, sizeof(o->disk), "%s", q->disk);
		snprintf(o->uri, sizeof(o->uri), "%s", uri);
		o->lent = serve_number(medium, "lent");
		o->run = run;
	}
	pthread_mutex_unlock(&lock);
	json_decref(devices);
}

static bool is_medium(int file, struct serve_problem *p)
{
	const char *wrong;
	struct stat st;

	if (fstat(file, &st) < 0)
		return serve_problem(p, 503, "the file is not there any more");
	wrong = cdrom_size_error((uint64_t)st.st_size);
	if (!wrong)
		return true;
	p->message = "Base.1.8.ResourceAtUriInUnknownFormat";
	return serve_problem(p, 400, "what is there is no medium: %s, and this has %llu", wrong,
		(unsigned long long)st.st_size);
}

/* Is there a drive for it? Nothing is fetched for none. */
static bool has_drive(struct serve_job *j)
{
	json_t *devices = serve_devices_of(j), *medium;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(devices, "media"), i, medium)
	{
		found |= strcmp(serve_text(medium, "disk"), j->request->disk) == 0;
	}
	if (devices && !found)
		serve_problem(
			&j->problem, 404, "there is no CD-ROM drive '%s'", j->request->disk);
	json_decref(devices);
	return found;
}

bool serve_media_insert(struct serve_job *j, const char *uri, bool force)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];
	bool good;
	int file;

	if (!has_drive(j))
		return false;
	serve_run_end(&j->run); /* others may speak to the run meanwhile */
	file = fetch_file(uri, &j->problem);
	if (file < 0)
		return false;
	snprintf(more, sizeof(more), "vm=%s disk=%s force=%d", q->vm, q->disk, force);
	good = is_medium(file, &j->problem) &&
	       serve_run_lend(&j->run, "lend", more, file, COPYING);
	close(file);
	if (good)
		remember(j, uri);
	j->reply->status = 204;
	return good;
}
