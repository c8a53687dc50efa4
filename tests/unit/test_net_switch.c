/* SPDX-License-Identifier: Apache-2.0 */
/* The switch: who gets a frame, what is learned, limits, counters, queues. */
#include "net_world.h"

#define ALL(n) ((1u << (n)) - 1)

static uint8_t bytes[NET_FRAME_MAX + 64];

static int setup(void **state)
{
	(void)state;
	net_world_start();
	return 0;
}

/* Four ports on network 1. */
static int setup_lan(void **state)
{
	setup(state);
	for (unsigned i = 0; i < 4; i++)
		net_add(i, (struct net_setup){.network = 1});
	return 0;
}

static uint64_t frame(unsigned from, uint8_t to, uint32_t length)
{
	net_fill(bytes, length, to, (uint8_t)from, ETH_TYPE_IPV4);
	return net_send(from, bytes, length, NULL);
}

static uint64_t broadcast(unsigned from, uint8_t source)
{
	net_fill(bytes, 100, 0, source, ETH_TYPE_IPV4);
	memset(bytes, 0xff, ETH_MAC_SIZE);
	return net_send(from, bytes, 100, NULL);
}

static uint64_t tagged(unsigned from, uint8_t to, uint16_t tci)
{
	net_fill(bytes, 100, to, (uint8_t)from, ETH_TYPE_VLAN);
	bytes[14] = (uint8_t)(tci >> 8);
	bytes[15] = (uint8_t)tci;
	bytes[16] = 8;
	bytes[17] = 0;
	return net_send(from, bytes, 100, NULL);
}

static uint64_t dropped(unsigned port, enum net_drop why)
{
	return net.port[port].counters.dropped[why];
}

static void a_frame_goes_to_the_port_of_its_address(void **state)
{
	uint8_t *got;
	struct net_meta *m;

	(void)state;
	assert_int_equal(frame(0, 2, 1000), 1u << 2);
	assert_int_equal(net_arrivals[2], 1);
	m = net_queue_first(&net.port[2].queue[0], &got);
	assert_non_null(m);
	assert_int_equal(m->length, 1000);
	assert_memory_equal(got, bytes, 1000);
	net_queue_drop(&net.port[2].queue[0]);
	assert_null(net_queue_first(&net.port[2].queue[0], &got));
	assert_int_equal(net.port[0].counters.sent_frames, 1);
	assert_int_equal(net.port[0].counters.sent_bytes, 1000);
	assert_int_equal(net.port[0].counters.flooded, 0);
}

static void a_broadcast_goes_to_all_others(void **state)
{
	(void)state;
	assert_int_equal(broadcast(1, 1), ALL(4) & ~2u);
	assert_int_equal(net.port[1].counters.flooded, 1);
}

static void networks_are_isolated(void **state)
{
	(void)state;
	net_add(4, (struct net_setup){.network = 2});
	net_add(5, (struct net_setup){.network = 2});
	assert_int_equal(broadcast(0, 0), ALL(4) & ~1u);
	assert_int_equal(broadcast(4, 4), 1u << 5);
	assert_int_equal(frame(0, 5, 100), 0);
	assert_int_equal(frame(4, 5, 100), 1u << 5);
}

static void a_closed_port_gets_nothing_and_forgets_what_waited(void **state)
{
	uint8_t *got;

	(void)state;
	assert_int_equal(frame(0, 2, 100), 1u << 2);
	net_port_close(&net, 2, 0);
	assert_null(net_queue_first(&net.port[2].queue[0], &got));
	assert_int_equal(frame(0, 2, 100), 0);
	assert_int_equal(broadcast(0, 0), 1u << 1 | 1u << 3);
	net_port_open(&net, 2, 0);
	assert_int_equal(frame(0, 2, 100), 1u << 2);
}

static void nobody_sends_from_an_address_that_is_not_its_own(void **state)
{
	(void)state;
	net_add(4, (struct net_setup){.network = 1, .spoof = true});
	assert_int_equal(broadcast(0, 9), 0);
	assert_int_equal(broadcast(0, 1), 0);
	assert_int_equal(dropped(0, NET_DROP_SOURCE), 2);
	assert_int_equal(broadcast(4, 9), ALL(4));
	/* Not even who may: this one is port 1's. */
	assert_int_equal(broadcast(4, 1), 0);
	assert_int_equal(dropped(4, NET_DROP_SOURCE), 1);
	net_fill(bytes, 100, 1, 9, ETH_TYPE_IPV4);
	bytes[ETH_SOURCE] |= 1;
	assert_int_equal(net_send(4, bytes, 100, NULL), 0);
}

