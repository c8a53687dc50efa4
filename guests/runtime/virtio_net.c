/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio_net.h"

#include "cpu.h"
#include "rt.h"
static void give_buffers(struct vnet *n, unsigned buffers, uint32_t size)
{
	unsigned pages = 1;

	while (pages * 4096 < size)
		pages *= 2;
	for (uint16_t i = 0; i < buffers; i++) {
		n->rx.desc[i] = (struct virtio_desc){
			address_of(pages_alloc(pages)), size, VIRTIO_DESC_WRITE, 0};
		vio_give(&n->rx, i);
	}
	vio_notify(&n->rx);
}

bool vnet_open(struct vnet *n, uint64_t features, unsigned buffers, uint32_t size)
{
	if (!vio_find(&n->v, VIRTIO_NET) || !vio_negotiate_translated(&n->v, features))
		return false;
	for (unsigned i = 0; i < 6; i++)
		n->mac[i] = n->v.config[i];
	vio_queue_start(&n->v, &n->rx, 0, VNET_RING, n->vector);
	vio_queue_start(&n->v, &n->tx, 1, VNET_RING, VIO_POLLED);
	vio_start(&n->v);
	give_buffers(n, buffers, size);
	return true;
}

void vnet_send(struct vnet *n, const void *bytes, uint32_t length)
{
	struct vio_queue *q = &n->tx;
	uint16_t d = q->avail[1] % VNET_RING;

	while ((uint16_t)(q->avail[1] - q->used[1]) >= VNET_RING)
		__asm__ volatile("pause" : : : "memory");
	q->desc[d] = (struct virtio_desc){address_of(bytes), length, 0, 0};
	vio_give(q, d);
	vio_notify(q);
}

static const uint8_t *bytes_of(const struct vio_queue *q, unsigned d)
{
	return (const uint8_t *)(uintptr_t)q->desc[d].address;
}

/* Not of those that come meanwhile: they may come as fast as they are taken. */
unsigned vnet_receive_ours(struct vnet *n, bool (*ours)(const uint8_t *bytes))
{
	struct vio_queue *q = &n->rx;
	uint16_t end = q->used[1];
	unsigned came = (uint16_t)(end - q->taken), count = 0;

	for (; q->taken != end; q->taken++) {
		uint16_t d = q->used[2 + 4 * (q->taken % VNET_RING)];

		count += ours == NULL || ours(bytes_of(q, d));
		vio_give(q, d);
	}
	if (came != 0)
		vio_notify(q);
	return count;
}

unsigned vnet_receive(struct vnet *n)
{
	return vnet_receive_ours(n, NULL);
}
