/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port is put on another network: nothing of the one before reaches it or comes from it, and
 * its driver sees the link go down and up.
 */
#include "net_device.h"

#define LAN   1u
#define OTHER 2u

static uint64_t frame(unsigned from, uint8_t to)
{
	net_fill(bytes, 100, to, (uint8_t)from, ETH_TYPE_IPV4);
	return net_send(from, bytes, 100, NULL);
}

static uint64_t broadcast(unsigned from, uint8_t source)
{
	net_fill(bytes, 100, 0, source, ETH_TYPE_IPV4);
	memset(bytes, 0xff, ETH_MAC_SIZE);
	return net_send(from, bytes, 100, NULL);
}

static bool waits(unsigned port)
{
	return !net_queue_empty(&net.port[port].queue[0]);
}

/* Ports 0 to 3 on one network, 4 and 5 on another. */
static int ports(void **state)
{
	(void)state;
	net_world_start();
	for (unsigned i = 0; i < 6; i++)
		net_add(i, (struct net_setup){.network = i < 4 ? LAN : OTHER, .spoof = i == 2});
	return 0;
}

/* ---- the switch ---- */

static void a_port_that_has_moved_talks_to_those_who_are_there(void **state)
{
	(void)state;
	assert_int_equal(frame(0, 2), BIT64(2));
	net_port_move(&net, 2, OTHER);
	assert_int_equal(net_port_network(&net, 2), OTHER);
	assert_int_equal(net_port_network(&net, 1), LAN);
	assert_int_equal(frame(0, 2), 0);
	assert_int_equal(frame(2, 0), 0);
	assert_int_equal(broadcast(0, 0), BIT64(1) | BIT64(3));
	assert_int_equal(frame(4, 2), BIT64(2));
	assert_int_equal(frame(2, 5), BIT64(5));
	assert_int_equal(broadcast(2, 2), BIT64(4) | BIT64(5));
	net_port_move(&net, 2, LAN);
	assert_int_equal(frame(0, 2), BIT64(2));
	assert_int_equal(broadcast(4, 4), BIT64(5));
}

static void nobody_else_notices(void **state)
{
	(void)state;
	assert_int_equal(frame(0, 1), BIT64(1));
	assert_int_equal(frame(4, 5), BIT64(5));
	net_port_move(&net, 2, OTHER);
	assert_true(waits(1) && waits(5));
	assert_int_equal(frame(1, 3), BIT64(3));
	assert_int_equal(frame(5, 4), BIT64(4));
}

static void what_waited_on_the_network_before_is_gone(void **state)
{
	(void)state;
	assert_int_equal(frame(0, 2), BIT64(2));
	assert_true(waits(2));
	net_port_move(&net, 2, OTHER);
	assert_false(waits(2));
}

static void an_address_behind_it_is_forgotten_on_both_networks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		net.port[i].filter.promisc = 1;
	broadcast(2, 9);
	assert_int_equal(frame(0, 9), BIT64(2));
	net_port_move(&net, 2, OTHER);
	assert_int_equal(frame(0, 9), BIT64(1) | BIT64(3));
	assert_int_equal(frame(4, 9), BIT64(2) | BIT64(5)); /* to all: nobody has it */
	broadcast(2, 9);
	assert_int_equal(frame(4, 9), BIT64(2));
	assert_int_equal(frame(0, 9), BIT64(1) | BIT64(3));
	net_port_move(&net, 2, LAN);
	assert_int_equal(frame(4, 9), BIT64(5));
}

static struct net_frame on_its_way(unsigned from, uint8_t to)
{
	struct net_frame f;
	uint32_t stripped;

	net_fill(bytes, 100, to, (uint8_t)from, ETH_TYPE_IPV4);
	memset(&f, 0, sizeof(f));
	f.meta.length = f.size = 100;
	memcpy(f.head, bytes, 100);
	assert_true(net_admit(&net, from, &f, &stripped));
	assert_true(net_routes_to(from, &f, to));
	return f;
}

static void a_frame_on_its_way_reaches_it_no_more(void **state)
{
	struct net_frame f;

	(void)state;
	f = on_its_way(0, 2);
	net_port_move(&net, 2, OTHER);
	assert_null(net_begin(&net, 2, &f));
}

static void a_frame_that_it_sends_reaches_nobody_of_before(void **state)
{
	struct net_frame f;

	(void)state;
	f = on_its_way(2, 0);
	net_port_move(&net, 2, OTHER);
	assert_null(net_begin(&net, 0, &f));
}

static void a_port_that_comes_later_meets_who_is_there(void **state)
{
	(void)state;
	net_port_move(&net, 2, OTHER);
	net_port_destroy(&net, 4);
	assert_int_equal(broadcast(2, 2), BIT64(5));
	net_add(4, (struct net_setup){.network = LAN});
	assert_int_equal(broadcast(2, 2), BIT64(5));
	assert_int_equal(broadcast(4, 4), BIT64(0) | BIT64(1) | BIT64(3));
}

static void limits_and_figures_stay(void **state)
{
	(void)state;
	frame(2, 0);
	net.port[2].counters.dropped[NET_DROP_FULL] = 7;
	net_port_move(&net, 2, OTHER);
	assert_int_equal(net.port[2].counters.sent_frames, 1);
	assert_int_equal(net.port[2].counters.dropped[NET_DROP_FULL], 7);
}

/* ---- the device ---- */

static void moves(uint8_t network)
{
	net_port_move(&net, 0, network);
	virtio_net_moved(&device);
}

