/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the network device: one on port 0 of a switch whose ports 1 to 3 are used
 * without a device, and what its driver does.
 */
#ifndef NESTOR_TESTS_NET_DEVICE_H
#define NESTOR_TESTS_NET_DEVICE_H

#include "net_world.h"
#include "virtio/net.h"
#include "virtio_world.h"

#define RX   0u
#define TX   1u
#define SIZE 64u
#define HDR  12u
#ifndef CTRL
#define CTRL 2u /* with more pairs of queues than one it is another */
#endif
#define PLAIN (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC)
#define MERGE (PLAIN | VIRTIO_NET_F_MRG_RXBUF)
#define HOST  (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6)
#define GUEST (VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6)
#define CONTROLS                                                                            \
	(PLAIN | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA | \
		VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_CTRL_VLAN |                       \
		VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)

static struct virtio_net device;
static uint8_t bytes[NET_FRAME_MAX];

static inline int create(struct net_setup own)
{
	world_start();
	net_world_start();
	own.network = 1;
	net_add(0, own);
	for (unsigned i = 0; i < net.port[0].setup.queues; i++)
		net_port_close(&net, 0, i);
	for (unsigned i = 1; i < 4; i++)
		net_add(i, (struct net_setup){.network = 1});
	memset(&device, 0xa5, sizeof(device));
	assert_true(virtio_net_create(&device, &machine, WORLD_BDF, &net, 0, 0));
	return 0;
}

static inline int setup(void **state)
{
	(void)state;
	return create((struct net_setup){.mtu = 1500});
}

static inline void up(uint64_t features)
{
	world_up(features, 3, SIZE);
	work();
}

/* ---- the driver ---- */

static inline uint64_t buffer_at(unsigned i)
{
	return BUFFERS + 0x20000ull * i;
}

/* A buffer for what comes on a queue; several may be given. */
static inline void post_on(unsigned q, unsigned i, uint32_t length)
{
	const struct world_buffer b = {buffer_at(i), length, true};

	memset(ram(b.gpa), 0xee, length);
	give(q, &b, 1);
	notify(q);
	work();
}

static inline void post(unsigned i, uint32_t length)
{
	post_on(RX, i, length);
}

static inline void arrive(void)
{
	virtio_net_arrived(&device);
	work();
}

/* On a queue: header, then the frame of `bytes`, in two buffers. */
static inline void transmit_on(unsigned q, const struct virtio_net_hdr *h, uint32_t length)
{
	const struct world_buffer b[] = {
		{buffer_at(10), HDR + 20, false}, {buffer_at(11), length - 20, false}};
	uint32_t written;
	uint16_t id;

	memset(ram(b[0].gpa), 0, HDR);
	if (h != NULL)
		memcpy(ram(b[0].gpa), h, HDR);
	memcpy(ram(b[0].gpa + HDR), bytes, 20);
	memcpy(ram(b[1].gpa), bytes + 20, length - 20);
	give(q, b, 2);
	notify(q);
	work();
	assert_true(used(q, &id, &written));
	assert_int_equal(written, 0);
}

static inline void transmit(const struct virtio_net_hdr *h, uint32_t length)
{
	transmit_on(TX, h, length);
}

/* The oldest frame in the queue of a port is `length` bytes of `bytes`. */
static inline struct net_meta take_from(unsigned port, uint32_t length)
{
	uint8_t *frame;
	struct net_meta *m = net_queue_first(&net.port[port].queue[0], &frame), copy;

	assert_non_null(m);
	copy = *m;
	assert_int_equal(m->length, length);
	assert_memory_equal(frame, bytes, length);
	net_queue_drop(&net.port[port].queue[0]);
	return copy;
}

static inline uint64_t dropped(enum net_drop why)
{
	return net.port[0].counters.dropped[why];
}

static inline struct virtio_net_hdr header(unsigned i)
{
	struct virtio_net_hdr h;

	memcpy(&h, ram(buffer_at(i)), sizeof(h));
	return h;
}

/* A TCP frame for IPv4, whose payload is `bytes`'. */
static inline struct virtio_net_hdr tcp(
	uint32_t payload, uint16_t mss, uint8_t from, uint8_t to)
{
	net_fill(bytes, 54 + payload, to, from, ETH_TYPE_IPV4);
	bytes[14] = 0x45;
	bytes[20] = bytes[21] = 0;
	bytes[23] = IP_PROTOCOL_TCP;
	bytes[46] = 0x50;
	bytes[47] = 0x18;
	return (struct virtio_net_hdr){.flags = VIRTIO_NET_NEEDS_CSUM,
		.gso_type = mss ? VIRTIO_NET_GSO_TCPV4 : 0,
		.gso_size = mss,
		.csum_start = 34,
		.csum_offset = 16};
}

static inline uint64_t send_tcp_to_us(uint32_t payload, uint16_t mss)
{
	struct virtio_net_hdr h = tcp(payload, mss, 1, 0);
	const struct net_meta m = {.flags = h.flags,
		.gso = h.gso_type,
		.gso_size = h.gso_size,
		.csum_start = h.csum_start,
		.csum_offset = h.csum_offset};

	return net_send(1, bytes, 54 + payload, &m);
}

static inline uint8_t control(uint8_t class, uint8_t command, const void *data, uint32_t size)
{
	const struct world_buffer b[] = {
		{BUFFERS, 2, false}, {BUFFERS + 16, size, false}, {BUFFERS + 8, 1, true}};
	uint32_t written;
	uint16_t id;

	*ram(BUFFERS) = class;
	*ram(BUFFERS + 1) = command;
	*ram(BUFFERS + 8) = 0x55;
	memcpy(ram(BUFFERS + 16), data, size);
	give(CTRL, b, 3);
	notify(CTRL);
	work();
	assert_true(used(CTRL, &id, &written));
	assert_int_equal(written, 1);
	return *ram(BUFFERS + 8);
}

#endif
