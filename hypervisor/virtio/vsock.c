/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/vsock.h"

#include <stddef.h>

#define CLASS      0x078000u /* a communication device of no other kind */
#define RING_SIZE  256u
#define PACKET     65536u /* bytes of data that one gets */
#define PORT_BASE  0x40000000u
#define PORT_LINKS 64u

enum queue {
	RECEIVE,
	SEND,
	EVENTS,
	QUEUES
};

_Static_assert(VSOCK_LINKS <= PORT_LINKS, "ports tell links apart");
_Static_assert(sizeof(struct virtio_vsock_hdr) == 44, "5.10.6");

static struct virtio_vsock *vsock_of(struct virtio *v)
{
	return (struct virtio_vsock *)(void *)((char *)v - offsetof(struct virtio_vsock, v));
}

/* Another one for each connection, so that what is late for an old one is for nobody. */
static uint32_t port_of(unsigned link, uint32_t number)
{
	return PORT_BASE | ((number * PORT_LINKS + link) & (PORT_BASE - 1));
}

static struct stream_ring *to_guest(const struct vsock_link *l)
{
	return &l->stream->to[STREAM_ACCEPTOR];
}

static struct stream_ring *from_guest(const struct vsock_link *l)
{
	return &l->stream->to[STREAM_OPENER];
}

/* ---- links ---- */

/* The guest shall know that it has no connection any more. */
static void drop(struct virtio_vsock *d, unsigned i, bool tell_guest)
{
	struct vsock_link *l = &d->link[i];

	if (tell_guest) {
		l->reset_due = true;
		l->reset_port = port_of(i, l->number);
	}
	l->state = VSOCK_IDLE;
	l->request_due = l->credit_due = false;
	virtio_kick(&d->v, RECEIVE);
}

/* The guest's side has ended it. */
static void end(struct virtio_vsock *d, unsigned i, bool tell_guest)
{
	stream_end(d->link[i].stream, d->link[i].number);
	drop(d, i, tell_guest);
}

static void ask_guest(struct vsock_link *l, uint32_t number)
{
	l->state = VSOCK_ASKED;
	l->number = number;
	l->sent = l->alloc = l->taken = l->told = 0;
	l->request_due = true;
	l->credit_due = false;
}

/* What the opener wants of a link. */
static void look(struct virtio_vsock *d, unsigned i)
{
	struct vsock_link *l = &d->link[i];
	uint32_t wanted = stream_wanted(l->stream);

	if (l->state != VSOCK_IDLE && wanted != l->number)
		drop(d, i, true);
	if (!(wanted & 1))
		stream_see_closed(l->stream, wanted);
	else if (l->state == VSOCK_IDLE && stream_asks(l->stream, wanted))
		ask_guest(l, wanted);
}

/*
 * The guest knows of less room than there is; it shall know more before it has none. If nothing
 * was passed on yet, we are told when it is.
 */
static void look_at_credit(struct vsock_link *l)
{
	struct stream_ring *r = from_guest(l);
	uint32_t known = r->tail - l->told; /* bytes that the guest takes for not passed on */

	if (known > r->size / 2 &&
		stream_has_room(l->stream, STREAM_ACCEPTOR, r->size - r->size / 4))
		l->credit_due = true;
}

/* Bytes that the guest has room for. */
static uint32_t credit(const struct vsock_link *l)
{
	uint32_t under_way = l->sent - l->taken;

	return under_way < l->alloc ? l->alloc - under_way : 0;
}

/* ---- to the guest ---- */

static void fill_header(struct virtio_vsock *d, unsigned i, struct virtio_vsock_hdr *h)
{
	struct vsock_link *l = &d->link[i];

	*h = (struct virtio_vsock_hdr){
		.src_cid = VIRTIO_VSOCK_CID_HOST,
		.dst_cid = d->cid,
		.src_port = port_of(i, l->number),
		.dst_port = l->stream->port,
		.type = VIRTIO_VSOCK_STREAM,
		.buf_alloc = from_guest(l)->size,
	};
	if (l->state == VSOCK_OPEN)
		h->fwd_cnt = __atomic_load_n(&from_guest(l)->head, __ATOMIC_ACQUIRE);
}