/* A port behind which there are many, as a bridge has them. */
static void add_bridge(unsigned port)
{
	static struct net_filter promisc = {.promisc = 1};

	net_add(port, (struct net_setup){.network = 1, .spoof = true});
	net_port_filter(&net, port, &promisc);
}

static void addresses_behind_a_bridge_are_learned_move_and_are_forgotten(void **state)
{
	(void)state;
	add_bridge(4);
	add_bridge(5);
	assert_int_equal(frame(0, 77, 100), 1u << 4 | 1u << 5); /* unknown: to who wants all */
	broadcast(4, 77);
	assert_int_equal(frame(0, 77, 100), 1u << 4);
	broadcast(5, 77);
	assert_int_equal(frame(0, 77, 100), 1u << 5);
	net_time += (uint64_t)NET_AGE * NET_SECOND + 1;
	assert_int_equal(frame(0, 77, 100), 1u << 4 | 1u << 5);
}

static void what_one_port_learns_pushes_out_nothing_of_others(void **state)
{
	uint8_t mac[ETH_MAC_SIZE] = {0x52, 0, 0, 1};
	unsigned known = 0;

	(void)state;
	add_bridge(4);
	add_bridge(5);
	broadcast(5, 200);
	for (unsigned i = 0; i < 5000; i++) {
		net_time += NET_SECOND / NET_FLOODED + 1;
		net_fill(bytes, 100, 0, 0, ETH_TYPE_IPV4);
		memcpy(mac + 4, &i, 2);
		memcpy(bytes + ETH_SOURCE, mac, sizeof(mac));
		net_send(4, bytes, 100, NULL);
	}
	assert_int_equal(frame(0, 200, 100), 1u << 5);
	for (unsigned b = 0; b < NET_BUCKETS; b++)
		for (unsigned w = 0; w < NET_WAYS; w++)
			known += net.port[4].learned[b][w].seen != 0;
	assert_true(known > NET_BUCKETS * NET_WAYS / 2);
}

static void access_ports_of_different_vlans_do_not_meet(void **state)
{
	(void)state;
	net_add(0, (struct net_setup){.network = 3, .vlan = 5});
	net_add(1, (struct net_setup){.network = 3, .vlan = 5});
	net_add(2, (struct net_setup){.network = 3, .vlan = 6});
	net_add(3, (struct net_setup){.network = 3});
	net_add(4, (struct net_setup){.network = 3, .trunk = true});
	assert_int_equal(broadcast(0, 0), 1u << 1 | 1u << 4);
	assert_int_equal(frame(0, 2, 100), 0);
	assert_int_equal(frame(0, 1, 100), 1u << 1);
	assert_int_equal(broadcast(3, 3), 1u << 4);
	/* Tags of its own make no difference. */
	assert_int_equal(tagged(0, 2, 6), 0);
	assert_int_equal(tagged(0, 1, 5), 0);
	assert_int_equal(dropped(0, NET_DROP_VLAN), 2);
	assert_int_equal(tagged(0, 1, 0xe000), 1u << 1); /* a priority */
}

static void a_trunk_says_its_vlan_by_a_tag(void **state)
{
	uint8_t *got;
	struct net_meta *m;

	(void)state;
	net_add(0, (struct net_setup){.network = 3, .vlan = 5});
	net_add(1, (struct net_setup){.network = 3, .trunk = true});
	net_add(2, (struct net_setup){.network = 3});
	assert_int_equal(tagged(1, 0, 0x6005), 1u << 0);
	m = net_queue_first(&net.port[0].queue[0], &got);
	assert_int_equal(m->length, 96);
	assert_int_equal(m->tci, 0x6005);
	assert_memory_equal(got, bytes, 12);
	assert_memory_equal(got + 12, bytes + 16, 84);
	assert_int_equal(tagged(1, 0, 6), 0);
	assert_int_equal(tagged(1, 0, 4095), 0);
	assert_int_equal(frame(1, 0, 100), 0);
	assert_int_equal(frame(1, 2, 100), 1u << 2);
	/* With its tag cut off. */
	net_fill(bytes, 17, 0, 1, ETH_TYPE_VLAN);
	assert_int_equal(net_send(1, bytes, 17, NULL), 0);
}

