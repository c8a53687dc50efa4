/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket device: data in both directions, and the credit that each side gives the other.
 */
#include "vsock_world.h"

#include "random.h"

/* ---- to the guest ---- */

static void what_the_opener_sends_the_guest_gets(void **state)
{
	(void)state;
	give_buffers(20, 2048);
	connect(0);
	connect(1);
	opener_sends(1, 0x42, 700);
	expect(VIRTIO_VSOCK_RW);
	assert_int_equal(h.length, 700);
	assert_int_equal(h.dst_port, PORT(1));
	for (unsigned i = 0; i < 700; i++)
		assert_int_equal(data[i], 0x42);
	expect_nothing();
}

static void data_goes_in_buffers_as_small_as_the_guest_likes(void **state)
{
	uint32_t got = 0;

	(void)state;
	give_buffers(1, 44);
	connect(0);
	opener_sends(0, 0x11, 1000);
	for (unsigned i = 0; got < 1000; i++) {
		give_buffers(1, 44 + 1 + i * 13);
		expect(VIRTIO_VSOCK_RW);
		assert_int_equal(h.length, 1 + i * 13 < 1000 - got ? 1 + i * 13 : 1000 - got);
		for (unsigned k = 0; k < h.length; k++)
			assert_int_equal(data[k], 0x11);
		got += h.length;
		expect_nothing();
	}
	assert_true(stream_has_room(&stream[0], STREAM_OPENER, RING));
}

static void a_guest_without_room_gets_no_more_than_it_has(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(20, 4096);
	p = ask(0);
	p.room = 1000;
	say(&p, VIRTIO_VSOCK_RESPONSE, 0);
	opener_sends(0, 1, 3000);
	expect(VIRTIO_VSOCK_RW);
	assert_int_equal(h.length, 1000);
	expect_nothing();
	p.passed = 400;
	say(&p, VIRTIO_VSOCK_CREDIT_UPDATE, 0);
	expect(VIRTIO_VSOCK_RW);
	assert_int_equal(h.length, 400);
	expect_nothing();
	p.room = 500; /* less than before: that much is on its way */
	p.passed = 800;
	say(&p, VIRTIO_VSOCK_CREDIT_UPDATE, 0);
	expect_nothing();
	p.passed = 5000; /* more than it got: that makes no room */
	say(&p, VIRTIO_VSOCK_CREDIT_UPDATE, 0);
	expect_nothing();
	p.passed = 1400;
	p.room = UINT32_MAX;
	say(&p, VIRTIO_VSOCK_CREDIT_UPDATE, 0);
	expect(VIRTIO_VSOCK_RW);
	assert_int_equal(h.length, 1600);
}

static void the_next_connection_has_all_its_credit(void **state)
{
	(void)state;
	give_buffers(20, 4096);
	for (unsigned i = 0; i < 3; i++) {
		struct peer p = ask(0);

		p.room = 1000;
		say(&p, VIRTIO_VSOCK_RESPONSE, 0);
		opener_sends(0, 1, 3000);
		expect(VIRTIO_VSOCK_RW);
		assert_int_equal(h.length, 1000);
		expect_nothing();
		say(&p, VIRTIO_VSOCK_RST, 0);
	}
}

static void who_waits_for_room_in_the_stream_is_told_when_the_guest_takes_some(void **state)
{
	(void)state;
	give_buffers(1, 44);
	connect(0);
	opener_sends(0, 1, RING);
	assert_false(stream_has_room(&stream[0], STREAM_OPENER, 100));
	world.arrived[0] = 0;
	give_buffers(1, 44 + 200);
	expect(VIRTIO_VSOCK_RW);
	assert_true(world.arrived[0] > 0);
	assert_true(stream_has_room(&stream[0], STREAM_OPENER, 100));
}

static void links_have_turns(void **state)
{
	unsigned seen[LINKS] = {0};

	(void)state;
	give_buffers(3, 44);
	for (unsigned i = 0; i < LINKS; i++)
		connect(i);
	for (unsigned i = 0; i < LINKS; i++)
		opener_sends(i, (uint8_t)i, 1000);
	for (unsigned i = 0; i < 9; i++) {
		give_buffers(1, 44 + 50);
		expect(VIRTIO_VSOCK_RW);
		seen[h.dst_port - PORT(0)]++;
	}
	for (unsigned i = 0; i < LINKS; i++)
		assert_int_equal(seen[i], 3);
}

/* ---- from the guest ---- */