/* What a link has for the guest; `room` bytes of data at most. False: nothing. */
static bool link_packet(
	struct virtio_vsock *d, unsigned i, uint32_t room, struct virtio_vsock_hdr *h)
{
	struct vsock_link *l = &d->link[i];

	look(d, i);
	fill_header(d, i, h);
	if (l->reset_due) {
		l->reset_due = false;
		h->src_port = l->reset_port;
		h->op = VIRTIO_VSOCK_RST;
		return true;
	}
	if (l->request_due) {
		l->request_due = false;
		h->op = VIRTIO_VSOCK_REQUEST;
		return true;
	}
	if (l->state != VSOCK_OPEN)
		return false;
	look_at_credit(l);
	h->length = ring_waiting(to_guest(l));
	h->length = h->length < room ? h->length : room;
	h->length = h->length < credit(l) ? h->length : credit(l);
	if (h->length == 0 && !l->credit_due)
		return false;
	h->op = h->length != 0 ? VIRTIO_VSOCK_RW : VIRTIO_VSOCK_CREDIT_UPDATE;
	l->credit_due = false;
	l->told = h->fwd_cnt;
	return true;
}

static bool refusal(struct virtio_vsock *d, struct virtio_vsock_hdr *h)
{
	const struct vsock_reset *r;

	if (d->reset_count == 0)
		return false;
	r = &d->reset[--d->reset_count];
	*h = (struct virtio_vsock_hdr){
		.src_cid = r->cid,
		.dst_cid = d->cid,
		.src_port = r->port,
		.dst_port = r->guest_port,
		.type = VIRTIO_VSOCK_STREAM,
		.op = VIRTIO_VSOCK_RST,
	};
	if (d->stalled)
		virtio_kick(&d->v, SEND);
	d->stalled = false;
	return true;
}

/* *link: whose data follows. False: there is nothing for the guest. */
static bool next_packet(
	struct virtio_vsock *d, uint32_t room, struct virtio_vsock_hdr *h, unsigned *link)
{
	if (refusal(d, h))
		return true;
	for (unsigned n = 0; n < d->link_count; n++) {
		unsigned i = (d->turn + n) % d->link_count;

		if (!link_packet(d, i, room, h))
			continue;
		d->turn = (uint8_t)((i + 1) % d->link_count);
		*link = i;
		return true;
	}
	return false;
}

/* Out of the ring into the chain. */
static bool put_data(struct virtio_vsock *d, struct virtq *q, unsigned link, uint32_t count)
{
	struct vsock_link *l = &d->link[link];

	for (uint32_t done = 0, n; done < count; done += n) {
		const uint8_t *from = ring_first(to_guest(l), &n);

		n = n < count - done ? n : count - done;
		if (!virtq_write(q, &d->v.chain, from, n))
			return false;
		stream_took(l->stream, STREAM_ACCEPTOR, n);
	}
	l->sent += count;
	return true;
}

static enum virtio_result give(struct virtio_vsock *d, struct virtq *q, uint64_t *budget)
{
	struct virtq_chain *c = &d->v.chain;
	struct virtio_vsock_hdr h;
	unsigned link = 0;
	uint64_t room;

	if (c->read.end != 0 || c->write.left < VIRTIO_VSOCK_HDR_SIZE)
		return VIRTIO_BAD;
	room = c->write.left - VIRTIO_VSOCK_HDR_SIZE;
	if (!next_packet(d, room < PACKET ? (uint32_t)room : PACKET, &h, &link))
		return VIRTIO_KEEP;
	virtio_spend(budget, h.length);
	if (!virtq_write(q, c, &h, VIRTIO_VSOCK_HDR_SIZE) || !put_data(d, q, link, h.length))
		return VIRTIO_BAD;
	return VIRTIO_DONE;
}

/* ---- from the guest ---- */

