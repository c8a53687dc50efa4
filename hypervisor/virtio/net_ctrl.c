/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control queue of the network device (virtio 1.2, 5.1.6.5), and what it sets.
 */
#include <stddef.h>

#include "spec/virtio_net.h"
#include "virtio/net.h"

#define OFFLOADS                                                                       \
	(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | \
		VIRTIO_NET_F_GUEST_ECN)

uint64_t virtio_net_offloads(const struct virtio_net *n)
{
	return n->v.offered & OFFLOADS;
}

void virtio_net_use_filter(struct virtio_net *n)
{
	n->s.filter.use_vlans = virtio_has(&n->v, VIRTIO_NET_F_CTRL_VLAN);
	n->s.filter.all_groups = !virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX);
	net_port_filter(n->net, n->port, &n->s.filter);
}

void virtio_net_reset_filter(struct virtio_net *n)
{
	n->s = (struct virtio_net_state){.offloads = OFFLOADS, .pairs = 1};
	virtio_net_use_filter(n);
	net_port_use(n->net, n->port, n->s.pairs);
}

static struct virtq_chain *chain_of(struct virtio_net *n)
{
	return &n->v.chain;
}

/* ---- 5.1.6.5.1 "Packet Receive Filtering" ---- */

static uint8_t *mode_of(struct net_filter *f, unsigned command)
{
	switch (command) {
	case VIRTIO_NET_RX_PROMISC:
		return &f->promisc;
	case VIRTIO_NET_RX_ALLMULTI:
		return &f->all_multi;
	case VIRTIO_NET_RX_ALLUNI:
		return &f->all_uni;
	case VIRTIO_NET_RX_NOMULTI:
		return &f->no_multi;
	case VIRTIO_NET_RX_NOUNI:
		return &f->no_uni;
	default:
		return &f->no_broadcast;
	}
}

static bool set_mode(struct virtio_net *n, struct virtq *q, unsigned command)
{
	uint64_t needs = command <= VIRTIO_NET_RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX
							   : VIRTIO_NET_F_CTRL_RX_EXTRA;
	uint8_t on;

	if (!virtio_has(&n->v, needs) || !virtq_read(q, chain_of(n), &on, 1) || on > 1)
		return false;
	*mode_of(&n->s.filter, command) = on;
	return true;
}

/* ---- 5.1.6.5.2 "Setting MAC Address Filtering" ---- */

/* A list of addresses; of one that is too long only the fact is kept. */
static bool read_list(struct virtio_net *n, struct virtq *q, uint8_t (*list)[ETH_MAC_SIZE],
	unsigned max, uint8_t *count)
{
	struct virtq_chain *c = chain_of(n);
	uint32_t entries;
	uint64_t size;

	if (!virtq_read(q, c, &entries, sizeof(entries)))
		return false;
	size = (uint64_t)entries * ETH_MAC_SIZE;
	if (size > c->read.left)
		return false;
	*count = (uint8_t)(entries <= max ? entries : max + 1);
	if (entries <= max)
		return virtq_read(q, c, list, size);
	virtq_skip(c, false, size);
	return true;
}

static bool set_table(struct virtio_net *n, struct virtq *q)
{
	struct net_filter f = n->s.filter;

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX) ||
		!read_list(n, q, f.unicast, NET_UNICAST, &f.unicast_count) ||
		!read_list(n, q, f.multicast, NET_MULTICAST, &f.multicast_count))
		return false;
	n->s.filter = f;
	return true;
}

/* It is fixed: it can only be set to what it is. */
static bool set_address(struct virtio_net *n, struct virtq *q)
{
	const struct net_setup *c = &n->net->port[n->port].setup;
	uint8_t mac[ETH_MAC_SIZE];

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
		!virtq_read(q, chain_of(n), mac, sizeof(mac)))
		return false;
	return __builtin_memcmp(mac, c->mac, sizeof(mac)) == 0;
}

/* ---- 5.1.6.5.3 "VLAN Filtering" ---- */

static bool set_vlan(struct virtio_net *n, struct virtq *q, bool add)
{
	struct net_filter *f = &n->s.filter;
	uint16_t vlan;

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_VLAN) ||
		!virtq_read(q, chain_of(n), &vlan, sizeof(vlan)) || vlan > VLAN_ID_MAX)
		return false;
	if (add)
		f->vlans[vlan / 32] |= BIT(vlan % 32);
	else
		f->vlans[vlan / 32] &= ~BIT(vlan % 32);
	return true;
}

