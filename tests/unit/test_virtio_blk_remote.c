/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks that another VM serves: what requests become at the server, and what the driver gets,
 * with servers of all abilities, that answer late, in another order, wrong, or not at all.
 */
#include "remote_world.h"

static uint8_t disk_byte(uint64_t i)
{
	return (uint8_t)(i * 7 + i / 509);
}

static int setup(void **state)
{
	(void)state;
	remote_start(1, FEATURES);
	return 0;
}

static void expect_data(unsigned t)
{
	for (uint64_t i = 0; i < tag[t].length; i++)
		assert_int_equal(*ram(DATA(t) + i), disk_byte(tag[t].sector * 512 + i));
}

static void fill(unsigned t, uint8_t byte)
{
	memset(ram(DATA(t)), byte, TAG_DATA);
}

/* All of the disk from there is this byte, where a loss of power cannot reach it. */
static void expect_stable(uint64_t sector, uint32_t sectors, uint8_t byte)
{
	for (uint64_t i = sector * 512; i < (sector + sectors) * 512; i++)
		assert_int_equal(server.stable[i], byte);
}

/* ---- requests ---- */

static void it_says_how_large_its_requests_may_be(void **state)
{
	(void)state;
	assert_int_equal(get(at.config, 8), SERVER_DISK / 512);
	assert_int_equal(get(at.config + VIRTIO_BLK_SEG_MAX, 4), 62);
	assert_true(world_offered() & VIRTIO_BLK_F_DISCARD);
	remote_create(1, true);
	world_up(FEATURES, 1, SIZE);
	run();
	assert_true(world_offered() & VIRTIO_BLK_F_RO);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(server.done[NBD_CMD_WRITE], 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

static void the_log_hears_of_the_server_once(void **state)
{
	(void)state;
	assert_int_equal(world.servers_told, 1);
	assert_null(world.server);
	request(VIRTIO_BLK_T_IN, 0, 512);
	assert_int_equal(world.servers_told, 1);
}

static void what_is_read_is_what_the_server_has(void **state)
{
	(void)state;
	for (uint32_t n = 1; n < 40; n += 7) {
		assert_int_equal(request(VIRTIO_BLK_T_IN, 100 + n, n * 512), 0);
		expect_data(0);
		assert_int_equal(tag[0].written, n * 512 + 1);
		assert_int_equal(interrupt(), QUEUE_VECTOR(0));
	}
}

static void what_is_written_is_on_the_servers_storage(void **state)
{
	(void)state;
	fill(0, 0x5a);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 9, 1024), 0);
	assert_int_equal(tag[0].written, 1);
	expect_stable(9, 2, 0x5a);
	assert_int_equal(server.stable[9 * 512 - 1], disk_byte(9 * 512 - 1));
	assert_int_equal(server.stable[11 * 512], disk_byte(11 * 512));
	assert_int_equal(server.fua, 1);
	assert_int_equal(server.done[NBD_CMD_FLUSH], 0);
}

static void a_server_without_fua_is_asked_to_flush_each_write(void **state)
{
	(void)state;
	server.flags &= ~NBD_FLAG_SEND_FUA;
	server_close();
	pause();
	fill(0, 0x5b);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, TAG_DATA), 0);
	expect_stable(0, TAG_DATA / 512, 0x5b);
	assert_int_equal(server.done[NBD_CMD_WRITE], 3);
	assert_int_equal(server.done[NBD_CMD_FLUSH], 3);
	assert_int_equal(server.fua, 0);
	server.holds = true; /* the write is done, the flush fails */
	submit(0, 0, VIRTIO_BLK_T_OUT, 0, 512);
	run();
	server_answer(0);
	run();
	assert_int_equal(collect(), 0);
	server.error = 5;
	server_answer(0);
	run();
	assert_int_equal(collect(), 1);
	assert_int_equal(*ram(STATUS(0)), VIRTIO_BLK_S_IOERR);
}

