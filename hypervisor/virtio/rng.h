/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entropy device (virtio 1.2, 5.4).
 */
#ifndef NESTOR_VIRTIO_RNG_H
#define NESTOR_VIRTIO_RNG_H

#include "virtio/virtio.h"

struct virtio_rng {
	struct virtio v;
};

/* False: no room on the bus. */
bool virtio_rng_create(struct virtio_rng *r, struct platform *p, uint16_t bdf);

#endif
