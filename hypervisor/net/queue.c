/* SPDX-License-Identifier: Apache-2.0 */
#include "net/queue.h"

#include <stddef.h>

#define SKIP UINT32_MAX /* as a length: the next frame is at the beginning of the ring */

_Static_assert(sizeof(struct net_meta) == NET_ALIGN, "fits wherever a frame may begin");

static struct net_meta *meta_at(const struct net_queue *q, uint32_t at)
{
	return (struct net_meta *)(void *)(q->ring + (at & (q->size - 1)));
}

static uint64_t space_of(uint32_t length)
{
	return sizeof(struct net_meta) +
	       (((uint64_t)length + NET_ALIGN - 1) & ~(uint64_t)(NET_ALIGN - 1));
}

/* Bytes up to the end of the ring if so many do not fit there; else 0. */
static uint32_t gap(const struct net_queue *q, uint32_t at, uint64_t space)
{
	uint32_t left = q->size - (at & (q->size - 1));

	return space > left ? left : 0;
}

uint8_t *net_queue_room(struct net_queue *q, uint32_t length)
{
	uint32_t tail = q->tail, used = tail - __atomic_load_n(&q->head, __ATOMIC_ACQUIRE);
	uint64_t space = space_of(length);
	uint32_t skipped = gap(q, tail, space);

	if (space + skipped > q->size - used)
		return NULL;
	return (uint8_t *)(meta_at(q, tail + skipped) + 1);
}

void net_queue_put(struct net_queue *q, const struct net_meta *m)
{
	uint32_t tail = q->tail;
	uint64_t space = space_of(m->length);
	uint32_t skipped = gap(q, tail, space);

	if (skipped != 0)
		meta_at(q, tail)->length = SKIP;
	*meta_at(q, tail + skipped) = *m;
	__atomic_store_n(&q->tail, tail + skipped + (uint32_t)space, __ATOMIC_RELEASE);
}

struct net_meta *net_queue_first(struct net_queue *q, uint8_t **frame)
{
	uint32_t head = q->head;
	struct net_meta *m;

	if (net_queue_empty(q))
		return NULL;
	m = meta_at(q, head);
	if (m->length == SKIP) {
		head += q->size - (head & (q->size - 1));
		__atomic_store_n(&q->head, head, __ATOMIC_RELEASE);
		m = meta_at(q, head);
	}
	*frame = (uint8_t *)(m + 1);
	return m;
}

void net_queue_drop(struct net_queue *q)
{
	uint32_t head = q->head;

	__atomic_store_n(&q->head, head + (uint32_t)space_of(meta_at(q, head)->length),
		__ATOMIC_RELEASE);
}

void net_queue_clear(struct net_queue *q)
{
	__atomic_store_n(
		&q->head, __atomic_load_n(&q->tail, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
}
