/* SPDX-License-Identifier: Apache-2.0 */
/* The network device between a driver's rings and the switch. */
#include "net_device.h"

/* ---- what it is ---- */

static void the_configuration_tells_address_link_and_mtu(void **state)
{
	(void)state;
	create((struct net_setup){.mtu = 9000});
	up(PLAIN);
	assert_int_equal(get(at.config, 4), 0x00000052);
	assert_int_equal(get(at.config + 4, 2), 0x0000);
	assert_int_equal(get(at.config + 6, 2), 1);
	assert_int_equal(get(at.config + 8, 2), 1);
	assert_int_equal(get(at.config + 10, 2), 9000);
	assert_int_equal(get(WORLD_ECAM, 4), 0x10411af4);
}

static void what_is_refused_is_not_offered(void **state)
{
	(void)state;
	world_start();
	assert_true(virtio_net_create(
		&device, &machine, WORLD_BDF, &net, 0, HOST | VIRTIO_NET_F_GUEST_CSUM));
	world_find();
	assert_int_equal(world_offered() & (HOST | GUEST),
		VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6);
}

/* ---- sending ---- */

static void a_frame_reaches_the_port_of_its_address(void **state)
{
	struct net_meta m;

	(void)state;
	up(PLAIN);
	net_fill(bytes, 1000, 2, 0, ETH_TYPE_IPV4);
	transmit(NULL, 1000);
	m = take_from(2, 1000);
	assert_int_equal(m.flags | m.gso | m.tci, 0);
	assert_true(net_queue_empty(&net.port[1].queue[0]));
	assert_int_equal(net_arrivals[2], 1);
}

static void a_large_broadcast_takes_several_turns_and_reaches_all(void **state)
{
	struct virtio_net_hdr h;

	(void)state;
	up(PLAIN | HOST);
	h = tcp(60000, 1448, 0, 0);
	memset(bytes, 0xff, 6);
	transmit(&h, 60054);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(take_from(i, 60054).gso_size, 1448);
	assert_int_equal(net.port[0].counters.sent_frames, 1);
}

static void a_link_that_is_down_is_told_and_carries_nothing(void **state)
{
	(void)state;
	up(PLAIN | VIRTIO_NET_F_STATUS);
	post(0, 2000);
	virtio_net_set_link(&device, false);
	assert_int_equal(interrupt(), CONFIG_VECTOR);
	assert_int_equal(get(at.config + 6, 2), 0);
	assert_false(virtio_net_link(&device));
	net_fill(bytes, 1000, 2, 0, ETH_TYPE_IPV4);
	transmit(NULL, 1000);
	assert_true(net_queue_empty(&net.port[2].queue[0]));
	assert_int_equal(dropped(NET_DROP_LINK), 1);
	assert_int_equal(net.port[0].counters.sent_frames, 0);
	net_fill(bytes, 1000, 0, 2, ETH_TYPE_IPV4);
	assert_int_equal(net_send(2, bytes, 1000, NULL), 0);
	virtio_net_set_link(&device, true);
	assert_int_equal(interrupt(), CONFIG_VECTOR);
	assert_int_equal(get(at.config + 6, 2), 1);
	assert_int_equal(net_send(2, bytes, 1000, NULL), 1);
	net_fill(bytes, 1000, 2, 0, ETH_TYPE_IPV4);
	transmit(NULL, 1000);
	take_from(2, 1000);
}

static void work_that_was_not_agreed_on_drops_the_frame(void **state)
{
	struct virtio_net_hdr h = tcp(2000, 1000, 0, 2);

	(void)state;
	up(PLAIN);
	transmit(&h, 2054);
	h = tcp(1000, 0, 0, 2);
	transmit(&h, 1054);
	up(PLAIN | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO6);
	transmit(&h, 1054);
	take_from(2, 1054);
	h = tcp(2000, 1000, 0, 2);
	transmit(&h, 2054);
	h.gso_type = VIRTIO_NET_GSO_TCPV6 | VIRTIO_NET_GSO_ECN;
	transmit(&h, 2054);
	assert_int_equal(dropped(NET_DROP_BAD), 4);
	assert_true(net_queue_empty(&net.port[2].queue[0]));
	assert_false(needs_reset());
}

