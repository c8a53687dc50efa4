/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets at which the tool listens, and to which it connects. */
#ifndef NESTOR_UNIX_SOCKET_H
#define NESTOR_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "status.h"

/* The file of a socket that is listened at, while it is that one. */
struct unix_place {
	const char *path; /* NULL: there is none */
	dev_t device;
	ino_t inode;
};

/*
 * Listens at @path, for nobody but its own user. A socket that is there and at which nobody
 * listens, of a run that was killed, makes room. @where: who named the path. The descriptor,
 * which does not block if @nonblocking; or -1, and why in @e.
 */
int unix_socket_listen(
	const char *path, int backlog, bool nonblocking, const char *where, struct error *e);

/* What is at @path, just after unix_socket_listen. */
struct unix_place unix_socket_place(const char *path);
/* Removes the file, unless it has gone or somebody else listens there meanwhile. Before the
 * socket is closed: until then nobody takes it for stale. */
void unix_socket_remove(struct unix_place *place);

/* Connects to @path: the descriptor, or -1 with errno. */
int unix_socket_connect(const char *path);

/*
 * As recv() and send() without waiting, and with a file, if there is one: of those that come
 * the last is kept in *file, whose descriptor of before (-1: none) is closed.
 */
ssize_t unix_socket_receive(int fd, char *to, size_t size, int *file);
ssize_t unix_socket_send(int fd, const char *from, size_t size, int file);

#endif
