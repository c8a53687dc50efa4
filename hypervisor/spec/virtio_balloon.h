/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traditional memory balloon device (virtio 1.2, 5.5).
 */
#ifndef NESTOR_SPEC_VIRTIO_BALLOON_H
#define NESTOR_SPEC_VIRTIO_BALLOON_H

#include <stdint.h>

#include "lib/bits.h"

/* 5.5.2 "Virtqueues" */
enum virtio_balloon_queue {
	VIRTIO_BALLOON_INFLATE = 0,
	VIRTIO_BALLOON_DEFLATE = 1,
	VIRTIO_BALLOON_STATS = 2,
	VIRTIO_BALLOON_FREE_PAGES = 3,
	VIRTIO_BALLOON_REPORTING = 4,
	VIRTIO_BALLOON_QUEUES = 5
};

/* 5.5.3 "Feature bits" */
#define VIRTIO_BALLOON_F_MUST_TELL_HOST BIT64(0)
#define VIRTIO_BALLOON_F_DEFLATE_ON_OOM BIT64(2)
#define VIRTIO_BALLOON_F_PAGE_POISON    BIT64(4)
#define VIRTIO_BALLOON_F_PAGE_REPORTING BIT64(5)

/* 5.5.4 "Device configuration layout": words of 32 bits */
enum virtio_balloon_config {
	VIRTIO_BALLOON_NUM_PAGES = 0, /* what the driver is asked to put into the balloon */
	VIRTIO_BALLOON_ACTUAL = 4,    /* what it says that it has there */
	VIRTIO_BALLOON_POISON = 12,   /* what is in its free pages */
	VIRTIO_BALLOON_CONFIG_SIZE = 16
};

#define VIRTIO_BALLOON_PAGE_SHIFT 12 /* of all numbers of pages */

#endif
