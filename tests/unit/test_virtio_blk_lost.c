/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks that another VM serves, when something is in the way: connections that end anywhere,
 * servers that say what is wrong, resets and states with requests under way. No request is
 * lost, and none is given back twice.
 */
#include "remote_world.h"

static uint8_t disk_byte(uint64_t i)
{
	return (uint8_t)(i * 7 + i / 509);
}

static void expect_data(unsigned t)
{
	assert_int_equal(*ram(STATUS(t)), 0);
	for (uint64_t i = 0; i < tag[t].length; i++)
		assert_int_equal(*ram(DATA(t) + i), disk_byte(tag[t].sector * 512 + i));
}

static int setup(void **state)
{
	(void)state;
	remote_start(2, FEATURES);
	return 0;
}

/* Reads and writes of a kilobyte, each of its own place, on all queues; they are under way. */
static void begin(unsigned count)
{
	server.holds = true;
	for (unsigned t = 0; t < count; t++) {
		memset(ram(DATA(t)), t % 2 ? (int)t : 0xee, 1024);
		submit(t, t % 3 == 0, t % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, 8 * t, 1024);
	}
	run();
	assert_int_equal(server.tasks, count < BLK_SLOTS ? count : BLK_SLOTS);
	assert_int_equal(collect(), 0);
}

/* All that is under way is done, and was done once. */
static void expect_all(unsigned count)
{
	unsigned done = collect();

	server.holds = false;
	world.arrived[1] = 1;
	run();
	assert_int_equal(done + collect(), count);
	assert_int_equal(busy(), 0);
	for (unsigned t = 0; t < count; t++) {
		if (t % 2 == 0)
			expect_data(t);
		else
			assert_int_equal(*ram(STATUS(t)), 0);
		for (unsigned i = 0; t % 2 && i < 1024; i++)
			assert_int_equal(server.stable[4096 * t + i], t);
	}
	assert_false(needs_reset());
}

/* ---- connections ---- */

static void what_had_no_reply_is_sent_again_on_the_next_connection(void **state)
{
	(void)state;
	begin(20);
	server_answer(2);
	server_answer(5);
	run();
	server_close();
	run();
	assert_int_equal(server.connections, 1);
	assert_string_equal(world.server, "the server has closed the connection");
	fake_run_until(fake.now + AGAIN - 2);
	run();
	assert_int_equal(server.connections, 1);
	fake_run_until(fake.now + 2);
	run();
	assert_int_equal(server.connections, 2);
	assert_int_equal(server.tasks, BLK_SLOTS);
	assert_null(world.server);
	assert_int_equal(world.servers_told, 3);
	expect_all(20);
}

static void a_connection_may_end_at_each_byte_of_a_reply(void **state)
{
	for (uint32_t end = 0; end < 16 + 1024; end += end < 20 || end > 1020 ? 1 : 50) {
		setup(state);
		begin(2);
		server.trickles = end;
		server_answer(server.task[0].command == NBD_CMD_READ ? 0 : 1);
		if (end == 0)
			ring_clear(&wire.to[STREAM_OPENER]);
		assert_int_equal(ring_waiting(&wire.to[STREAM_OPENER]), end);
		server.out_at = server.out_count = server.trickles = 0;
		if (end % 2)
			run();
		server_close();
		pause();
		assert_int_equal(server.tasks, 2);
		expect_all(2);
	}
}

static void replies_that_came_before_the_end_count(void **state)
{
	(void)state;
	begin(8);
	while (server.tasks > 0)
		server_answer(server.tasks - 1);
	server_close();
	run();
	assert_int_equal(collect(), 8);
	pause();
	assert_int_equal(server.tasks, 0);
	expect_all(0);
}

/* NBD, "Error values": it is not the request that is at fault. */
static void a_server_that_shuts_down_is_asked_again_when_it_is_back(void **state)
{
	(void)state;
	begin(6);
	server.error = 108;
	server_answer(0);
	server.error = 0;
	run();
	assert_int_equal(collect(), 0);
	assert_string_equal(world.server, "the server shuts down");
	pause();
	assert_int_equal(server.tasks, 6);
	expect_all(6);
}

