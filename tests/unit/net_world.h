/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the switch: its seam, faked for one thread, and ports with queues.
 */
#ifndef NESTOR_TESTS_NET_WORLD_H
#define NESTOR_TESTS_NET_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/offload.h"
#include "net/seam.h"
#include "net/switch.h"
#include "spec/virtio_net.h"

#define NET_SECOND 1000000u
#define NET_RING   (256u << 10)
#define NET_USED   6u /* ports with rings */
#define NET_RINGS  4u /* of each */

static struct net_port net_ports[NET_PORTS];
static struct net_switch net;
static uint8_t net_rings[NET_USED][NET_RINGS * NET_RING] __attribute__((aligned(16)));
static uint64_t net_time;
static unsigned net_arrivals[NET_PORTS], net_arrivals_at[NET_QUEUES];
static int net_held = -1; /* the lock that is taken */

void net_lock(unsigned number)
{
	assert_int_equal(net_held, -1);
	net_held = (int)number;
}

void net_unlock(unsigned number)
{
	assert_int_equal(net_held, number);
	net_held = -1;
}

uint64_t net_now(void)
{
	return net_time;
}

void net_arrived(unsigned port, unsigned queue)
{
	assert_int_equal(net_held, -1);
	net_arrivals[port]++;
	net_arrivals_at[queue]++;
}

static inline void net_world_start(void)
{
	memset(net_ports, 0, sizeof(net_ports));
	net = (struct net_switch){.ports = NET_PORTS, .port = net_ports};
	memset(net_rings, 0, sizeof(net_rings));
	memset(net_arrivals, 0, sizeof(net_arrivals));
	memset(net_arrivals_at, 0, sizeof(net_arrivals_at));
	net_time = 1000 * NET_SECOND;
	net.second = NET_SECOND;
	net_held = -1;
}

/* 52:00:00:00:00:NN */
static inline void net_mac(uint8_t mac[ETH_MAC_SIZE], uint8_t last)
{
	memset(mac, 0, ETH_MAC_SIZE);
	mac[0] = 0x52;
	mac[5] = last;
}

/* A port with the address of its number, open. What `more` has is kept. */
static inline void net_add(unsigned port, struct net_setup setup)
{
	net_mac(setup.mac, (uint8_t)port);
	if (setup.mtu == 0)
		setup.mtu = ETH_MTU_DEFAULT;
	if (setup.queues == 0)
		setup.queues = 1;
	net_port_create(&net, port, &setup, net_rings[port], NET_RING);
	for (unsigned i = 0; i < setup.queues; i++)
		net_port_open(&net, port, i);
}

/* A frame of bytes that count up, with these addresses and type. */
static inline uint32_t net_fill(
	uint8_t *bytes, uint32_t length, uint8_t to, uint8_t from, uint16_t type)
{
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(i * 7 + from);
	net_mac(bytes, to);
	net_mac(bytes + ETH_SOURCE, from);
	bytes[ETH_TYPE] = (uint8_t)(type >> 8);
	bytes[ETH_TYPE + 1] = (uint8_t)type;
	return length;
}

static inline bool net_in(const struct net_set *set, unsigned port)
{
	return set->some >> port / 64 & 1 && set_has(set->word, port);
}

/* A frame goes to this port alone. */
static inline bool net_routes_to(unsigned from, const struct net_frame *f, unsigned port)
{
	struct net_set set;
	bool has;

	net_route(&net, from, 0, f, &set);
	has = net_in(&set, port);
	net_set_drop(&set, port);
	return has && net_set_first(&set) == NET_PORTS;
}

/* Ports as a word: the first half from bit 0 up, the last ones from bit 63 down. */
static inline uint64_t net_bit(unsigned port)
{
	return BIT64(port < 32 ? port : 63 - (NET_PORTS - 1 - port) % 32);
}

/* As a device does it, from bytes in one piece, on one of its queues. The ports that got a
 * copy: net_bit. */
static inline uint64_t net_send_on(unsigned port, unsigned queue, const uint8_t *bytes,
	uint32_t length, const struct net_meta *meta)
{
	struct net_frame f;
	uint32_t stripped;
	struct net_set set;
	uint64_t got = 0;

	memset(&f, 0, sizeof(f));
	if (meta != NULL)
		f.meta = *meta;
	f.meta.length = length;
	f.size = length < NET_HEAD ? length : NET_HEAD;
	memcpy(f.head, bytes, f.size);
	if (!net_admit(&net, port, &f, &stripped))
		return 0;
	assert_int_equal(f.meta.length + stripped, length);
	net_route(&net, port, queue, &f, &set);
	for (unsigned to = 0; to < NET_PORTS; to++) {
		uint8_t *at = net_in(&set, to) ? net_begin(&net, to, &f) : NULL;

		if (at == NULL)
			continue;
		memcpy(at, f.head, f.size);
		memcpy(at + f.size, bytes + stripped + f.size, f.meta.length - f.size);
		net_finish(&net, to, &f, true);
		got |= net_bit(to);
	}
	return got;
}

static inline uint64_t net_send(
	unsigned port, const uint8_t *bytes, uint32_t length, const struct net_meta *meta)
{
	return net_send_on(port, 0, bytes, length, meta);
}

#endif
