/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block device (virtio 1.2, 5.2), on a disk in memory, in a file of the host (blk_host.h),
 * or on one that another VM serves (blk_remote.h).
 */
#ifndef NESTOR_VIRTIO_BLK_H
#define NESTOR_VIRTIO_BLK_H

#include "spec/virtio_blk.h"
#include "virtio/blk_host.h"
#include "virtio/blk_remote.h"
#include "virtio/disk.h"
#include "virtio/virtio.h"

/* A request, and how far it came. */
struct blk_request {
	uint8_t status;
	bool unmap; /* of the range */
	uint32_t type;
	uint64_t at;   /* where on the disk it goes on; bytes, like the next */
	uint64_t left; /* of it, or of the range */
};

/* What a device's disk is: one of these, which lives as long; the others are NULL. */
struct blk_backing {
	struct disk *disk;
	struct blk_host *host;
	struct blk_remote *remote; /* filled by blk_remote_create */
};

struct virtio_blk {
	struct virtio v;
	struct virtio_kind kind; /* features and queues are this disk's */
	const char *name;        /* and serial number */
	uint64_t size;           /* bytes */
	bool readonly;
	struct blk_backing on;
	bool begun;                 /* the chain that is taken */
	struct blk_request request; /* which is this */
};

/* queues: one for each vCPU that shall have its own, as far as there are. False: no room on the
 * bus. */
bool virtio_blk_create(struct virtio_blk *b, const struct blk_backing *on, unsigned queues,
	struct platform *p, uint16_t bdf);
/* Something may have come from the server of its disk. */
void virtio_blk_arrived(struct virtio_blk *b);

#endif
