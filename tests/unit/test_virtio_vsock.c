/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket device: connections that a guest is asked for, accepts, refuses and ends, and
 * packets that nobody asked for.
 */
#include "vsock_world.h"

/* ---- connections ---- */

static void the_guest_learns_its_address(void **state)
{
	(void)state;
	assert_int_equal(get(at.config, 8), CID);
	assert_int_equal(common(VIRTIO_COMMON_QUEUES, 2), 3);
}

static void the_guest_is_asked_when_it_has_a_buffer_and_may_accept(void **state)
{
	struct peer p;

	(void)state;
	assert_true(stream_open(&stream[1]));
	arrive();
	assert_int_equal(stream_state(&stream[1]), STREAM_OPENING);
	give_buffers(4, 2048);
	expect(VIRTIO_VSOCK_REQUEST);
	assert_int_equal(interrupt(), QUEUE_VECTOR(RX));
	assert_int_equal(h.dst_port, PORT(1));
	expect_nothing();
	p = (struct peer){1, h.src_port, 0, ROOM};
	say(&p, VIRTIO_VSOCK_RESPONSE, 0);
	assert_int_equal(stream_state(&stream[1]), STREAM_OPEN);
	expect_nothing();
}

static void what_is_wanted_before_there_is_a_driver_waits(void **state)
{
	(void)state;
	world_start();
	given = 0;
	for (unsigned i = 0; i < LINKS; i++)
		stream_create(&stream[i], 0, 1, PORT(i), memory[i], RING);
	create();
	assert_true(stream_open(&stream[0]));
	arrive();
	world_up(VIRTIO_F_VERSION_1, 3, SIZE);
	give_buffers(2, 2048);
	expect(VIRTIO_VSOCK_REQUEST);
}

static void the_guest_may_refuse(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(8, 2048);
	p = ask(2);
	say(&p, VIRTIO_VSOCK_RST, 0);
	assert_int_equal(stream_state(&stream[2]), STREAM_ENDED);
	expect_nothing();
	p = connect(2); /* another time it does not */
	say(&p, VIRTIO_VSOCK_RST, 0);
	assert_int_equal(stream_state(&stream[2]), STREAM_ENDED);
	expect_nothing();
}

static void each_connection_has_a_port_of_its_own(void **state)
{
	uint32_t seen[12];

	(void)state;
	give_buffers(60, 2048);
	for (unsigned i = 0; i < 12; i++) {
		struct peer p = connect(i % LINKS);

		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(seen[k], p.port);
		seen[i] = p.port;
		say(&p, VIRTIO_VSOCK_RST, 0);
	}
}

static void what_the_opener_closes_is_reset_and_can_be_opened_again(void **state)
{
	struct peer p, next;

	(void)state;
	give_buffers(10, 2048);
	p = connect(0);
	stream_close(&stream[0]);
	assert_false(stream_open(&stream[0]));
	arrive();
	expect(VIRTIO_VSOCK_RST);
	assert_int_equal(h.src_port, p.port);
	assert_int_equal(h.dst_port, PORT(0));
	expect_nothing();
	next = connect(0);
	say(&p, VIRTIO_VSOCK_RW, 0); /* late, for nobody */
	expect(VIRTIO_VSOCK_RST);
	assert_int_equal(h.src_port, p.port);
	assert_int_equal(stream_state(&stream[0]), STREAM_OPEN);
	say_bytes(&next, 1, 10);
	opener_takes(0, 1, 10);
}

static void what_is_closed_before_the_guest_answers_is_over(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(10, 2048);
	p = ask(0);
	stream_close(&stream[0]);
	arrive();
	expect(VIRTIO_VSOCK_RST);
	say(&p, VIRTIO_VSOCK_RESPONSE, 0); /* on its way meanwhile */
	expect(VIRTIO_VSOCK_RST);
	assert_int_equal(h.src_port, p.port);
	assert_int_equal(stream_state(&stream[0]), STREAM_CLOSED);
	connect(0);
}

static void a_guest_that_shuts_down_has_ended_it(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(10, 2048);
	p = connect(0);
	say_bytes(&p, 9, 100);
	say(&p, VIRTIO_VSOCK_SHUTDOWN, 0);
	assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
	expect(VIRTIO_VSOCK_RST);
	assert_int_equal(h.src_port, p.port);
	opener_takes(0, 9, 100); /* what it had sent */
	say_bytes(&p, 9, 100);
	expect(VIRTIO_VSOCK_RST);
	assert_int_equal(waiting(0), 0);
}

