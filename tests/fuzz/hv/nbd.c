/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of disks that another VM serves: a server that says anything, some of it right, and
 * ends connections anywhere, while a driver has requests under way, resets the device and its
 * queues, and states are put back, good ones and spoilt ones. Nothing but the guest's memory is
 * touched, each turn is bounded, work comes to an end, and no request comes back twice.
 */
#define WORLD_RAM 0x80000u /* clearing it is most of a run */
#include "virtio_world.h"

#include "input.h"
#include "virtio/blk.h"

#define SIZE   32u
#define QUEUES 2u
#define DISK   (1u << 20)
#define RING   131072u

static struct virtio_blk blk;
static struct blk_remote remote;
static struct stream wire;
static uint8_t memory[2 * RING];
static unsigned given;
static bool out[QUEUES][SIZE]; /* chains that the device has, by their names */
static bool spoilt;

static void create(struct input *in)
{
	uint64_t features = VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET;
	unsigned kind = byte(in);

	world_start();
	stream_create(&wire, 0, 1, NBD_PORT, memory, RING);
	blk_remote_create(&remote, "disk", "export", DISK, kind & 1, &wire);
	memset(&blk, 0, sizeof(blk));
	check(virtio_blk_create(
		&blk, &(struct blk_backing){.remote = &remote}, QUEUES, &machine, WORLD_BDF));
	features |= kind & 2 ? VIRTIO_F_RING_PACKED : 0;
	features |= kind & 4 ? VIRTIO_F_EVENT_IDX : 0;
	world_up(features, QUEUES, SIZE);
	given = 0;
	memset(out, 0, sizeof(out));
	spoilt = false;
}

/* ---- the server ---- */

static void say(const void *bytes, uint32_t count)
{
	if (ring_room(&wire.to[STREAM_OPENER]) < count)
		return;
	ring_put(&wire.to[STREAM_OPENER], 0, bytes, count);
	stream_send(&wire, STREAM_ACCEPTOR, count);
}

static void say_number(uint64_t value, unsigned bytes)
{
	uint8_t text[8];

	for (unsigned i = 0; i < bytes; i++)
		text[i] = (uint8_t)(value >> (bytes - 1 - i) * 8);
	say(text, bytes);
}

static void say_answer(uint32_t type, uint32_t length)
{
	say_number(NBD_ANSWER_MAGIC, 8);
	say_number(NBD_OPT_GO, 4);
	say_number(type, 4);
	say_number(length, 4);
}

/* A good handshake, but for what the input makes of it. */
static void shake_hands(struct input *in)
{
	unsigned kind = byte(in);

	say_number(NBD_MAGIC, 8);
	say_number(NBD_OPTION_MAGIC ^ (kind == 255), 8);
	say_number(3, 2);
	say_answer(NBD_REP_INFO, 12);
	say_number(NBD_INFO_EXPORT, 2);
	say_number(DISK - (kind == 254), 8);
	say_number(byte(in), 2);
	if (kind & 1) {
		say_answer(NBD_REP_INFO, 14);
		say_number(NBD_INFO_BLOCK_SIZE, 2);
		say_number(take(in, 2), 4);
		say_number(4096, 4);
		say_number(4096 + take(in, 2), 4);
	}
	say_answer(kind & 2 ? (uint32_t)take(in, 4) : NBD_REP_ACK, kind & 4 ? byte(in) : 0);
}

static void say_reply(struct input *in)
{
	static const uint8_t data[4096];
	unsigned i = byte(in) % (BLK_SLOTS + 1), kind = byte(in);
	uint32_t left = kind & 128 || i == BLK_SLOTS ? 0 : remote.flight[i].piece;

	say_number(NBD_REPLY_MAGIC, 4);
	say_number(kind & 15 ? 0 : take(in, 1), 4);
	say_number(i, 8);
	if (i < BLK_SLOTS && remote.slot[i].type != VIRTIO_BLK_T_IN)
		return;
	for (; left > 0; left -= left < sizeof(data) ? left : (uint32_t)sizeof(data))
		say(data, left < sizeof(data) ? left : (uint32_t)sizeof(data));
}

static void say_rubbish(struct input *in)
{
	uint8_t text[64];
	unsigned n = byte(in) % sizeof(text);

	for (unsigned i = 0; i < n; i++)
		text[i] = byte(in);
	say(text, n);
}