/* The link whose connection the packet is of; link_count: none. */
static unsigned find(const struct virtio_vsock *d, const struct virtio_vsock_hdr *h)
{
	unsigned i = h->dst_port % PORT_LINKS;

	if (i >= d->link_count || d->link[i].state == VSOCK_IDLE ||
		h->dst_cid != VIRTIO_VSOCK_CID_HOST || h->type != VIRTIO_VSOCK_STREAM ||
		h->dst_port != port_of(i, d->link[i].number) ||
		h->src_port != d->link[i].stream->port)
		return d->link_count;
	return i;
}

/* It gets a packet that says so. The caller has seen that there is room. */
static void refuse(struct virtio_vsock *d, const struct virtio_vsock_hdr *h)
{
	if (h->op == VIRTIO_VSOCK_RST)
		return;
	d->reset[d->reset_count++] = (struct vsock_reset){
		.cid = h->dst_cid, .port = h->dst_port, .guest_port = h->src_port};
	virtio_kick(&d->v, RECEIVE);
}

static void open_link(struct virtio_vsock *d, unsigned i)
{
	struct vsock_link *l = &d->link[i];

	if (l->state != VSOCK_ASKED || l->request_due) {
		end(d, i, true);
		return;
	}
	l->state = VSOCK_OPEN;
	stream_accept(l->stream, l->number);
}

/* Data for the opener: more than it has room for is against the credit it was given. */
static void begin_data(struct virtio_vsock *d, unsigned i, const struct virtio_vsock_hdr *h)
{
	struct vsock_link *l = &d->link[i];

	if (l->state != VSOCK_OPEN || h->length > ring_room(from_guest(l))) {
		end(d, i, true);
		return;
	}
	d->receiving = h->length;
	d->from = (uint8_t)i;
}

static void take_packet(struct virtio_vsock *d, const struct virtio_vsock_hdr *h)
{
	unsigned i = find(d, h);
	struct vsock_link *l = &d->link[i];

	if (i == d->link_count) {
		refuse(d, h);
		return;
	}
	l->alloc = h->buf_alloc;
	l->taken = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_RESPONSE:
		open_link(d, i);
		break;
	case VIRTIO_VSOCK_RW:
		begin_data(d, i, h);
		break;
	case VIRTIO_VSOCK_CREDIT_REQUEST:
		l->credit_due = true;
		break;
	case VIRTIO_VSOCK_CREDIT_UPDATE:
		break;
	default: /* RST, SHUTDOWN, and what makes no sense here */
		end(d, i, h->op != VIRTIO_VSOCK_RST);
	}
	virtio_kick(&d->v, RECEIVE); /* there may be more room than before */
}

/* Out of the chain into the ring. It becomes visible piece by piece. */
static enum virtio_result take_data(struct virtio_vsock *d, struct virtq *q, uint64_t *budget)
{
	struct vsock_link *l = &d->link[d->from];

	while (d->receiving != 0 && *budget != 0) {
		uint64_t most = d->receiving < *budget ? d->receiving : *budget, got;
		const uint8_t *from = virtq_take(q, &d->v.chain, false, most, &got);

		if (from == NULL)
			return VIRTIO_BAD;
		d->receiving -= (uint32_t)got;
		virtio_spend(budget, got);
		if (l->state != VSOCK_OPEN)
			continue; /* it ended meanwhile */
		ring_put(from_guest(l), 0, from, (uint32_t)got);
		stream_send(l->stream, STREAM_ACCEPTOR, (uint32_t)got);
	}
	if (d->receiving != 0)
		return VIRTIO_MORE;
	if (l->state == VSOCK_OPEN)
		look_at_credit(l);
	if (l->credit_due)
		virtio_kick(&d->v, RECEIVE);
	return VIRTIO_DONE;
}

static enum virtio_result take(struct virtio_vsock *d, struct virtq *q, uint64_t *budget)
{
	struct virtq_chain *c = &d->v.chain;
	struct virtio_vsock_hdr h;

	if (d->receiving != 0)
		return take_data(d, q, budget);
	if (c->write.end != c->write.buffer)
		return VIRTIO_BAD;
	if (d->reset_count == VSOCK_RESETS) {
		d->stalled = true;
		return VIRTIO_KEEP;
	}
	if (!virtq_read(q, c, &h, VIRTIO_VSOCK_HDR_SIZE) || h.length > c->read.left)
		return VIRTIO_BAD;
	if (h.src_cid != d->cid)
		return VIRTIO_DONE;
	take_packet(d, &h);
	return d->receiving != 0 ? take_data(d, q, budget) : VIRTIO_DONE;
}

