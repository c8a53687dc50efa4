/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of virtqueues: a device of two queues that writes back what it reads, in rings of
 * every kind. After virtio_world.h.
 */
#ifndef NESTOR_TESTS_VIRTIO_ECHO_H
#define NESTOR_TESTS_VIRTIO_ECHO_H

#include "virtio_world.h"

#define QUEUES 2u
#define SIZE   16u

/* A device that writes back what it reads, at most as much as there is room for. */
static struct virtio device;
static unsigned chains;
static uint64_t piece;             /* bytes that it does at a time; 0: all */
static enum virtio_result instead; /* of VIRTIO_DONE */

static enum virtio_result echo(struct virtio *v, unsigned q, uint64_t *budget)
{
	uint64_t n, most = piece != 0 ? piece : UINT64_MAX;
	const void *src;

	if (instead != VIRTIO_DONE)
		return instead;
	while (v->chain.write.left > 0 && most > 0) {
		uint64_t left = v->chain.write.left < most ? v->chain.write.left : most;

		src = virtq_take(&v->queue[q], &v->chain, false, left, &n);
		if (src == NULL)
			break;
		if (!virtq_write(&v->queue[q], &v->chain, src, n))
			break;
		most -= n;
		*budget -= n < *budget ? n : *budget;
	}
	if (piece != 0 && v->chain.read.left > 0 && v->chain.write.left > 0 && !v->chain.bad)
		return VIRTIO_MORE;
	chains++;
	return VIRTIO_DONE;
}

static const struct virtio_ops ops = {.handle = echo};
static const struct virtio_kind kind = {
	.type = VIRTIO_RNG, .queues = QUEUES, .queue_size = SIZE, .ops = &ops};

static inline void start(uint64_t features)
{
	world_start();
	chains = 0;
	piece = 0;
	instead = VIRTIO_DONE;
	assert_true(virtio_create(&device, &kind, &machine, WORLD_BDF));
	world_up(VIRTIO_F_VERSION_1 | features, QUEUES, SIZE);
	work(); /* it looks at its queues */
}

/* Every kind of ring. */
static const uint64_t rings[] = {
	0,
	VIRTIO_F_EVENT_IDX,
	VIRTIO_F_INDIRECT_DESC,
	VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX,
	VIRTIO_F_RING_PACKED,
	VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX,
	VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC,
	VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX,
};
#define FOR_EACH_RING(features)                                                             \
	for (unsigned ring = 0; ring < sizeof(rings) / 8 && (features = rings[ring], true); \
		ring++)

static uint64_t f;

/* n buffers to be read, n to be written, of these sizes, in memory one behind the other. */
static inline uint16_t give_echo(
	unsigned q, uint32_t out, uint32_t in, unsigned n, uint8_t byte)
{
	struct world_buffer b[VIRTQ_SIZE];
	uint64_t gpa = BUFFERS + 0x8000u * queue[q].first_free;

	for (unsigned i = 0; i < n; i++) {
		b[i] = (struct world_buffer){gpa + i * out, out, false};
		memset(ram(b[i].gpa), byte + (int)i, out);
		b[n + i] = (struct world_buffer){gpa + 0x4000 + i * in, in, true};
		memset(ram(b[n + i].gpa), 0xee, in);
	}
	return give(q, b, 2 * n);
}

static inline void one_back(unsigned q, uint16_t id, uint32_t length)
{
	uint16_t got;
	uint32_t n;

	assert_true(used(q, &got, &n));
	assert_int_equal(got, id);
	assert_int_equal(n, length);
}

static inline bool none_back(unsigned q)
{
	uint16_t id;
	uint32_t n;

	return !used(q, &id, &n);
}

#endif
