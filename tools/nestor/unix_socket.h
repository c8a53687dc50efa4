/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets at which the tool listens, and to which it connects. */
#ifndef NESTOR_UNIX_SOCKET_H
#define NESTOR_UNIX_SOCKET_H

#include <stdbool.h>

#include "status.h"

/*
 * Listens at @path, for nobody but its own user. A socket that is there and at which nobody
 * listens, of a run that was killed, makes room. @where: who named the path. The descriptor,
 * which does not block if @nonblocking; or -1, and why in @e.
 */
int unix_socket_listen(
	const char *path, int backlog, bool nonblocking, const char *where, struct error *e);

/* Connects to @path: the descriptor, or -1 with errno. */
int unix_socket_connect(const char *path);

#endif
