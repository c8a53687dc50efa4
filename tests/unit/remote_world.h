/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of disks that another VM serves: a driver with several requests under way on the
 * block device, whose disk is that of nbd_server.h. Each side looks only when it was told.
 */
#ifndef NESTOR_TESTS_REMOTE_WORLD_H
#define NESTOR_TESTS_REMOTE_WORLD_H

#define WORLD_RAM (16u << 20)
#include "virtio_world.h"

#include "nbd_server.h"
#include "spec/virtio_blk.h"
#include "virtio/blk.h"

#define SIZE      128u /* of each queue */
#define TAGS      32u  /* requests that the driver can have under way */
#define TAG_DATA  (192u << 10)
#define HEADER(t) (0x400000u + 0x40000u * (t))
#define STATUS(t) (HEADER(t) + 0x20u)
#define DATA(t)   (HEADER(t) + 0x1000u)
#define FEATURES  (VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET)
#define AGAIN     (100ull * FAKE_KHZ) /* until it connects again */
#define IN_FLIGHT 0xcc                /* a status that nobody has written */

static struct virtio_blk blk;
static struct blk_remote remote;
static unsigned blk_queues;

static struct tag {
	bool busy;
	unsigned queue;
	uint16_t id;
	uint32_t type, length, written;
	uint64_t sector;
} tag[TAGS];

/* ---- who is told looks ---- */

static inline void blk_looks(void)
{
	dev_lock(&machine);
	virtio_blk_arrived(&blk);
	dev_unlock(&machine);
}

/* Until nobody has anything to do. */
static inline void run(void)
{
	for (unsigned n = 0;
		fake_works != 0 || world.arrived[0] != 0 || world.arrived[1] != 0 ||
		(server.trickles != 0 && server.out_count != 0);
		n++) {
		assert_true(n < 1000000);
		if (fake_works != 0) {
			fake_works = 0;
			work();
		}
		if (world.arrived[0] != 0) {
			world.arrived[0] = 0;
			blk_looks();
		}
		if (world.arrived[1] != 0 || server.trickles != 0) {
			world.arrived[1] = 0;
			server_look();
		}
	}
}

/* Until it connects again. */
static inline void pause(void)
{
	run();
	fake_run_until(fake.now + AGAIN);
	run();
}

/* ---- start ---- */

static inline void remote_create(unsigned queues, bool readonly)
{
	world_start();
	server_start();
	memset(tag, 0, sizeof(tag));
	fake_works = 0;
	blk_queues = queues;
	memset(&blk, 0xa5, sizeof(blk));
	memset(&remote, 0xa5, sizeof(remote));
	blk_remote_create(&remote, "root-disk", "root", SERVER_DISK, readonly, &wire);
	assert_true(virtio_blk_create(
		&blk, &(struct blk_backing){.remote = &remote}, queues, &machine, WORLD_BDF));
}

static inline void remote_start(unsigned queues, uint64_t features)
{
	remote_create(queues, false);
	world_up(features, queues, SIZE);
	mode.tables = features & VIRTIO_F_INDIRECT_DESC;
	run();
	assert_int_equal(remote.nbd.phase, NBD_READY);
}

/* ---- requests ---- */

/* Data of so many bytes in n buffers of sectors, the last of which has the rest. */
static inline void submit_in(
	unsigned t, unsigned q, uint32_t type, uint64_t sector, uint32_t length, unsigned n)
{
	struct virtio_blk_header h = {type, 0, sector};
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct world_buffer b[2 + 62] = {{HEADER(t), 16, false}};
	uint32_t part = n > 1 ? length / n : length;

	assert_false(tag[t].busy);
	memcpy(ram(HEADER(t)), &h, sizeof(h));
	*ram(STATUS(t)) = IN_FLIGHT;
	for (unsigned i = 0; i < n; i++)
		b[1 + i] = (struct world_buffer){
			DATA(t) + part * i, i + 1 < n ? part : length - part * i, in};
	b[1 + n] = (struct world_buffer){STATUS(t), 1, true};
	tag[t] = (struct tag){true, q, 0, type, length, 0, sector};
	tag[t].id = give(q, b, n + 2);
	notify(q);
}

static inline void submit(
	unsigned t, unsigned q, uint32_t type, uint64_t sector, uint32_t length)
{
	submit_in(t, q, type, sector, length, length != 0);
}

/* What has come back; how many those were. Each that does is one that was given. */
static inline unsigned collect(void)
{
	unsigned n = 0;
	uint16_t id;
	uint32_t written;

	for (unsigned q = 0; q < blk_queues; q++)
		while (used(q, &id, &written)) {
			unsigned t = 0;

			while (t < TAGS &&
				!(tag[t].busy && tag[t].queue == q && tag[t].id == id))
				t++;
			assert_true(t < TAGS);
			assert_int_not_equal(*ram(STATUS(t)), IN_FLIGHT);
			tag[t].busy = false;
			tag[t].written = written;
			n++;
		}
	return n;
}

static inline unsigned busy(void)
{
	unsigned n = 0;

	for (unsigned t = 0; t < TAGS; t++)
		n += tag[t].busy;
	return n;
}

/* One that is done at once; its status. */
static inline uint8_t request(uint32_t type, uint64_t sector, uint32_t length)
{
	submit(0, 0, type, sector, length);
	run();
	assert_int_equal(collect(), 1);
	assert_false(needs_reset());
	return *ram(STATUS(0));
}

static inline void put_range(
	unsigned t, unsigned i, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_range r = {sector, sectors, flags};

	memcpy(ram(DATA(t) + i * sizeof(r)), &r, sizeof(r));
}

#endif