static void a_server_that_can_do_nothing_more_reads_and_writes(void **state)
{
	(void)state;
	server.flags = 1 | NBD_FLAG_SEND_FUA;
	server_close();
	pause();
	fill(0, 0x5c);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 16, 4096), 0);
	assert_int_equal(server.disk[16 * 512], 0x5c);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), 0);
	put_range(0, 0, 16, 8, 0);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 16), 0);
	assert_int_equal(server.disk[16 * 512], 0x5c);
	put_range(0, 0, 17, 300, 0);
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), 0);
	for (unsigned i = 17 * 512; i < 317 * 512; i++)
		assert_int_equal(server.disk[i], 0);
	assert_int_equal(server.disk[17 * 512 - 1], 0x5c);
	assert_int_equal(server.disk[317 * 512], disk_byte(317 * 512));
	assert_int_equal(server.done[NBD_CMD_WRITE], 1 + 3); /* 300 sectors are three pieces */
	assert_int_equal(server.fua, 4);
}

static void a_server_that_never_says_what_is_safe_is_none_for_a_disk_that_is_written(
	void **state)
{
	(void)state;
	server.flags = 1;
	server_close();
	pause();
	assert_string_equal(
		world.server, "the server does not say when what is written is safe");
	server.flags |= NBD_FLAG_SEND_FLUSH;
	pause();
	assert_null(world.server);
}

static void a_flush_is_the_servers(void **state)
{
	(void)state;
	server.disk[5] = 0xee;
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), 0);
	assert_int_equal(server.stable[5], 0xee);
}

static void ranges_are_discarded_and_zeroed_there(void **state)
{
	(void)state;
	put_range(0, 0, 8, 8, 0);
	put_range(0, 1, 0, 0, 0); /* nothing */
	put_range(0, 2, 32, 16, 0);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 3 * 16), 0);
	assert_int_equal(server.done[NBD_CMD_TRIM], 2);
	expect_stable(8, 8, 0xdd);
	expect_stable(32, 16, 0xdd);
	put_range(0, 0, 8, 4, 0);
	put_range(0, 1, 32, 16, VIRTIO_BLK_UNMAP);
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 2 * 16), 0);
	expect_stable(8, 4, 0);
	expect_stable(12, 4, 0xdd);
	expect_stable(32, 16, 0);
	assert_int_equal(server.no_hole, 1);
	assert_int_equal(server.fua, 4);
	assert_int_equal(server.done[NBD_CMD_FLUSH], 0);
}

static void ranges_that_cannot_be_fail_where_they_stand(void **state)
{
	(void)state;
	put_range(0, 0, 8, 8, 0);
	put_range(0, 1, SERVER_DISK / 512 - 1, 2, 0);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 2 * 16), VIRTIO_BLK_S_IOERR);
	assert_int_equal(server.done[NBD_CMD_TRIM], 1);
	put_range(0, 0, 8, 8, 2);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 16), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 15), VIRTIO_BLK_S_UNSUPP);
	put_range(0, 0, UINT64_MAX / 512, 8, 0);
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), VIRTIO_BLK_S_IOERR);
	assert_int_equal(server.done[NBD_CMD_TRIM], 1);
}

static void what_needs_no_server_is_answered_without_one(void **state)
{
	(void)state;
	remote_create(1, false);
	world_up(FEATURES, 1, SIZE);
	run();
	stream_acceptor_ended(&wire, false);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 20), 0);
		assert_memory_equal(ram(DATA(0)), "root-disk", 10);
		assert_int_equal(request(VIRTIO_BLK_T_IN, 1, 0), 0);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 1, 0), 0);
		assert_int_equal(request(99, 1, 0), VIRTIO_BLK_S_UNSUPP);
		assert_int_equal(request(VIRTIO_BLK_T_IN, SERVER_DISK / 512, 512), 1);
		fake_run_until(fake.now + AGAIN / 3);
	}
}

static void an_error_of_the_server_is_the_requests(void **state)
{
	static const uint32_t type[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH};

	(void)state;
	server.error = 5;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(request(type[i], 1, i < 2 ? 1024 : 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(server.connections, 1);
	server.error = 0;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 1, 1024), 0);
	expect_data(0);
}

