/* SPDX-License-Identifier: Apache-2.0 */
/* Flows: which frames belong together, and which queue of a port gets them. */
#include "net_world.h"

#include <stdlib.h>

#include "net/flow.h"

static uint8_t bytes[ETH_HEADER + IPV6_HEADER + 60];

static int setup(void **state)
{
	(void)state;
	net_world_start();
	net_add(0, (struct net_setup){.network = 1});
	net_add(1, (struct net_setup){.network = 1, .queues = 4});
	net_port_use(&net, 1, 4);
	return 0;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Between ports of two addresses, which are the last bytes of 10.0.0.0 or fd00::. */
static uint32_t ip(bool v6, uint8_t from, uint16_t from_port, uint8_t to, uint16_t to_port)
{
	uint8_t *at = bytes + ETH_HEADER;
	unsigned size = v6 ? 16 : 4;

	net_fill(bytes, sizeof(bytes), 1, 0, v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4);
	memset(at, 0, IPV6_HEADER);
	at[0] = v6 ? 0x60 : 0x45;
	at[v6 ? IPV6_NEXT : IPV4_PROTOCOL] = IP_PROTOCOL_UDP;
	at += v6 ? IPV6_ADDRESSES : IPV4_ADDRESSES;
	at[0] = at[size] = v6 ? 0xfd : 10;
	at[size - 1] = from;
	at[2 * size - 1] = to;
	put16(at + 2 * size, from_port);
	put16(at + 2 * size + 2, to_port);
	return sizeof(bytes);
}

static void both_directions_are_one_flow(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		uint32_t there = net_flow(bytes, ip(v6, 1, 1000, 2, 80));
		uint32_t back = net_flow(bytes, ip(v6, 2, 80, 1, 1000));

		assert_int_equal(there, back);
		assert_int_not_equal(there, net_flow(bytes, ip(v6, 1, 1001, 2, 80)));
		assert_int_not_equal(there, net_flow(bytes, ip(v6, 3, 1000, 2, 80)));
		/* Addresses and ports that have changed places are another flow. */
		assert_int_not_equal(there, net_flow(bytes, ip(v6, 1, 80, 2, 1000)));
	}
}

static void fragments_of_a_datagram_are_one_flow(void **state)
{
	uint32_t first;

	(void)state;
	ip(false, 1, 1000, 2, 80);
	put16(bytes + ETH_HEADER + IPV4_FRAGMENT, 0x2000);
	first = net_flow(bytes, sizeof(bytes));
	ip(false, 1, 7777, 2, 8888); /* what is not a header */
	put16(bytes + ETH_HEADER + IPV4_FRAGMENT, 5);
	assert_int_equal(net_flow(bytes, sizeof(bytes)), first);
}

static void what_is_not_ip_goes_by_stations(void **state)
{
	uint32_t there;

	(void)state;
	there = net_flow(bytes, net_fill(bytes, 60, 1, 2, 0x0806));
	assert_int_equal(there, net_flow(bytes, net_fill(bytes, 60, 2, 1, 0x0806)));
	assert_int_not_equal(there, net_flow(bytes, net_fill(bytes, 60, 2, 3, 0x0806)));
}

/* The sanitizers see an access behind the end. */
static void a_frame_may_end_anywhere(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (uint32_t size = ETH_HEADER; size <= ip(v6, 1, 2, 3, 4); size++) {
			uint8_t *exact = malloc(size);

			memcpy(exact, bytes, size);
			if (size > ETH_HEADER)
				exact[ETH_HEADER] |= 15; /* options */
			net_flow(exact, size);
			free(exact);
		}
}

/* The queue of port 1 that a frame from port 0 comes to. */
static unsigned queue_of(uint8_t from, uint16_t port)
{
	memset(net_arrivals_at, 0, sizeof(net_arrivals_at));
	assert_int_equal(net_send(0, bytes, ip(false, from, port, 200, 80), NULL), 2);
	for (unsigned i = 0; i < NET_QUEUES; i++) {
		uint8_t *frame;

		if (net_arrivals_at[i] == 0)
			continue;
		assert_non_null(net_queue_first(&net.port[1].queue[i], &frame));
		net_queue_drop(&net.port[1].queue[i]);
		return i;
	}
	return NET_QUEUES;
}