static void what_the_guest_sends_the_opener_gets(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(20, 2048);
	p = connect(0);
	world.arrived[0] = 0;
	say_bytes(&p, 0x77, 900);
	assert_true(world.arrived[0] > 0);
	assert_int_equal(waiting(0), 900);
	opener_takes(0, 0x77, 900);
	expect_nothing(); /* it has enough credit */
}

static void a_guest_may_fill_the_ring_and_no_more(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(20, 2048);
	p = connect(0);
	say_bytes(&p, 5, RING - 10);
	say_bytes(&p, 5, 10);
	assert_int_equal(stream_state(&stream[0]), STREAM_OPEN);
	assert_int_equal(waiting(0), RING);
	say_bytes(&p, 6, 1); /* beyond its credit */
	assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
	expect(VIRTIO_VSOCK_RST);
	opener_takes(0, 5, RING);
}

static void the_guest_learns_of_room_before_it_has_none_for_long(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(20, 2048);
	p = connect(0);
	say_bytes(&p, 1, RING);
	expect_nothing();
	opener_takes(0, 1, 1000);
	expect_nothing();
	opener_takes(0, 1, 2072);
	expect(VIRTIO_VSOCK_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, 3072);
	assert_int_equal(h.buf_alloc, RING);
	assert_int_equal(h.length, 0);
	expect_nothing();
	say_bytes(&p, 2, 3072); /* what that allows */
	assert_int_equal(stream_state(&stream[0]), STREAM_OPEN);
	opener_takes(0, 1, 1024);
	opener_takes(0, 2, 3072);
	expect(VIRTIO_VSOCK_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, 2 * RING - 1024);
}

static void a_guest_that_asks_for_credit_is_told(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(20, 2048);
	p = connect(0);
	say_bytes(&p, 1, 100);
	opener_takes(0, 1, 60);
	say(&p, VIRTIO_VSOCK_CREDIT_REQUEST, 0);
	expect(VIRTIO_VSOCK_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, 60);
	expect_nothing();
}

static void packets_that_say_more_than_they_have_stop_the_device(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct virtio_vsock_hdr bad = {CID, 2, 1, 2, 11, 1, VIRTIO_VSOCK_RW, 0, 0, 0};
		struct world_buffer b[2] = {{TX_AT,
						    i < 2    ? 44 + 10
						    : i == 2 ? 43
							     : 44 + 11,
						    false},
			{TX_AT + 0x1000, 8, true}}; /* to be written: there is nothing to */

		setup(state);
		bad.length = i == 1 ? UINT32_MAX : 11;
		memcpy(ram(TX_AT), &bad, sizeof(bad));
		give(TX, b, i == 3 ? 2 : 1);
		notify(TX);
		work();
		assert_true(needs_reset());
	}
	for (unsigned i = 0; i < 2; i++) { /* nor are these buffers for packets */
		struct world_buffer b = {TX_AT, i == 0 ? 43 : 2048, i == 0};

		setup(state);
		stream_open(&stream[0]);
		arrive();
		give(RX, &b, 1);
		notify(RX);
		work();
		assert_true(needs_reset());
	}
}

/* ---- turns ---- */

static void a_large_packet_takes_several_turns(void **state)
{
	static uint8_t large[2 * 262144];
	struct world_buffer b[2] = {{TX_AT, 44, false}, {0x340000, 0x20000, false}};
	struct virtio_vsock_hdr packet = {
		CID, 2, PORT(0), 0, 0x20000, 1, VIRTIO_VSOCK_RW, 0, ROOM, 0};
	struct peer p;

	(void)state;
	stream_create(&stream[0], 0, 1, PORT(0), large, 262144);
	vsock.link[0] = (struct vsock_link){.stream = &stream[0]};
	give_buffers(8, 2048);
	assert_true(stream_open(&stream[0]));
	arrive();
	expect(VIRTIO_VSOCK_REQUEST);
	p = (struct peer){0, h.src_port, 0, ROOM};
	say(&p, VIRTIO_VSOCK_RESPONSE, 0);
	packet.dst_port = p.port;
	memset(ram(0x340000), 0x33, 0x20000);
	memcpy(ram(TX_AT), &packet, sizeof(packet));
	give(TX, b, 2);
	notify(TX);
	platform_work(&machine);
	assert_in_range(waiting(0), 0x8000, 0x14000);
	assert_int_equal(vsock.receiving, 0x20000 - waiting(0));
	work();
	assert_int_equal(waiting(0), 0x20000);
	give(TX, b, 2);
	notify(TX);
	platform_work(&machine);
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, TX); /* the rest does not come */
	set_common(VIRTIO_COMMON_QUEUE_RESET, 2, 1);
	assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
	world_queue(TX, SIZE);
	work();
	expect(VIRTIO_VSOCK_RST);
	assert_true(stream_open(&stream[0]));
	arrive();
	expect(VIRTIO_VSOCK_REQUEST);
	p.port = h.src_port;
	say(&p, VIRTIO_VSOCK_RESPONSE, 0); /* a packet again, no data of the last one */
	assert_int_equal(stream_state(&stream[0]), STREAM_OPEN);
}

