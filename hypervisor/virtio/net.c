/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/net.h"

#include <stddef.h>

#include "dev/dev.h"
#include "dev/platform.h"
#include "spec/virtio_net.h"

#define CLASS     0x020000u /* Ethernet controller */
#define RING_SIZE 256u
#define HDR       ((uint32_t)sizeof(struct virtio_net_hdr))
#define BLINK     1000u /* milliseconds that a link is shown as down */

#define FEATURES                                                                            \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS |   \
		VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC | VIRTIO_NET_F_GUEST_TSO4 |             \
		VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_HOST_TSO4 | \
		VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_MRG_RXBUF |   \
		VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |         \
		VIRTIO_NET_F_CTRL_VLAN | VIRTIO_NET_F_CTRL_RX_EXTRA |                       \
		VIRTIO_NET_F_CTRL_MAC_ADDR)

/* 5.1.2 "Virtqueues": of each pair first the one that receives; the control behind them. */
#define RECEIVE(pair)  (2 * (pair))
#define SEND(pair)     (2 * (pair) + 1)
#define CONTROL(pairs) (2 * (pairs))
#define IS_SEND(queue) ((queue) % 2 == 1)
#define PAIR(queue)    ((queue) / 2)

_Static_assert(sizeof(struct virtio_net_hdr) == 12, "5.1.6");

static struct virtio_net *net_of(struct virtio *v)
{
	return (struct virtio_net *)(void *)((char *)v - offsetof(struct virtio_net, v));
}

static struct net_port *port_of(struct virtio_net *n)
{
	return &n->net->port[n->port];
}

/* ---- sending ---- */

/* Whether the driver may ask for this work: 5.1.6.2.1. */
static bool asks_well(const struct virtio *v, const struct virtio_net_hdr *h)
{
	bool v6 = (h->gso_type & ~VIRTIO_NET_GSO_ECN) == VIRTIO_NET_GSO_TCPV6;

	if (h->flags & VIRTIO_NET_NEEDS_CSUM && !virtio_has(v, VIRTIO_NET_F_CSUM))
		return false;
	if (h->gso_type & VIRTIO_NET_GSO_ECN && !virtio_has(v, VIRTIO_NET_F_HOST_ECN))
		return false;
	return h->gso_type == VIRTIO_NET_GSO_NONE ||
	       virtio_has(v, v6 ? VIRTIO_NET_F_HOST_TSO6 : VIRTIO_NET_F_HOST_TSO4);
}

/* Header and the first bytes, read once. False: it is no frame. */
static bool read_head(struct virtio_net *n, struct virtq *q)
{
	struct virtq_chain *c = &n->v.chain;
	struct net_frame *f = &n->frame;
	struct virtio_net_hdr h;
	uint64_t length = c->read.left - HDR;

	if (!virtq_read(q, c, &h, HDR))
		return false;
	f->meta = (struct net_meta){
		.length = (uint32_t)length,
		.flags = h.flags,
		.gso = h.gso_type,
		.gso_size = h.gso_size,
		.csum_start = h.csum_start,
		.csum_offset = h.csum_offset,
	};
	f->size = length < NET_HEAD ? (uint32_t)length : NET_HEAD;
	return virtq_read(q, c, f->head, f->size) && asks_well(&n->v, &h);
}

static enum virtio_result begin_sending(struct virtio_net *n, struct virtq *q)
{
	struct virtq_chain *c = &n->v.chain;
	uint32_t stripped;

	if (c->write.end != c->write.buffer)
		return VIRTIO_BAD;
	net_set_clear(&n->targets);
	n->sending = true;
	if (c->read.left < HDR || c->read.left > HDR + NET_FRAME_MAX) {
		net_dropped(n->net, n->port, NET_DROP_BAD);
		return VIRTIO_DONE;
	}
	if (!net_may_send(n->net, n->port, (uint32_t)(c->read.left - HDR)))
		return VIRTIO_WAITS;
	if (!read_head(n, q)) {
		net_dropped(n->net, n->port, NET_DROP_BAD);
		return VIRTIO_DONE;
	}
	n->body = c->read;
	if (net_admit(n->net, n->port, &n->frame, &stripped))
		net_route(n->net, n->port, PAIR(n->v.taken), &n->frame, &n->targets);
	return VIRTIO_DONE;
}