static void frames_that_cannot_be_are_dropped_and_the_device_goes_on(void **state)
{
	static const uint32_t lengths[] = {
		0, 1, HDR - 1, HDR, HDR + 13, HDR + NET_FRAME_MAX + 1};
	uint32_t written;
	uint16_t id;

	(void)state;
	up(PLAIN);
	for (unsigned i = 0; i < 6; i++) {
		const struct world_buffer b = {BUFFERS, lengths[i], false};

		memset(ram(BUFFERS), 0, NET_FRAME_MAX + 16);
		give(TX, &b, 1);
		notify(TX);
		work();
		assert_true(used(TX, &id, &written));
	}
	assert_int_equal(dropped(NET_DROP_BAD), 6);
	net_fill(bytes, 100, 2, 3, ETH_TYPE_IPV4);
	transmit(NULL, 100);
	assert_int_equal(dropped(NET_DROP_SOURCE), 1);
	net_fill(bytes, 100, 2, 0, ETH_TYPE_IPV4);
	transmit(NULL, 100);
	take_from(2, 100);
	assert_false(needs_reset());
}

static void chains_that_cannot_be_stop_the_device(void **state)
{
	static const struct {
		unsigned queue;
		struct world_buffer b[2];
	} cases[] = {
		{TX, {{BUFFERS, 100, false}, {BUFFERS, 100, true}}},
		{TX, {{BUFFERS, HDR, false}, {WORLD_RAM - 10, 100, false}}},
		{TX, {{BUFFERS, HDR + 256, false}, {WORLD_RAM - 10, 100, false}}},
		{RX, {{BUFFERS, 100, false}, {BUFFERS, 2000, true}}},
		{RX, {{BUFFERS, HDR, true}, {WORLD_RAM - 10, 2000, true}}},
		{CTRL, {{BUFFERS, 1, false}, {BUFFERS, 1, true}}},
		{CTRL, {{BUFFERS, 2, false}, {BUFFERS, 0, true}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct world_buffer first = {BUFFERS + 0x10000, 12, true};

		up(MERGE | VIRTIO_NET_F_CTRL_VQ);
		if (cases[i].queue == RX)
			give(RX, &first, 1);
		give(cases[i].queue, cases[i].b, 2);
		net_fill(ram(BUFFERS) + HDR, 256, 2, 0, ETH_TYPE_IPV4);
		memset(ram(BUFFERS), 0, HDR);
		notify(cases[i].queue);
		work();
		net_fill(bytes, 100, 0, 1, ETH_TYPE_IPV4);
		net_send(1, bytes, 100, NULL);
		arrive();
		if (!needs_reset())
			fail_msg("case %zu", i);
		assert_int_equal(net_held, -1);
		assert_true(net_queue_empty(&net.port[2].queue[0]));
	}
}

static void a_rate_delays_and_loses_nothing(void **state)
{
	const struct world_buffer b = {BUFFERS, HDR + 1000, false};
	unsigned sent = 0, looks = 0;
	uint32_t written;
	uint16_t id;

	(void)state;
	create((struct net_setup){.mtu = 1500, .rate = 800000}); /* 100 frames a second */
	up(PLAIN);
	net_fill(ram(BUFFERS) + HDR, 1000, 2, 0, ETH_TYPE_IPV4);
	for (unsigned i = 0; i < 40; i++)
		give(TX, &b, 1);
	notify(TX);
	while (sent < 40 && looks++ < 1000) {
		platform_work(&machine);
		net_time += NET_SECOND / 1000;
		while (used(TX, &id, &written))
			sent++;
	}
	assert_int_equal(sent, 40);
	assert_in_range(looks, 200, 400);
	assert_int_equal(net.port[2].queue[0].tail / 1016, 40);
}

/* ---- receiving ---- */

static void a_frame_comes_in_a_buffer_behind_its_header(void **state)
{
	uint32_t written;
	uint16_t id;

	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		create((struct net_setup){.mtu = 1500});
		up(PLAIN | (packed ? VIRTIO_F_RING_PACKED : 0));
		net_fill(bytes, 1000, 0, 1, ETH_TYPE_IPV4);
		assert_int_equal(net_send(1, bytes, 1000, NULL), 0); /* not yet */
		post(0, 2000);
		assert_int_equal(net_send(1, bytes, 1000, NULL), 1);
		arrive();
		assert_true(used(RX, &id, &written));
		assert_int_equal(written, HDR + 1000);
		assert_int_equal(header(0).num_buffers, 1);
		assert_int_equal(header(0).flags | header(0).gso_type, 0);
		assert_memory_equal(ram(buffer_at(0) + HDR), bytes, 1000);
		assert_int_equal(*ram(buffer_at(0) + HDR + 1000), 0xee);
		assert_int_equal(interrupt(), QUEUE_VECTOR(RX));
		assert_int_equal(net.port[0].counters.received_frames, 1);
		assert_int_equal(net.port[0].counters.received_bytes, 1000);
	}
}

static void a_frame_waits_until_enough_buffers_are_there(void **state)
{
	uint8_t got[1012];
	uint32_t written, total = 0;
	uint16_t id;

	(void)state;
	for (unsigned mode_of = 0; mode_of < 4; mode_of++) {
		create((struct net_setup){.mtu = 1500});
		up(MERGE | (mode_of & 1 ? VIRTIO_F_RING_PACKED : 0) |
			(mode_of & 2 ? VIRTIO_F_EVENT_IDX : 0));
		post(0, 200);
		net_fill(bytes, 1000, 0, 1, ETH_TYPE_IPV4);
		assert_int_equal(net_send(1, bytes, 1000, NULL), 1);
		arrive();
		for (unsigned i = 1; i < 6; i++) {
			assert_false(used(RX, &id, &written));
			post(i, 200);
		}
		total = 0;
		for (unsigned i = 0; i < 6; i++) {
			assert_true(used(RX, &id, &written));
			assert_int_equal(written, i < 5 ? 200 : 12);
			memcpy(got + total, ram(buffer_at(i)), written);
			total += written;
		}
		assert_false(used(RX, &id, &written));
		assert_int_equal(header(0).num_buffers, 6);
		assert_memory_equal(got + HDR, bytes, 1000);
	}
}

static void many_frames_pass_through_a_ring_in_order(void **state)
{
	uint32_t written, got = 0;
	uint16_t id;

	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		create((struct net_setup){.mtu = 1500});
		up(MERGE | (packed ? VIRTIO_F_RING_PACKED : 0));
		for (unsigned i = 0; i < 8; i++)
			post(i, 300);
		got = 0;
		for (uint32_t n = 0; n < 400; n++) {
			uint32_t length = 20 + (n * 37) % 1400, left = length + HDR;

			net_fill(bytes, length, 0, 1, (uint16_t)n);
			assert_int_equal(net_send(1, bytes, length, NULL), 1);
			arrive();
			for (; left > 0; got++) {
				assert_true(used(RX, &id, &written));
				assert_int_equal(written, left < 300 ? left : 300);
				if (left == length + HDR)
					assert_memory_equal(ram(buffer_at(got % 8) + HDR),
						bytes, written - HDR);
				left -= written;
				post(got % 8, 300);
			}
		}
	}
}