/* ---- 5.1.6.5.5 "Automatic receive steering" ---- */

unsigned virtio_net_pairs(const struct virtio_net *n)
{
	return virtio_has(&n->v, VIRTIO_NET_F_MQ) ? n->net->port[n->port].setup.queues : 1;
}

static bool set_pairs(struct virtio_net *n, struct virtq *q)
{
	uint16_t pairs;

	if (!virtio_has(&n->v, VIRTIO_NET_F_MQ) ||
		!virtq_read(q, chain_of(n), &pairs, sizeof(pairs)) || pairs == 0 ||
		pairs > virtio_net_pairs(n))
		return false;
	n->s.pairs = pairs;
	for (unsigned i = pairs; i < VIRTIO_NET_PAIRS; i++)
		n->segment[i] = 0; /* what waits there is gone */
	net_port_use(n->net, n->port, pairs);
	return true;
}

/* ---- 5.1.6.5.6 "Offloads State Configuration" ---- */

static bool set_offloads(struct virtio_net *n, struct virtq *q)
{
	uint64_t offloads;

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
		!virtq_read(q, chain_of(n), &offloads, sizeof(offloads)) ||
		offloads & ~(virtio_net_offloads(n) & n->v.features))
		return false;
	n->s.offloads = offloads;
	return true;
}

static bool run(struct virtio_net *n, struct virtq *q, unsigned command)
{
	switch (command) {
	case VIRTIO_NET_RX_PROMISC:
	case VIRTIO_NET_RX_ALLMULTI:
	case VIRTIO_NET_RX_ALLUNI:
	case VIRTIO_NET_RX_NOMULTI:
	case VIRTIO_NET_RX_NOUNI:
	case VIRTIO_NET_RX_NOBCAST:
		return set_mode(n, q, command);
	case VIRTIO_NET_MAC_TABLE_SET:
		return set_table(n, q);
	case VIRTIO_NET_MAC_ADDR_SET:
		return set_address(n, q);
	case VIRTIO_NET_VLAN_ADD:
	case VIRTIO_NET_VLAN_DEL:
		return set_vlan(n, q, command == VIRTIO_NET_VLAN_ADD);
	case VIRTIO_NET_PAIRS_SET:
		return set_pairs(n, q);
	case VIRTIO_NET_OFFLOADS_SET:
		return set_offloads(n, q);
	default:
		return false;
	}
}

enum virtio_result virtio_net_control(struct virtio_net *n, struct virtq *q)
{
	struct virtio_net_ctrl c;
	uint8_t ack = VIRTIO_NET_ERR;

	if (!virtq_read(q, chain_of(n), &c, sizeof(c)))
		return VIRTIO_BAD;
	if (run(n, q, VIRTIO_NET_CTRL((unsigned)c.class, c.command))) {
		virtio_net_use_filter(n);
		ack = VIRTIO_NET_OK;
	}
	return virtq_write(q, chain_of(n), &ack, sizeof(ack)) ? VIRTIO_DONE : VIRTIO_BAD;
}

/* ---- state ---- */

void virtio_net_get_state(const struct virtio_net *n, struct virtio_net_state *s)
{
	*s = n->s;
}

static bool filter_valid(const struct net_filter *f)
{
	const uint8_t *flags = &f->promisc;

	for (const uint8_t *p = flags; p <= &f->all_groups; p++)
		if (*p > 1)
			return false;
	return f->unicast_count <= NET_UNICAST + 1 && f->multicast_count <= NET_MULTICAST + 1 &&
	       !f->reserved[0] && !f->reserved[1];
}

bool virtio_net_set_state(struct virtio_net *n, const struct virtio_net_state *s)
{
	if (!filter_valid(&s->filter) || s->offloads & ~(uint64_t)OFFLOADS ||
		s->reserved != 0 || s->blinks > 1 || s->pairs == 0 ||
		s->pairs > virtio_net_pairs(n))
		return false;
	n->s = *s;
	n->sending = false;
	__builtin_memset(n->segment, 0, sizeof(n->segment));
	virtio_net_use_filter(n);
	net_port_use(n->net, n->port, s->pairs);
	net_port_link(n->net, n->port, virtio_net_link(n));
	if (s->blinks) { /* enough of it: the driver hears soon that it is up */
		n->s.blinks = virtio_live(&n->v);
		virtio_net_show_link(n, !n->s.blinks);
		virtio_ask(&n->v);
	}
	return true;
}