/* ---- events ---- */

static enum virtio_result give_event(struct virtio_vsock *d, struct virtq *q)
{
	const uint32_t event = VIRTIO_VSOCK_TRANSPORT_RESET;

	if (!d->restored)
		return VIRTIO_KEEP;
	if (!virtq_write(q, &d->v.chain, &event, sizeof(event)))
		return VIRTIO_BAD;
	d->restored = false;
	return VIRTIO_DONE;
}

/* ---- the device ---- */

static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtio_vsock *d = vsock_of(v);
	struct virtq *q = &v->queue[queue];

	switch (queue) {
	case RECEIVE:
		return give(d, q, budget);
	case SEND:
		return take(d, q, budget);
	default:
		return give_event(d, q);
	}
}

/* What the guest had accepted is gone; what it had not can wait for its next driver. */
static void reset(struct virtio *v)
{
	struct virtio_vsock *d = vsock_of(v);

	for (unsigned i = 0; i < d->link_count; i++) {
		struct vsock_link *l = &d->link[i];

		if (l->state == VSOCK_OPEN)
			stream_end(l->stream, l->number);
		*l = (struct vsock_link){.stream = l->stream};
	}
	d->reset_count = 0;
	d->stalled = d->restored = false;
	d->receiving = 0;
}

static void queue_reset(struct virtio *v, unsigned queue)
{
	struct virtio_vsock *d = vsock_of(v);

	if (queue != SEND || d->receiving == 0)
		return;
	d->receiving = 0; /* the rest of it will not come */
	if (d->link[d->from].state == VSOCK_OPEN)
		end(d, d->from, true);
}

static const struct virtio_ops ops = {
	.handle = handle,
	.reset = reset,
	.queue_reset = queue_reset,
};

static const struct virtio_kind kind = {
	.type = VIRTIO_VSOCK,
	.class = CLASS,
	.features = VIRTIO_VSOCK_F_STREAM,
	.queues = QUEUES,
	.queue_size = RING_SIZE,
	.config_size = VIRTIO_VSOCK_CONFIG_SIZE,
	.ops = &ops,
};

bool virtio_vsock_create(struct virtio_vsock *d, uint64_t cid, struct platform *p, uint16_t bdf)
{
	d->cid = cid;
	d->link_count = 0;
	d->turn = 0;
	if (!virtio_create(&d->v, &kind, p, bdf))
		return false;
	__builtin_memset(d->v.config, 0, sizeof(d->v.config));
	for (unsigned i = 0; i < 8; i++)
		d->v.config[i] = (uint8_t)(cid >> i * 8);
	return true;
}

bool virtio_vsock_add(struct virtio_vsock *d, struct stream *s)
{
	uint32_t wanted = stream_wanted(s);

	if (d->link_count == VSOCK_LINKS)
		return false;
	if (stream_accepted(s, wanted)) /* by a device that was here before */
		stream_end(s, wanted);
	d->link[d->link_count++] = (struct vsock_link){.stream = s};
	return true;
}

void virtio_vsock_arrived(struct virtio_vsock *d)
{
	virtio_kick(&d->v, RECEIVE);
}

/*
 * The guest loses its connections when it hears of the event. One that it was asked for, and
 * may just have accepted, must not be taken for open afterwards: the opener tries another one.
 */
bool virtio_vsock_set_state(struct virtio_vsock *d, const struct virtio_state *s)
{
	if (!virtio_set_state(&d->v, s))
		return false;
	for (unsigned i = 0; i < d->link_count; i++) {
		uint32_t wanted = stream_wanted(d->link[i].stream);

		if (stream_asks(d->link[i].stream, wanted))
			stream_end(d->link[i].stream, wanted);
	}
	d->restored = true;
	virtio_kick(&d->v, EVENTS);
	return true;
}
