/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket device (virtio 1.2, 5.10). Its guest's sockets can be reached by the streams that
 * L0 has for it: connections come from the host's context, each from a port of its own. What
 * the guest asks for itself is refused.
 *
 * Credit is the streams' rings: what the guest may send fits there, always.
 */
#ifndef NESTOR_VIRTIO_VSOCK_H
#define NESTOR_VIRTIO_VSOCK_H

#include "spec/virtio_vsock.h"
#include "stream/stream.h"
#include "virtio/virtio.h"

#define VSOCK_LINKS  64u /* streams of one device */
#define VSOCK_RESETS 16u /* refusals that wait for a buffer of the driver's */

enum vsock_link_state {
	VSOCK_IDLE,
	VSOCK_ASKED, /* the guest: it has not answered */
	VSOCK_OPEN
};

/* A stream on its way to a socket of the guest. */
struct vsock_link {
	struct stream *stream;
	enum vsock_link_state state;
	uint32_t number;       /* of the connection */
	uint32_t sent;         /* bytes, to the guest */
	uint32_t alloc, taken; /* what the guest said: its room, and what it has passed on */
	uint32_t told;         /* what we said last that was passed on */
	bool request_due, credit_due;
	bool reset_due; /* of the connection whose port is: */
	uint32_t reset_port;
};

struct vsock_reset {
	uint64_t cid; /* that the guest had sent to */
	uint32_t port, guest_port;
};

struct virtio_vsock {
	struct virtio v;
	uint64_t cid;
	struct vsock_link link[VSOCK_LINKS];
	unsigned link_count;
	uint8_t turn; /* the link that is looked at first */
	struct vsock_reset reset[VSOCK_RESETS];
	unsigned reset_count;
	bool stalled;       /* what the guest sends waits until there is room in `reset` */
	bool restored;      /* the guest has to learn that its connections are gone */
	uint32_t receiving; /* bytes of the packet that is taken and still have to be copied */
	uint8_t from;       /* the link that they are for */
};

/* cid: the guest's. The caller adds streams before the VM runs. False: no room on the bus. */
bool virtio_vsock_create(
	struct virtio_vsock *d, uint64_t cid, struct platform *p, uint16_t bdf);
/* The device is the acceptor. False: there are too many. */
bool virtio_vsock_add(struct virtio_vsock *d, struct stream *s);
/* Something may have come by a stream. */
void virtio_vsock_arrived(struct virtio_vsock *d);

/* Connections do not travel. */
bool virtio_vsock_set_state(struct virtio_vsock *d, const struct virtio_state *s);

#endif
