/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of the switch: they come, go and are put on another network; what their devices and
 * drivers make of them. The lock of the table guards which network a port is on.
 */
#include <stddef.h>

#include "net/net_int.h"
#include "net/seam.h"

/* ---- networks; with the lock of the table ---- */

static void add_peer(struct net_port *p, unsigned port)
{
	__atomic_fetch_or(&p->peers[port / 64], BIT64(port % 64), __ATOMIC_RELEASE);
	__atomic_fetch_or(&p->peer_words, BIT64(port / 64), __ATOMIC_RELEASE);
}

static void drop_peer(struct net_port *p, unsigned port)
{
	__atomic_fetch_and(&p->peers[port / 64], ~BIT64(port % 64), __ATOMIC_RELEASE);
}

/* Others may send meanwhile: they find the port when all of it is there. */
static void join(struct net_switch *s, unsigned port)
{
	struct net_port *p = &s->port[port];

	add_peer(p, port);
	for (unsigned i = 0; i < s->ports; i++)
		if (s->port[i].used && s->port[i].setup.network == p->setup.network)
			add_peer(p, i);
	for (unsigned i = 0; i < s->ports; i++)
		if (i != port && net_is_peer(p, i))
			add_peer(&s->port[i], port);
	net_address_join(s, port);
}

/* Nobody finds it any more, nor what it has learned. */
static void leave(struct net_switch *s, unsigned port)
{
	net_address_leave(s, port);
	for (unsigned i = 0; i < s->ports; i++)
		drop_peer(&s->port[i], port);
	for (unsigned i = 0; i < s->ports; i++)
		drop_peer(&s->port[port], i);
	s->port[port].setup.network = NET_NOWHERE;
}

/* ---- they come and go ---- */

void net_port_create(struct net_switch *s, unsigned port, const struct net_setup *setup,
	void *ring, uint32_t size)
{
	struct net_port *p = &s->port[port];

	net_port_destroy(s, port); /* if there is one */
	p->setup = *setup;
	for (unsigned i = 0; i < setup->queues; i++)
		p->queue[i] =
			(struct net_queue){(uint8_t *)ring + (uint64_t)i * size, size, 0, 0};
	p->queues = 1;
	if (setup->queues > 1)
		__atomic_store_n(&s->flows, true, __ATOMIC_RELAXED);
	net_lock(NET_TABLE);
	p->used = true;
	join(s, port);
	net_unlock(NET_TABLE);
}

void net_port_destroy(struct net_switch *s, unsigned port)
{
	struct net_port *p = &s->port[port];

	if (!p->used)
		return;
	net_lock(NET_TABLE);
	leave(s, port);
	net_unlock(NET_TABLE);
	/* Who has found it before holds the lock, or sees that it is no peer (net_begin). */
	net_lock(port);
	__atomic_store_n(&p->open, 0, __ATOMIC_RELAXED);
	__builtin_memset(p->flow, 0, sizeof(p->flow));
	p->counters = (struct net_counters){.large = 0};
	p->flood = (struct budget){0};
	p->paid = p->frames_paid = 0;
	net_unlock(port);
	net_lock(NET_TABLE);
	p->used = false;
	net_unlock(NET_TABLE);
}

/*
 * A frame that somebody is putting into a queue is there, or not, before its lock is free; who
 * comes later sees that the two ports are no peers. So nothing of the one network is in a queue
 * of the port when it comes to the other, and nothing of the port's comes to the one any more.
 */
void net_port_move(struct net_switch *s, unsigned port, uint8_t network)
{
	struct net_port *p = &s->port[port];
	struct net_set before;
	unsigned peer;

	net_lock(NET_TABLE);
	net_peers(p, &before);
	leave(s, port);
	net_unlock(NET_TABLE);
	while (net_take_first(&before, &peer)) { /* itself among them */
		net_lock(peer);
		net_unlock(peer);
	}
	for (unsigned i = 0; i < p->setup.queues; i++)
		net_queue_clear(&p->queue[i]);
	net_lock(NET_TABLE);
	p->setup.network = network;
	join(s, port);
	net_unlock(NET_TABLE);
}

uint8_t net_port_network(const struct net_switch *s, unsigned port)
{
	uint8_t network;

	net_lock(NET_TABLE);
	network = s->port[port].setup.network;
	net_unlock(NET_TABLE);
	return network;
}

/* ---- its queues, filter and link ---- */

static void set_open(struct net_port *p, unsigned port, uint32_t open)
{
	if (net_open_queues(p) == open)
		return;
	net_lock(port);
	__atomic_store_n(&p->open, open, __ATOMIC_RELAXED);
	net_unlock(port);
}

void net_port_open(struct net_switch *s, unsigned port, unsigned queue)
{
	struct net_port *p = &s->port[port];

	set_open(p, port, net_open_queues(p) | BIT(queue));
}

void net_port_close(struct net_switch *s, unsigned port, unsigned queue)
{
	struct net_port *p = &s->port[port];

	set_open(p, port, net_open_queues(p) & ~BIT(queue));
	net_queue_clear(&p->queue[queue]);
}

void net_port_use(struct net_switch *s, unsigned port, unsigned queues)
{
	struct net_port *p = &s->port[port];

	net_lock(port);
	p->queues = (uint8_t)queues;
	net_unlock(port);
	for (unsigned i = queues; i < p->setup.queues; i++)
		net_queue_clear(&p->queue[i]);
}

void net_port_filter(struct net_switch *s, unsigned port, const struct net_filter *f)
{
	net_lock(port);
	s->port[port].filter = *f;
	net_unlock(port);
}

void net_port_link(struct net_switch *s, unsigned port, bool up)
{
	__atomic_store_n(&s->port[port].down, !up, __ATOMIC_RELAXED);
}