/* A copy for one port. */
static bool send_to(struct virtio_net *n, struct virtq *q, unsigned port)
{
	const struct net_frame *f = &n->frame;
	uint8_t *to = net_begin(n->net, port, f);
	bool good;

	if (to == NULL)
		return true;
	__builtin_memcpy(to, f->head, f->size);
	n->v.chain.read = n->body;
	good = virtq_read(q, &n->v.chain, to + f->size, f->meta.length - f->size);
	net_finish(n->net, port, f, good);
	return good;
}

static enum virtio_result send(struct virtio_net *n, struct virtq *q, uint64_t *budget)
{
	enum virtio_result result = VIRTIO_DONE;
	unsigned port;

	if (!n->sending)
		result = begin_sending(n, q);
	while (result == VIRTIO_DONE && (port = net_set_first(&n->targets)) != NET_PORTS) {
		if (*budget == 0)
			return VIRTIO_MORE;
		net_set_drop(&n->targets, port);
		virtio_spend(budget, n->frame.meta.length);
		if (!send_to(n, q, port))
			result = VIRTIO_BAD;
	}
	n->sending = false;
	return result;
}

/* ---- receiving: what the driver gets ---- */

/* Bytes of a frame as they go out, behind the header. */
struct piece {
	struct virtio_net_hdr hdr;
	uint8_t tag[ETH_TAG_SIZE];
	uint32_t tag_size;
	const uint8_t *head, *body; /* the addresses are in `head` */
	uint32_t head_size, body_size;
};

static bool wants(const struct virtio_net *n, uint64_t feature)
{
	return virtio_has(&n->v, feature) && n->s.offloads & feature;
}

static bool takes_gso(const struct virtio_net *n, uint8_t gso)
{
	bool v6 = (gso & ~VIRTIO_NET_GSO_ECN) == VIRTIO_NET_GSO_TCPV6;

	if (gso & VIRTIO_NET_GSO_ECN && !wants(n, VIRTIO_NET_F_GUEST_ECN))
		return false;
	return wants(n, VIRTIO_NET_F_GUEST_CSUM) &&
	       wants(n, v6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4);
}

static void add_tag(struct virtio_net *n, const struct net_meta *m, struct piece *p)
{
	p->tag_size = 0;
	if (!port_of(n)->setup.trunk || !(m->tci & VLAN_ID_MASK))
		return;
	p->tag_size = ETH_TAG_SIZE;
	p->tag[0] = ETH_TYPE_VLAN >> 8;
	p->tag[1] = ETH_TYPE_VLAN & 0xff;
	p->tag[2] = (uint8_t)(m->tci >> 8);
	p->tag[3] = (uint8_t)m->tci;
}

/* The frame as it is; a checksum that the driver does not want left to it is made here. */
static void whole(struct virtio_net *n, struct net_meta *m, uint8_t *frame, struct piece *p)
{
	if (m->flags && !wants(n, VIRTIO_NET_F_GUEST_CSUM))
		net_checksum(m, frame);
	p->hdr = (struct virtio_net_hdr){
		.flags = m->flags,
		.gso_type = m->gso,
		.gso_size = m->gso_size,
		.hdr_len = (uint16_t)(m->headers ? m->headers + p->tag_size : 0),
		.csum_start = (uint16_t)(m->flags ? m->csum_start + p->tag_size : 0),
		.csum_offset = m->csum_offset,
	};
	p->head = frame;
	p->head_size = m->length;
	p->body = NULL;
	p->body_size = 0;
}

static void segment(struct virtio_net *n, const struct net_meta *m, const uint8_t *frame,
	uint32_t index, struct piece *p)
{
	net_segment(m, frame, index, &n->cut);
	p->hdr = (struct virtio_net_hdr){0};
	p->head = n->cut.head;
	p->head_size = n->cut.headers;
	p->body = n->cut.body;
	p->body_size = n->cut.length - n->cut.headers;
}

