/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on their way from one VM to another: a ring with one writer and one reader, which may
 * be on two CPUs. Nobody but them changes an index, and each only its own.
 */
#ifndef NESTOR_STREAM_RING_H
#define NESTOR_STREAM_RING_H

#include <stdint.h>

struct stream_ring {
	uint8_t *bytes;
	uint32_t size; /* a power of two, 1 GiB at most */
	uint32_t head; /* bytes read, modulo 2^32; atomic */
	uint32_t tail; /* bytes written; atomic */
};

/* ---- for the writer ---- */

uint32_t ring_room(const struct stream_ring *r);
/* Where the byte number `at` behind those that are visible goes; *count is cut to what lies
 * there in one piece. at + *count <= ring_room. */
uint8_t *ring_place(const struct stream_ring *r, uint32_t at, uint32_t *count);
/* Copies so many bytes to there. */
void ring_put(const struct stream_ring *r, uint32_t at, const void *src, uint32_t count);
/* The next so many bytes are there, and become visible. */
void ring_commit(struct stream_ring *r, uint32_t count);

/* ---- for the reader ---- */

uint32_t ring_waiting(const struct stream_ring *r);
/* The oldest byte; *count: how many lie there in one piece, 0 if none waits. */
const uint8_t *ring_first(const struct stream_ring *r, uint32_t *count);
/* Copies the oldest so many bytes, which wait, and leaves them there. */
void ring_peek(const struct stream_ring *r, void *dst, uint32_t count);
/* They are done with. */
void ring_drop(struct stream_ring *r, uint32_t count);

/* ---- while neither side uses it ---- */

void ring_clear(struct stream_ring *r);

#endif
