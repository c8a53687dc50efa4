/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block device (virtio 1.2, 5.2), on a disk in memory.
 */
#ifndef NESTOR_VIRTIO_BLK_H
#define NESTOR_VIRTIO_BLK_H

#include "spec/virtio_blk.h"
#include "virtio/disk.h"
#include "virtio/virtio.h"

struct virtio_blk {
	struct virtio v;
	struct virtio_kind kind; /* features and queues are this disk's */
	struct disk *disk;
	/* The request of the chain that is taken. */
	bool begun;
	uint8_t status;
	uint32_t type;
	uint64_t at;   /* where on the disk it goes on; bytes, like the next */
	uint64_t left; /* of it, or of the range */
	bool unmap;    /* of the range */
};

/* queues: one for each vCPU that shall have its own. False: no room on the bus. */
bool virtio_blk_create(struct virtio_blk *b, struct disk *disk, unsigned queues,
	struct platform *p, uint16_t bdf);

#endif
