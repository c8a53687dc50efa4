/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What disks in memory, in files of the host and elsewhere do in the same way.
 */
#ifndef NESTOR_VIRTIO_BLK_INT_H
#define NESTOR_VIRTIO_BLK_INT_H

#include "virtio/blk.h"

static inline struct virtio_blk *blk_of(struct virtio *v)
{
	return (struct virtio_blk *)(void *)((uint8_t *)v - offsetof(struct virtio_blk, v));
}

/*
 * Reads the header of a chain and checks it: r->status, and what is left of it. What needs no
 * disk is done. False: what the driver made is no request.
 */
bool blk_begin(struct virtio_blk *b, struct virtq *q);
/* The next range of a request. False: there is none, or it is refused (status). */
bool blk_next_range(const struct virtio_blk *b, struct virtq *q, struct virtq_chain *c,
	struct blk_request *r);
/* Whether ranges are left. */
bool blk_ranges_left(const struct virtq_chain *c, const struct blk_request *r);
/* The status goes into the last byte of the chain. */
void blk_put_status(struct virtq *q, struct virtq_chain *c, uint8_t status);

/* ---- a file of the host ---- */

/* Goes on with a request that has begun. True: more of it is left. */
bool blk_host_go_on(struct virtio_blk *b, struct virtq *q, uint64_t *budget);

/* ---- a disk elsewhere ---- */

enum virtio_result blk_remote_handle(struct virtio_blk *b, unsigned queue);
enum vpci_work blk_remote_work(struct virtio_blk *b);
/* Requests of this queue are forgotten; VIRTIO_NO_QUEUE: of all. */
void blk_remote_forget(struct virtio_blk *b, unsigned queue);

#endif
