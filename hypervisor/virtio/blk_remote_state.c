/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests under way as plain data. Where a state is put back, nothing of them was sent.
 */
#include "virtio/blk_int.h"

void blk_remote_get_state(const struct virtio_blk *b, struct blk_remote_state *s)
{
	__builtin_memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < BLK_SLOTS; i++)
		if (b->on.remote->slot[i].used)
			s->slot[i] = b->on.remote->slot[i];
}

static bool cursor_valid(
	const struct blk_slot *s, const struct virtq_cursor *c, unsigned from, uint64_t *left)
{
	if (c->buffer < from || c->buffer > c->end || c->end > s->count ||
		(c->buffer < c->end ? c->offset > s->buffers[c->buffer].length
				    : c->offset != 0))
		return false;
	*left = 0;
	for (unsigned i = c->buffer; i < c->end; i++)
		*left += s->buffers[i].length;
	return *left - c->offset == c->left;
}

/* The queue that its chain is of, and that it goes back to. */
static bool queue_valid(const struct virtio_blk *b, const struct blk_slot *s)
{
	const struct virtq_state *q = &b->v.queue[s->queue % VIRTIO_QUEUES].s;

	return s->queue < b->kind.queues && b->v.status & VIRTIO_DRIVER_OK && q->enabled &&
	       s->descriptors != 0 && s->descriptors <= q->size;
}

static bool slot_valid(const struct virtio_blk *b, const struct blk_slot *s)
{
	uint64_t read, write;

	if (s->used > 1 || s->unmap > 1 || s->reserved != 0 || s->status != 0)
		return false;
	if (!s->used)
		return true;
	if (!queue_valid(b, s) || s->count > BLK_BUFFERS || s->left > b->size ||
		s->at > b->size - s->left || (s->at | s->left) % VIRTIO_BLK_SECTOR != 0 ||
		!cursor_valid(s, &s->read, 0, &read) ||
		!cursor_valid(s, &s->write, s->read.end, &write))
		return false;
	switch (s->type) {
	case VIRTIO_BLK_T_IN:
		return s->left != 0 && s->write.left == s->left + 1;
	case VIRTIO_BLK_T_OUT:
		return s->left != 0 && s->read.left == s->left && s->write.left != 0 &&
		       !b->readonly;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return s->write.left != 0 && !b->readonly;
	default:
		return s->type == VIRTIO_BLK_T_FLUSH && s->left == 0 && s->write.left != 0;
	}
}

bool blk_remote_set_state(struct virtio_blk *b, const struct blk_remote_state *s)
{
	for (unsigned i = 0; i < BLK_SLOTS; i++)
		if (!slot_valid(b, &s->slot[i]))
			return false;
	__builtin_memcpy(b->on.remote->slot, s->slot, sizeof(s->slot));
	b->on.remote->again = 0; /* it was a time of where the state is from */
	virtio_ask(&b->v);
	return true;
}
