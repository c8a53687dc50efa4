/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's console; see client_console.h. */
#include "client_console.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "record.h"
#include "terminal.h"

#define AHEAD 4096u /* bytes of input that wait at most */
#define AGAIN 200   /* milliseconds until a VM that took nothing is tried again */

struct console {
	struct client_link *link;
	const char *vm;
	char which[2 * LIMIT_NAME +
		   16]; /* as the run is asked: the VM, and its port if it is one */
	bool terminal;  /* standard input is one, and raw */
	bool input;     /* it is to be read */
	bool quit;
	bool is_port; /* it has no size */
	bool any;     /* output has come, up to: */
	uint64_t at;  /* the number of the next byte */
	struct keys keys;
	uint8_t typed[AHEAD]; /* not taken yet */
	size_t size;
	bool asks;         /* an answer is to come, */
	size_t asked_size; /* for so many bytes of it; 0: for something else */
	bool wants_size;   /* of the terminal, to be told */
	bool busy;         /* the VM took nothing */
	int signals;
	struct error *e;
};

/* ---- out ---- */

static void show(struct console *c, const char *line)
{
	uint8_t bytes[sizeof(c->link->buffer) / 2];
	size_t size = record_bytes(line, "data", bytes, sizeof(bytes));
	uint64_t at = record_number(line, "at");

	if (c->any && at > c->at)
		fprintf(stderr, "\nnestor: %" PRIu64 " bytes are missing here\n", at - c->at);
	c->any = true;
	c->at = at + size;
	if (fwrite(bytes, 1, size, stdout) != size)
		c->quit = true;
}

/* ---- in ---- */

static void take_key(struct console *c, uint8_t byte)
{
	unsigned number;

	switch (keys_take(&c->keys, byte, &number)) {
	case KEY_NONE:
		break;
	case KEY_TYPED:
		c->typed[c->size++] = byte;
		break;
	case KEY_QUIT:
		c->quit = true;
		break;
	case KEY_HELP:
		fprintf(stderr,
			"\nnestor: Ctrl-] and then\n  q or .   leaves '%s', which goes on\n"
			"  Ctrl-]   types Ctrl-]\n  ? or h   this\n",
			c->vm);
		break;
	default:
		fprintf(stderr, "\nnestor: no such key: Ctrl-] ? tells them\n");
	}
}

/* The terminal is read even if the VM takes nothing: the escape key works always. */
static void read_input(struct console *c)
{
	uint8_t bytes[AHEAD];
	size_t room = c->terminal ? AHEAD : AHEAD - c->size;
	ssize_t got = read(STDIN_FILENO, bytes, room);

	if (got <= 0) {
		c->input = got < 0 && (errno == EINTR || errno == EAGAIN);
		c->quit |= !c->input && c->terminal;
		return;
	}
	for (ssize_t i = 0; i < got; i++) {
		if (!c->terminal)
			c->typed[c->size++] = bytes[i];
		else if (c->size < AHEAD || c->keys.escape || bytes[i] == TERMINAL_ESCAPE)
			take_key(c, bytes[i]);
		else
			fputc('\a', stderr);
	}
}

/* One at a time, so that nothing is sent behind what is not taken. */
static int ask_next(struct console *c)
{
	char more[MANAGE_LINE];
	uint16_t columns, rows;
	int n;

	if (c->asks)
		return 0;
	c->asks = true;
	c->asked_size = 0;
	if (c->wants_size) {
		c->wants_size = false;
		if (terminal_size(&columns, &rows) && columns && rows) {
			snprintf(more, sizeof(more), "%s columns=%u rows=%u", c->which, columns,
				rows);
			return client_link_say(c->link, "resize", more, c->e);
		}
	}
	c->asked_size = c->busy ? 0 : c->size < MANAGE_DATA ? c->size : MANAGE_DATA;
	c->asks = c->asked_size;
	if (!c->asks)
		return 0;
	n = snprintf(more, sizeof(more), "%s data=", c->which);
	for (size_t i = 0; i < c->asked_size; i++)
		n += snprintf(more + n, sizeof(more) - (size_t)n, "%02x", c->typed[i]);
	return client_link_say(c->link, "type", more, c->e);
}

static void take_answer(struct console *c, const char *line)
{
	struct client_answer answer;

	client_link_answer(line, &answer);
	c->asks = false;
	if (answer.status == MANAGE_IS_BUSY) {
		c->busy = true;
	} else if (answer.status != MANAGE_IS_OK) {
		fail(c->e, STATUS_VM_ERROR, "console %s: %s", c->vm, answer.text);
	} else {
		c->size -= c->asked_size;
		memmove(c->typed, c->typed + c->asked_size, c->size);
	}
}

/* All that has come of the run; at its end, or the VM's for good, the console is at its end. */
static void take_lines(struct console *c)
{
	struct error e = {0};
	char *line;

	while (!c->e->status && !c->quit && (line = client_link_line(c->link, 0, &e))) {
		if (record_is(line, "output"))
			show(c, line);
		else if (record_is(line, "answer"))
			take_answer(c, line);
		else if (record_is(line, "end"))
			c->quit = true;
	}
	c->quit |= e.status == STATUS_HOST_ERROR;
	fflush(stdout);
}

/* ---- until its end ---- */

static void watch_signals(struct console *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	c->signals = signalfd(-1, &set, SFD_CLOEXEC);
}

static void follow(struct console *c)
{
	while (!c->quit && !ask_next(c)) {
		bool reads = c->input && (c->terminal || c->size < AHEAD);
		struct pollfd fds[] = {{c->link->fd, POLLIN, 0}, {c->signals, POLLIN, 0},
			{reads ? STDIN_FILENO : -1, POLLIN, 0},
			{c->terminal ? terminal_resized_fd() : -1, POLLIN, 0}};

		if (poll(fds, 4, c->busy ? AGAIN : -1) < 0)
			continue;
		c->busy = false;
		if (fds[1].revents) {
			fail(c->e, STATUS_INTERRUPTED, "console %s: interrupted", c->vm);
			return;
		}
		if (fds[0].revents)
			take_lines(c);
		if (fds[2].revents)
			read_input(c);
		c->wants_size |= fds[3].revents != 0 && !c->is_port;
	}
}

static void ignore_item(void *context, const char *line)
{
	(void)context;
	(void)line;
}

int client_console(struct client_link *l, const char *vm, const char *port, struct error *e)
{
	struct console c = {.link = l, .vm = vm, .input = true, .is_port = port, .e = e};
	struct client_answer answer;

	snprintf(c.which, sizeof(c.which), "vm=%.31s%s%.31s", vm, port ? " port=" : "",
		port ? port : "");
	if (client_link_ask(l, "console", c.which, ignore_item, NULL, &answer, e))
		return e->status;
	if (answer.status != MANAGE_IS_OK)
		return fail(e,
			answer.status == MANAGE_IS_NO_VM ? STATUS_BAD_INPUT : STATUS_VM_ERROR,
			"console %s: %s", vm, answer.text);
	watch_signals(&c);
	if (isatty(STDIN_FILENO)) {
		c.terminal = terminal_is_there() && terminal_open();
		c.input = c.terminal;
		c.wants_size = c.terminal && !port;
	}
	if (c.terminal)
		fprintf(stderr, "nestor: the console of '%s'; Ctrl-] ? tells the keys\n", vm);
	take_lines(&c); /* what came with the answer */
	follow(&c);
	if (c.terminal) {
		terminal_close();
		fprintf(stderr, "\n");
	}
	close(c.signals);
	return e->status;
}
