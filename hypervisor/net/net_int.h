/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the switch. */
#ifndef NESTOR_NET_INT_H
#define NESTOR_NET_INT_H

#include "net/switch.h"

/* Takes the first port out of a set; false: it has none. */
static inline bool net_take_first(struct net_set *set, unsigned *port)
{
	*port = net_set_first(set);
	if (*port == NET_PORTS)
		return false;
	net_set_drop(set, *port);
	return true;
}

/* The ports of its network, as of now: without the lock of the table each for itself. */
static inline void net_peers(const struct net_port *p, struct net_set *set)
{
	uint64_t left = __atomic_load_n(&p->peer_words, __ATOMIC_ACQUIRE);

	net_set_clear(set);
	for (; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		set->word[i] = __atomic_load_n(&p->peers[i], __ATOMIC_ACQUIRE);
		set->some |= set->word[i] != 0 ? BIT64(i) : 0;
	}
}

static inline bool net_is_peer(const struct net_port *p, unsigned port)
{
	return __atomic_load_n(&p->peers[port / 64], __ATOMIC_ACQUIRE) >> port % 64 & 1;
}

/* Queues whose driver takes frames. */
static inline uint32_t net_open_queues(const struct net_port *p)
{
	return __atomic_load_n(&p->open, __ATOMIC_RELAXED);
}

static inline bool net_is_down(const struct net_port *p)
{
	return __atomic_load_n(&p->down, __ATOMIC_RELAXED);
}

/* ---- addresses; with the lock of the table ---- */

/* The port's own address is known on its network. */
void net_address_join(struct net_switch *s, unsigned port);
/* Nothing of the port's is, neither its address nor what it has learned. */
void net_address_leave(struct net_switch *s, unsigned port);
/* On the network of the port: whose the address is, by configuration; NET_PORTS: nobody's. */
unsigned net_address_owner(struct net_switch *s, unsigned port, const uint8_t *mac);
/* Where it was seen last; NET_PORTS: nowhere, or too long ago. */
unsigned net_address_learned(
	struct net_switch *s, unsigned port, const uint8_t *mac, uint16_t vlan);
/* It is at this port from now on, and at no other. */
void net_address_learn(struct net_switch *s, unsigned port, const uint8_t *mac, uint16_t vlan);

#endif