static void a_receiver_gets_what_its_filter_wants(void **state)
{
	struct net_filter f = {.multicast_count = 1};

	(void)state;
	net_mac(f.multicast[0], 9);
	f.multicast[0][0] = 0x53;
	net_port_filter(&net, 1, &f);
	net_fill(bytes, 100, 9, 0, ETH_TYPE_IPV4);
	bytes[0] = 0x53;
	assert_int_equal(net_send(0, bytes, 100, NULL), 1u << 1);
	f.no_multi = 1;
	net_port_filter(&net, 1, &f);
	assert_int_equal(net_send(0, bytes, 100, NULL), 0);
	f = (struct net_filter){.all_multi = 1, .no_broadcast = 1, .no_uni = 1};
	net_port_filter(&net, 1, &f);
	assert_int_equal(net_send(0, bytes, 100, NULL), 1u << 1);
	assert_int_equal(broadcast(0, 0), 1u << 2 | 1u << 3);
	assert_int_equal(frame(0, 1, 100), 0);
	f = (struct net_filter){.multicast_count = NET_MULTICAST + 1, .unicast_count = 1};
	net_mac(f.unicast[0], 99);
	net_port_filter(&net, 1, &f);
	net_fill(bytes, 100, 9, 0, ETH_TYPE_IPV4);
	bytes[0] = 0x53;
	assert_int_equal(net_send(0, bytes, 100, NULL), 1u << 1);
	assert_int_equal(frame(0, 99, 100), 1u << 1);
	assert_int_equal(frame(0, 98, 100), 0);
}

static void a_full_queue_drops_and_counts(void **state)
{
	unsigned sent = 0;
	uint8_t *got;

	(void)state;
	while (frame(0, 1, 1500) != 0)
		assert_true(++sent < 1000);
	assert_true(sent > NET_RING / 1540 && sent <= NET_RING / 1500);
	assert_int_equal(dropped(1, NET_DROP_FULL), 1);
	for (unsigned i = 0; i < sent; i++) {
		assert_int_equal(net_queue_first(&net.port[1].queue[0], &got)->length, 1500);
		net_queue_drop(&net.port[1].queue[0]);
	}
	assert_null(net_queue_first(&net.port[1].queue[0], &got));
	assert_int_equal(frame(0, 1, 1500), 1u << 1);
}

static void frames_of_all_lengths_come_out_as_they_went_in(void **state)
{
	static uint8_t copy[1600];
	uint32_t length = 14, seed = 1;
	uint8_t *got;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		length = 14 + (seed >> 16) % 1500;
		assert_int_equal(frame(0, 1, length), 1u << 1);
		memcpy(copy, bytes, length);
		assert_int_equal(net_queue_first(&net.port[1].queue[0], &got)->length, length);
		assert_memory_equal(got, copy, length);
		net_queue_drop(&net.port[1].queue[0]);
	}
}

static void impossible_lengths_are_refused(void **state)
{
	struct net_meta gso = {.gso = VIRTIO_NET_GSO_TCPV4};

	(void)state;
	assert_int_equal(frame(0, 1, 13), 0);
	assert_int_equal(frame(0, 1, 0), 0);
	assert_int_equal(frame(0, 1, 14), 1u << 1);
	assert_int_equal(frame(0, 1, 1514), 1u << 1);
	assert_int_equal(frame(0, 1, 1515), 0);
	net_fill(bytes, NET_FRAME_MAX + 1, 1, 0, ETH_TYPE_IPV4);
	assert_int_equal(net_send(0, bytes, NET_FRAME_MAX + 1, &gso), 0);
	assert_int_equal(dropped(0, NET_DROP_BAD), 4);
}

static uint64_t large(unsigned from, uint8_t to, uint32_t payload, uint16_t mss)
{
	const struct net_meta m = {.flags = VIRTIO_NET_NEEDS_CSUM,
		.gso = VIRTIO_NET_GSO_TCPV4,
		.gso_size = mss,
		.csum_start = 34,
		.csum_offset = TCP_CHECKSUM};

	net_fill(bytes, 54 + payload, to, (uint8_t)from, ETH_TYPE_IPV4);
	bytes[14] = 0x45;
	bytes[20] = bytes[21] = 0;
	bytes[23] = IP_PROTOCOL_TCP;
	bytes[46] = 0x50;
	return net_send(from, bytes, 54 + payload, &m);
}

static void no_segment_is_longer_than_its_senders_mtu(void **state)
{
	(void)state;
	assert_int_equal(large(0, 1, 30000, 1460), 1u << 1);
	assert_int_equal(large(0, 1, 30000, 1461), 0);
	assert_int_equal(large(0, 1, 30000, 29000), 0);
	assert_int_equal(large(0, 1, 30000, UINT16_MAX), 0);
	assert_int_equal(dropped(0, NET_DROP_BAD), 3);
}