static uint32_t length_of(const struct piece *p)
{
	return p->head_size + p->tag_size + p->body_size;
}

/* ---- receiving: where it goes ---- */

enum filled {
	FILLED,
	FILL_WAITS, /* for more chains */
	FILL_SMALL, /* all that may be used are too small together */
	FILL_BAD
};

/* The chains that are filled: first v.chain, then `chain`, each in turn. */
struct filling {
	struct virtq *q;
	struct virtq_state before; /* of the ring, before the second */
	struct virtq_chain *c;
	unsigned count;
	uint64_t *budget;
};

/* Another chain. The first one of all is not the driver's before the last is filled. */
static enum filled next_chain(struct virtio_net *n, struct filling *f)
{
	enum virtq_result next;

	if (!virtio_has(&n->v, VIRTIO_NET_F_MRG_RXBUF) || f->count == VIRTIO_NET_CHAINS)
		return FILL_SMALL;
	next = virtq_next(f->q, &n->chain);
	if (next == VIRTQ_EMPTY && virtq_listen(f->q))
		next = virtq_next(f->q, &n->chain);
	if (next == VIRTQ_EMPTY)
		return FILL_WAITS;
	if (next == VIRTQ_BAD || n->chain.read.end != 0)
		return FILL_BAD;
	/* However little goes into it. */
	virtio_spend(f->budget, VIRTIO_CHAIN_COST + VIRTIO_BUFFER_COST * n->chain.count);
	n->given[f->count++] = (struct virtq_given){n->chain.id, n->chain.descriptors, 0};
	f->c = &n->chain;
	return FILLED;
}

static enum filled fill(
	struct virtio_net *n, struct filling *f, const void *bytes, uint32_t size)
{
	enum filled result = FILLED;

	for (uint32_t done = 0, part; done < size && result == FILLED; done += part) {
		part = size - done;
		part = f->c->write.left < part ? (uint32_t)f->c->write.left : part;
		if (part == 0)
			result = next_chain(n, f);
		else if (!virtq_write(f->q, f->c, (const uint8_t *)bytes + done, part))
			result = FILL_BAD;
		n->given[f->count - 1].written = f->c->written;
	}
	return result;
}

static enum filled fill_piece(struct virtio_net *n, struct filling *f, const struct piece *p)
{
	enum filled result = fill(n, f, &p->hdr, HDR);
	uint32_t before = p->tag_size == 0 ? p->head_size : ETH_TYPE;

	if (result == FILLED)
		result = fill(n, f, p->head, before);
	if (result == FILLED)
		result = fill(n, f, p->tag, p->tag_size);
	if (result == FILLED)
		result = fill(n, f, p->head + before, p->head_size - before);
	if (result == FILLED)
		result = fill(n, f, p->body, p->body_size);
	return result;
}

/* The number of chains is known in the end, and stands at the end of the header. */
static bool patch_count(struct virtio_net *n, struct filling *f, struct virtq_cursor start)
{
	struct virtq_chain *c = &n->v.chain;
	uint16_t chains = (uint16_t)f->count;

	c->write = start;
	virtq_skip(c, true, offsetof(struct virtio_net_hdr, num_buffers));
	return virtq_write(f->q, c, &chains, sizeof(chains));
}

static enum filled put(
	struct virtio_net *n, struct virtq *q, const struct piece *p, uint64_t *budget)
{
	struct virtq_chain *c = &n->v.chain;
	struct virtq_cursor start = c->write;
	struct filling f = {.q = q, .before = q->s, .c = c, .count = 1, .budget = budget};
	enum filled result = FILL_SMALL;

	n->given[0] = (struct virtq_given){c->id, c->descriptors, 0};
	if (c->write.left >= HDR)
		result = fill_piece(n, &f, p);
	if (result == FILLED && !patch_count(n, &f, start))
		result = FILL_BAD;
	c->write = start;
	c->written = 0;
	if (n->chain.bad)
		result = FILL_BAD;
	if (result == FILLED)
		virtq_give(q, n->given, f.count);
	else
		virtq_rewind(q, &f.before);
	return result;
}