/* What the driver of port 1 sends. */
static void answer(unsigned queue, uint8_t to, uint16_t port)
{
	ip(false, 200, 80, to, port);
	net_mac(bytes, 0);
	net_mac(bytes + ETH_SOURCE, 1);
	net_send_on(1, queue, bytes, sizeof(bytes), NULL);
}

static void a_flow_comes_to_the_queue_that_it_was_sent_on(void **state)
{
	(void)state;
	for (unsigned queue = 0; queue < 4; queue++)
		for (uint16_t port = 1; port <= 50; port++) {
			answer(queue, 9, port);
			assert_int_equal(queue_of(9, port), queue);
		}
}

static void the_queue_that_it_was_sent_on_last_counts(void **state)
{
	(void)state;
	answer(1, 9, 5);
	answer(3, 9, 5);
	assert_int_equal(queue_of(9, 5), 3);
	answer(1, 9, 5);
	assert_int_equal(queue_of(9, 5), 1);
}

static void new_flows_are_spread(void **state)
{
	unsigned count[NET_QUEUES] = {0};

	(void)state;
	for (uint16_t port = 0; port < 400; port++)
		count[queue_of((uint8_t)(port % 10), port)]++;
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(count[i], 50, 150);
	assert_int_equal(count[NET_QUEUES - 1], 0);
}

static void what_others_send_is_not_remembered(void **state)
{
	static const uint8_t none[NET_FLOWS] = {0};

	(void)state;
	for (uint16_t port = 0; port < 1000; port++)
		queue_of(7, port);
	assert_memory_equal(net.port[1].flow, none, sizeof(none));
	assert_memory_equal(net.port[0].flow, none, sizeof(none));
}

static void queues_that_are_not_in_use_get_nothing(void **state)
{
	uint8_t *frame;

	(void)state;
	answer(3, 9, 5);
	assert_int_equal(net_send(0, bytes, ip(false, 9, 5, 200, 80), NULL), 2);
	net_port_use(&net, 1, 2);
	assert_null(net_queue_first(&net.port[1].queue[3], &frame));
	assert_in_range(queue_of(9, 5), 0, 1);
	for (uint16_t port = 0; port < 100; port++)
		assert_in_range(queue_of(9, port), 0, 1);
}

static void a_queue_without_a_driver_is_passed_over(void **state)
{
	(void)state;
	answer(2, 9, 5);
	net_port_close(&net, 1, 2);
	assert_int_equal(queue_of(9, 5), 0);
	net_port_open(&net, 1, 2);
	assert_int_equal(queue_of(9, 5), 2);
	for (unsigned i = 0; i < 4; i++)
		net_port_close(&net, 1, i);
	assert_int_equal(net_send(0, bytes, sizeof(bytes), NULL), 0);
}

static void a_full_queue_does_not_hold_up_others(void **state)
{
	(void)state;
	answer(0, 9, 5);
	answer(1, 9, 6);
	while (net_send(0, bytes, ip(false, 9, 5, 200, 80), NULL) == 2)
		;
	assert_int_equal(net.port[1].counters.dropped[NET_DROP_FULL], 1);
	assert_int_equal(queue_of(9, 6), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(both_directions_are_one_flow),
		T(fragments_of_a_datagram_are_one_flow),
		T(what_is_not_ip_goes_by_stations),
		T(a_frame_may_end_anywhere),
		T(a_flow_comes_to_the_queue_that_it_was_sent_on),
		T(the_queue_that_it_was_sent_on_last_counts),
		T(new_flows_are_spread),
		T(what_others_send_is_not_remembered),
		T(queues_that_are_not_in_use_get_nothing),
		T(a_queue_without_a_driver_is_passed_over),
		T(a_full_queue_does_not_hold_up_others),
	};

	return cmocka_run_group_tests_name("net_flow", tests, NULL, NULL);
}