/* ---- pieces, slots, queues ---- */

static void large_requests_are_done_in_pieces_that_the_server_takes(void **state)
{
	static const uint32_t most[] = {0, 65536, 40000, 4097, 4096};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		uint32_t piece = most[i] == 0 ? 65536 : most[i] / 512 * 512;
		uint32_t pieces = (TAG_DATA - 512 + piece - 1) / piece;

		server.most = most[i];
		server_close();
		pause();
		memset(server.done, 0, sizeof(server.done));
		fill(0, 0x60);
		submit_in(0, 0, VIRTIO_BLK_T_IN, 3, TAG_DATA - 512, 1 + 13 * i);
		run();
		assert_int_equal(collect(), 1);
		expect_data(0);
		assert_int_equal(server.done[NBD_CMD_READ], pieces);
		for (uint32_t k = 0; k < TAG_DATA; k++)
			*ram(DATA(1) + k) = (uint8_t)(k * 3 + (k >> 8) + i);
		submit_in(1, 0, VIRTIO_BLK_T_OUT, 1000, TAG_DATA - 512, 62);
		run();
		assert_int_equal(collect(), 1);
		assert_int_equal(*ram(STATUS(1)), 0);
		assert_int_equal(server.done[NBD_CMD_WRITE], pieces);
		assert_memory_equal(server.stable + 1000 * 512, ram(DATA(1)), TAG_DATA - 512);
	}
}

static void a_chain_of_more_buffers_than_it_said_stops_the_device(void **state)
{
	struct world_buffer b[65] = {{HEADER(0), 16, false}};

	(void)state;
	for (unsigned i = 1; i < 65; i++)
		b[i] = (struct world_buffer){DATA(0) + 512 * i, i < 64 ? 512 : 1, true};
	give(0, b, 65);
	notify(0);
	run();
	assert_true(needs_reset());
}

static void more_requests_than_slots_are_done_one_after_the_other(void **state)
{
	(void)state;
	server.holds = true;
	for (unsigned t = 0; t < TAGS; t++)
		submit(t, 0, t % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, 8 * t, 4096);
	run();
	assert_int_equal(server.tasks, BLK_SLOTS);
	for (unsigned i = 0; i < TAGS; i++) {
		server_answer(random_below(&server.seed, server.tasks));
		run();
		assert_int_equal(server.tasks, i < TAGS - BLK_SLOTS ? BLK_SLOTS : TAGS - 1 - i);
		assert_int_equal(collect(), 1);
	}
	for (unsigned t = 1; t < TAGS; t += 2)
		expect_data(t);
}

/* Also those whose chains found no slot, when it is another queue's that became free. */
static void each_queue_gets_slots(void **state)
{
	(void)state;
	remote_start(3, FEATURES);
	server.holds = true;
	for (unsigned t = 0; t < 16; t++)
		submit(t, 0, VIRTIO_BLK_T_IN, t, 512);
	run();
	submit(16, 1, VIRTIO_BLK_T_IN, 16, 512);
	submit(17, 2, VIRTIO_BLK_T_IN, 17, 512);
	run();
	assert_int_equal(collect(), 0);
	server.holds = false;
	server_answer(3);
	run();
	world.arrived[1] = 1;
	run();
	assert_int_equal(collect(), 18);
	for (unsigned t = 0; t < 18; t++)
		expect_data(t);
}

static void every_kind_of_ring_will_do(void **state)
{
	static const uint64_t rings[] = {0, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC,
		VIRTIO_F_RING_PACKED, VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX,
		VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC};

	(void)state;
	for (unsigned r = 0; r < 6; r++) {
		remote_start(2, FEATURES | rings[r]);
		for (unsigned round = 0; round < 30; round++) {
			server.holds = true;
			for (unsigned t = 0; t < 12; t++)
				submit_in(t, t % 2, VIRTIO_BLK_T_IN, round * 100 + t,
					512 * (t + 1), 1 + t % 3);
			run();
			assert_int_equal(server.tasks, 12);
			server.holds = false;
			world.arrived[1] = 1;
			run();
			assert_int_equal(collect(), 12);
			for (unsigned t = 0; t < 12; t++)
				expect_data(t);
		}
	}
}

