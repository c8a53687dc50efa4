/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of `nestor serve`; see serve_conn.h. */
#include "serve_conn.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve_run.h"

/* fd is one of our own: the library's may be closed, and be another's, when we look. */
struct serve_conn {
	bool used;
	bool cut; /* it ends soon */
	int fd;
	enum serve_phase phase;
	double since;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct serve_conn conns[SERVE_CONNECTIONS];

static void cut_off(struct serve_conn *c)
{
	c->cut = true;
	shutdown(c->fd, SHUT_RDWR);
}

static void make_room(void)
{
	struct serve_conn *oldest = NULL;
	unsigned count = 0;

	for (struct serve_conn *c = conns; c < conns + SERVE_CONNECTIONS; c++) {
		if (!c->used || c->cut)
			continue;
		count++;
		if (c->phase == PHASE_ASKS && (!oldest || c->since < oldest->since))
			oldest = c;
	}
	if (count >= SERVE_CROWD && oldest)
		cut_off(oldest);
}

struct serve_conn *serve_conn_begin(int fd)
{
	struct serve_conn *c = conns;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return NULL;
	pthread_mutex_lock(&lock);
	make_room();
	while (c < conns + SERVE_CONNECTIONS && c->used)
		c++;
	if (c < conns + SERVE_CONNECTIONS)
		*c = (struct serve_conn){true, false, own, PHASE_ASKS, serve_now()};
	else
		c = NULL;
	pthread_mutex_unlock(&lock);
	if (!c) {
		shutdown(own, SHUT_RDWR);
		close(own);
	}
	return c;
}

void serve_conn_phase(struct serve_conn *c, enum serve_phase phase)
{
	if (!c)
		return;
	pthread_mutex_lock(&lock);
	c->phase = phase;
	c->since = serve_now();
	pthread_mutex_unlock(&lock);
}

void serve_conn_end(struct serve_conn *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&lock);
	close(c->fd);
	c->used = false;
	pthread_mutex_unlock(&lock);
}

void serve_conn_tick(void)
{
	double now = serve_now();

	pthread_mutex_lock(&lock);
	for (struct serve_conn *c = conns; c < conns + SERVE_CONNECTIONS; c++) {
		int limit = c->phase == PHASE_ASKS      ? SERVE_ASKING
			    : c->phase == PHASE_FETCHES ? SERVE_FETCHING
							: SERVE_ANSWERING;

		if (c->used && c->phase != PHASE_STREAMS && now > c->since + limit)
			cut_off(c);
	}
	pthread_mutex_unlock(&lock);
}