static void no_frame_is_longer_than_its_receivers_mtu(void **state)
{
	(void)state;
	net_add(4, (struct net_setup){.network = 1, .mtu = 9000});
	net_add(5, (struct net_setup){.network = 1, .mtu = 9000});
	assert_int_equal(frame(4, 0, 1514), 1u << 0);
	assert_int_equal(frame(4, 0, 1515), 0);
	assert_int_equal(frame(4, 0, 9014), 0);
	assert_int_equal(large(4, 0, 30000, 1460), 1u << 0);
	assert_int_equal(large(4, 0, 30000, 1461), 0);
	assert_int_equal(large(4, 0, 1460, 8000), 1u << 0); /* one segment, and short */
	assert_int_equal(dropped(0, NET_DROP_MTU), 3);
	assert_int_equal(dropped(4, NET_DROP_BAD), 0);
	assert_int_equal(frame(4, 5, 9014), 1u << 5);
	/* For the others it is still there. */
	net_fill(bytes, 9014, 0, 4, ETH_TYPE_IPV4);
	memset(bytes, 0xff, ETH_MAC_SIZE);
	assert_int_equal(net_send(4, bytes, 9014, NULL), 1u << 5);
}

static void floods_are_bounded(void **state)
{
	unsigned passed = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		passed += broadcast(0, 0) != 0;
	assert_int_equal(passed, NET_FLOOD_BURST);
	assert_int_equal(dropped(0, NET_DROP_FLOOD), 2000 - NET_FLOOD_BURST);
	assert_int_equal(frame(0, 1, 100), 1u << 1); /* what has an aim still goes */
	net_time += 10 * NET_SECOND / NET_FLOODED;
	for (unsigned i = 0; i < 100; i++)
		passed += broadcast(0, 0) != 0;
	assert_int_equal(passed, NET_FLOOD_BURST + 10);
}

/* How many of these frames it sends in ten seconds. */
static unsigned sent_in_ten_seconds(unsigned port, uint32_t length)
{
	unsigned sent = 0;

	for (uint64_t end = net_time + 10 * NET_SECOND; net_time < end; net_time += 100)
		sent += net_may_send(&net, port, length);
	return sent;
}

static void rates_are_kept_on_the_average(void **state)
{
	(void)state;
	net_add(0, (struct net_setup){.network = 1, .rate = 8000000});
	net_add(1, (struct net_setup){.network = 1, .frames = 500});
	net_add(2, (struct net_setup){.network = 1, .frames = 500, .rate = 80000});
	/* 1000 frames of 1000 bytes a second, and what it may send at once. */
	assert_in_range(sent_in_ten_seconds(0, 1000), 10000, 10130);
	assert_in_range(sent_in_ten_seconds(1, 1000), 5000, 5070);
	assert_in_range(sent_in_ten_seconds(2, 1000), 100, 103);
	assert_int_equal(sent_in_ten_seconds(3, 1000), 100000);
	/* A frame that is larger than all of it passes once. */
	net_time += 100 * NET_SECOND;
	assert_true(net_may_send(&net, 2, NET_FRAME_MAX));
	assert_false(net_may_send(&net, 2, 14));
}

/* The outer one would come off, and the trunk's guest would take the inner one for the VLAN. */
static void an_access_port_cannot_reach_a_vlan_of_a_trunk_by_two_tags(void **state)
{
	static const uint16_t types[] = {ETH_TYPE_VLAN, ETH_TYPE_QINQ, ETH_TYPE_QINQ_OLD};

	(void)state;
	for (unsigned outer = 0; outer < 3; outer++)
		for (unsigned inner = 0; inner < 3; inner++) {
			net_world_start();
			net_add(0, (struct net_setup){.network = 1});
			net_add(1, (struct net_setup){.network = 1, .trunk = true});
			net_fill(bytes, 100, 1, 0, types[outer]);
			bytes[14] = bytes[15] = 0;
			bytes[16] = (uint8_t)(types[inner] >> 8);
			bytes[17] = (uint8_t)types[inner];
			bytes[18] = 0;
			bytes[19] = 20;
			assert_int_equal(net_send(0, bytes, 100, NULL), 0);
		}
}