static void a_reset_in_the_middle_of_a_packet_forgets_it(void **state)
{
	struct world_buffer b[2] = {{TX_AT, 44, false}, {0x340000, 0x20000, false}};
	struct virtio_vsock_hdr packet = {CID, 2, 9, 9, 0x20000, 1, VIRTIO_VSOCK_RW, 0, 0, 0};

	(void)state;
	memcpy(ram(TX_AT), &packet, sizeof(packet));
	give(TX, b, 2);
	notify(TX);
	platform_work(&machine);
	world_up(VIRTIO_F_VERSION_1, 3, SIZE);
	work();
	given = 0;
	give_buffers(8, 2048);
	connect(0);
}

/* ---- both, at random ---- */

static uint64_t seed;

struct flow {
	uint32_t sent, got;
};

static uint8_t content(unsigned way, uint32_t i)
{
	return (uint8_t)(i * 5 + (i >> 8) + way * 77);
}

static void guest_sends(const struct peer *p, struct flow *f, uint32_t passed)
{
	uint32_t left = RING - (f->sent - passed), n = random_below(&seed, left + 1);

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		*ram(TX_AT + 0x1000 + i) = content(0, f->sent + i);
	f->sent += n;
	say(p, VIRTIO_VSOCK_RW, n);
}

static void opener_moves(struct flow *up, struct flow *down)
{
	struct stream_ring *in = &stream[0].to[STREAM_OPENER];
	uint32_t n = random_below(&seed, ring_waiting(in) + 1);

	ring_peek(in, data, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(data[i], content(0, up->got + i));
	up->got += n;
	stream_took(&stream[0], STREAM_OPENER, n);
	n = random_below(&seed, RING);
	if (!stream_has_room(&stream[0], STREAM_OPENER, n))
		return;
	for (uint32_t i = 0; i < n; i++)
		data[i] = content(1, down->sent + i);
	ring_put(&stream[0].to[STREAM_ACCEPTOR], 0, data, n);
	stream_send(&stream[0], STREAM_OPENER, n);
	down->sent += n;
}

static void bytes_arrive_in_order_both_ways_within_the_credit(void **state)
{
	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		struct flow up = {0}, down = {0};
		uint32_t host_passed = 0;
		struct peer p;

		start(packed ? VIRTIO_F_RING_PACKED : 0);
		give_buffers(30, 500);
		p = connect(0);
		p.room = 3000;
		for (unsigned i = 0; i < 4000; i++) {
			guest_sends(&p, &up, host_passed);
			opener_moves(&up, &down);
			arrive();
			while (packet()) {
				host_passed = h.fwd_cnt;
				for (uint32_t k = 0; k < h.length; k++)
					assert_int_equal(data[k], content(1, down.got + k));
				down.got += h.length;
			}
			assert_true(down.got - p.passed <= 3000);
			p.passed += random_below(&seed, down.got - p.passed + 1);
			if (random_below(&seed, 2))
				say(&p, VIRTIO_VSOCK_CREDIT_UPDATE, 0);
			give_buffers(queue[RX].free < 20 ? queue[RX].free : 20, 500);
			assert_int_equal(stream_state(&stream[0]), STREAM_OPEN);
		}
		assert_true(up.got > 1000000 && down.got > 1000000);
	}
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_the_opener_sends_the_guest_gets),
		T(data_goes_in_buffers_as_small_as_the_guest_likes),
		T(a_guest_without_room_gets_no_more_than_it_has),
		T(the_next_connection_has_all_its_credit),
		T(who_waits_for_room_in_the_stream_is_told_when_the_guest_takes_some),
		T(links_have_turns),
		T(what_the_guest_sends_the_opener_gets),
		T(a_guest_may_fill_the_ring_and_no_more),
		T(the_guest_learns_of_room_before_it_has_none_for_long),
		T(a_guest_that_asks_for_credit_is_told),
		T(packets_that_say_more_than_they_have_stop_the_device),
		T(a_large_packet_takes_several_turns),
		T(a_reset_in_the_middle_of_a_packet_forgets_it),
		T(bytes_arrive_in_order_both_ways_within_the_credit),
	};

	return cmocka_run_group_tests_name("virtio sockets, data", tests, NULL, NULL);
}
