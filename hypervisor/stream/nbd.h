/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the Network Block Device protocol on a stream: it connects, agrees with the
 * server on an export, sends requests and reads the heads of replies. Data is moved by who
 * uses it, straight between the stream and where it belongs.
 *
 * All that comes from the server is hostile: what is no reply closes the connection.
 *
 * Not its own: which requests are under way, and when to try again.
 */
#ifndef NESTOR_STREAM_NBD_H
#define NESTOR_STREAM_NBD_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/nbd.h"
#include "stream/stream.h"

enum nbd_phase {
	NBD_CLOSED,
	NBD_CONNECTING,
	NBD_GREETING, /* the server's is awaited */
	NBD_ANSWER,   /* its answers to the option, until it acknowledges or refuses */
	NBD_READY     /* requests and replies */
};

enum nbd_step {
	NBD_WAITS, /* for the server */
	NBD_WORKS, /* requests can be sent */
	NBD_LOST,  /* there is no connection, for nbd.why: later again */
	NBD_NEVER  /* the server's VM has ended for good */
};

struct nbd {
	struct stream *stream;
	const char *export; /* its name at the server */
	uint64_t size;      /* bytes that it must have at least */
	bool writes;        /* it must be one that is written */
	enum nbd_phase phase;
	bool known;        /* the export's size and flags have come */
	uint16_t flags;    /* NBD_FLAG_* */
	uint32_t least;    /* bytes of a request; a power of two */
	uint32_t most;     /* bytes of data of a request or a reply */
	uint32_t skip;     /* bytes of an answer that are not looked at */
	uint32_t answers;  /* so far */
	uint32_t rest;     /* what was left when the server had closed the connection */
	uint64_t has;      /* what the export has */
	const char *why;   /* of NBD_LOST: a sentence's end */
	uint32_t why_code; /* the server's error, or its number that is at fault; 0: none */
};

struct nbd_request {
	uint16_t flags;
	uint16_t command; /* enum nbd_command */
	uint64_t cookie;  /* comes back in the reply */
	uint64_t offset;
	uint32_t length;
};

struct nbd_reply {
	uint32_t error; /* 0: none */
	uint64_t cookie;
};

enum nbd_got {
	NBD_NOTHING, /* yet */
	NBD_REPLY,
	NBD_NO_REPLY /* what came is none: the connection is closed */
};

void nbd_create(
	struct nbd *n, struct stream *s, const char *export, uint64_t size, bool writes);
/* Goes on as far as it can. */
enum nbd_step nbd_step(struct nbd *n);
/* Closes the connection: nbd_step begins anew. */
void nbd_close(struct nbd *n);
/* The same, for something that the server did. */
void nbd_refuse(struct nbd *n, const char *why);

/*
 * Sends a request with data of so many bytes, if it writes, that the caller has put behind
 * NBD_REQUEST_SIZE bytes of the ring; there must be room for both.
 */
void nbd_send(struct nbd *n, const struct nbd_request *r, uint32_t data);
/* The head of the next reply. What was read with it follows in the stream. */
enum nbd_got nbd_receive(struct nbd *n, struct nbd_reply *r);

/* Where data goes and comes from. */
static inline struct stream_ring *nbd_out(const struct nbd *n)
{
	return &n->stream->to[STREAM_ACCEPTOR];
}

static inline struct stream_ring *nbd_in(const struct nbd *n)
{
	return &n->stream->to[STREAM_OPENER];
}

#endif