static void what_makes_no_sense_resets_the_connection(void **state)
{
	static const enum virtio_vsock_op ops[] = {0, VIRTIO_VSOCK_REQUEST,
		VIRTIO_VSOCK_RESPONSE, VIRTIO_VSOCK_CREDIT_REQUEST + 1};

	(void)state;
	give_buffers(40, 2048);
	for (unsigned i = 0; i < 4; i++) {
		struct peer p = connect(0);

		say(&p, ops[i], 0);
		assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
		expect(VIRTIO_VSOCK_RST);
		expect_nothing();
	}
	say_bytes(&(struct peer){.link = 0, .port = ask(0).port}, 1, 10); /* not accepted */
	assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
	expect(VIRTIO_VSOCK_RST);
}

/* It can guess the port of the next connection, which it was not asked yet. */
static void a_guest_cannot_accept_what_it_was_not_asked(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(1, 2048);
	p = connect(0);
	say(&p, VIRTIO_VSOCK_SHUTDOWN, 0);
	assert_true(stream_open(&stream[0]));
	arrive();
	p.port += 2 * 64;
	say(&p, VIRTIO_VSOCK_RESPONSE, 0);
	assert_int_equal(stream_state(&stream[0]), STREAM_OPENING);
	give_buffers(2, 2048);
	expect(VIRTIO_VSOCK_RST); /* of what it accepted */
	expect(VIRTIO_VSOCK_RST); /* of what it had */
	assert_int_equal(h.src_port, p.port - 2 * 64);
	say(&p, VIRTIO_VSOCK_RESPONSE, 0); /* the request would be next */
	assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
}

static void packets_for_nobody_are_answered_with_a_reset(void **state)
{
	struct virtio_vsock_hdr good, bad;
	struct peer p;

	(void)state;
	give_buffers(40, 2048);
	p = connect(0);
	good = (struct virtio_vsock_hdr){
		CID, 2, PORT(0), p.port, 0, 1, VIRTIO_VSOCK_CREDIT_UPDATE, 0, ROOM, 0};
	for (unsigned i = 0; i < 6; i++) {
		bad = good;
		bad.dst_cid += i == 0 ? UINT64_C(1) << 32 : 0;
		bad.src_port += i == 1;
		bad.dst_port += i == 2 ? 1 : i == 3 ? 63 : 0;
		bad.type += i == 4;
		bad.dst_port += i == 5 ? 1u << 31 : 0;
		send_packet(&bad, 0);
		expect(VIRTIO_VSOCK_RST);
		assert_int_equal(h.src_cid, bad.dst_cid);
		assert_int_equal(h.src_port, bad.dst_port);
		assert_int_equal(h.dst_port, bad.src_port);
		bad.op = VIRTIO_VSOCK_RST; /* which is never answered */
		send_packet(&bad, 0);
		expect_nothing();
	}
	good.src_cid++; /* of another guest: it lies */
	good.op = VIRTIO_VSOCK_SHUTDOWN;
	send_packet(&good, 0);
	expect_nothing();
	assert_int_equal(stream_state(&stream[0]), STREAM_OPEN);
}

static void a_guest_that_takes_no_resets_has_to_wait(void **state)
{
	struct virtio_vsock_hdr bad = {CID, 2, 1, 2, 0, 1, VIRTIO_VSOCK_REQUEST, 0, 0, 0};
	unsigned resets = 0, n = VSOCK_RESETS + 5;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		bad.src_port = i;
		send_packet(&bad, 0);
	}
	assert_int_equal(vsock.reset_count, VSOCK_RESETS);
	assert_int_equal(queue[TX].free, SIZE - 5);
	give_buffers(60, 44);
	while (packet())
		resets++;
	assert_int_equal(resets, n);
}

/* ---- resets, state ---- */

static void a_reset_of_the_device_ends_what_was_accepted(void **state)
{
	struct peer p;

	(void)state;
	give_buffers(8, 2048);
	connect(0);
	p = ask(1);
	world_up(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET, 3, SIZE);
	work();
	assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
	assert_int_equal(stream_state(&stream[1]), STREAM_OPENING);
	give_buffers(8, 2048);
	expect(VIRTIO_VSOCK_REQUEST); /* the next driver is asked */
	assert_int_equal(h.src_port, p.port);
	expect_nothing();
	connect(0);
}

