/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the socket device: a guest's side of it, and the openers of its streams, which
 * are the test. Each looks only when it was told.
 */
#ifndef NESTOR_TESTS_VSOCK_WORLD_H
#define NESTOR_TESTS_VSOCK_WORLD_H

#include "virtio_world.h"

#include "virtio/vsock.h"

#define SIZE     64u /* of each queue */
#define CID      7u
#define LINKS    3u
#define RING     4096u
#define PORT(i)  (5000u + (i))
#define PEER     1u /* the guest's queues */
#define RX       0u
#define TX       1u
#define EV       2u
#define RX_AT(n) (0x200000u + 0x2000u * ((n) % 64))
#define TX_AT    0x300000u
#define ROOM     100000u /* that the guest says it has */

static struct virtio_vsock vsock;
static struct stream stream[LINKS];
static uint8_t memory[LINKS][2 * RING];
static unsigned given; /* buffers of RX */
static uint64_t buffer_of[SIZE];
static struct virtio_vsock_hdr h;
static uint8_t data[65536];

/* ---- the guest ---- */

static inline void give_buffers(unsigned n, uint32_t size)
{
	for (unsigned i = 0; i < n; i++, given++) {
		struct world_buffer b = {RX_AT(given), size, true};

		memset(ram(b.gpa), 0xee, size);
		buffer_of[give(RX, &b, 1)] = b.gpa;
	}
	notify(RX);
	work();
}

/* The next packet for the guest into h and data. */
static inline bool packet(void)
{
	uint16_t id;
	uint32_t written;

	if (!used(RX, &id, &written))
		return false;
	assert_in_range(written, sizeof(h), sizeof(h) + sizeof(data));
	memcpy(&h, ram(buffer_of[id]), sizeof(h));
	memcpy(data, ram(buffer_of[id]) + sizeof(h), written - sizeof(h));
	assert_int_equal(written, sizeof(h) + h.length);
	assert_int_equal(h.dst_cid, CID);
	assert_int_equal(h.type, VIRTIO_VSOCK_STREAM);
	return true;
}

static inline void expect(enum virtio_vsock_op op)
{
	assert_true(packet());
	assert_int_equal(h.op, op);
}

static inline void expect_nothing(void)
{
	assert_false(packet());
}

/* A packet of the guest's, as it is, with data behind it. */
static inline void send_packet(const struct virtio_vsock_hdr *p, uint32_t size)
{
	struct world_buffer b[2] = {{TX_AT, sizeof(*p), false}, {TX_AT + 0x1000, size, false}};
	uint16_t id;
	uint32_t written;

	memcpy(ram(TX_AT), p, sizeof(*p));
	give(TX, b, size != 0 ? 2 : 1);
	notify(TX);
	work();
	while (used(TX, &id, &written))
		assert_int_equal(written, 0);
}

/* The guest's part of a connection. */
struct peer {
	unsigned link;
	uint32_t port; /* of the host */
	uint32_t passed, room;
};

static inline void say(const struct peer *p, enum virtio_vsock_op op, uint32_t length)
{
	const struct virtio_vsock_hdr packet = {.src_cid = CID,
		.dst_cid = VIRTIO_VSOCK_CID_HOST,
		.src_port = PORT(p->link),
		.dst_port = p->port,
		.length = length,
		.type = VIRTIO_VSOCK_STREAM,
		.op = (uint16_t)op,
		.buf_alloc = p->room,
		.fwd_cnt = p->passed};

	send_packet(&packet, length);
}

static inline void say_bytes(const struct peer *p, uint8_t byte, uint32_t length)
{
	memset(ram(TX_AT + 0x1000), byte, length);
	say(p, VIRTIO_VSOCK_RW, length);
}

/* ---- set-up ---- */

static inline void create(void)
{
	memset(&vsock, 0xa5, sizeof(vsock));
	memset(vsock.link, 0, sizeof(vsock.link));
	vsock.reset_count = 0;
	assert_true(virtio_vsock_create(&vsock, CID, &machine, WORLD_BDF));
	for (unsigned i = 0; i < LINKS; i++)
		assert_true(virtio_vsock_add(&vsock, &stream[i]));
}

static inline void start(uint64_t features)
{
	world_start();
	given = 0;
	for (unsigned i = 0; i < LINKS; i++)
		stream_create(&stream[i], 0, 1, PORT(i), memory[i], RING);
	create();
	world_up(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET | features, 3, SIZE);
	work();
}

static inline int setup(void **state)
{
	(void)state;
	start(0);
	return 0;
}

/* The device looks, if it was told to. */
static inline void arrive(void)
{
	if (world.arrived[PEER] == 0)
		return;
	world.arrived[PEER] = 0;
	dev_lock(&machine);
	virtio_vsock_arrived(&vsock);
	dev_unlock(&machine);
	work();
}

/* The opener's side of a connection; the guest is asked for it. */
static inline struct peer ask(unsigned link)
{
	assert_true(stream_open(&stream[link]));
	arrive();
	expect(VIRTIO_VSOCK_REQUEST);
	assert_int_equal(h.src_cid, VIRTIO_VSOCK_CID_HOST);
	assert_int_equal(h.dst_port, PORT(link));
	assert_int_equal(h.buf_alloc, RING);
	assert_int_equal(h.fwd_cnt, 0);
	return (struct peer){.link = link, .port = h.src_port, .room = ROOM};
}

static inline struct peer connect(unsigned link)
{
	struct peer p = ask(link);

	say(&p, VIRTIO_VSOCK_RESPONSE, 0);
	assert_int_equal(stream_state(&stream[link]), STREAM_OPEN);
	return p;
}

static inline void opener_sends(unsigned link, uint8_t byte, uint32_t count)
{
	memset(data, byte, count);
	assert_true(stream_has_room(&stream[link], STREAM_OPENER, count));
	ring_put(&stream[link].to[STREAM_ACCEPTOR], 0, data, count);
	stream_send(&stream[link], STREAM_OPENER, count);
	arrive();
}

static inline void opener_takes(unsigned link, uint8_t byte, uint32_t count)
{
	assert_true(ring_waiting(&stream[link].to[STREAM_OPENER]) >= count);
	ring_peek(&stream[link].to[STREAM_OPENER], data, count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(data[i], byte);
	stream_took(&stream[link], STREAM_OPENER, count);
	arrive();
}

static inline uint32_t waiting(unsigned link)
{
	return ring_waiting(&stream[link].to[STREAM_OPENER]);
}

#endif
