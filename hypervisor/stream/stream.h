/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection between two VMs that L0 carries: bytes in both directions. The opener asks for
 * one and closes it; the acceptor takes it, refuses it, or ends it. One connection follows the
 * other on the same stream; each has a number.
 *
 * Each word has one side that writes it, so there is no lock. The rings are emptied by the
 * opener, when the acceptor has said that it does not touch them any more.
 *
 * Not its own: what the bytes mean, and who the sides are (a client of L0's, a virtio socket).
 */
#ifndef NESTOR_STREAM_STREAM_H
#define NESTOR_STREAM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/ring.h"

enum stream_side {
	STREAM_OPENER,
	STREAM_ACCEPTOR
};

/* As the opener sees it. */
enum stream_state {
	STREAM_CLOSED,  /* by the opener; stream_open may have to be tried again */
	STREAM_OPENING, /* the acceptor has not answered */
	STREAM_OPEN,
	STREAM_ENDED, /* or refused, by the acceptor; what it had sent can be read */
	STREAM_GONE   /* the acceptor's VM has ended for good */
};

struct stream {
	bool used;
	uint8_t vm[2];            /* by side */
	uint32_t port;            /* of the acceptor */
	struct stream_ring to[2]; /* bytes for this side */
	/* Atomic. The opener's: the number of its connection; odd: it wants that one. */
	uint32_t wanted;
	/* The acceptor's: the number that it has seen, times 2; odd: it has ended that one. */
	uint32_t answer;
	uint32_t waits[2]; /* this side's: it waits for room to write */
	bool gone;         /* the acceptor's VM will not come again */
};

/* memory: two rings of `size` bytes, a power of two. */
void stream_create(struct stream *s, unsigned opener, unsigned acceptor, uint32_t port,
	uint8_t *memory, uint32_t size);

/* ---- for the opener ---- */

enum stream_state stream_state(const struct stream *s);
/* Asks for a new connection; false: the acceptor still has the last one, and will tell. */
bool stream_open(struct stream *s);
/* Whatever it is, it is closed. */
void stream_close(struct stream *s);

/* ---- for the acceptor ---- */

/* The connection that the opener wants, whose number is odd; even: none. */
uint32_t stream_wanted(const struct stream *s);
/* Whether it wants this one, and has no answer. */
bool stream_asks(const struct stream *s, uint32_t number);
/* Whether the acceptor has accepted this one. */
bool stream_accepted(const struct stream *s, uint32_t number);
void stream_accept(struct stream *s, uint32_t number);
/* Refuses or ends it: the acceptor does not touch the rings after this. */
void stream_end(struct stream *s, uint32_t number);
/* Has seen that the opener wants none; likewise. */
void stream_see_closed(struct stream *s, uint32_t number);
/* Its VM has ended, and what it accepted with it. for_good: it does not come again. */
void stream_acceptor_ended(struct stream *s, bool for_good);

/* ---- for both ---- */

/* So many bytes are written and become visible. */
void stream_send(struct stream *s, enum stream_side from, uint32_t count);
/* So many bytes that were sent to this side are done with. */
void stream_took(struct stream *s, enum stream_side side, uint32_t count);
/*
 * Whether so many bytes can be written. If not, this side is told when the other one takes
 * something.
 */
bool stream_has_room(struct stream *s, enum stream_side from, uint32_t count);

#endif
