/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a VM's console is, when it is not on the tool's own standard input and output, or a
 * port: a pseudoterminal, a socket, or files. Nothing here waits: what cannot be written is
 * kept.
 */
#ifndef NESTOR_ENDPOINT_H
#define NESTOR_ENDPOINT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "status.h"
#include "unix_socket.h"

#define ENDPOINT_KEPT 65536u /* as much as the machine's output brings at once */

struct endpoint {
	int in, out;             /* -1: none, or nobody is there */
	int listener;            /* of a socket */
	bool is_pty;             /* in and out are its master */
	bool patient;            /* output waits for somebody who reads it */
	bool ended;              /* a socket's peer sends no more, but is there */
	struct unix_place place; /* of a socket: removed at the end */
	uint8_t *kept;           /* output that could not be written yet */
	size_t kept_at, kept_size;
};

/*
 * Opens @place: `pty`, `unix:PATH` or `file:OUT[,IN]`; @where names it in errors, and @what is
 * there, as in "the console of 'a'".
 */
int endpoint_open(struct endpoint *p, struct arena *a, const char *place, const char *what,
	const char *where, struct error *e);
void endpoint_close(struct endpoint *p);

/* Adds what to poll for; returns how many, at most 3. @read: input is wanted. */
unsigned endpoint_poll(const struct endpoint *p, bool read, struct pollfd *fds);
/* Someone connects or has gone; kept output goes on. */
void endpoint_attend(struct endpoint *p);
/* Nobody will tell when somebody opens it: look again soon. */
bool endpoint_is_deserted(const struct endpoint *p);

/* Bytes of input, at most @size; 0: none now. */
size_t endpoint_read(struct endpoint *p, uint8_t *bytes, size_t size);
/* Somebody is there, or it is a file. */
bool endpoint_is_there(const struct endpoint *p);
/* Without anybody there bytes are lost, if it is not patient; then at most ENDPOINT_KEPT are
 * kept, and no more may come. */
void endpoint_write(struct endpoint *p, const uint8_t *bytes, size_t size);
/* Is output kept? Then no more may come. */
bool endpoint_is_full(const struct endpoint *p);

#endif
