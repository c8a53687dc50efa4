/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver of the first virtio network device: split rings; whoever wants frames looks for
 * them, or takes an interrupt first.
 */
#ifndef NESTOR_GUESTS_RUNTIME_VIRTIO_NET_H
#define NESTOR_GUESTS_RUNTIME_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio_pci.h"

#define VNET_RING  64u /* descriptors of a queue */
#define VNET_HDR   12u
#define VNET_FRAME 0x11000u /* bytes of a buffer at most */

struct vnet {
	uint8_t vector; /* before vnet_open: of the interrupt when frames come, or VIO_POLLED */
	struct vio v;
	struct vio_queue rx, tx;
	uint8_t mac[6];
};

/*
 * Finds the device and sets it up with these features of its own; so many buffers of `size`
 * bytes are given to it for what comes. False: there is none, or it does not take the features.
 */
bool vnet_open(struct vnet *n, uint64_t features, unsigned buffers, uint32_t size);
/* Header and frame, which stay as they are until it has been sent. Waits for a free place. */
void vnet_send(struct vnet *n, const void *bytes, uint32_t length);
/* How many frames have come since the last time; their buffers are the device's again. */
unsigned vnet_receive(struct vnet *n);
/* The same of those alone for which `ours` is true: of header and frame. */
unsigned vnet_receive_ours(struct vnet *n, bool (*ours)(const uint8_t *bytes));

#endif
