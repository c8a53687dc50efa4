/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that another VM serves, by the Network Block Device protocol on a stream. Requests of
 * the driver are taken into slots and go to the server in pieces; those whose reply has not
 * come when the connection is lost are sent again on the next one. A write is done when it is
 * on the server's storage.
 */
#ifndef NESTOR_VIRTIO_BLK_REMOTE_H
#define NESTOR_VIRTIO_BLK_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/virtio_blk.h"
#include "stream/nbd.h"
#include "virtio/ring.h"

#define BLK_SLOTS    16u /* requests under way */
#define BLK_BUFFERS  64u /* of one of them */
#define BLK_SEGMENTS (BLK_BUFFERS - 2)

struct virtio_blk;

/* A request that is under way: plain data, which travels. Cursors: where its piece begins. */
struct blk_slot {
	uint8_t used, queue, status, unmap;
	uint32_t type;
	uint64_t at, left; /* as in struct blk_request */
	uint16_t id, descriptors, count, reserved;
	uint32_t written;
	struct virtq_cursor read, write;
	struct virtq_buffer buffers[BLK_BUFFERS];
};

/* What was sent of it. */
struct blk_flight {
	bool sent;      /* its reply is awaited */
	bool flush;     /* of what was written, whose piece is done but for that */
	uint32_t piece; /* bytes */
};

struct blk_remote_state {
	struct blk_slot slot[BLK_SLOTS];
};

struct blk_remote {
	const char *name;
	uint64_t size;
	bool readonly;
	struct nbd nbd;
	struct blk_slot slot[BLK_SLOTS];
	struct blk_flight flight[BLK_SLOTS];
	uint8_t turn;             /* the slot that is looked at first */
	uint8_t receiving;        /* the slot whose data comes; BLK_SLOTS: none */
	uint32_t receive_left;    /* bytes of it */
	uint32_t full;            /* queues that wait for a slot */
	uint64_t again;           /* dev_now when it connects again; 0: now */
	const char *told;         /* why there was no connection; NULL: there was one */
	struct virtq_chain chain; /* the one that is worked on */
};

/* The stream's other side is the server. Names stay where they are. */
void blk_remote_create(struct blk_remote *r, const char *name, const char *export,
	uint64_t size, bool readonly, struct stream *s);

void blk_remote_get_state(const struct virtio_blk *b, struct blk_remote_state *s);
/* After virtio_set_state, which has forgotten what was under way. False: it cannot be in this
 * state. */
bool blk_remote_set_state(struct virtio_blk *b, const struct blk_remote_state *s);

#endif
