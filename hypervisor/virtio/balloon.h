/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory balloon (virtio 1.2, 5.5): pages that the guest puts into it, and free pages that
 * it reports. What it has no use for goes in whole chunks, by seam_balloon_give; the guest is
 * told that it is done only when no processor and no device can reach a chunk any more.
 */
#ifndef NESTOR_VIRTIO_BALLOON_H
#define NESTOR_VIRTIO_BALLOON_H

#include "spec/virtio_balloon.h"
#include "virtio/virtio.h"

#define BALLOON_CHUNK       (2u << 20)
#define BALLOON_PAGES       512u /* of a chunk */
#define BALLOON_CHUNK_WORDS (BALLOON_PAGES / 64)

struct virtio_balloon {
	struct virtio v;
	/*
	 * A bit for each page below `pages`, by guest-physical address: it is in the balloon.
	 */
	uint64_t *bits;
	uint64_t pages;
	uint64_t inside; /* so many are */
	bool asked;      /* the chain that is being handled gave chunks */
	struct balloon_held {
		bool there; /* the driver waits until they are gone */
		struct virtq_given chain;
	} held[VIRTIO_BALLOON_QUEUES];
};

/* Memory for the bits of so many bytes of guest-physical addresses, from 0 up. */
static inline uint64_t balloon_bits_size(uint64_t bytes)
{
	return (bytes + BALLOON_CHUNK - 1) / BALLOON_CHUNK * (BALLOON_PAGES / 8);
}

/*
 * bits: zero, of balloon_bits_size(bytes). target: how many bytes the driver is asked for.
 * False: no room on the bus.
 */
bool virtio_balloon_create(struct virtio_balloon *b, uint64_t *bits, uint64_t bytes,
	uint64_t target, struct platform *p, uint16_t bdf);

/* Asks the driver for so many bytes from now on. */
void virtio_balloon_ask(struct virtio_balloon *b, uint64_t target);

#endif