/* ---- receiving ---- */

static void drop_first(struct virtio_net *n, unsigned pair)
{
	net_queue_drop(&port_of(n)->queue[pair]);
	n->segment[pair] = 0;
}

/* Of the oldest frame, a piece that the driver has got. */
static void got(struct virtio_net *n, unsigned pair, const struct net_meta *m, bool cut,
	uint32_t length)
{
	net_received(n->net, n->port, length);
	if (!cut || ++n->segment[pair] == net_segments(m))
		drop_first(n, pair);
}

/* The driver cannot take it: the next one. */
static enum virtio_result lose_first(struct virtio_net *n, unsigned pair)
{
	net_dropped(n->net, n->port, NET_DROP_BUFFERS);
	drop_first(n, pair);
	return VIRTIO_MORE;
}

/* The oldest one of a pair's queue. */
static enum virtio_result give_first(struct virtio_net *n, unsigned pair, struct net_meta *m,
	uint8_t *frame, uint64_t *budget)
{
	bool cut = m->gso && !takes_gso(n, m->gso);
	struct piece p;
	enum filled result;

	if (cut && net_segments(m) > NET_SEGMENTS_MAX)
		return lose_first(n, pair);
	add_tag(n, m, &p);
	if (cut)
		segment(n, m, frame, n->segment[pair], &p);
	else
		whole(n, m, frame, &p);
	result = put(n, &n->v.queue[RECEIVE(pair)], &p, budget);
	virtio_spend(budget, length_of(&p));
	if (result == FILL_BAD)
		return VIRTIO_BAD;
	if (result == FILL_WAITS)
		return VIRTIO_KEEP;
	if (result == FILL_SMALL) {
		virtio_spend(budget, VIRTIO_CHAIN_COST);
		return lose_first(n, pair);
	}
	got(n, pair, m, cut, length_of(&p));
	return VIRTIO_GIVEN;
}

/* With the first buffer of a queue the driver takes frames there. */
static void open_port(struct virtio_net *n, unsigned pair)
{
	if (port_of(n)->open >> pair & 1)
		return;
	virtio_net_use_filter(n);
	net_port_open(n->net, n->port, pair);
}

static enum virtio_result receive(struct virtio_net *n, unsigned pair, uint64_t *budget)
{
	enum virtio_result result = VIRTIO_MORE;

	if (n->v.chain.read.end != 0)
		return VIRTIO_BAD;
	open_port(n, pair);
	n->chain.bad = false;
	while (result == VIRTIO_MORE && *budget > 0) {
		uint8_t *frame;
		struct net_meta *m = net_queue_first(&port_of(n)->queue[pair], &frame);

		if (m == NULL)
			return VIRTIO_KEEP;
		virtio_spend(budget, 1);
		result = give_first(n, pair, m, frame, budget);
	}
	return result;
}

void virtio_net_arrived(struct virtio_net *n)
{
	for (unsigned i = 0; i < n->s.pairs; i++)
		if (!net_queue_empty(&port_of(n)->queue[i]))
			virtio_kick(&n->v, RECEIVE(i));
}

/* ---- the device ---- */

static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtio_net *n = net_of(v);
	struct virtq *q = &v->queue[queue];
	unsigned control = CONTROL(virtio_net_pairs(n));

	if (queue > control)
		return VIRTIO_BAD;
	if (queue == control)
		return virtio_net_control(n, q);
	return IS_SEND(queue) ? send(n, q, budget) : receive(n, PAIR(queue), budget);
}

static void close_pair(struct virtio_net *n, unsigned pair)
{
	net_port_close(n->net, n->port, pair);
	n->segment[pair] = 0;
}

