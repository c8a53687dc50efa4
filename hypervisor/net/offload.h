/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sender leaves to its network device: checksums, and cutting a large TCP frame into
 * segments. It is done here, when the receiver does not take frames as they are.
 */
#ifndef NESTOR_NET_OFFLOAD_H
#define NESTOR_NET_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "net/queue.h"

#define NET_HEADERS_MAX  134u /* Ethernet, IPv4 with options, TCP with options */
#define NET_SEGMENTS_MAX 128u /* of one frame: a small one of many is refused */

struct net_segment {
	uint32_t length;
	uint16_t headers;
	uint8_t head[NET_HEADERS_MAX];
	const uint8_t *body; /* what follows the headers */
};

/*
 * Whether what the sender says goes with the first `size` bytes of the frame, which has none of
 * it behind NET_HEADERS_MAX; then m->headers is right, and what does not apply is zero.
 */
bool net_offload_valid(struct net_meta *m, const uint8_t *head, uint32_t size);

/* Fills in the checksum of a frame that is valid and has no gso. */
void net_checksum(struct net_meta *m, uint8_t *frame);

/* How many segments a valid frame with gso makes. */
uint32_t net_segments(const struct net_meta *m);
/* One of them, complete. */
void net_segment(
	const struct net_meta *m, const uint8_t *frame, uint32_t index, struct net_segment *s);

#endif
