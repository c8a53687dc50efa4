/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/rng.h"

#include "virtio/seam.h"

#define CLASS      0xff0000u /* none that PCI knows */
#define QUEUE_SIZE 64u
#define AT_ONCE    4096u /* of one buffer: 5.4.6.1 allows less than it has room for */

/* 5.4.6 "Device Operation": random bytes for buffers. */
static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtq *q = &v->queue[queue];
	uint64_t size;
	void *dst;

	if (v->chain.read.end != 0)
		return VIRTIO_BAD;
	while (v->chain.written < AT_ONCE) {
		dst = virtq_take(q, &v->chain, true, AT_ONCE - v->chain.written, &size);
		if (dst == NULL)
			break;
		if (!seam_random(dst, (uint32_t)size))
			return VIRTIO_WAITS;
	}
	*budget -= *budget < v->chain.written ? *budget : v->chain.written;
	return VIRTIO_DONE;
}

static const struct virtio_ops ops = {.handle = handle};

static const struct virtio_kind kind = {
	.type = VIRTIO_RNG,
	.class = CLASS,
	.queues = 1,
	.queue_size = QUEUE_SIZE,
	.ops = &ops,
};

bool virtio_rng_create(struct virtio_rng *r, struct platform *p, uint16_t bdf)
{
	return virtio_create(&r->v, &kind, p, bdf);
}
