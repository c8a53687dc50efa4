/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks that another VM serves against a model: random requests on several queues, to a server
 * of any abilities that answers in any order and loses connections, with resets and states put
 * back at any time. What was written is what is read, and is on the server's storage; each
 * request comes back once.
 */
#include "remote_world.h"

#define SECTORS (SERVER_DISK / 512 / TAGS) /* each tag has a part of the disk for itself */
#define STEPS   3000u

/* What the driver knows of the disk: bytes, and whether a sector has them for sure. */
static uint8_t model[SERVER_DISK];
static bool known[SERVER_DISK / 512];
static uint8_t filled[TAGS];
static uint64_t seed;

static uint32_t below(uint32_t bound)
{
	return random_below(&seed, bound);
}

/*
 * A chain's descriptors, or its name, may still be in use: the driver of this world is simple.
 */
static bool place_free(unsigned q, unsigned n)
{
	unsigned first = queue[q].first_free;

	if (queue[q].free < n)
		return false;
	for (unsigned t = 0; t < TAGS; t++)
		if (tag[t].busy && tag[t].queue == q &&
			((tag[t].id + SIZE - first) % SIZE < n ||
				(first + SIZE - tag[t].id) % SIZE < 8))
			return false;
	return true;
}

/* ---- the driver ---- */

static void begin(void)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_DISCARD,
		VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_GET_ID};
	unsigned t = below(TAGS), q = below(blk_queues);
	uint32_t type = types[below(sizeof(types) / sizeof(types[0]))], length;
	uint64_t sector;

	if (tag[t].busy || !place_free(q, mode.tables ? 1 : 8))
		return;
	length = below(4) == 0 ? 1 + below(TAG_DATA / 512) : 1 + below(8);
	sector = (uint64_t)t * SECTORS + below(SECTORS - length);
	filled[t] = (uint8_t)below(256);
	if (type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_OUT) {
		memset(ram(DATA(t)), filled[t], length * 512);
		submit_in(t, q, type, sector, length * 512, 1 + below(5));
	} else if (type == VIRTIO_BLK_T_FLUSH || type == VIRTIO_BLK_T_GET_ID) {
		submit(t, q, type, 0, type == VIRTIO_BLK_T_GET_ID ? 20 : 0);
	} else {
		put_range(t, 0, sector, length / 2, 0);
		put_range(t, 1, sector + length / 2, length - length / 2, 0);
		submit(t, q, type, 0, 32);
	}
	tag[t].sector = sector; /* of the first range, and sectors of both */
	tag[t].length = length;
}

/* Nobody knows whether it was done. */
static void unknown(unsigned t)
{
	if (tag[t].type != VIRTIO_BLK_T_IN)
		memset(known + tag[t].sector, 0, tag[t].length);
}

static void done(unsigned t)
{
	uint64_t first = tag[t].sector * 512, bytes = tag[t].length * 512ull;

	assert_int_equal(*ram(STATUS(t)), 0);
	switch (tag[t].type) {
	case VIRTIO_BLK_T_IN:
		for (uint64_t i = 0; i < bytes; i++)
			if (known[(first + i) / 512])
				assert_int_equal(*ram(DATA(t) + i), model[first + i]);
		assert_int_equal(tag[t].written, bytes + 1);
		return;
	case VIRTIO_BLK_T_DISCARD:
		unknown(t);
		return;
	case VIRTIO_BLK_T_OUT:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		memset(model + first, tag[t].type == VIRTIO_BLK_T_OUT ? filled[t] : 0, bytes);
		memset(known + tag[t].sector, 1, tag[t].length);
		if (server.flags & (NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_FLUSH))
			assert_memory_equal(server.stable + first, model + first, bytes);
		return;
	default:
		return;
	}
}

static void take_back(void)
{
	bool before[TAGS];

	for (unsigned t = 0; t < TAGS; t++)
		before[t] = tag[t].busy;
	collect();
	for (unsigned t = 0; t < TAGS; t++)
		if (before[t] && !tag[t].busy)
			done(t);
}

/* What was under way of a queue, or of all (blk_queues), is forgotten. */
static void forget(unsigned q)
{
	for (unsigned t = 0; t < TAGS; t++) {
		if (!tag[t].busy || (q < blk_queues && tag[t].queue != q))
			continue;
		unknown(t);
		tag[t].busy = false;
	}
}

/* ---- what happens ---- */

static void reset(uint64_t features)
{
	take_back();
	if (below(2)) {
		unsigned q = below(blk_queues);

		forget(q);
		set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, q);
		set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
		world_queue(q, SIZE);
		return;
	}
	forget(blk_queues);
	world_up(features, blk_queues, SIZE);
	mode.tables = features & VIRTIO_F_INDIRECT_DESC;
}

static void put_state_back(void)
{
	static struct virtio_state v;
	static struct blk_remote_state r;

	dev_lock(&machine);
	virtio_get_state(&blk.v, &v);
	blk_remote_get_state(&blk, &r);
	assert_true(virtio_set_state(&blk.v, &v));
	assert_true(blk_remote_set_state(&blk, &r));
	dev_unlock(&machine);
}

/* Its next life may have other abilities. */
static void lose_connection(void)
{
	if (server.number == 0)
		return;
	server_close();
	server.flags = 1;
	for (unsigned bit = NBD_FLAG_SEND_FLUSH; bit <= NBD_FLAG_SEND_WRITE_ZEROES; bit <<= 1)
		server.flags |= below(2) && bit != 16 ? bit : 0;
	if (!(server.flags & (NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_FLUSH)))
		server.flags |= NBD_FLAG_SEND_FUA;
	server.most = below(2) ? 4096 + below(70000) : 0;
}

static void step(uint64_t features)
{
	unsigned what = below(200);

	if (what < 100)
		begin();
	else if (what < 180 && server.serves && server.tasks > 0)
		server_answer(below(server.tasks));
	else if (what == 180)
		lose_connection();
	else if (what == 181)
		reset(features);
	else if (what == 182)
		put_state_back();
	else if (what == 183)
		server.trickles = below(2) ? 1 + below(5000) : 0;
	else if (what < 190)
		fake_run_until(fake.now + AGAIN / 2);
	run();
	take_back();
	assert_false(needs_reset());
}

static void everything_written_is_read_again_whatever_happens(void **state)
{
	static const uint64_t rings[] = {0, VIRTIO_F_RING_PACKED, VIRTIO_F_INDIRECT_DESC,
		VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX};

	(void)state;
	for (unsigned r = 0; r < 4; r++) {
		seed = r;
		remote_start(1 + r % 2, FEATURES | rings[r]);
		memcpy(model, server.disk, sizeof(model));
		memset(known, 1, sizeof(known));
		server.holds = true;
		for (unsigned i = 0; i < STEPS; i++)
			step(FEATURES | rings[r]);
		server.holds = false;
		server.trickles = 0;
		world.arrived[1] = 1;
		pause();
		pause();
		take_back();
		assert_int_equal(busy(), 0);
		for (unsigned i = 0; i < SERVER_DISK; i++)
			if (known[i / 512])
				assert_int_equal(server.disk[i], model[i]);
		assert_in_range(server.connections, 10, STEPS / 10);
		assert_true(server.done[NBD_CMD_READ] > STEPS / 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_written_is_read_again_whatever_happens),
	};

	return cmocka_run_group_tests_name("disks of other VMs, model", tests, NULL, NULL);
}
