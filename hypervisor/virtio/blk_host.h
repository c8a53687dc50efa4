/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is behind a block device whose disk is a file of the host: reads and writes go there by
 * the seam, and are done at once.
 */
#ifndef NESTOR_VIRTIO_BLK_HOST_H
#define NESTOR_VIRTIO_BLK_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct blk_host {
	const char *name; /* also its serial number: VIRTIO_BLK_ID_SIZE characters */
	uint32_t number;  /* of the file */
	uint64_t size;    /* bytes, a multiple of 512 */
	bool readonly;
};

#endif
