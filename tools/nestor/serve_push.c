/* SPDX-License-Identifier: Apache-2.0 */
/* Events by HTTP POST; see serve_push.h. */
#include "serve_push.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch_url.h"
#include "serve_log.h"
#include "serve_redfish_events.h"

#define LOOK 500 /* milliseconds until it is looked whether it ends */

/* ---- what is allowed ---- */

static struct fetch_url allowed[PUSH_PLACES];
static unsigned places;

static int allow(const char *text, struct error *e)
{
	struct fetch_url *u = &allowed[places];
	const char *wrong =
		places == PUSH_PLACES ? "there are too many" : fetch_url_read(text, u);

	if (!wrong && (u->scheme == FETCH_FILE || strchr(text, '?')))
		wrong = "must be http[s]://HOST[:PORT]/, and may have a path";
	if (wrong)
		return fail(e, STATUS_USAGE, "--events-to '%.100s': %s", text, wrong);
	places++;
	return 0;
}

int serve_push_allow(const char *list, struct error *e)
{
	char text[FETCH_URL_MAX + 1]; /* one more is too long for everybody */
	size_t size;

	for (const char *at = list; at && *at; at += size + (at[size] == ',')) {
		size = strcspn(at, ",");
		snprintf(text, sizeof(text), "%.*s",
			(int)(size < sizeof(text) ? size : sizeof(text)), at);
		if (allow(text, e))
			return e->status;
	}
	if (list)
		curl_global_init(CURL_GLOBAL_DEFAULT); /* once, before there are threads */
	return 0;
}

bool serve_push_is_allowed(const char *destination)
{
	struct fetch_url u;

	if (fetch_url_read(destination, &u))
		return false;
	for (unsigned i = 0; i < places; i++)
		if (fetch_url_is_below(&u, &allowed[i]))
			return true;
	return false;
}

/* ---- subscriptions ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned last_id;

static struct subscription {
	struct serve_push is;
	struct serve_log_reader reader;
	bool there; /* the run is */
	bool used;
	atomic_bool ends; /* it is to, or has; */
	atomic_bool done; /* its thread does no more */
	pthread_t thread;
} all[PUSH_SUBSCRIPTIONS];

/* A second at a time; false: it is to end. */
static bool wait_between(const struct subscription *s)
{
	static const struct timespec second = {.tv_sec = 1};

	for (unsigned i = 0; i < PUSH_INTERVAL && !atomic_load(&s->ends); i++)
		nanosleep(&second, NULL);
	return !atomic_load(&s->ends);
}

/* What a destination says is nobody's. */
static size_t ignore(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

/* Called while it is sent: not 0 when the subscription is to end. */
static int on_progress(
	void *context, curl_off_t down, curl_off_t is_down, curl_off_t up, curl_off_t is_up)
{
	const struct subscription *s = context;

	(void)down;
	(void)is_down;
	(void)up;
	(void)is_up;
	return atomic_load(&s->ends);
}

/* Where it is told, and nowhere else: neither a proxy nor a redirection leads away. */
static CURL *open_client(struct subscription *s, struct curl_slist *headers)
{
	CURL *c = curl_easy_init();

	if (!c)
		return NULL;
	curl_easy_setopt(c, CURLOPT_URL, s->is.destination);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)PUSH_TIME);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, s);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "nestor/" NESTOR_VERSION);
	return c;
}

static bool send_once(CURL *c, const char *text)
{
	long status = 0;

	curl_easy_setopt(c, CURLOPT_POSTFIELDS, text);
	return curl_easy_perform(c) == CURLE_OK &&
	       curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	       status >= 200 && status < 300;
}

/* False: it was tried as often as it may be. */
static bool send_event(const struct subscription *s, CURL *c, const char *text)
{
	for (unsigned i = 1; !send_once(c, text); i++)
		if (i == PUSH_TRIES || !wait_between(s))
			return false;
	return true;
}

static void follow(struct subscription *s, CURL *c)
{
	char record[SERVE_LOG_RECORD];
	bool goes_on = true;

	while (goes_on && !atomic_load(&s->ends)) {
		uint64_t before = s->reader.after;
		enum serve_log_next is =
			s->there ? serve_log_next(&s->reader, LOOK, record) : LOG_ENDED;
		char *text = is == LOG_EVENT ? redfish_event(record, &s->reader, s->is.context,
						       s->is.types)
					     : NULL;

		if (is == LOG_ENDED) { /* of this run: another may begin */
			s->there = serve_log_read(&s->reader, NULL);
			s->reader.after = before;
		}
		goes_on = !text || send_event(s, c, text);
		free(text);
	}
}

static void *push(void *context)
{
	struct subscription *s = context;
	struct curl_slist *headers =
		curl_slist_append(NULL, "Content-Type: application/json;charset=utf-8");
	CURL *c = open_client(s, headers);

	if (c)
		follow(s, c);
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	atomic_store(&s->ends, true);
	atomic_store(&s->done, true);
	return NULL;
}

static bool lives(const struct subscription *s)
{
	return s->used && !atomic_load(&s->ends);
}

static bool begin_in(
	struct subscription *s, const struct serve_push *p, const struct serve_log_reader *r)
{
	if (s->used)
		pthread_join(s->thread, NULL);
	s->is = *p;
	s->reader = *r;
	s->there = true;
	atomic_store(&s->ends, false);
	atomic_store(&s->done, false);
	s->used = pthread_create(&s->thread, NULL, push, s) == 0;
	return s->used;
}

bool serve_push_begin(struct serve_push *p)
{
	struct subscription *s = all;
	struct serve_log_reader r;
	bool good;

	serve_log_read(&r, NULL); /* from now on, however late its thread begins */
	pthread_mutex_lock(&lock);
	while (s < all + PUSH_SUBSCRIPTIONS && s->used && !atomic_load(&s->done))
		s++;
	snprintf(p->id, sizeof(p->id), "%u", last_id + 1);
	good = s < all + PUSH_SUBSCRIPTIONS && begin_in(s, p, &r);
	last_id += good;
	pthread_mutex_unlock(&lock);
	return good;
}

unsigned serve_push_list(struct serve_push p[PUSH_SUBSCRIPTIONS])
{
	unsigned n = 0;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < PUSH_SUBSCRIPTIONS; i++)
		if (lives(&all[i]))
			p[n++] = all[i].is;
	pthread_mutex_unlock(&lock);
	return n;
}

bool serve_push_find(const char *id, struct serve_push *p)
{
	struct serve_push list[PUSH_SUBSCRIPTIONS];
	unsigned n = serve_push_list(list);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(list[i].id, id) == 0) {
			*p = list[i];
			return true;
		}
	return false;
}

bool serve_push_end(const char *id)
{
	bool was = false;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < PUSH_SUBSCRIPTIONS; i++)
		if (lives(&all[i]) && strcmp(all[i].is.id, id) == 0) {
			atomic_store(&all[i].ends, true);
			was = true;
		}
	pthread_mutex_unlock(&lock);
	return was;
}

void serve_push_end_all(void)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < PUSH_SUBSCRIPTIONS; i++)
		atomic_store(&all[i].ends, true);
	for (unsigned i = 0; i < PUSH_SUBSCRIPTIONS; i++)
		if (all[i].used)
			pthread_join(all[i].thread, NULL);
	pthread_mutex_unlock(&lock);
}
