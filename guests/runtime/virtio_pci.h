/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver of any modern virtio device on bus 0 begins with: its structures, its features,
 * split rings, messages to this processor. Firmware or Nestor has placed the device.
 */
#ifndef NESTOR_GUESTS_RUNTIME_VIRTIO_PCI_H
#define NESTOR_GUESTS_RUNTIME_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/virtio.h"

/* No interrupts of a queue: its driver looks. */
#define VIO_POLLED 0u

struct vio {
	unsigned device; /* its number on the bus */
	volatile uint8_t *common, *config, *notify;
	uint32_t multiplier;
};

struct vio_queue {
	struct virtio_desc *desc;
	volatile uint16_t *avail, *used; /* flags, index, entries */
	volatile uint16_t *notify;
	uint16_t index, size;
	uint16_t taken;    /* of `used` */
	uint32_t notified; /* how often the device was told */
};

/* The first device of this type. False: there is none. */
bool vio_find(struct vio *d, enum virtio_type type);
/* Resets it and offers it these features, and VERSION_1. False: it takes them not. */
bool vio_negotiate(struct vio *d, uint64_t features);
/* Likewise, and takes ACCESS_PLATFORM where it is offered. */
bool vio_negotiate_translated(struct vio *d, uint64_t features);
/*
 * A queue with zeroed rings of so many descriptors, 256 at most; vector: of an interrupt, which
 * is MSI-X entry `index`, or VIO_POLLED.
 */
void vio_queue_start(
	struct vio *d, struct vio_queue *q, uint16_t index, uint16_t size, uint8_t vector);
/* The driver is ready: after its queues. */
void vio_start(struct vio *d);

/* The chain that begins with descriptor d is available; the device is told, if it wants. */
void vio_give(struct vio_queue *q, uint16_t d);
void vio_notify(struct vio_queue *q);

#endif
