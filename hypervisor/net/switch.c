/* SPDX-License-Identifier: Apache-2.0 */
#include "net/switch.h"

#include <stddef.h>

#include "net/flow.h"
#include "net/net_int.h"
#include "net/offload.h"
#include "net/seam.h"

/* Each frame pays for some: two words and no loop. */
static bool same(const uint8_t *a, const uint8_t *b)
{
	uint32_t a0, b0;
	uint16_t a1, b1;

	__builtin_memcpy(&a0, a, sizeof(a0));
	__builtin_memcpy(&b0, b, sizeof(b0));
	__builtin_memcpy(&a1, a + sizeof(a0), sizeof(a1));
	__builtin_memcpy(&b1, b + sizeof(b0), sizeof(b1));
	return a0 == b0 && a1 == b1;
}

static bool broadcast(const uint8_t *mac)
{
	static const uint8_t all[ETH_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return same(mac, all);
}

static uint16_t vlan_of(const struct net_frame *f)
{
	return f->meta.tci & VLAN_ID_MASK;
}

static const uint8_t *destination(const struct net_frame *f)
{
	return f->head;
}

static const uint8_t *source(const struct net_frame *f)
{
	return f->head + ETH_SOURCE;
}

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

void net_dropped(struct net_switch *s, unsigned port, enum net_drop why)
{
	count(&s->port[port].counters.dropped[why], 1);
}

void net_received(struct net_switch *s, unsigned port, uint32_t length)
{
	count(&s->port[port].counters.received_frames, 1);
	count(&s->port[port].counters.received_bytes, length);
}

/* ---- what a receiver wants ---- */

static bool listed(const uint8_t (*list)[ETH_MAC_SIZE], unsigned n, const uint8_t *mac)
{
	for (unsigned i = 0; i < n; i++)
		if (same(list[i], mac))
			return true;
	return false;
}

static bool wants_group(const struct net_filter *f, const uint8_t *mac)
{
	if (broadcast(mac))
		return !f->no_broadcast;
	return !f->no_multi &&
	       (f->all_multi || f->all_groups || f->multicast_count > NET_MULTICAST ||
		       listed(f->multicast, f->multicast_count, mac));
}

static bool wants(const struct net_port *p, const struct net_frame *frame)
{
	const struct net_filter *f = &p->filter;
	const uint8_t *mac = destination(frame);
	uint16_t vlan = vlan_of(frame);

	if (f->promisc)
		return true;
	if (f->use_vlans && p->setup.trunk && vlan != 0 &&
		!(f->vlans[vlan / 32] >> vlan % 32 & 1))
		return false;
	if (mac[0] & ETH_MULTICAST)
		return wants_group(f, mac);
	return !f->no_uni &&
	       (f->all_uni || same(mac, p->setup.mac) || f->unicast_count > NET_UNICAST ||
		       listed(f->unicast, f->unicast_count, mac));
}

/* ---- addresses ---- */

static void learn(struct net_switch *s, unsigned port, const struct net_frame *f)
{
	if (!same(source(f), s->port[port].setup.mac))
		net_address_learn(s, port, source(f), vlan_of(f));
}

/* ---- the way in ---- */

static bool in_debt(uint64_t paid, uint64_t now, uint64_t burst)
{
	return paid > now && paid - now > burst;
}

static void charge(uint64_t *paid, uint64_t now, uint64_t cost)
{
	*paid = (*paid > now ? *paid : now) + cost;
}

/* Once what it has sent is paid but for a burst it may send one more, however large. */
bool net_may_send(struct net_switch *s, unsigned port, uint32_t length)
{
	struct net_port *p = &s->port[port];
	uint64_t now = net_now(), burst = s->second / NET_RATE_BURST;
	const struct net_setup *c = &p->setup;

	if (in_debt(p->paid, now, burst) || in_debt(p->frames_paid, now, burst))
		return false;
	if (c->rate != 0)
		charge(&p->paid, now, s->second / 1000 * length * 8000 / c->rate);
	if (c->frames != 0)
		charge(&p->frames_paid, now, s->second / c->frames);
	return true;
}

static uint16_t type_of(const struct net_frame *f)
{
	return (uint16_t)(f->head[ETH_TYPE] << 8 | f->head[ETH_TYPE + 1]);
}

static void strip(struct net_frame *f)
{
	uint8_t *tag = f->head + ETH_TYPE;

	f->meta.tci = (uint16_t)(tag[2] << 8 | tag[3]);
	__builtin_memmove(tag, tag + ETH_TAG_SIZE, f->size - ETH_TYPE - ETH_TAG_SIZE);
	f->size -= ETH_TAG_SIZE;
	f->meta.length -= ETH_TAG_SIZE;
	/* Wrong ones are wrong afterwards. */
	if (f->meta.csum_start >= ETH_TAG_SIZE)
		f->meta.csum_start = (uint16_t)(f->meta.csum_start - ETH_TAG_SIZE);
}

static bool has_tag(const struct net_frame *f)
{
	uint16_t type = type_of(f);

	return type == ETH_TYPE_VLAN || type == ETH_TYPE_QINQ || type == ETH_TYPE_QINQ_OLD;
}

/*
 * The VLAN that the frame belongs to, in the tag or by the port. Another tag inside would be
 * the outer one where the frame leaves by a trunk without one of ours.
 */
static bool classify(const struct net_port *p, struct net_frame *f, uint32_t *stripped)
{
	*stripped = 0;
	f->meta.tci = 0;
	if (type_of(f) == ETH_TYPE_VLAN) {
		if (f->meta.length < ETH_HEADER + ETH_TAG_SIZE)
			return false;
		strip(f);
		*stripped = ETH_TAG_SIZE;
	}
	if (has_tag(f) && (!p->setup.trunk || vlan_of(f) == 0))
		return false;
	if (p->setup.trunk)
		return vlan_of(f) <= VLAN_ID_MAX;
	if (vlan_of(f) != 0)
		return false;
	f->meta.tci |= p->setup.vlan;
	return true;
}

/* Bytes of a frame without its tag. */
static uint32_t longest(const struct net_port *p)
{
	return p->setup.mtu + ETH_HEADER;
}

static bool length_valid(const struct net_port *p, const struct net_meta *m)
{
	return m->length >= ETH_HEADER &&
	       m->length <= (m->gso ? NET_FRAME_MAX - ETH_TAG_SIZE : longest(p));
}

/* So that what comes out of the cut is no longer than what could be sent whole. */
static bool segments_valid(const struct net_port *p, const struct net_meta *m)
{
	return !m->gso || m->headers + (uint32_t)m->gso_size <= longest(p);
}

/* Addresses that belong to another port by configuration are nobody else's. */
static bool source_valid(struct net_switch *s, unsigned port, const struct net_frame *f)
{
	const struct net_port *p = &s->port[port];
	unsigned owner;

	if (same(source(f), p->setup.mac))
		return true;
	if (!p->setup.spoof || source(f)[0] & ETH_MULTICAST)
		return false;
	net_lock(NET_TABLE);
	owner = net_address_owner(s, port, source(f));
	net_unlock(NET_TABLE);
	return owner == NET_PORTS;
}

static enum net_drop judge(
	struct net_switch *s, unsigned port, struct net_frame *f, uint32_t *stripped)
{
	const struct net_port *p = &s->port[port];

	if (net_is_down(p))
		return NET_DROP_LINK;
	if (f->size < ETH_HEADER)
		return NET_DROP_BAD;
	if (!classify(p, f, stripped))
		return NET_DROP_VLAN;
	if (!length_valid(p, &f->meta) || !net_offload_valid(&f->meta, f->head, f->size) ||
		!segments_valid(p, &f->meta))
		return NET_DROP_BAD;
	return source_valid(s, port, f) ? NET_DROPS : NET_DROP_SOURCE;
}

bool net_admit(struct net_switch *s, unsigned port, struct net_frame *f, uint32_t *stripped)
{
	enum net_drop why = judge(s, port, f, stripped);

	f->from = (uint16_t)port;
	if (why == NET_DROPS) {
		f->flow = __atomic_load_n(&s->flows, __ATOMIC_RELAXED)
				  ? net_flow(f->head, f->size)
				  : 0;
		return true;
	}
	net_dropped(s, port, why);
	return false;
}

/* ---- the way through ---- */

static bool member(const struct net_port *p, uint16_t vlan)
{
	return p->setup.trunk || p->setup.vlan == vlan;
}

/* The port of a destination that is known; NET_PORTS: it is not. Learns, too. */
static unsigned look_up(struct net_switch *s, unsigned port, const struct net_frame *f)
{
	unsigned to = NET_PORTS;

	net_lock(NET_TABLE);
	learn(s, port, f);
	if (!(destination(f)[0] & ETH_MULTICAST)) {
		to = s->port[port].last_to;
		if (!net_is_peer(&s->port[port], to) ||
			!same(destination(f), s->port[to].setup.mac))
			to = net_address_owner(s, port, destination(f));
		if (to == NET_PORTS)
			to = net_address_learned(s, port, destination(f), vlan_of(f));
	}
	if (to != NET_PORTS)
		s->port[port].last_to = to;
	net_unlock(NET_TABLE);
	return to;
}

static bool may_get(const struct net_port *p, uint16_t vlan)
{
	return net_open_queues(p) != 0 && !net_is_down(p) && member(p, vlan);
}

/* Those stay in the set that may get what is in this VLAN. */
static void keep_receivers(const struct net_switch *s, struct net_set *set, uint16_t vlan)
{
	for (uint64_t words = set->some; words != 0; words &= words - 1) {
		unsigned w = (unsigned)__builtin_ctzll(words);

		for (uint64_t left = set->word[w]; left != 0; left &= left - 1) {
			unsigned i = w * 64 + (unsigned)__builtin_ctzll(left);

			if (!may_get(&s->port[i], vlan))
				net_set_drop(set, i);
		}
	}
}

/*
 * ---- flows: a frame goes to the queue that its receiver sends on, which is of the CPU that
 * works on it (virtio 1.2, 5.1.6.5.5 "Automatic receive steering") ----
 */

static uint8_t *remembered(struct net_port *p, uint32_t flow)
{
	return &p->flow[flow % NET_FLOWS];
}

/* Only what a port sends itself changes what it remembers. */
static void remember(struct net_port *p, unsigned queue, uint32_t flow)
{
	uint8_t *r = remembered(p, flow);

	if (p->setup.queues > 1 && __atomic_load_n(r, __ATOMIC_RELAXED) != queue + 1)
		__atomic_store_n(r, (uint8_t)(queue + 1), __ATOMIC_RELAXED);
}

/* With the lock of the port. NET_QUEUES: none takes frames. */
static unsigned queue_for(struct net_port *p, uint32_t flow)
{
	uint32_t open = net_open_queues(p) & (BIT(p->queues) - 1);
	unsigned queue = __atomic_load_n(remembered(p, flow), __ATOMIC_RELAXED) - 1u;

	if (queue >= p->queues)
		queue = (flow >> 16) % p->queues;
	if (open >> queue & 1)
		return queue;
	return open != 0 ? (unsigned)__builtin_ctz(open) : NET_QUEUES;
}

void net_route(struct net_switch *s, unsigned port, unsigned queue, const struct net_frame *f,
	struct net_set *set)
{
	struct net_port *p = &s->port[port];
	unsigned to = look_up(s, port, f);

	net_set_clear(set);
	if (to == NET_PORTS &&
		!budget_spend(&p->flood, net_now(), s->second / NET_FLOODED, NET_FLOOD_BURST)) {
		net_dropped(s, port, NET_DROP_FLOOD);
		return;
	}
	remember(p, queue, f->flow);
	count(&p->counters.sent_frames, 1);
	count(&p->counters.sent_bytes, f->meta.length);
	count(&p->counters.large, f->meta.gso != 0);
	count(&p->counters.flooded, to == NET_PORTS);
	if (to == NET_PORTS)
		net_peers(p, set);
	else
		net_set_of(set, to);
	net_set_drop(set, port);
	keep_receivers(s, set, vlan_of(f));
}

/* Of a large frame its segments count, also when the receiver takes it uncut. */
static bool too_long(const struct net_port *p, const struct net_meta *m)
{
	uint32_t length = m->gso ? m->headers + (uint32_t)m->gso_size : m->length;

	return (length < m->length ? length : m->length) > longest(p);
}

static uint8_t *room_for(struct net_switch *s, unsigned port, const struct net_meta *m)
{
	struct net_port *p = &s->port[port];
	uint8_t *room;

	if (too_long(p, m)) {
		net_dropped(s, port, NET_DROP_MTU);
		return NULL;
	}
	room = net_queue_room(&p->queue[p->filling], m->length);
	if (room == NULL)
		net_dropped(s, port, NET_DROP_FULL);
	return room;
}

uint8_t *net_begin(struct net_switch *s, unsigned port, const struct net_frame *f)
{
	struct net_port *p = &s->port[port];
	uint8_t *room = NULL;

	net_lock(port);
	p->filling = (uint8_t)queue_for(p, f->flow);
	/* Meanwhile one of the two ports may have come to another network. */
	if (net_is_peer(p, f->from) && p->filling < NET_QUEUES && wants(p, f))
		room = room_for(s, port, &f->meta);
	if (room == NULL)
		net_unlock(port);
	return room;
}

void net_finish(struct net_switch *s, unsigned port, const struct net_frame *f, bool good)
{
	struct net_port *p = &s->port[port];
	unsigned queue = p->filling;

	if (good)
		net_queue_put(&p->queue[queue], &f->meta);
	net_unlock(port);
	if (good)
		net_arrived(port, queue);
}
