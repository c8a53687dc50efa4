/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/ring.h"

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* A place of the ring; *count is cut at its end. */
static uint8_t *place(const struct stream_ring *r, uint32_t index, uint32_t *count)
{
	uint32_t at = index & (r->size - 1), rest = r->size - at;

	*count = *count < rest ? *count : rest;
	return r->bytes + at;
}

uint32_t ring_room(const struct stream_ring *r)
{
	return r->size - (r->tail - load(&r->head));
}

uint8_t *ring_place(const struct stream_ring *r, uint32_t at, uint32_t *count)
{
	return place(r, r->tail + at, count);
}

void ring_put(const struct stream_ring *r, uint32_t at, const void *src, uint32_t count)
{
	for (uint32_t done = 0, n; done < count; done += n) {
		n = count - done;
		__builtin_memcpy(
			place(r, r->tail + at + done, &n), (const uint8_t *)src + done, n);
	}
}

void ring_commit(struct stream_ring *r, uint32_t count)
{
	store(&r->tail, r->tail + count);
}

uint32_t ring_waiting(const struct stream_ring *r)
{
	return load(&r->tail) - r->head;
}

const uint8_t *ring_first(const struct stream_ring *r, uint32_t *count)
{
	*count = ring_waiting(r);
	return place(r, r->head, count);
}

void ring_peek(const struct stream_ring *r, void *dst, uint32_t count)
{
	for (uint32_t done = 0, n; done < count; done += n) {
		n = count - done;
		__builtin_memcpy((uint8_t *)dst + done, place(r, r->head + done, &n), n);
	}
}

void ring_drop(struct stream_ring *r, uint32_t count)
{
	store(&r->head, r->head + count);
}

void ring_clear(struct stream_ring *r)
{
	store(&r->head, 0);
	store(&r->tail, 0);
}
