/* SPDX-License-Identifier: Apache-2.0 */
/* What has happened lately; see serve_log.h. */
#include "serve_log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client_link.h"
#include "record.h"

#define LOOK     500  /* milliseconds until it is looked whether all ends, or tried again */
#define PATIENCE 3000 /* milliseconds for its answer, which is the tool's */
#define ARRIVAL  2    /* seconds that a reader waits for the first connection */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news;
static pthread_t thread;
static bool begun, stopped, connected;
static uint64_t epoch; /* of this server: numbers are of no other */
static uint64_t run;   /* connections to the run so far */
static uint64_t count; /* events so far; the last one has this number */
static char records[SERVE_LOG_KEPT][SERVE_LOG_RECORD];
static int64_t times[SERVE_LOG_KEPT];

static void deadline_in(int milliseconds, struct timespec *t)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += milliseconds / 1000;
	t->tv_nsec += (long)(milliseconds % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

/* ---- from the run ---- */

static void add(const char *record)
{
	pthread_mutex_lock(&lock);
	count++;
	times[count % SERVE_LOG_KEPT] = time(NULL);
	snprintf(records[count % SERVE_LOG_KEPT], SERVE_LOG_RECORD, "%s", record);
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&lock);
}

static void set_connected(bool is)
{
	pthread_mutex_lock(&lock);
	run += is;
	connected = is;
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&lock);
}

static bool is_stopped(void)
{
	bool is;

	pthread_mutex_lock(&lock);
	is = stopped;
	pthread_mutex_unlock(&lock);
	return is;
}

static void ignore_item(void *context, const char *line)
{
	(void)context;
	(void)line;
}

static void listen_to(struct client_link *l)
{
	struct client_answer answer;
	struct error e = {0};
	const char *line;

	l->patience = PATIENCE;
	if (client_link_ask(l, "events", "", ignore_item, NULL, &answer, &e) ||
		answer.status != MANAGE_IS_OK)
		return;
	set_connected(true);
	do {
		e = (struct error){0};
		line = client_link_line(l, LOOK, &e);
		if (line && record_is(line, "event"))
			add(line + strlen("event "));
	} while (!is_stopped() && (line || e.status == STATUS_TIMEOUT));
	set_connected(false);
}

static void *follow(void *at)
{
	static const struct timespec pause = {.tv_nsec = LOOK * 1000000L};
	struct client_link l;

	while (!is_stopped()) {
		struct error e = {0};

		if (!client_link_open(&l, at, &e))
			listen_to(&l);
		client_link_close(&l);
		if (!is_stopped())
			nanosleep(&pause, NULL);
	}
	return NULL;
}

void serve_log_begin(const char *at)
{
	pthread_condattr_t by;

	pthread_condattr_init(&by);
	pthread_condattr_setclock(&by, CLOCK_MONOTONIC);
	pthread_cond_init(&news, &by);
	epoch = (uint64_t)time(NULL);
	begun = pthread_create(&thread, NULL, follow, (void *)(uintptr_t)at) == 0;
}

void serve_log_end(void)
{
	pthread_mutex_lock(&lock);
	stopped = true;
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&lock);
	if (begun)
		pthread_join(thread, NULL);
	begun = false;
}

/* ---- to readers ---- */

void serve_log_name(uint64_t number, char *out, size_t size)
{
	snprintf(out, size, "%" PRIx64 "-%" PRIu64, epoch, number);
}

/* The number of the event of this name; 0, if it is of another server: all are news then. */
static uint64_t number_of(const char *name)
{
	uint64_t of, number;

	if (sscanf(name, "%" SCNx64 "-%" SCNu64, &of, &number) != 2 || of != epoch ||
		number > count)
		return 0;
	return number;
}

uint64_t serve_log_run(void)
{
	uint64_t is;

	pthread_mutex_lock(&lock);
	is = run;
	pthread_mutex_unlock(&lock);
	return is;
}

bool serve_log_read(struct serve_log_reader *r, const char *last)
{
	struct timespec until;
	bool is;

	deadline_in(1000 * ARRIVAL, &until);
	pthread_mutex_lock(&lock);
	while (!connected && !stopped)
		if (pthread_cond_timedwait(&news, &lock, &until) == ETIMEDOUT)
			break;
	is = connected;
	r->after = last && *last ? number_of(last) : count;
	r->run = run;
	r->when = 0;
	pthread_mutex_unlock(&lock);
	return is;
}

enum serve_log_next serve_log_next(
	struct serve_log_reader *r, int milliseconds, char record[SERVE_LOG_RECORD])
{
	enum serve_log_next is = LOG_EVENT;
	struct timespec until;

	deadline_in(milliseconds, &until);
	pthread_mutex_lock(&lock);
	while (r->after == count && is == LOG_EVENT) {
		if (stopped || !connected || r->run != run)
			is = LOG_ENDED;
		else if (pthread_cond_timedwait(&news, &lock, &until) == ETIMEDOUT)
			is = r->after == count ? LOG_NOTHING : LOG_EVENT;
	}
	if (is == LOG_EVENT) {
		if (count - r->after > SERVE_LOG_KEPT) /* what is between is gone */
			r->after = count - SERVE_LOG_KEPT;
		r->after++;
		r->when = times[r->after % SERVE_LOG_KEPT];
		memcpy(record, records[r->after % SERVE_LOG_KEPT], SERVE_LOG_RECORD);
	}
	pthread_mutex_unlock(&lock);
	return is;
}