/* The acceptor's ring takes a piece and a half: who waits is told, nobody starves. */
static void requests_wait_for_room_in_the_stream(void **state)
{
	uint32_t number;

	(void)state;
	for (unsigned t = 0; t < 8; t++) {
		fill(t, (uint8_t)(0x70 + t));
		submit(t, 0, VIRTIO_BLK_T_OUT, 512 * t, TAG_DATA);
	}
	submit(8, 0, VIRTIO_BLK_T_IN, 6000, 512);
	world.arrived[1] = 0;
	fake_works = 0;
	work();
	assert_true(ring_room(&wire.to[STREAM_ACCEPTOR]) < 65536 + 28);
	number = stream_wanted(&wire);
	world.arrived[1] = 1;
	run();
	assert_int_equal(collect(), 9);
	for (unsigned t = 0; t < 8; t++)
		expect_stable(512 * t, TAG_DATA / 512, (uint8_t)(0x70 + t));
	expect_data(8);
	assert_int_equal(stream_wanted(&wire), number);
}

static void a_turn_is_bounded(void **state)
{
	unsigned before;

	(void)state;
	for (unsigned t = 0; t < 8; t++)
		submit(t, 0, VIRTIO_BLK_T_IN, 512 * t, TAG_DATA);
	run();
	assert_int_equal(collect(), 8);
	server.holds = true;
	for (unsigned t = 0; t < 2; t++)
		submit(t, 0, VIRTIO_BLK_T_IN, 512 * t, 65536);
	run();
	server_answer(0);
	server.out_at = server.out_count = 0;
	before = ring_waiting(&wire.to[STREAM_OPENER]);
	assert_true(before >= 65536);
	blk_looks();
	platform_work(&machine);
	assert_in_range(before - ring_waiting(&wire.to[STREAM_OPENER]), 1, 65536 + 512);
	work();
	assert_int_equal(collect(), 1);
}

static void what_is_sent_in_a_turn_is_bounded(void **state)
{
	uint32_t before = 0, now;

	(void)state;
	for (unsigned t = 0; t < 3; t++)
		submit(t, 0, VIRTIO_BLK_T_OUT, 512 * t, 65536);
	for (unsigned t = 3; t < 16; t++)
		submit(t, 0, VIRTIO_BLK_T_OUT, 512 * t, 512);
	for (unsigned i = 0; i < 10; i++, before = now) {
		platform_work(&machine);
		now = ring_waiting(&wire.to[STREAM_ACCEPTOR]);
		assert_in_range(now - before, 0, 65536 + 2 * (28 + 512));
	}
	assert_true(now > 65536);
	run();
	assert_int_equal(collect(), 16);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_says_how_large_its_requests_may_be),
		T(the_log_hears_of_the_server_once),
		T(what_is_read_is_what_the_server_has),
		T(what_is_written_is_on_the_servers_storage),
		T(a_server_without_fua_is_asked_to_flush_each_write),
		T(a_server_that_can_do_nothing_more_reads_and_writes),
		T(a_server_that_never_says_what_is_safe_is_none_for_a_disk_that_is_written),
		T(a_flush_is_the_servers),
		T(ranges_are_discarded_and_zeroed_there),
		T(ranges_that_cannot_be_fail_where_they_stand),
		T(what_needs_no_server_is_answered_without_one),
		T(an_error_of_the_server_is_the_requests),
		T(large_requests_are_done_in_pieces_that_the_server_takes),
		T(a_chain_of_more_buffers_than_it_said_stops_the_device),
		T(more_requests_than_slots_are_done_one_after_the_other),
		T(each_queue_gets_slots),
		T(every_kind_of_ring_will_do),
		T(requests_wait_for_room_in_the_stream),
		T(a_turn_is_bounded),
		T(what_is_sent_in_a_turn_is_bounded),
	};

	return cmocka_run_group_tests_name("disks of other VMs", tests, NULL, NULL);
}
