/* SPDX-License-Identifier: Apache-2.0 */
/* A run on another machine; see client_ssh.h. */
#include "client_ssh.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCHEME "ssh://"

/* What an address is made of. */
struct place {
	char host[256]; /* with the user */
	char port[8];   /* "": ssh's own */
	char path[256]; /* as a word for a shell */
};

bool client_ssh_is(const char *at)
{
	return strncmp(at, SCHEME, strlen(SCHEME)) == 0;
}

/* A name that ssh and a shell take as it is. */
static bool is_plain(const char *s, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
			    "@:[]",
			    s[i]))
			return false;
	return size != 0 && s[0] != '-';
}

/* The shell there reads it as one word, whatever is in it. */
static bool quote(const char *from, char *to, size_t size)
{
	size_t n = 0;

	to[n++] = '\'';
	for (; *from && n + 6 < size; from++) {
		if (*from == '\'')
			n += (size_t)snprintf(to + n, size - n, "'\\''");
		else
			to[n++] = *from;
	}
	to[n++] = '\'';
	to[n] = 0;
	return !*from;
}

static bool read_place(const char *at, struct place *p)
{
	const char *host = at + strlen(SCHEME), *path = strchr(host, '/');
	const char *colon;
	size_t size;

	if (!path || !path[1])
		return false;
	size = (size_t)(path - host);
	colon = memrchr(host, ':', size);
	*p->port = 0;
	if (colon && !memchr(colon, ']', (size_t)(path - colon))) {
		size_t digits = (size_t)(path - colon) - 1;

		if (digits < 1 || digits > 5 || strspn(colon + 1, "0123456789") != digits)
			return false;
		snprintf(p->port, sizeof(p->port), "%.*s", (int)digits, colon + 1);
		size = (size_t)(colon - host);
	}
	if (size >= sizeof(p->host) || !is_plain(host, size))
		return false;
	snprintf(p->host, sizeof(p->host), "%.*s", (int)size, host);
	return quote(path, p->path, sizeof(p->path));
}

static _Noreturn void run_ssh(const struct place *p, int fd, pid_t parent)
{
	const char *ssh = getenv("NESTOR_SSH"), *argv[16];
	unsigned n = 0;
	sigset_t none;

	argv[n++] = ssh && *ssh ? ssh : "ssh";
	argv[n++] = "-T";
	argv[n++] = "-e";
	argv[n++] = "none";
	if (*p->port) {
		argv[n++] = "-p";
		argv[n++] = p->port;
	}
	argv[n++] = "--";
	argv[n++] = p->host;
	argv[n++] = "nestor";
	argv[n++] = "dial";
	argv[n++] = "--at";
	argv[n++] = p->path;
	argv[n] = NULL;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent && dup2(fd, 0) == 0 && dup2(fd, 1) == 1)
		execvp(argv[0], (char *const *)(const void *)argv);
	dprintf(2, "nestor: cannot start '%s': %s\n", argv[0], strerror(errno));
	_exit(127);
}

int client_ssh_open(const char *at, pid_t *child, struct error *e)
{
	struct place p;
	pid_t self = getpid();
	int ends[2];

	if (!read_place(at, &p)) {
		fail(e, STATUS_USAGE,
			"'%.200s': a run on another machine is at ssh://[USER@]HOST[:PORT]/PATH",
			at);
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		fail(e, STATUS_HOST_ERROR, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	*child = fork();
	if (*child == 0)
		run_ssh(&p, ends[1], self);
	close(ends[1]);
	if (*child > 0)
		return ends[0];
	fail(e, STATUS_HOST_ERROR, "cannot fork: %s", strerror(errno));
	close(ends[0]);
	return -1;
}

/* It has no more to do; what it passed on has arrived, since there was an answer. */
void client_ssh_close(pid_t child)
{
	kill(child, SIGTERM);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool pass(int from, int to)
{
	char buffer[16384];
	ssize_t got = read(from, buffer, sizeof(buffer)), done = 0;

	if (got < 0)
		return errno == EINTR;
	while (done < got) {
		ssize_t n = write(to, buffer + done, (size_t)(got - done));

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? n : 0;
	}
	return got > 0;
}

int client_ssh_dial(int fd, struct error *e)
{
	struct pollfd fds[2] = {{0, POLLIN, 0}, {fd, POLLIN, 0}};

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return fail(e, STATUS_HOST_ERROR, "cannot wait: %s", strerror(errno));
		if ((fds[1].revents && !pass(fd, 1)) || (fds[0].revents && !pass(0, fd)))
			return 0;
	}
}
