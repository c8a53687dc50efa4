/* SPDX-License-Identifier: Apache-2.0 */
/* A client's end of the socket of a run; see client_link.h. */
#include "client_link.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_ssh.h"
#include "record.h"
#include "unix_socket.h"

static int lost(struct client_link *l, const char *why, struct error *e)
{
	return fail(e, STATUS_HOST_ERROR, "the run at '%s': %s", l->at, why);
}

int client_link_open(struct client_link *l, const char *at, struct error *e)
{
	*l = (struct client_link){
		.at = at,
		.fd = -1,
		.file = -1,
		.wake = -1,
		.patience = CLIENT_LINK_PATIENCE,
	};
	if (client_ssh_is(at)) {
		l->fd = client_ssh_open(at, &l->child, e);
		return e->status;
	}
	l->fd = unix_socket_connect(at);
	if (l->fd >= 0)
		return 0;
	return fail(
		e, STATUS_HOST_ERROR, "no run can be reached at '%s': %s", at, strerror(errno));
}

void client_link_close(struct client_link *l)
{
	if (l->fd >= 0 && l->file >= 0)
		close(l->file);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = l->file = -1;
	if (l->child > 0)
		client_ssh_close(l->child);
	l->child = 0;
}

void client_link_heard(struct client_link *l)
{
	struct signalfd_siginfo info;

	while (read(l->wake, &info, sizeof(info)) < 0 && errno == EINTR)
		;
	l->patience = CLIENT_LINK_TIDYING;
}

/* The line that is in the buffer, or NULL. */
static char *take_line(struct client_link *l)
{
	char *end;

	l->size -= l->line;
	memmove(l->buffer, l->buffer + l->line, l->size);
	l->line = 0;
	end = memchr(l->buffer, '\n', l->size);
	if (!end)
		return NULL;
	*end = 0;
	l->line = (size_t)(end - l->buffer) + 1;
	return l->buffer;
}

char *client_link_line(struct client_link *l, int patience, struct error *e)
{
	for (;;) {
		char *line = take_line(l);
		struct pollfd p[] = {{l->fd, POLLIN, 0}, {l->wake, POLLIN, 0}};
		ssize_t n;

		if (line)
			return line;
		if (l->size == sizeof(l->buffer)) {
			lost(l, "it says what is no answer", e);
			return NULL;
		}
		if (poll(p, 2, patience) == 0) {
			fail(e, STATUS_TIMEOUT, "the run at '%s' gave no answer", l->at);
			return NULL;
		}
		if (p[1].revents) {
			fail(e, STATUS_INTERRUPTED, "interrupted");
			return NULL;
		}
		n = recv(l->fd, l->buffer + l->size, sizeof(l->buffer) - l->size, 0);
		if (n <= 0) {
			lost(l, n ? strerror(errno) : "it has ended", e);
			return NULL;
		}
		l->size += (size_t)n;
	}
}

int client_link_takes_files(const struct client_link *l, const char *what, struct error *e)
{
	if (!l->child)
		return 0;
	return fail(e, STATUS_USAGE,
		"'%.100s': the run is on another machine, and takes files only there", what);
}

int client_link_file(struct client_link *l, const char *path, bool writes, struct error *e)
{
	if (client_link_takes_files(l, path, e))
		return e->status;
	l->file = open(path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
	if (l->file < 0)
		return fail(e, STATUS_BAD_INPUT, "'%.100s': %s", path, strerror(errno));
	l->patience = CLIENT_LINK_COPY;
	return 0;
}

static bool send_line(struct client_link *l, const char *line, size_t size)
{
	bool sent = unix_socket_send(l->fd, line, size, l->file) == (ssize_t)size;

	if (l->file >= 0)
		close(l->file);
	l->file = -1;
	return sent;
}

int client_link_say(struct client_link *l, const char *word, const char *more, struct error *e)
{
	char line[2 * MANAGE_LINE];
	int n = snprintf(
		line, sizeof(line), "%s id=%u%s%s\n", word, ++l->id, *more ? " " : "", more);

	if (n < 0 || (size_t)n >= sizeof(line))
		return lost(l, "the request is too long", e);
	return send_line(l, line, (size_t)n) ? 0 : lost(l, strerror(errno), e);
}

void client_link_answer(const char *line, struct client_answer *answer)
{
	const char *text = record_rest(line, "text");
	char status[32];
	unsigned i = MANAGE_IS_OK;

	record_text(line, "status", status, sizeof(status));
	while (i < MANAGE_IS_BUSY && strcmp(status, manage_status_word(i)) != 0)
		i++;
	answer->status = i;
	snprintf(answer->text, sizeof(answer->text), "%s", text ? text : status);
}

int client_link_ask(struct client_link *l, const char *word, const char *more, client_item item,
	void *context, struct client_answer *answer, struct error *e)
{
	char *line;

	*answer = (struct client_answer){.status = MANAGE_IS_OK};
	if (client_link_say(l, word, more, e))
		return e->status;
	while ((line = client_link_line(l, l->patience, e))) {
		bool last = record_is(line, "answer");
		uint64_t id = record_number(line, "id");

		/* Number 0 is for who is not let in. */
		if (last ? id != l->id && id != 0 : !record_is(line, "item") || id != l->id)
			continue;
		if (last) {
			client_link_answer(line, answer);
			return 0;
		}
		if (record_number(line, "next"))
			answer->next = record_number(line, "next");
		else
			item(context, line);
	}
	return e->status;
}

int client_link_ask_all(struct client_link *l, const char *word, const char *more,
	client_item item, void *context, struct client_answer *answer, struct error *e)
{
	char from[2 * MANAGE_LINE];

	snprintf(from, sizeof(from), "%s", more);
	do {
		if (client_link_ask(l, word, from, item, context, answer, e))
			return e->status;
		snprintf(from, sizeof(from), "%s%sfrom=%" PRIu64, more, *more ? " " : "",
			answer->next);
	} while (answer->next);
	return 0;
}