static void what_the_opener_closed_meanwhile_is_seen_by_the_next_driver(void **state)
{
	(void)state;
	give_buffers(8, 2048);
	connect(0);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	stream_close(&stream[0]);
	arrive();
	assert_false(stream_open(&stream[0]));
	world_up(VIRTIO_F_VERSION_1, 3, SIZE);
	work();
	give_buffers(8, 2048);
	connect(0);
}

static void a_device_of_the_next_life_ends_what_the_last_had_accepted(void **state)
{
	(void)state;
	give_buffers(8, 2048);
	connect(0);
	ask(1);
	world_start();
	given = 0;
	create();
	assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
	assert_int_equal(stream_state(&stream[1]), STREAM_OPENING);
	world_up(VIRTIO_F_VERSION_1, 3, SIZE);
	give_buffers(8, 2048);
	expect(VIRTIO_VSOCK_REQUEST);
	expect_nothing();
}

static void a_device_takes_64_streams(void **state)
{
	static struct stream more;

	(void)state;
	stream_create(&more, 0, 1, 1, memory[0], RING);
	for (unsigned i = LINKS; i < VSOCK_LINKS; i++)
		assert_true(virtio_vsock_add(&vsock, &more));
	assert_false(virtio_vsock_add(&vsock, &more));
}

static void after_a_state_is_put_back_the_guest_learns_that_connections_are_gone(void **state)
{
	static struct virtio_state s;
	struct world_buffer b = {0x3f0000, 8, true};
	uint32_t event = UINT32_MAX, written;
	uint16_t id;
	struct peer late;

	(void)state;
	give_buffers(8, 2048);
	connect(0);
	late = ask(1);
	give(EV, &b, 1);
	notify(EV);
	work();
	assert_false(used(EV, &id, &written));
	dev_lock(&machine);
	virtio_get_state(&vsock.v, &s);
	assert_true(virtio_vsock_set_state(&vsock, &s));
	dev_unlock(&machine);
	assert_int_equal(stream_state(&stream[0]), STREAM_ENDED);
	assert_int_equal(stream_state(&stream[1]), STREAM_ENDED);
	say(&late, VIRTIO_VSOCK_RESPONSE, 0); /* accepted before it hears of it */
	assert_int_equal(stream_state(&stream[1]), STREAM_ENDED);
	expect(VIRTIO_VSOCK_RST);
	assert_true(used(EV, &id, &written));
	assert_int_equal(written, 4);
	memcpy(&event, ram(0x3f0000), 4);
	assert_int_equal(event, 0);
	give(EV, &b, 1); /* once */
	notify(EV);
	work();
	assert_false(used(EV, &id, &written));
	connect(0);
	s.status = 0xff;
	s.features = 0;
	dev_lock(&machine);
	assert_false(virtio_vsock_set_state(&vsock, &s));
	dev_unlock(&machine);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_guest_learns_its_address),
		T(the_guest_is_asked_when_it_has_a_buffer_and_may_accept),
		T(what_is_wanted_before_there_is_a_driver_waits),
		T(the_guest_may_refuse),
		T(each_connection_has_a_port_of_its_own),
		T(what_the_opener_closes_is_reset_and_can_be_opened_again),
		T(what_is_closed_before_the_guest_answers_is_over),
		T(a_guest_that_shuts_down_has_ended_it),
		T(what_makes_no_sense_resets_the_connection),
		T(a_guest_cannot_accept_what_it_was_not_asked),
		T(packets_for_nobody_are_answered_with_a_reset),
		T(a_guest_that_takes_no_resets_has_to_wait),
		T(a_reset_of_the_device_ends_what_was_accepted),
		T(what_the_opener_closed_meanwhile_is_seen_by_the_next_driver),
		T(a_device_of_the_next_life_ends_what_the_last_had_accepted),
		T(a_device_takes_64_streams),
		T(after_a_state_is_put_back_the_guest_learns_that_connections_are_gone),
	};

	return cmocka_run_group_tests_name("virtio sockets", tests, NULL, NULL);
}