static void buffers_that_are_too_small_lose_the_frame(void **state)
{
	uint32_t written;
	uint16_t id;

	(void)state;
	up(PLAIN);
	post(0, 500);
	net_fill(bytes, 1000, 0, 1, ETH_TYPE_IPV4);
	net_send(1, bytes, 1000, NULL);
	net_send(1, bytes, 488, NULL);
	arrive();
	assert_int_equal(dropped(NET_DROP_BUFFERS), 1);
	assert_true(used(RX, &id, &written));
	assert_int_equal(written, 500);
	assert_memory_equal(ram(buffer_at(0) + HDR), bytes, 488);
	/* Of mergeable ones so many may be used. */
	up(MERGE);
	for (unsigned i = 0; i < SIZE; i++)
		post(0, 12);
	net_send(1, bytes, 1000, NULL);
	arrive();
	assert_int_equal(dropped(NET_DROP_BUFFERS), 2);
	assert_false(used(RX, &id, &written));
	assert_false(needs_reset());
}

/* ---- work that the sender left ---- */

static unsigned tcp_sum(const uint8_t *frame, uint32_t length)
{
	unsigned s = IP_PROTOCOL_TCP + length - 34;

	for (uint32_t i = 26; i < length; i++)
		s += i % 2 == 0 ? (unsigned)frame[i] << 8 : frame[i];
	while (s > 0xffff)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void a_checksum_is_made_for_who_does_not_take_it_over(void **state)
{
	uint32_t written;
	uint16_t id;

	(void)state;
	up(PLAIN);
	post(0, 2000);
	send_tcp_to_us(999, 0);
	arrive();
	assert_true(used(RX, &id, &written));
	assert_int_equal(header(0).flags, 0);
	assert_memory_not_equal(ram(buffer_at(0) + HDR + 50), bytes + 50, 2);
	up(PLAIN | GUEST);
	post(0, 2000);
	send_tcp_to_us(999, 0);
	arrive();
	assert_true(used(RX, &id, &written));
	assert_int_equal(header(0).flags, VIRTIO_NET_NEEDS_CSUM);
	assert_int_equal(header(0).csum_start, 34);
	assert_int_equal(header(0).csum_offset, 16);
	assert_memory_equal(ram(buffer_at(0) + HDR), bytes, 1053);
}

static void a_large_frame_comes_whole_or_in_segments(void **state)
{
	uint32_t written;
	uint16_t id;

	(void)state;
	up(PLAIN | GUEST);
	post(0, 0x11000);
	send_tcp_to_us(5000, 1000);
	arrive();
	assert_true(used(RX, &id, &written));
	assert_int_equal(written, HDR + 5054);
	assert_int_equal(header(0).gso_type, VIRTIO_NET_GSO_TCPV4);
	assert_int_equal(header(0).gso_size, 1000);
	assert_int_equal(header(0).hdr_len, 54);
	up(PLAIN);
	post(0, 2000);
	send_tcp_to_us(5001, 1000);
	arrive();
	for (unsigned i = 0; i < 6; i++) {
		assert_true(used(RX, &id, &written));
		assert_int_equal(written, HDR + 54 + (i < 5 ? 1000 : 1));
		assert_int_equal(header(i).gso_type | header(i).flags, 0);
		assert_memory_equal(
			ram(buffer_at(i) + HDR + 54), bytes + 54 + 1000 * i, written - 66);
		assert_int_equal(tcp_sum(ram(buffer_at(i) + HDR), written - HDR), 0xffff);
		post(i + 1, 2000);
	}
	assert_false(used(RX, &id, &written));
	/* Too many of them. */
	send_tcp_to_us(5000, 10);
	arrive();
	assert_int_equal(dropped(NET_DROP_BUFFERS), 1);
}

static void a_trunk_gets_tags(void **state)
{
	struct virtio_net_hdr h;
	uint32_t written;
	uint16_t id;
	uint8_t *frame;

	(void)state;
	create((struct net_setup){.mtu = 1500, .trunk = true});
	net_add(4, (struct net_setup){.network = 1, .vlan = 5});
	up(PLAIN | GUEST | HOST);
	post(0, 2000);
	h = tcp(500, 0, 4, 0);
	net_send(4, bytes, 554,
		&(struct net_meta){.flags = 1, .csum_start = 34, .csum_offset = 16});
	arrive();
	assert_true(used(RX, &id, &written));
	assert_int_equal(written, HDR + 558);
	assert_int_equal(header(0).csum_start, 38);
	frame = ram(buffer_at(0) + HDR);
	assert_memory_equal(frame, bytes, 12);
	assert_memory_equal(frame + 12, "\x81\x00\x00\x05", 4);
	assert_memory_equal(frame + 16, bytes + 12, 542);
	/* And back. */
	memmove(bytes, frame, 558);
	net_mac(bytes, 4);
	net_mac(bytes + 6, 0);
	h.csum_start = 38;
	transmit(&h, 558);
	memmove(bytes + 12, bytes + 16, 542);
	assert_int_equal(take_from(4, 554).csum_start, 34);
}

/* ---- life ---- */

static void a_reset_closes_the_port(void **state)
{
	(void)state;
	up(PLAIN);
	post(0, 2000);
	net_fill(bytes, 100, 0, 1, ETH_TYPE_IPV4);
	assert_int_equal(net_send(1, bytes, 100, NULL), 1);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_true(net_queue_empty(&net.port[0].queue[0]));
	assert_int_equal(net_send(1, bytes, 100, NULL), 0);
}

static void its_state_is_put_back(void **state)
{
	static struct virtio_state v;
	static struct virtio_net_state s, again;
	static const uint8_t on = 1;
	uint32_t written;
	uint16_t id;

	(void)state;
	up(CONTROLS);
	control(0, 0, &on, 1);
	post(0, 2000);
	virtio_get_state(&device.v, &v);
	virtio_net_get_state(&device, &s);
	virtio_reset(&device.v);
	assert_true(virtio_set_state(&device.v, &v) && virtio_net_set_state(&device, &s));
	virtio_net_get_state(&device, &again);
	assert_memory_equal(&s, &again, sizeof(s));
	work();
	net_fill(bytes, 100, 9, 1, ETH_TYPE_IPV4);
	assert_int_equal(net_send(1, bytes, 100, NULL), 1);
	arrive();
	assert_true(used(RX, &id, &written));
	s.filter.promisc = 2;
	assert_false(virtio_net_set_state(&device, &s));
	s.filter.promisc = 0;
	s.filter.unicast_count = NET_UNICAST + 2;
	assert_false(virtio_net_set_state(&device, &s));
	s.filter.unicast_count = 0;
	s.offloads = 1;
	assert_false(virtio_net_set_state(&device, &s));
}

/* 2.8.6: a guest may make chains of nothing; each costs as if something went into it. */
static void empty_buffers_do_not_make_a_piece_of_work_long(void **state)
{
	struct world_buffer none[256], first = {0, HDR, true};

	(void)state;
	create((struct net_setup){.mtu = 1500});
	world_up(MERGE | VIRTIO_F_INDIRECT_DESC, 3, 256);
	work();
	post(0, 2000); /* opens the port */
	net_fill(bytes, 60, 0, 1, ETH_TYPE_IPV4);
	net_send(1, bytes, 60, NULL);
	arrive();
	while (net_send(1, bytes, 60, NULL))
		;
	first.gpa = buffer_at(0);
	for (unsigned i = 0; i < 256; i++)
		none[i] = (struct world_buffer){buffer_at(1), 0, true};
	give(RX, &first, 1);
	mode.tables = true;
	for (unsigned i = 0; i < 100; i++)
		give(RX, none, 256);
	notify(RX);
	platform_work(&machine); /* one piece */
	assert_in_range(dropped(NET_DROP_BUFFERS), 1, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_configuration_tells_address_link_and_mtu),
		cmocka_unit_test_setup(a_link_that_is_down_is_told_and_carries_nothing, setup),
		cmocka_unit_test_setup(what_is_refused_is_not_offered, setup),
		cmocka_unit_test_setup(a_frame_reaches_the_port_of_its_address, setup),
		cmocka_unit_test_setup(
			a_large_broadcast_takes_several_turns_and_reaches_all, setup),
		cmocka_unit_test_setup(work_that_was_not_agreed_on_drops_the_frame, setup),
		cmocka_unit_test_setup(
			frames_that_cannot_be_are_dropped_and_the_device_goes_on, setup),
		cmocka_unit_test_setup(chains_that_cannot_be_stop_the_device, setup),
		cmocka_unit_test(a_rate_delays_and_loses_nothing),
		cmocka_unit_test(a_frame_comes_in_a_buffer_behind_its_header),
		cmocka_unit_test(a_frame_waits_until_enough_buffers_are_there),
		cmocka_unit_test(many_frames_pass_through_a_ring_in_order),
		cmocka_unit_test_setup(buffers_that_are_too_small_lose_the_frame, setup),
		cmocka_unit_test_setup(a_checksum_is_made_for_who_does_not_take_it_over, setup),
		cmocka_unit_test_setup(a_large_frame_comes_whole_or_in_segments, setup),
		cmocka_unit_test(a_trunk_gets_tags),
		cmocka_unit_test_setup(a_reset_closes_the_port, setup),
		cmocka_unit_test_setup(its_state_is_put_back, setup),
		cmocka_unit_test(empty_buffers_do_not_make_a_piece_of_work_long),
	};

	return cmocka_run_group_tests_name("virtio_net", tests, NULL, NULL);
}