static void where_nobody_listens_it_is_tried_again_and_again(void **state)
{
	(void)state;
	remote_create(2, false);
	server.refuses = true;
	world_up(FEATURES, 2, SIZE);
	run();
	assert_string_equal(world.server, "nobody listens there");
	server.holds = true;
	for (unsigned t = 0; t < 8; t++) {
		memset(ram(DATA(t)), (int)t, 1024);
		submit(t, t % 3 == 0, t % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, 8 * t, 1024);
	}
	for (unsigned i = 0; i < 50; i++) {
		unsigned works = fake_run_until(fake.now + AGAIN / 2);

		assert_in_range(works, 0, 1); /* it is woken when it has to be */
		run();
	}
	assert_int_equal(world.servers_told, 1);
	server.refuses = false;
	pause();
	assert_int_equal(server.tasks, 8);
	expect_all(8);
}

static void a_vm_that_starts_again_gets_what_the_last_life_left(void **state)
{
	(void)state;
	begin(6);
	server_forget();
	stream_acceptor_ended(&wire, false);
	pause();
	pause();
	assert_int_equal(server.connections, 2);
	expect_all(6);
}

static void when_the_servers_vm_is_gone_for_good_requests_fail(void **state)
{
	(void)state;
	begin(20);
	server_forget();
	stream_acceptor_ended(&wire, true);
	world.arrived[1] = 0;
	run();
	world.arrived[1] = 0;
	run();
	assert_int_equal(collect(), 20);
	for (unsigned t = 0; t < 20; t++)
		assert_int_equal(*ram(STATUS(t)), VIRTIO_BLK_S_IOERR);
	assert_int_equal(world.servers_told, 2);
	submit(0, 0, VIRTIO_BLK_T_IN, 0, 512);
	run();
	assert_int_equal(collect(), 1);
	assert_int_equal(*ram(STATUS(0)), VIRTIO_BLK_S_IOERR);
	assert_false(needs_reset());
}

/* ---- what is wrong ---- */

static void expect_disconnected(const char *why)
{
	run();
	assert_int_equal(remote.nbd.phase, NBD_CLOSED);
	assert_string_equal(world.server, why);
	assert_int_equal(remote.nbd.why_code, 0);
	assert_int_equal(collect(), 0);
	pause();
	expect_all(4);
}

static void replies_to_what_was_not_asked_close_the_connection(void **state)
{
	static const uint64_t cookies[] = {4, 15, 16, 255, 256, UINT64_MAX};

	for (unsigned i = 0; i < 6; i++) {
		setup(state);
		begin(4);
		remote.nbd.why_code = 7; /* of another time */
		server_say(NBD_REPLY_MAGIC, 4);
		server_say(0, 4);
		server_say(cookies[i], 8);
		server_send();
		expect_disconnected("the server answers what was not asked");
	}
}

static void a_reply_that_comes_twice_closes_the_connection(void **state)
{
	uint64_t cookie;

	(void)state;
	begin(4);
	cookie = server.task[1].cookie;
	server_answer(1);
	server_say(NBD_REPLY_MAGIC, 4);
	server_say(5, 4);
	server_say(cookie, 8);
	server_send();
	run();
	assert_int_equal(collect(), 1);
	assert_string_equal(world.server, "the server answers what was not asked");
	pause();
	assert_int_equal(server.tasks, 3);
}

static void rubbish_closes_the_connection(void **state)
{
	for (unsigned i = 1; i < 200; i += 13) {
		setup(state);
		begin(4);
		for (unsigned k = 0; k < 16 + i; k++)
			server_say(random_below(&server.seed, 256), 1);
		server_send();
		expect_disconnected("the server's reply is none of the protocol");
	}
}

static void a_server_that_is_too_small_meanwhile_is_none(void **state)
{
	(void)state;
	begin(4);
	server.size -= 512;
	server_close();
	pause();
	assert_string_equal(world.server, "the server's export is smaller than the disk");
	server.size += 512;
	pause();
	expect_all(4);
}

