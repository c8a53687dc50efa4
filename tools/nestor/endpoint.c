/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's console elsewhere; see endpoint.h. */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static int cannot(const char *where, const char *what, const char *path, struct error *e)
{
	return fail(e, STATUS_HOST_ERROR, "%s: cannot %s '%s': %s", where, what, path,
		strerror(errno));
}

/* Our own end of the slave is closed again: then the master tells whether somebody is there. */
static int open_pty(struct endpoint *p, const char *what, const char *where, struct error *e)
{
	struct termios raw;
	char path[128];
	int slave;

	p->in = p->out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	p->is_pty = true;
	if (p->in < 0 || grantpt(p->in) < 0 || unlockpt(p->in) < 0 ||
		ptsname_r(p->in, path, sizeof(path)) != 0)
		return cannot(where, "make", "pty", e);
	slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &raw) < 0)
		return cannot(where, "open", path, e);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	close(slave);
	fprintf(stderr, "nestor: %s is %s\n", what, path);
	return 0;
}

static int open_socket(struct endpoint *p, const char *path, const char *where, struct error *e)
{
	p->listener = unix_socket_listen(path, 1, true, where, e);
	if (p->listener < 0)
		return e->status;
	p->place = unix_socket_place(path);
	return 0;
}

/* A FIFO is held open at both ends: it neither ends nor waits for who opens it. */
static int open_file(const char *path, bool write)
{
	struct stat s;

	if (stat(path, &s) == 0 && S_ISFIFO(s.st_mode))
		return open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (write)
		return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static int open_files(struct endpoint *p, struct arena *a, const char *names, const char *where,
	struct error *e)
{
	const char *comma = strchr(names, ',');
	const char *out = comma ? arena_format(a, "%.*s", (int)(comma - names), names) : names;

	p->out = open_file(out, true);
	if (p->out < 0)
		return cannot(where, "write", out, e);
	if (comma)
		p->in = open_file(comma + 1, false);
	if (comma && p->in < 0)
		return cannot(where, "read", comma + 1, e);
	return 0;
}

int endpoint_open(struct endpoint *p, struct arena *a, const char *place, const char *what,
	const char *where, struct error *e)
{
	*p = (struct endpoint){.in = -1, .out = -1, .listener = -1};
	p->kept = arena_alloc(a, ENDPOINT_KEPT);
	if (strcmp(place, "pty") == 0)
		return open_pty(p, what, where, e);
	if (strncmp(place, "unix:", 5) == 0)
		return open_socket(p, place + 5, where, e);
	if (strncmp(place, "file:", 5) == 0)
		return open_files(p, a, place + 5, where, e);
	return fail(e, STATUS_USAGE,
		"%s: '%.60s' is not one of pty, unix:PATH, file:OUT, file:OUT,IN", where,
		place);
}

static void hang_up(struct endpoint *p)
{
	if (p->in >= 0)
		close(p->in);
	if (p->out >= 0 && p->out != p->in)
		close(p->out);
	p->in = p->out = -1;
	p->ended = false;
	if (!p->patient)
		p->kept_at = p->kept_size = 0;
}

void endpoint_close(struct endpoint *p)
{
	hang_up(p);
	unix_socket_remove(&p->place);
	if (p->listener >= 0)
		close(p->listener);
	p->listener = -1;
}

/* ---- who is there ---- */

bool endpoint_is_deserted(const struct endpoint *p)
{
	struct pollfd fd = {p->in, 0, 0};

	return p->is_pty && p->in >= 0 && poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP);
}

static bool can_write(const struct endpoint *p)
{
	return p->out >= 0 && !endpoint_is_deserted(p);
}

bool endpoint_is_there(const struct endpoint *p)
{
	return can_write(p) || (p->listener >= 0 && p->in >= 0);
}

unsigned endpoint_poll(const struct endpoint *p, bool read, struct pollfd *fds)
{
	unsigned n = 0;

	if (endpoint_is_deserted(p))
		return 0;
	if (p->listener >= 0 && p->in < 0)
		fds[n++] = (struct pollfd){p->listener, POLLIN, 0};
	if (p->in >= 0 && p->ended) /* tells of its end only */
		fds[n++] = (struct pollfd){p->in, 0, 0};
	else if (p->in >= 0 && read)
		fds[n++] = (struct pollfd){p->in, POLLIN, 0};
	if (p->out >= 0 && p->kept_size)
		fds[n++] = (struct pollfd){p->out, POLLOUT, 0};
	return n;
}

/* A socket's peer, which may also have ended its half only. */
static bool has_gone(const struct endpoint *p)
{
	struct pollfd fd = {p->in, 0, 0};

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR));
}

/* A socket's peer has gone, but what it sent before is still to be read. */
static void fail_writing(struct endpoint *p)
{
	if (p->listener >= 0)
		p->out = -1;
	if (p->listener < 0 || !p->patient)
		p->kept_size = 0;
}

static void flush(struct endpoint *p)
{
	while (p->kept_size) {
		ssize_t wrote = write(p->out, p->kept + p->kept_at, p->kept_size);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0 && errno == EAGAIN)
			return;
		if (wrote < 0) {
			fail_writing(p);
			return;
		}
		p->kept_at += (size_t)wrote;
		p->kept_size -= (size_t)wrote;
	}
}

void endpoint_attend(struct endpoint *p)
{
	if (p->listener >= 0 && p->in < 0)
		p->in = p->out = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (p->ended && has_gone(p))
		hang_up(p);
	if (endpoint_is_deserted(p) && !p->patient)
		p->kept_size = 0;
	if (can_write(p))
		flush(p);
}

/* ---- bytes ---- */

/* At the end of a file there is no more input; after a socket's peer the next may come. */
size_t endpoint_read(struct endpoint *p, uint8_t *bytes, size_t size)
{
	ssize_t got = p->in >= 0 && !p->ended ? read(p->in, bytes, size) : 0;

	if (got > 0)
		return (size_t)got;
	if (p->in < 0 || p->ended || p->is_pty ||
		(got < 0 && (errno == EAGAIN || errno == EINTR)))
		return 0;
	if (p->listener >= 0) {
		p->ended = got == 0 && !has_gone(p);
		if (!p->ended)
			hang_up(p);
		return 0;
	}
	close(p->in);
	p->in = -1;
	return 0;
}

bool endpoint_is_full(const struct endpoint *p)
{
	return p->kept_size > 0;
}

void endpoint_write(struct endpoint *p, const uint8_t *bytes, size_t size)
{
	if (!p->patient && !can_write(p))
		return;
	if (p->kept_at + p->kept_size + size > ENDPOINT_KEPT) {
		memmove(p->kept, p->kept + p->kept_at, p->kept_size);
		p->kept_at = 0;
	}
	if (size > ENDPOINT_KEPT - p->kept_at - p->kept_size)
		size = ENDPOINT_KEPT - p->kept_at - p->kept_size;
	memcpy(p->kept + p->kept_at + p->kept_size, bytes, size);
	p->kept_size += size;
	if (can_write(p))
		flush(p);
}
