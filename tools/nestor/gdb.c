/* SPDX-License-Identifier: Apache-2.0 */
/* A VM of a run as a target of GDB; see gdb.h. */
#include "gdb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "gdb_target.h"
#include "unix_socket.h"

#define LOOK_MS     500 /* how often a VM that runs is looked at: has it ended? */
#define SIGNAL_INT  2u
#define TCP_PREFIX  "127.0.0.1:"
#define UNIX_PREFIX "unix:"

struct session {
	struct gdb_target target;
	struct gdb_reader reader;
	struct unix_place place; /* of a Unix socket that is ours */
	int listener, fd, signals;
	bool running; /* GDB waits for the VM to stand still */
	bool over;
	char sent[GDB_FRAMED]; /* the last answer */
	size_t sent_size;
};

/* ---- the socket ---- */

static int cannot(const char *where, struct error *e)
{
	return fail(e, STATUS_HOST_ERROR, "--listen: cannot listen at '%.60s': %s", where,
		strerror(errno));
}

static int listen_at(struct session *s, const struct sockaddr *at, socklen_t size)
{
	int one = 1;

	s->listener = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listener < 0)
		return -1;
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(s->listener, at, size) < 0 ? -1 : listen(s->listener, 1);
}

static int listen_unix(struct session *s, const char *path, struct error *e)
{
	s->listener = unix_socket_listen(path, 1, false, "--listen", e);
	if (s->listener < 0)
		return e->status;
	s->place = unix_socket_place(path);
	return 0;
}

/* Only from this machine: who is let in can see and change all of the VM. */
static int listen_tcp(struct session *s, const char *where, struct error *e)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	const char *port = where + strlen(TCP_PREFIX);
	uint64_t n;

	if (strncmp(where, TCP_PREFIX, strlen(TCP_PREFIX)) != 0 ||
		!text_number(text_of(port, strlen(port)), &n) || !n || n > UINT16_MAX)
		return fail(e, STATUS_USAGE,
			"--listen: '%.60s': it is 127.0.0.1:PORT, or unix:PATH", where);
	at.sin_port = htons((uint16_t)n);
	return listen_at(s, (struct sockaddr *)&at, sizeof(at)) < 0 ? cannot(where, e) : 0;
}

static int open_listener(struct session *s, const char *where, struct error *e)
{
	size_t prefix = strlen(UNIX_PREFIX);

	return strncmp(where, UNIX_PREFIX, prefix) == 0 ? listen_unix(s, where + prefix, e)
							: listen_tcp(s, where, e);
}

/* SIGINT and SIGTERM come by a descriptor, so that the VM never stands still behind them. */
static int open_signals(struct session *s, struct error *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = s->target.link->wake = signalfd(-1, &set, SFD_CLOEXEC);
	return s->signals < 0
		       ? fail(e, STATUS_HOST_ERROR, "gdb: no signals: %s", strerror(errno))
		       : 0;
}

static void close_all(struct session *s)
{
	int *fds[] = {&s->listener, &s->fd, &s->signals};

	unix_socket_remove(&s->place);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* ---- out ---- */

/* A GDB that does not read is one that has gone: the VM does not wait for it. */
static void send_bytes(struct session *s, const char *data, size_t size)
{
	while (size && !s->over) {
		ssize_t n = send(s->fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->over = true;
			return;
		}
		data += n;
		size -= (size_t)n;
	}
}

static void answer(void *context, const char *data, size_t size)
{
	struct session *s = context;

	s->sent_size = gdb_packet_make(s->sent, data, size);
	send_bytes(s, s->sent, s->sent_size);
}

static void answer_out(struct session *s)
{
	answer(s, s->target.out, s->target.size);
	s->over |= s->target.ended;
}

/* ---- in ---- */

static void take_packet(struct session *s)
{
	enum gdb_then then = gdb_target_packet(&s->target, s->reader.data, s->reader.size);

	s->running = then == GDB_GOES_ON;
	if (then == GDB_STAY || then == GDB_DETACHED)
		answer_out(s);
	s->over |= then == GDB_DETACHED || then == GDB_KILLED;
}

static void interrupt(struct session *s)
{
	if (!s->running)
		return;
	s->running = false;
	gdb_target_stop(&s->target, SIGNAL_INT);
	answer_out(s);
}

static void take_byte(struct session *s, char byte)
{
	bool ack = !s->target.no_ack;

	switch (gdb_reader_take(&s->reader, byte)) {
	case GDB_IN_PACKET:
		if (ack)
			send_bytes(s, "+", 1);
		take_packet(s);
		break;
	case GDB_IN_BAD:
		if (ack)
			send_bytes(s, "-", 1);
		break;
	case GDB_IN_NAK:
		send_bytes(s, s->sent, s->sent_size);
		break;
	case GDB_IN_INTERRUPT:
		interrupt(s);
		break;
	default:
		break;
	}
}

static void take_bytes(struct session *s)
{
	char bytes[512];
	ssize_t n = recv(s->fd, bytes, sizeof(bytes), 0);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0)
		s->over = true;
	for (ssize_t i = 0; i < n && !s->over && !s->target.e->status; i++)
		take_byte(s, bytes[i]);
}