/* A driver whose buffer is nowhere, which is seen when data comes for it. */
static void a_buffer_outside_memory_stops_the_device(void **state)
{
	for (unsigned write = 0; write < 2; write++) {
		struct virtio_blk_header h = {write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, 0, 0};
		struct world_buffer b[3] = {{HEADER(0), 16, false}, {1ull << 40, 512, !write},
			{STATUS(0), 1, true}};

		setup(state);
		memcpy(ram(HEADER(0)), &h, sizeof(h));
		give(0, b, 3);
		submit(1, 0, VIRTIO_BLK_T_IN, 8, 512);
		notify(0);
		run();
		assert_true(needs_reset());
		run();
		world_up(FEATURES, 2, SIZE);
		memset(tag, 0, sizeof(tag));
		run();
		assert_int_equal(request(VIRTIO_BLK_T_IN, 100, 512), 0);
		expect_data(0);
	}
}

/* ---- resets ---- */

static void a_reset_of_the_device_forgets_what_was_under_way(void **state)
{
	(void)state;
	begin(20);
	world_up(FEATURES, 2, SIZE);
	memset(tag, 0, sizeof(tag));
	run();
	assert_int_equal(server.connections, 2); /* old replies are for nobody */
	assert_int_equal(server.tasks, 0);
	begin(10);
	expect_all(10);
}

/* Those of other queues go on, also those that had found no slot. */
static void a_reset_of_a_queue_forgets_that_ones_requests(void **state)
{
	(void)state;
	server.holds = true;
	for (unsigned t = 0; t < 16; t++)
		submit(t, 0, VIRTIO_BLK_T_IN, t, 512);
	run();
	submit(16, 1, VIRTIO_BLK_T_IN, 16, 512);
	run();
	assert_int_equal(server.tasks, 16);
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 0);
	set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
	memset(tag, 0, 16 * sizeof(tag[0]));
	server.holds = false;
	run();
	assert_int_equal(collect(), 1);
	expect_data(16);
	world_queue(0, SIZE);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 3, 512), 0);
	expect_data(0);
}

static void a_reset_of_a_queue_leaves_the_others_requests(void **state)
{
	(void)state;
	begin(12);
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 1);
	set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
	world_queue(1, SIZE);
	for (unsigned t = 0; t < 12; t += 3)
		tag[t].busy = false;
	run();
	assert_int_equal(server.connections, 2);
	assert_int_equal(server.tasks, 8);
	server.holds = false;
	world.arrived[1] = 1;
	run();
	assert_int_equal(collect(), 8);
	assert_int_equal(busy(), 0);
}

static void work_that_waits_for_bus_mastering_is_done_with_it(void **state)
{
	(void)state;
	begin(4);
	put(WORLD_ECAM + 4, 2, 2);
	while (server.tasks > 0)
		server_answer(0);
	run();
	assert_int_equal(collect(), 0);
	put(WORLD_ECAM + 4, 2, 6);
	run();
	assert_int_equal(collect(), 4);
}

/* ---- state ---- */

static struct virtio_state virtio_state;
static struct blk_remote_state remote_state;

static void take_state(void)
{
	memset(&virtio_state, 0xa5, sizeof(virtio_state));
	memset(&remote_state, 0xa5, sizeof(remote_state));
	dev_lock(&machine);
	virtio_get_state(&blk.v, &virtio_state);
	blk_remote_get_state(&blk, &remote_state);
	dev_unlock(&machine);
}

static bool put_state(void)
{
	bool ok;

	dev_lock(&machine);
	ok = virtio_set_state(&blk.v, &virtio_state) &&
	     blk_remote_set_state(&blk, &remote_state);
	dev_unlock(&machine);
	return ok;
}

static void requests_under_way_go_on_with_the_state(void **state)
{
	static const uint64_t rings[] = {0, VIRTIO_F_RING_PACKED};
	static struct blk_remote_state again;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		remote_start(2, FEATURES | rings[i]);
		begin(20);
		server_answer(3);
		run();
		take_state();
		assert_true(put_state());
		again = remote_state;
		take_state();
		assert_memory_equal(&again, &remote_state, sizeof(again));
		run();
		assert_int_equal(server.connections, 2);
		assert_int_equal(server.tasks, BLK_SLOTS);
		expect_all(20);
	}
}