static void queue_reset(struct virtio *v, unsigned queue)
{
	struct virtio_net *n = net_of(v);

	if (v->taken == VIRTIO_NO_QUEUE) /* else it was another one's frame */
		n->sending = false;
	if (!IS_SEND(queue) && queue < CONTROL(virtio_net_pairs(n)))
		close_pair(n, PAIR(queue));
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

void virtio_net_show_link(struct virtio_net *n, bool up)
{
	put16(n->v.config + VIRTIO_NET_CONFIG_STATUS, up ? VIRTIO_NET_LINK_UP : 0);
}

/* The driver sees the link as it is again. */
static enum vpci_work work(struct virtio *v)
{
	struct virtio_net *n = net_of(v);

	if (n->s.blinks) {
		n->s.blinks = false;
		virtio_net_show_link(n, true);
		virtio_config_changed(v);
	}
	return VPCI_WORK_DONE;
}

static void reset(struct virtio *v)
{
	struct virtio_net *n = net_of(v);

	if (n->s.blinks)
		virtio_net_show_link(n, true);
	n->s.blinks = false;
	n->sending = false;
	for (unsigned i = 0; i < port_of(n)->setup.queues; i++)
		close_pair(n, i);
	virtio_net_reset_filter(n);
}

static const struct virtio_ops ops = {
	.handle = handle,
	.reset = reset,
	.queue_reset = queue_reset,
	.work = work,
};

/* What it is. */
static const struct virtio_kind *begin(
	struct virtio_net *n, struct net_switch *net, unsigned port)
{
	const struct net_setup *c = &net->port[port].setup;

	n->net = net;
	n->port = port;
	n->kind = (struct virtio_kind){
		.type = VIRTIO_NET,
		.class = CLASS,
		.features = FEATURES | (c->queues > 1 ? VIRTIO_NET_F_MQ : 0),
		.queues = (uint8_t)(CONTROL(c->queues) + 1),
		.queue_size = RING_SIZE,
		.config_size = VIRTIO_NET_CONFIG_SIZE,
		.ops = &ops,
	};
	return &n->kind;
}

/* What the driver reads. */
static bool end(struct virtio_net *n, uint64_t refused)
{
	const struct net_setup *c = &port_of(n)->setup;

	n->v.offered &= ~refused;
	__builtin_memset(n->v.config, 0, sizeof(n->v.config));
	__builtin_memcpy(n->v.config + VIRTIO_NET_CONFIG_MAC, c->mac, ETH_MAC_SIZE);
	put16(n->v.config + VIRTIO_NET_CONFIG_STATUS, VIRTIO_NET_LINK_UP);
	put16(n->v.config + VIRTIO_NET_CONFIG_PAIRS, c->queues);
	put16(n->v.config + VIRTIO_NET_CONFIG_MTU, c->mtu);
	return true;
}

bool virtio_net_create(struct virtio_net *n, struct platform *p, uint16_t bdf,
	struct net_switch *net, unsigned port, uint64_t refused)
{
	return virtio_create(&n->v, begin(n, net, port), p, bdf) && end(n, refused);
}

bool virtio_net_create_vf(struct virtio_net *n, const struct virtio_net *physical,
	unsigned number, unsigned port, uint64_t refused)
{
	return virtio_create_vf(&n->v, begin(n, physical->net, port), &physical->v, number) &&
	       end(n, refused);
}

bool virtio_net_link(const struct virtio_net *n)
{
	return n->s.blinks || n->v.config[VIRTIO_NET_CONFIG_STATUS] & VIRTIO_NET_LINK_UP;
}

void virtio_net_set_link(struct virtio_net *n, bool up)
{
	net_port_link(n->net, n->port, up);
	if (virtio_net_link(n) == up)
		return;
	n->s.blinks = false;
	virtio_net_show_link(n, up);
	virtio_config_changed(&n->v);
}

static void blink(struct virtio_net *n)
{
	struct platform *p = n->v.platform;

	n->s.blinks = true;
	virtio_net_show_link(n, false);
	virtio_ask_at(&n->v, dev_now(p) + (uint64_t)p->config.tsc_khz * BLINK);
}

void virtio_net_moved(struct virtio_net *n)
{
	net_set_clear(&n->targets);
	__builtin_memset(n->segment, 0, sizeof(n->segment));
	if (!virtio_net_link(n) || !virtio_live(&n->v))
		return;
	blink(n);
	virtio_config_changed(&n->v);
}