/* What there is to do. */
enum came {
	CAME_NOTHING, /* in so many milliseconds */
	CAME_BYTES,   /* of GDB */
	CAME_EVENT,   /* of the run, maybe that the VM stands still */
	CAME_SIGNAL
};

static enum came wait_for(const struct session *s, int fd, int patience)
{
	struct pollfd fds[3] = {
		{fd, POLLIN, 0}, {s->signals, POLLIN, 0}, {s->target.link->fd, POLLIN, 0}};

	poll(fds, 3, patience);
	return fds[1].revents   ? CAME_SIGNAL
	       : fds[0].revents ? CAME_BYTES
	       : fds[2].revents ? CAME_EVENT
				: CAME_NOTHING;
}

static bool greet(struct session *s)
{
	struct timeval patience = {.tv_sec = 10};
	enum came came;
	int one = 1;

	while ((came = wait_for(s, s->listener, -1)) == CAME_EVENT &&
		gdb_target_drain(&s->target))
		;
	if (came != CAME_BYTES)
		return false;
	s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	if (s->fd < 0)
		return false;
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	unix_socket_remove(&s->place); /* nobody else is let in */
	close(s->listener);
	s->listener = -1;
	return true;
}

static void look(struct session *s)
{
	if (!s->running || !gdb_target_stopped(&s->target))
		return;
	s->running = false;
	answer_out(s);
}

static void serve(struct session *s)
{
	struct gdb_target *t = &s->target;

	if (!greet(s))
		return;
	gdb_target_stop(t, SIGNAL_INT);
	gdb_target_clear(t);
	while (!s->over && !t->e->status && !t->ended) {
		enum came came = wait_for(s, s->fd, s->running ? LOOK_MS : -1);

		if (came == CAME_SIGNAL) {
			client_link_heard(t->link);
			break;
		}
		if (came == CAME_BYTES)
			take_bytes(s);
		else if (came == CAME_NOTHING || gdb_target_drain(t))
			look(s);
	}
	if (t->e->status == STATUS_INTERRUPTED) { /* in a request */
		*t->e = (struct error){.status = 0};
		client_link_heard(t->link);
	}
	if (!t->e->status && !t->ended)
		gdb_target_clear(t);
	if (!t->e->status)
		gdb_target_go(t);
}

int gdb_serve(struct client_link *l, const char *vm, const char *level, const char *listen,
	struct error *e)
{
	struct session s = {
		.target = {.link = l, .e = e}, .listener = -1, .fd = -1, .signals = -1};
	const char *digit = level && *level == 'l' ? level + 1 : level;

	s.target.tell = answer;
	s.target.context = &s;
	if (digit && strcmp(digit, "1") != 0 && strcmp(digit, "2") != 0)
		return fail(e, STATUS_USAGE, "gdb: --level '%.60s': it is l1 or l2", level);
	s.target.level = digit ? (unsigned)(*digit - '0') : 0;
	if (gdb_target_open(&s.target, vm) == 0 && open_signals(&s, e) == 0 &&
		open_listener(&s, listen, e) == 0) {
		printf("gdb: target remote %s\n", s.place.path ? s.place.path : listen);
		fflush(stdout);
		serve(&s);
	}
	close_all(&s);
	return e->status;
}