/* Network 1 has ports 0 to 3; what 0 learned at 2 goes with 2. */
static void a_port_that_has_gone_gets_nothing_and_leaves_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		net.port[i].filter.promisc = 1;
	net.port[2].setup.spoof = true;
	broadcast(2, 9);
	assert_int_equal(frame(0, 9, 100), 1u << 2);
	net_port_destroy(&net, 2);
	assert_int_equal(frame(0, 2, 100), 1u << 1 | 1u << 3);
	assert_int_equal(frame(0, 9, 100), 1u << 1 | 1u << 3);
	assert_int_equal(broadcast(0, 0), 1u << 1 | 1u << 3);
	net_add(2, (struct net_setup){.network = 5});
	assert_int_equal(frame(0, 2, 100), 1u << 1 | 1u << 3);
	assert_int_equal(broadcast(2, 2), 0);
	net_port_destroy(&net, 2);
	net_add(2, (struct net_setup){.network = 1});
	assert_int_equal(net.port[2].counters.sent_frames, 0);
	assert_int_equal(frame(0, 2, 100), 1u << 2);
	assert_int_equal(frame(2, 0, 100), 1u << 0);
}

/* It was found before the port went to another network. */
static void a_frame_on_its_way_does_not_reach_another_network(void **state)
{
	struct net_frame f;
	uint32_t stripped;

	(void)state;
	net_fill(bytes, 100, 2, 0, ETH_TYPE_IPV4);
	memset(&f, 0, sizeof(f));
	f.meta.length = f.size = 100;
	memcpy(f.head, bytes, 100);
	assert_true(net_admit(&net, 0, &f, &stripped));
	assert_true(net_routes_to(0, &f, 2));
	net_port_destroy(&net, 2);
	net_add(2, (struct net_setup){.network = 5});
	assert_null(net_begin(&net, 2, &f));
}

static void the_last_ports_are_like_the_first(void **state)
{
	struct net_setup setup = {.network = 1, .mtu = ETH_MTU_DEFAULT, .queues = 1};
	unsigned last = NET_PORTS - 1;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		net_mac(setup.mac, (uint8_t)(last - i));
		net_port_create(&net, last - i, &setup, net_rings[4 + i], NET_RING);
		net_port_open(&net, last - i, 0);
	}
	assert_int_equal(frame(0, (uint8_t)last, 100), net_bit(last));
	assert_int_equal(frame(last, (uint8_t)(last - 1), 100), net_bit(last - 1));
	assert_int_equal(frame(last, 0, 100), BIT64(0));
	assert_true(broadcast(last, (uint8_t)last) == (0xf | net_bit(last - 1)));
	net_port_destroy(&net, last);
	assert_true(broadcast(0, 0) == (0xe | net_bit(last - 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_port_that_has_gone_gets_nothing_and_leaves_nothing, setup_lan),
		cmocka_unit_test_setup(
			a_frame_on_its_way_does_not_reach_another_network, setup_lan),
		cmocka_unit_test_setup(the_last_ports_are_like_the_first, setup_lan),
		cmocka_unit_test_setup(a_frame_goes_to_the_port_of_its_address, setup_lan),
		cmocka_unit_test_setup(a_broadcast_goes_to_all_others, setup_lan),
		cmocka_unit_test_setup(networks_are_isolated, setup_lan),
		cmocka_unit_test_setup(
			a_closed_port_gets_nothing_and_forgets_what_waited, setup_lan),
		cmocka_unit_test_setup(
			nobody_sends_from_an_address_that_is_not_its_own, setup_lan),
		cmocka_unit_test_setup(
			addresses_behind_a_bridge_are_learned_move_and_are_forgotten,
			setup_lan),
		cmocka_unit_test_setup(
			what_one_port_learns_pushes_out_nothing_of_others, setup_lan),
		cmocka_unit_test_setup(access_ports_of_different_vlans_do_not_meet, setup),
		cmocka_unit_test_setup(a_trunk_says_its_vlan_by_a_tag, setup),
		cmocka_unit_test_setup(a_receiver_gets_what_its_filter_wants, setup_lan),
		cmocka_unit_test_setup(a_full_queue_drops_and_counts, setup_lan),
		cmocka_unit_test_setup(
			frames_of_all_lengths_come_out_as_they_went_in, setup_lan),
		cmocka_unit_test_setup(impossible_lengths_are_refused, setup_lan),
		cmocka_unit_test_setup(no_segment_is_longer_than_its_senders_mtu, setup_lan),
		cmocka_unit_test_setup(no_frame_is_longer_than_its_receivers_mtu, setup_lan),
		cmocka_unit_test_setup(floods_are_bounded, setup_lan),
		cmocka_unit_test(an_access_port_cannot_reach_a_vlan_of_a_trunk_by_two_tags),
		cmocka_unit_test_setup(rates_are_kept_on_the_average, setup_lan),
	};

	return cmocka_run_group_tests_name("net_switch", tests, NULL, NULL);
}
