/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on their way to a port: a ring in memory that all of L0 sees. Each frame lies there in
 * one piece, behind what is known of it. Whoever puts a frame in holds the lock of the port;
 * one at a time takes frames out, without it.
 */
#ifndef NESTOR_NET_QUEUE_H
#define NESTOR_NET_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* A frame, which is without VLAN tag, and what a receiver still has to do with it. */
struct net_meta {
	uint32_t length;
	uint16_t tci; /* what its tag said; VLAN 0: it had none */
	uint8_t flags;
	uint8_t gso; /* the next four and these two as in struct virtio_net_hdr */
	uint16_t gso_size;
	uint16_t headers; /* bytes of headers, with gso */
	uint16_t csum_start, csum_offset;
};

#define NET_ALIGN 16u /* of frames in the ring */

struct net_queue {
	uint8_t *ring;
	uint32_t size; /* a power of two, 1 GiB at most */
	uint32_t head; /* bytes taken out, modulo 2^32; atomic */
	uint32_t tail; /* bytes put in; atomic */
};

/* Room for a frame; NULL: there is none. It is not visible yet. */
uint8_t *net_queue_room(struct net_queue *q, uint32_t length);
/* The frame of the last net_queue_room is there. */
void net_queue_put(struct net_queue *q, const struct net_meta *m);

/* The oldest frame, which the caller may change; NULL: none. */
struct net_meta *net_queue_first(struct net_queue *q, uint8_t **frame);
/* It is done with. */
void net_queue_drop(struct net_queue *q);
/* All of them are. */
void net_queue_clear(struct net_queue *q);

static inline bool net_queue_empty(const struct net_queue *q)
{
	return __atomic_load_n(&q->tail, __ATOMIC_ACQUIRE) ==
	       __atomic_load_n(&q->head, __ATOMIC_RELAXED);
}

#endif
