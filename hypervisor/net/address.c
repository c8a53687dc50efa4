/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which port an address is at: by configuration, or by what was learned. What a port has
 * learned is in the port; chains by a hash lead to it, so that a look-up costs the same however
 * many ports there are. All of it with the lock of the table.
 */
#include <stddef.h>

#include "net/net_int.h"
#include "net/seam.h"

#define OWN (NET_BUCKETS * NET_WAYS) /* the slot behind those that are learned */
#define ANY 0xffffu                  /* the VLAN of a port's own address */

struct key {
	uint64_t address; /* with its VLAN */
	uint8_t network;
};

static struct key key_of(uint8_t network, const uint8_t *mac, uint16_t vlan)
{
	uint8_t bytes[8];
	struct key k = {.network = network};

	__builtin_memcpy(bytes, mac, ETH_MAC_SIZE);
	__builtin_memcpy(bytes + ETH_MAC_SIZE, &vlan, sizeof(vlan));
	__builtin_memcpy(&k.address, bytes, sizeof(k.address));
	return k;
}

/* By a number that no guest knows: none can choose addresses that share a chain. */
static uint64_t hash_of(const struct net_switch *s, struct key k)
{
	uint64_t hash = (k.address ^ s->secret[0]) * (s->secret[1] | 1);

	hash = (hash ^ hash >> 32 ^ k.network) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static uint32_t chain_of(const struct net_switch *s, struct key k)
{
	return (uint32_t)(hash_of(s, k) % (s->ports * NET_CHAINS));
}

/* The first entry of a chain. */
static uint32_t *first(struct net_switch *s, uint32_t chain)
{
	return &s->port[chain / NET_CHAINS].chain[chain % NET_CHAINS];
}

/* ---- entries, by number; 0 is none ---- */

static uint32_t number_of(unsigned port, unsigned slot)
{
	return port * (OWN + 1) + slot + 1;
}

static unsigned port_of(uint32_t number)
{
	return (number - 1) / (OWN + 1);
}

static struct net_learned *entry(struct net_switch *s, uint32_t number)
{
	struct net_port *p = &s->port[port_of(number)];
	unsigned slot = (number - 1) % (OWN + 1);

	return slot == OWN ? &p->own : &p->learned[slot / NET_WAYS][slot % NET_WAYS];
}

/* length: entries of the chain, up to the one that is found. */
static uint32_t find(struct net_switch *s, struct key k, unsigned *length)
{
	uint32_t number = *first(s, chain_of(s, k));

	for (*length = 0; number != 0; ++*length) {
		const struct net_learned *l = entry(s, number);
		uint8_t network = s->port[port_of(number)].setup.network;

		if (network == k.network &&
			key_of(network, l->mac, l->vlan).address == k.address)
			return number;
		number = l->next;
	}
	return 0;
}

static void link_to(struct net_switch *s, uint32_t number, struct key k)
{
	struct net_learned *l = entry(s, number);
	uint32_t *chain;

	__builtin_memcpy(l->mac, &k.address, ETH_MAC_SIZE);
	l->vlan = (uint16_t)(k.address >> 48);
	l->seen = net_now() | 1;
	l->chain = chain_of(s, k);
	chain = first(s, l->chain);
	l->next = *chain;
	*chain = number;
}

static void unlink_from(struct net_switch *s, uint32_t number)
{
	struct net_learned *l = entry(s, number);
	uint32_t *at;

	if (l->seen == 0)
		return;
	at = first(s, l->chain);
	while (*at != number)
		at = &entry(s, *at)->next;
	*at = l->next;
	l->seen = 0;
}

/* ---- a port comes and goes ---- */

void net_address_join(struct net_switch *s, unsigned port)
{
	const struct net_setup *c = &s->port[port].setup;

	link_to(s, number_of(port, OWN), key_of(c->network, c->mac, ANY));
}

void net_address_leave(struct net_switch *s, unsigned port)
{
	for (unsigned slot = 0; slot <= OWN; slot++)
		unlink_from(s, number_of(port, slot));
}

/* ---- frames ---- */

unsigned net_address_owner(struct net_switch *s, unsigned port, const uint8_t *mac)
{
	unsigned length;
	uint32_t number = find(s, key_of(s->port[port].setup.network, mac, ANY), &length);

	return number != 0 ? port_of(number) : NET_PORTS;
}

unsigned net_address_learned(
	struct net_switch *s, unsigned port, const uint8_t *mac, uint16_t vlan)
{
	unsigned length;
	uint32_t number = find(s, key_of(s->port[port].setup.network, mac, vlan), &length);

	if (number == 0 || net_now() >= entry(s, number)->seen + NET_AGE * s->second)
		return NET_PORTS;
	return port_of(number);
}

/* In the place of the one that was seen longest ago, of those that the hash allows. */
static void put(struct net_switch *s, unsigned port, struct key k)
{
	struct net_port *p = &s->port[port];
	unsigned bucket = (unsigned)(hash_of(s, k) >> 32) % NET_BUCKETS, way = 0;

	for (unsigned i = 1; i < NET_WAYS; i++)
		if (p->learned[bucket][i].seen < p->learned[bucket][way].seen)
			way = i;
	unlink_from(s, number_of(port, bucket * NET_WAYS + way));
	link_to(s, number_of(port, bucket * NET_WAYS + way), k);
}

void net_address_learn(struct net_switch *s, unsigned port, const uint8_t *mac, uint16_t vlan)
{
	struct key k = key_of(s->port[port].setup.network, mac, vlan);
	unsigned length;
	uint32_t number = find(s, k, &length);

	if (number != 0 && port_of(number) == port) {
		entry(s, number)->seen = net_now() | 1;
		return;
	}
	if (number != 0) /* it has moved */
		unlink_from(s, number);
	if (length < NET_CHAIN && k.network != NET_NOWHERE)
		put(s, port, k);
}