/* The acceptor's part, which keeps to the rules of streams. */
static void server(struct input *in)
{
	uint32_t wanted = stream_wanted(&wire);
	unsigned kind = byte(in);

	if (!(wanted & 1))
		stream_see_closed(&wire, wanted);
	else if (stream_asks(&wire, wanted) && kind > 250)
		stream_end(&wire, wanted);
	else if (stream_asks(&wire, wanted))
		stream_accept(&wire, wanted);
	if (!stream_accepted(&wire, stream_wanted(&wire)))
		return;
	stream_took(&wire, STREAM_ACCEPTOR, ring_waiting(&wire.to[STREAM_ACCEPTOR]));
	if (kind < 60)
		shake_hands(in);
	else if (kind < 200)
		say_reply(in);
	else if (kind < 225)
		say_rubbish(in);
	else if (kind < 235)
		stream_end(&wire, wanted);
	else if (kind == 235)
		stream_acceptor_ended(&wire, byte(in) & 1);
}

/* ---- the driver ---- */

static void submit(struct input *in)
{
	static const uint8_t types[] = {0, 1, 4, 8, 11, 13, 0, 1};
	unsigned kind = byte(in), q = kind & 1, n = 1 + (kind >> 1) % 8;
	struct virtio_blk_header h = {types[kind >> 5], 0, take(in, 2) % (DISK / 512 + 2)};
	bool reads = h.type == VIRTIO_BLK_T_IN || h.type == VIRTIO_BLK_T_GET_ID;
	uint64_t at_header = 0x30000 + 64 * (given % 32);
	struct world_buffer b[10] = {{at_header, 16, false}};

	if (queue[q].free < n + 2)
		return;
	memcpy(ram(at_header), &h, sizeof(h));
	for (unsigned i = 0; i < n; i++)
		b[1 + i] = (struct world_buffer){0x40000 + 0x1000u * (byte(in) % 16),
			(uint32_t)take(in, 1) * 512 + (byte(in) == 255), reads};
	b[1 + n] = (struct world_buffer){at_header + 32, 1, true};
	if (h.type >= VIRTIO_BLK_T_DISCARD) {
		struct virtio_blk_range r = {take(in, 2), (uint32_t)take(in, 2), byte(in) & 1};

		b[1].length = 16;
		b[2] = b[1 + n];
		n = 1;
		memcpy(ram(b[1].gpa), &r, sizeof(r));
	}
	if (out[q][queue[q].first_free]) /* its name is in use */
		return;
	out[q][give(q, b, n + 2)] = true;
	notify(q);
	given++;
}

static void collect(void)
{
	uint16_t id;
	uint32_t written;

	for (unsigned q = 0; q < QUEUES; q++)
		for (unsigned n = 0; n < 2 * SIZE && used(q, &id, &written); n++) {
			check(spoilt || (id < SIZE && out[q][id]));
			out[q][id % SIZE] = false;
		}
}

static void reset(struct input *in)
{
	unsigned kind = byte(in), q = kind >> 1 & 1;

	if (kind & 1) {
		spoilt = false;
		memset(out, 0, sizeof(out));
		world_features(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET |
			       (kind & 2 ? VIRTIO_F_RING_PACKED : 0));
		for (unsigned i = 0; i < QUEUES; i++)
			world_queue(i, SIZE);
		world_driver_ok();
		return;
	}
	memset(out[q], 0, sizeof(out[q]));
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, q);
	set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
	world_queue(q, SIZE);
}

static void state(struct input *in)
{
	static struct virtio_state v;
	static struct blk_remote_state r, again;
	size_t place = byte(in) % 4 * sizeof(r.slot[0]) + byte(in);
	bool good;

	dev_lock(&machine);
	virtio_get_state(&blk.v, &v);
	blk_remote_get_state(&blk, &r);
	good = !(byte(in) & 1);
	if (!good) {
		((uint8_t *)&r)[place] = byte(in);
		spoilt = true;
	}
	check(virtio_set_state(&blk.v, &v));
	if (blk_remote_set_state(&blk, &r)) {
		blk_remote_get_state(&blk, &again);
		for (unsigned i = 0; i < BLK_SLOTS; i++)
			check(again.slot[i].used == r.slot[i].used &&
				again.slot[i].left == (r.slot[i].used ? r.slot[i].left : 0));
	} else {
		check(!good);
	}
	dev_unlock(&machine);
}

static void act(struct input *in)
{
	unsigned kind = byte(in);

	if (kind < 90)
		submit(in);
	else if (kind < 220)
		server(in);
	else if (kind < 235)
		fake_time_passes(fake.now + 60ull * FAKE_KHZ, 1000);
	else if (kind < 240)
		reset(in);
	else if (kind < 248)
		state(in);
	if (world.arrived[0] != 0) {
		world.arrived[0] = 0;
		dev_lock(&machine);
		virtio_blk_arrived(&blk);
		dev_unlock(&machine);
	}
	if (kind & 1)
		work();
	collect();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	create(&in);
	work();
	while (in.at < in.end)
		act(&in);
	work();
	return 0;
}
