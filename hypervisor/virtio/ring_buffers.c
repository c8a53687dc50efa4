/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffers of a chain, as they are taken piece by piece.
 */
#include "dev/dev.h"
#include "dev/platform.h"
#include "virtio/ring.h"

#define PIECE 65536u /* of a buffer, at once: what looking it up costs is bounded */

/* The buffer where a part goes on. False: it is at its end. */
static bool next_buffer(const struct virtq_chain *c, struct virtq_cursor *part)
{
	while (part->buffer < part->end && part->offset == c->at[part->buffer].length) {
		part->buffer++;
		part->offset = 0;
	}
	return part->buffer < part->end;
}

void *virtq_take(
	struct virtq *q, struct virtq_chain *c, bool write, uint64_t most, uint64_t *size)
{
	struct virtq_cursor *part = write ? &c->write : &c->read;
	const struct virtq_buffer *b;
	uint64_t gpa;
	void *va;

	most = most < PIECE ? most : PIECE;
	*size = 0;
	if (!next_buffer(c, part) || most == 0)
		return NULL;
	b = &c->at[part->buffer];
	gpa = b->gpa + part->offset;
	*size = b->length - part->offset;
	*size = *size < most ? *size : most;
	if (q->paged)
		*size = vvtd_contiguous(q->platform, q->bdf, gpa, *size, write);
	va = dev_memory(q->platform, q->bdf, gpa, *size, write);
	if (va == NULL) {
		c->bad = true;
		return NULL;
	}
	part->offset += (uint32_t)*size;
	part->left -= *size;
	c->written += write ? (uint32_t)*size : 0;
	return va;
}

bool virtq_peek(struct virtq_chain *c, bool write, struct virtq_buffer *rest)
{
	struct virtq_cursor *part = write ? &c->write : &c->read;

	if (!next_buffer(c, part))
		return false;
	*rest = c->at[part->buffer];
	rest->gpa += part->offset;
	rest->length -= part->offset;
	return true;
}

void virtq_skip(struct virtq_chain *c, bool write, uint64_t size)
{
	struct virtq_cursor *part = write ? &c->write : &c->read;

	while (size > 0 && next_buffer(c, part)) {
		uint64_t n = c->at[part->buffer].length - part->offset;

		n = n < size ? n : size;
		part->offset += (uint32_t)n;
		part->left -= n;
		size -= n;
	}
}

bool virtq_read(struct virtq *q, struct virtq_chain *c, void *dst, uint64_t size)
{
	uint64_t n;

	for (uint64_t done = 0; done < size; done += n) {
		const void *src = virtq_take(q, c, false, size - done, &n);

		if (src == NULL)
			return false;
		__builtin_memcpy((uint8_t *)dst + done, src, n);
	}
	return true;
}

bool virtq_write(struct virtq *q, struct virtq_chain *c, const void *src, uint64_t size)
{
	uint64_t n;

	for (uint64_t done = 0; done < size; done += n) {
		void *dst = virtq_take(q, c, true, size - done, &n);

		if (dst == NULL)
			return false;
		__builtin_memcpy(dst, (const uint8_t *)src + done, n);
	}
	return true;
}
