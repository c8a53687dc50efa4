/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each piece of a request is a request to the host, which keeps no order of its own: what was
 * written before a flush is on the host's disk after it.
 */
#include "spec/host_disk.h"
#include "virtio/blk_int.h"
#include "virtio/seam.h"

/* A range that is zeroed or given up goes to the host in such pieces, each for so much of the
 * budget. */
#define RANGE_PIECE  (1u << 20)
#define RANGE_COST   4096u
#define REQUEST_COST 1024u /* of each request to the host, beside its bytes */

/* False: an error of the host's, which is the request's. */
static bool ask(struct virtio_blk *b, enum host_disk_op op, void *bytes, uint64_t size)
{
	struct blk_request *r = &b->request;

	uint64_t at = op == HOST_DISK_FLUSH ? 0 : r->at;

	if (seam_host_disk(b->v.platform, b->on.host, op, at, bytes, size))
		return true;
	r->status = VIRTIO_BLK_S_IOERR;
	r->left = 0;
	return false;
}

static void advance(struct blk_request *r, uint64_t bytes, uint64_t cost, uint64_t *budget)
{
	r->at += bytes;
	r->left -= bytes;
	virtio_spend(budget, cost);
}

static void transfer(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	bool in = b->request.type == VIRTIO_BLK_T_IN;
	uint64_t got;

	while (b->request.left > 0 && *budget > 0) {
		uint64_t most = (*budget + VIRTIO_BLK_SECTOR - 1) & ~(VIRTIO_BLK_SECTOR - 1ull);
		uint64_t n = b->request.left < most ? b->request.left : most;
		void *bytes = virtq_take(q, &b->v.chain, in, n, &got);

		if (bytes == NULL) /* chain.bad */
			return;
		if (!ask(b, in ? HOST_DISK_READ : HOST_DISK_WRITE, bytes, got))
			return;
		advance(&b->request, got, got + REQUEST_COST, budget);
	}
}

static void ranges(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	struct blk_request *r = &b->request;

	while (*budget > 0 && (r->left > 0 || blk_next_range(b, q, &b->v.chain, r))) {
		uint64_t n = r->left < RANGE_PIECE ? r->left : RANGE_PIECE;

		if (n > 0 && !ask(b, r->unmap ? HOST_DISK_DISCARD : HOST_DISK_ZERO, NULL, n))
			return;
		advance(r, n, RANGE_COST, budget);
	}
}

/* The host may take long for it: it is the last thing of this turn. */
static void flush(struct virtio_blk *b, uint64_t *budget)
{
	ask(b, HOST_DISK_FLUSH, NULL, 0);
	virtio_spend(budget, *budget);
}

/* A driver that does not flush expects that what is done is there (virtio 1.2, 5.2.6.2). */
static void finish(struct virtio_blk *b, uint64_t *budget)
{
	bool wrote = b->request.type == VIRTIO_BLK_T_OUT ||
		     b->request.type == VIRTIO_BLK_T_WRITE_ZEROES;

	if (b->request.status == VIRTIO_BLK_S_OK && wrote &&
		!virtio_has(&b->v, VIRTIO_BLK_F_FLUSH))
		flush(b, budget);
}

bool blk_host_go_on(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	bool more = false;

	switch (b->request.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		transfer(b, q, budget);
		more = b->request.left > 0;
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		ranges(b, q, budget);
		more = blk_ranges_left(&b->v.chain, &b->request);
		break;
	case VIRTIO_BLK_T_FLUSH:
		flush(b, budget);
		break;
	default:
		break;
	}
	if (!more)
		finish(b, budget);
	return more;
}
