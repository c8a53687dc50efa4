/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the socket device: a guest that accepts, refuses, sends packets of its connections
 * and of none, well and badly, gives buffers of any size, and resets the device; openers that
 * ask, close, send and take. What comes out of a stream is what went in, no ring is overrun,
 * the guest gets no more than it has said it has room for, and work comes to an end.
 */
#define WORLD_RAM 0x80000u /* clearing it is most of a run */
#include "virtio_world.h"

#include "input.h"
#include "virtio/vsock.h"

#define SIZE   32u
#define QUEUES 3u
#define LINKS  3u
#define CID    5u
#define RING   4096u
#define TX_AT  0x30000u

static struct virtio_vsock vsock;
static struct stream stream[LINKS];
static uint8_t memory[LINKS][2 * RING];
static unsigned buffers;

static void create(void)
{
	world_start();
	memset(&vsock, 0, sizeof(vsock));
	check(virtio_vsock_create(&vsock, CID, &machine, WORLD_BDF));
	for (unsigned i = 0; i < LINKS; i++) {
		stream_create(&stream[i], 0, 1, 100 + i, memory[i], RING);
		check(virtio_vsock_add(&vsock, &stream[i]));
	}
	buffers = 0;
}

static void bring_up(unsigned kind)
{
	world_features(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET |
		       (kind & 1 ? VIRTIO_F_RING_PACKED : 0) |
		       (kind & 2 ? VIRTIO_F_EVENT_IDX : 0));
	for (unsigned q = 0; q < QUEUES; q++)
		world_queue(q, SIZE);
	world_driver_ok();
}

/* ---- the guest ---- */

/* Of a connection that there is, but for what the input makes of it. */
static struct virtio_vsock_hdr header(struct input *in)
{
	unsigned i = byte(in) % LINKS, kind = byte(in);
	const struct vsock_link *l = &vsock.link[i];

	return (struct virtio_vsock_hdr){
		.src_cid = kind == 255 ? 6 : CID,
		.dst_cid = kind == 254 ? 3 : VIRTIO_VSOCK_CID_HOST,
		.src_port = 100 + i + (kind == 253),
		.dst_port = (0x40000000u | (l->number * 64 + i)) ^ (kind == 252),
		.type = 1 + (kind == 251),
		.op = kind < 200 ? (uint16_t)(2 + kind % 6) : byte(in),
		.length = kind & 1 ? (uint32_t)take(in, 2) % 3000 : 0,
		.buf_alloc = kind & 64 ? (uint32_t)take(in, 4) : 5000,
		.fwd_cnt = kind & 128 ? (uint32_t)take(in, 4) : l->sent,
	};
}

static void send_packet(struct input *in)
{
	struct virtio_vsock_hdr h = header(in);
	struct world_buffer b[3] = {{TX_AT, sizeof(h), false}};
	unsigned n = 1, kind = byte(in);

	memcpy(ram(TX_AT), &h, sizeof(h));
	if (h.length != 0) {
		b[1] = (struct world_buffer){TX_AT + 64, h.length / 2, false};
		b[2] = (struct world_buffer){TX_AT + 4096, h.length - h.length / 2, false};
		n = 3;
	}
	if (kind == 255)
		b[n - 1].length = byte(in);
	if (kind == 254)
		b[n - 1].gpa = take(in, 8);
	if (queue[1].free >= n)
		give(1, b, n);
	notify(1);
}

static void give_buffers(struct input *in, unsigned q)
{
	unsigned n = byte(in) % 8, kind = byte(in);

	for (; n > 0 && queue[q].free > 0; n--) {
		struct world_buffer b = {0x40000 + 0x2000 * (buffers++ % 32),
			kind == 255 ? byte(in) : 44 + kind * 32u, kind != 254};

		give(q, &b, 1);
	}
	notify(q);
}

static void take_back(void)
{
	uint16_t id;
	uint32_t written;

	for (unsigned q = 0; q < QUEUES; q++)
		for (unsigned n = 0; used(q, &id, &written); n++)
			check(n < 4 * SIZE && written <= 0x2000);
}

/* ---- the openers ---- */

static void opener(struct input *in)
{
	unsigned i = byte(in) % LINKS, kind = byte(in);
	struct stream *s = &stream[i];
	enum stream_state state = stream_state(s);
	static const uint8_t data[RING];
	uint32_t n;

	if (kind < 60) {
		stream_open(s);
	} else if (kind < 80) {
		stream_close(s);
	} else if (kind < 160 && state == STREAM_OPEN) {
		n = (uint32_t)take(in, 2) % (RING + 1);
		if (!stream_has_room(s, STREAM_OPENER, n))
			return;
		ring_put(&s->to[STREAM_ACCEPTOR], 0, data, n);
		stream_send(s, STREAM_OPENER, n);
	} else if (state == STREAM_OPEN || state == STREAM_ENDED) {
		n = ring_waiting(&s->to[STREAM_OPENER]);
		stream_took(s, STREAM_OPENER, kind & 1 ? n : n / 2);
	}
}

static void check_links(void)
{
	for (unsigned i = 0; i < LINKS; i++) {
		const struct vsock_link *l = &vsock.link[i];

		for (unsigned side = 0; side < 2; side++)
			check(stream[i].to[side].tail - stream[i].to[side].head <= RING);
		check(l->state != VSOCK_OPEN ||
			(l->number & 1 && stream_accepted(&stream[i], l->number)));
		check(stream_state(&stream[i]) != STREAM_OPEN || l->state == VSOCK_OPEN);
	}
	check(vsock.reset_count <= VSOCK_RESETS);
}

static void state(struct input *in)
{
	static struct virtio_state s;
	size_t place = take(in, 2) % sizeof(s);

	dev_lock(&machine);
	virtio_get_state(&vsock.v, &s);
	if (byte(in) & 1)
		((uint8_t *)&s)[place] = byte(in);
	virtio_vsock_set_state(&vsock, &s);
	dev_unlock(&machine);
}

static void act(struct input *in)
{
	unsigned kind = byte(in);

	if (kind < 70)
		send_packet(in);
	else if (kind < 110)
		give_buffers(in, 0);
	else if (kind < 120)
		give_buffers(in, 2);
	else if (kind < 230)
		opener(in);
	else if (kind < 234)
		bring_up(byte(in));
	else if (kind < 238) {
		unsigned q = byte(in) % QUEUES;

		set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, q);
		set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
		world_queue(q, SIZE);
	} else if (kind < 241) {
		state(in);
		bring_up(0); /* it may be none that this driver can go on with */
	}
	if (world.arrived[1] != 0) {
		world.arrived[1] = 0;
		dev_lock(&machine);
		virtio_vsock_arrived(&vsock);
		dev_unlock(&machine);
	}
	if (kind & 1)
		work();
	take_back();
	check_links();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	create();
	world_find();
	bring_up(byte(&in));
	while (in.at < in.end)
		act(&in);
	work();
	check_links();
	return 0;
}
