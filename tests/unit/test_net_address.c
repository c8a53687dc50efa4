/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that the switch knows: chains that lead to each, whatever comes, goes and moves. */
#include "net_world.h"
#include "random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SLOTS        (NET_BUCKETS * NET_WAYS + 1) /* the last one is a port's own address */

static uint8_t bytes[128];

static struct net_learned *entry(uint32_t number)
{
	struct net_port *p = &net.port[(number - 1) / SLOTS];
	unsigned slot = (number - 1) % SLOTS;

	return slot == SLOTS - 1 ? &p->own : &p->learned[slot / NET_WAYS][slot % NET_WAYS];
}

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

/* Each chain leads to entries that are there, to each once, and has no more than it may. */
static void check_chains(void)
{
	unsigned chained = 0, there = 0;

	for (unsigned i = 0; i < NET_PORTS * NET_CHAINS; i++) {
		unsigned length = 0;
		uint32_t at = net.port[i / NET_CHAINS].chain[i % NET_CHAINS];

		for (; at != 0; length++) {
			const struct net_learned *l = entry(at);

			assert_true(l->seen != 0 && l->chain == i && length <= NET_CHAIN);
			at = l->next;
		}
		chained += length;
	}
	for (unsigned i = 0; i < NET_PORTS; i++) {
		there += net.port[i].own.seen != 0;
		for (unsigned k = 0; k < NET_BUCKETS * NET_WAYS; k++)
			there += (&net.port[i].learned[0][0] + k)->seen != 0;
	}
	assert_int_equal(chained, there);
}

static void send_as(unsigned port, uint32_t number)
{
	net_time += NET_SECOND / 100;
	net_fill(bytes, 100, 0, 0, ETH_TYPE_IPV4);
	memset(bytes, 0xff, ETH_MAC_SIZE);
	memcpy(bytes + ETH_SOURCE + 1, &number, sizeof(number));
	net_send(port, bytes, 100, NULL);
}

/* Whatever is sent from wherever, while ports come and go. */
static void each_address_is_in_one_chain_once(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned r = (unsigned)(random_next(&seed) >> 20), port = r % 4;

		net_time += NET_SECOND;
		if (r >> 8 & 31)
			send_as(port, r >> 16 & 0xff);
		else if (r & 0x2000)
			net_port_move(&net, port, (uint8_t)(r >> 14 & 1));
		else
			net_add(port,
				(struct net_setup){.network = r >> 14 & 1, .spoof = true});
		if (i % 500 == 0)
			check_chains();
	}
	for (unsigned i = 0; i < 4; i++)
		net_port_destroy(&net, i);
	check_chains();
	for (unsigned i = 0; i < NET_PORTS * NET_CHAINS; i++)
		assert_int_equal(net.port[i / NET_CHAINS].chain[i % NET_CHAINS], 0);
}

/* The chain in which port 0 has learned what was sent last. */
static uint32_t chain_of_last(void)
{
	const struct net_learned *l = &net.port[0].learned[0][0];

	for (unsigned i = 0; i < NET_BUCKETS * NET_WAYS; i++)
		if (l[i].seen != 0 && memcmp(l[i].mac, bytes + ETH_SOURCE, ETH_MAC_SIZE) == 0)
			return l[i].chain;
	fail_msg("it was not learned");
	return 0;
}

static void add_bridges(void)
{
	net.ports = 4; /* few chains */
	for (unsigned i = 0; i < 4; i++)
		net_add(i, (struct net_setup){.network = 1, .spoof = true});
}

/* Ports that learn addresses of one chain, which only who knows the secret could choose. */
static void a_chain_that_is_full_takes_no_more(void **state)
{
	uint32_t alike[64], count = 0, length = 0;

	(void)state;
	add_bridges();
	for (uint32_t i = 1; count < COUNT(alike); i++) {
		send_as(0, i);
		if (chain_of_last() != 77)
			continue;
		alike[count++] = i;
		add_bridges(); /* which know nothing */
	}
	net_world_start();
	add_bridges();
	for (unsigned i = 0; i < COUNT(alike); i++)
		send_as(i % 4, alike[i]);
	for (uint32_t at = net.port[0].chain[77]; at != 0; length++)
		at = entry(at)->next;
	assert_int_equal(length, NET_CHAIN);
	check_chains();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_address_is_in_one_chain_once, setup_lan),
		cmocka_unit_test_setup(a_chain_that_is_full_takes_no_more, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
