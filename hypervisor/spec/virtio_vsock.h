/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio socket device (virtio 1.2, 5.10).
 */
#ifndef NESTOR_SPEC_VIRTIO_VSOCK_H
#define NESTOR_SPEC_VIRTIO_VSOCK_H

#include <stdint.h>

#include "lib/bits.h"

/* 5.10.3 "Feature bits": sockets are streams. */
#define VIRTIO_VSOCK_F_STREAM BIT64(0)

/* 5.10.4 "Device configuration layout" */
enum virtio_vsock_config {
	VIRTIO_VSOCK_GUEST_CID = 0,
	VIRTIO_VSOCK_CONFIG_SIZE = 8
};

/* 5.10.4: context identifiers with a meaning. */
enum virtio_vsock_cid {
	VIRTIO_VSOCK_CID_HOST = 2,
	VIRTIO_VSOCK_CID_GUESTS = 3 /* the first that a guest may have */
};

enum virtio_vsock_op {
	VIRTIO_VSOCK_REQUEST = 1,
	VIRTIO_VSOCK_RESPONSE = 2,
	VIRTIO_VSOCK_RST = 3,
	VIRTIO_VSOCK_SHUTDOWN = 4,
	VIRTIO_VSOCK_RW = 5,
	VIRTIO_VSOCK_CREDIT_UPDATE = 6,
	VIRTIO_VSOCK_CREDIT_REQUEST = 7
};

#define VIRTIO_VSOCK_STREAM 1u /* a type of socket */

/* 5.10.6.7 "Device Events": the guest's connections are gone. */
#define VIRTIO_VSOCK_TRANSPORT_RESET 0u

/* Flags of VIRTIO_VSOCK_SHUTDOWN: what the sender will not do any more. */
#define VIRTIO_VSOCK_NO_RECEIVE 1u
#define VIRTIO_VSOCK_NO_SEND    2u

/* 5.10.6 "Device Operation": in front of each packet. */
struct virtio_vsock_hdr {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t length; /* of what follows */
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc; /* bytes that the sender has room for, in all */
	uint32_t fwd_cnt;   /* bytes that it has passed on, modulo 2^32 */
} __attribute__((packed));

#define VIRTIO_VSOCK_HDR_SIZE ((uint32_t)sizeof(struct virtio_vsock_hdr))

#endif