static void a_large_request_goes_on_where_it_was(void **state)
{
	(void)state;
	server.holds = true;
	submit_in(0, 0, VIRTIO_BLK_T_IN, 77, TAG_DATA, 40);
	run();
	server_answer(0);
	run();
	take_state();
	assert_int_equal(remote_state.slot[0].left, TAG_DATA - 65536);
	memset(ram(DATA(0)), 0, 65536);
	assert_true(put_state());
	server.holds = false;
	run();
	assert_int_equal(collect(), 1);
	assert_int_equal(server.done[NBD_CMD_READ], 3);
	assert_int_equal(*ram(DATA(0) + 65535), 0);
	assert_int_equal(*ram(DATA(0) + 65536), disk_byte(77 * 512 + 65536));
	assert_int_equal(tag[0].written, TAG_DATA + 1);
}

/* One thing each that cannot be, in a slot that is used. */
static void spoil(struct blk_slot *s, unsigned how)
{
	switch (how) {
#define SPOIL(n, change) \
	case n:          \
		change;  \
		break;
		SPOIL(0, s->used = 2)
		SPOIL(1, s->queue = 2)
		SPOIL(2, s->unmap = 2)
		SPOIL(3, s->reserved = 1)
		SPOIL(4, s->status = 1)
		SPOIL(5, s->type = VIRTIO_BLK_T_GET_ID)
		SPOIL(6, s->type = VIRTIO_BLK_T_FLUSH)
		SPOIL(7, s->count = BLK_BUFFERS + 1)
		SPOIL(8, s->count = 1)
		SPOIL(9, s->descriptors = 0)
		SPOIL(10, s->descriptors = VIRTQ_SIZE + 1)
		SPOIL(11, s->descriptors = SIZE + 1)
		SPOIL(12, s->left = UINT64_MAX)
		SPOIL(13, s->at = SERVER_DISK)
		SPOIL(14, s->left += 512)
		SPOIL(15, s->left = 0)
		SPOIL(16, s->at += 1)
		SPOIL(17, s->read.end = 3)
		SPOIL(18, s->read.buffer = 2)
		SPOIL(19, s->write.buffer = 0)
		SPOIL(20, s->write.end = 4)
		SPOIL(21, s->write.offset = UINT32_MAX)
		SPOIL(22, s->write.left += 512)
		SPOIL(23, s->buffers[1].length += 512)
		SPOIL(24, s->buffers[2].length = 0)
	default:
		break;
	}
}

static void a_state_that_cannot_be_is_refused(void **state)
{
	static struct blk_remote_state good;

	(void)state;
	server.holds = true;
	submit(0, 0, VIRTIO_BLK_T_IN, 8, 1024);
	run();
	take_state();
	good = remote_state;
	for (unsigned how = 0; how < 25; how++) {
		remote_state = good;
		spoil(&remote_state.slot[0], how);
		assert_memory_not_equal(&good, &remote_state, sizeof(good));
		assert_false(put_state());
	}
	remote_state = good;
	virtio_state.queue[0] = (struct virtq_state){
		.size = 256, .vector = VIRTIO_PCI_NO_VECTOR}; /* of a queue that is not there */
	assert_false(put_state());
	take_state();
	remote_state = good;
	assert_false(put_state());
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_had_no_reply_is_sent_again_on_the_next_connection),
		T(a_connection_may_end_at_each_byte_of_a_reply),
		T(replies_that_came_before_the_end_count),
		T(a_server_that_shuts_down_is_asked_again_when_it_is_back),
		T(where_nobody_listens_it_is_tried_again_and_again),
		T(a_vm_that_starts_again_gets_what_the_last_life_left),
		T(when_the_servers_vm_is_gone_for_good_requests_fail),
		T(replies_to_what_was_not_asked_close_the_connection),
		T(a_reply_that_comes_twice_closes_the_connection),
		T(rubbish_closes_the_connection),
		T(a_server_that_is_too_small_meanwhile_is_none),
		T(a_buffer_outside_memory_stops_the_device),
		T(a_reset_of_the_device_forgets_what_was_under_way),
		T(a_reset_of_a_queue_forgets_that_ones_requests),
		T(a_reset_of_a_queue_leaves_the_others_requests),
		T(work_that_waits_for_bus_mastering_is_done_with_it),
		T(requests_under_way_go_on_with_the_state),
		T(a_large_request_goes_on_where_it_was),
		T(a_state_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("lost servers of disks", tests, NULL, NULL);
}