static bool shown(void)
{
	return get(at.config + 6, 2) & VIRTIO_NET_LINK_UP;
}

static void pass(unsigned milliseconds)
{
	fake_run_until(fake.now + (uint64_t)milliseconds * FAKE_KHZ);
	work();
}

static void the_driver_sees_the_link_go_down_and_up(void **state)
{
	(void)state;
	up(PLAIN | VIRTIO_NET_F_STATUS);
	post(0, 2000);
	moves(OTHER);
	assert_int_equal(interrupt(), CONFIG_VECTOR);
	assert_false(shown());
	assert_true(virtio_net_link(&device));
	pass(900);
	assert_false(shown());
	pass(200);
	assert_int_equal(interrupt(), CONFIG_VECTOR);
	assert_true(shown());
	pass(5000);
	assert_true(shown());
	/* Frames come whatever the driver has seen of it. */
	moves(LAN);
	assert_int_equal(frame(1, 0), BIT64(0));
}

static void a_link_that_is_down_stays_down(void **state)
{
	(void)state;
	up(PLAIN | VIRTIO_NET_F_STATUS);
	virtio_net_set_link(&device, false);
	moves(OTHER);
	pass(2000);
	assert_false(shown() || virtio_net_link(&device));
	virtio_net_set_link(&device, true);
	assert_true(shown());
	moves(LAN);
	virtio_net_set_link(&device, false);
	pass(2000);
	assert_false(shown() || virtio_net_link(&device));
}

/* Who manages it looks again and again at what shall be. */
static void a_link_that_shall_be_up_goes_on_to_be_shown_as_down(void **state)
{
	(void)state;
	up(PLAIN | VIRTIO_NET_F_STATUS);
	moves(OTHER);
	virtio_net_set_link(&device, true);
	assert_false(shown());
	pass(1100);
	assert_true(shown());
}

static void a_driver_that_begins_anew_finds_the_link_up(void **state)
{
	(void)state;
	up(PLAIN | VIRTIO_NET_F_STATUS);
	moves(OTHER);
	assert_false(shown());
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_true(shown());
	moves(LAN); /* nobody looks */
	assert_true(shown());
}

static void its_state_has_what_is_shown_and_that_ends(void **state)
{
	static struct virtio_state v;
	static struct virtio_net_state s;

	(void)state;
	up(PLAIN | VIRTIO_NET_F_STATUS);
	moves(OTHER);
	virtio_get_state(&device.v, &v);
	virtio_net_get_state(&device, &s);
	assert_true(virtio_set_state(&device.v, &v) && virtio_net_set_state(&device, &s));
	assert_false(shown());
	work();
	assert_true(shown());
	s.blinks = 2;
	assert_false(virtio_net_set_state(&device, &s));
	s.blinks = 1;
	v.status &= (uint8_t)~VIRTIO_DRIVER_OK;
	assert_true(virtio_set_state(&device.v, &v) && virtio_net_set_state(&device, &s));
	assert_true(shown() && virtio_net_link(&device));
}

/* A large frame for three ports, one of which comes along before it has got its copy. */
static void what_it_is_sending_does_not_go_on(void **state)
{
	const struct world_buffer b = {buffer_at(10), HDR + 60000, false};
	struct virtio_net_hdr h;
	unsigned got = 0;

	(void)state;
	up(PLAIN | HOST);
	h = tcp(60000 - 54, 1448, 0, 0);
	memset(bytes, 0xff, ETH_MAC_SIZE);
	memcpy(ram(b.gpa), &h, HDR);
	memcpy(ram(b.gpa + HDR), bytes, 60000);
	give(TX, &b, 1);
	notify(TX);
	platform_work(&machine);
	assert_true(device.sending && net_set_first(&device.targets) != NET_PORTS);
	for (unsigned i = 1; i < 4; i++)
		got += waits(i);
	assert_true(got < 3 && !waits(3));
	net_port_move(&net, 3, OTHER);
	moves(OTHER);
	work();
	assert_false(device.sending);
	assert_false(waits(3));
	assert_int_equal(frame(3, 0), 0); /* there is no buffer */
	post(0, 2000);
	assert_int_equal(frame(3, 0), BIT64(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_port_that_has_moved_talks_to_those_who_are_there, ports),
		cmocka_unit_test_setup(nobody_else_notices, ports),
		cmocka_unit_test_setup(what_waited_on_the_network_before_is_gone, ports),
		cmocka_unit_test_setup(
			an_address_behind_it_is_forgotten_on_both_networks, ports),
		cmocka_unit_test_setup(a_frame_on_its_way_reaches_it_no_more, ports),
		cmocka_unit_test_setup(a_frame_that_it_sends_reaches_nobody_of_before, ports),
		cmocka_unit_test_setup(a_port_that_comes_later_meets_who_is_there, ports),
		cmocka_unit_test_setup(limits_and_figures_stay, ports),
		cmocka_unit_test_setup(the_driver_sees_the_link_go_down_and_up, setup),
		cmocka_unit_test_setup(a_link_that_is_down_stays_down, setup),
		cmocka_unit_test_setup(
			a_link_that_shall_be_up_goes_on_to_be_shown_as_down, setup),
		cmocka_unit_test_setup(a_driver_that_begins_anew_finds_the_link_up, setup),
		cmocka_unit_test_setup(its_state_has_what_is_shown_and_that_ends, setup),
		cmocka_unit_test_setup(what_it_is_sending_does_not_go_on, setup),
	};

	return cmocka_run_group_tests_name("net_move", tests, NULL, NULL);
}
