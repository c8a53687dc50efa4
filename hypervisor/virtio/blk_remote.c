/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot has one piece under way at a time. Its chain is loaded for what is done with it, and
 * its cursors move when a piece is done, so that what was lost can begin again.
 */
#include "virtio/blk_remote.h"

#include "dev/platform.h"
#include "virtio/blk_int.h"
#include "virtio/seam.h"

#define TURN       65536u     /* bytes of a turn */
#define PIECE      65536u     /* of data */
#define RANGE      (1u << 30) /* of what is discarded or zeroed without data */
#define REPLY_COST 512u       /* of a request or a reply, in bytes of the budget */
#define AGAIN_MS   100u       /* until it connects again */

void blk_remote_create(struct blk_remote *r, const char *name, const char *export,
	uint64_t size, bool readonly, struct stream *s)
{
	__builtin_memset(r, 0, sizeof(*r));
	r->name = name;
	r->size = size;
	r->readonly = readonly;
	r->receiving = BLK_SLOTS;
	r->told = "";
	nbd_create(&r->nbd, s, export, size, !readonly);
}

/* ---- slots ---- */

static void load(struct blk_remote *r, const struct blk_slot *s)
{
	struct virtq_chain *c = &r->chain;

	c->id = s->id;
	c->descriptors = s->descriptors;
	c->count = s->count;
	c->bad = false;
	c->written = s->written;
	c->read = s->read;
	c->write = s->write;
	__builtin_memcpy(c->at, s->buffers, s->count * sizeof(c->at[0]));
}

/* How far the chain came. */
static void store(struct blk_slot *s, const struct virtq_chain *c)
{
	s->written = c->written;
	s->read = c->read;
	s->write = c->write;
}

static unsigned free_slot(const struct blk_remote *r)
{
	unsigned i = 0;

	while (i < BLK_SLOTS && r->slot[i].used)
		i++;
	return i;
}

static bool writes_data(const struct blk_slot *s)
{
	return s->type == VIRTIO_BLK_T_OUT;
}

static bool has_ranges(const struct blk_slot *s)
{
	return s->type == VIRTIO_BLK_T_DISCARD || s->type == VIRTIO_BLK_T_WRITE_ZEROES;
}

/* Queues whose chains found no slot. */
static void wake_queues(struct virtio_blk *b)
{
	uint32_t full = b->on.remote->full;

	b->on.remote->full = 0;
	for (; full != 0; full &= full - 1)
		virtio_kick(&b->v, (unsigned)__builtin_ctz(full));
}

/* The chain is loaded. */
static void finish(struct virtio_blk *b, unsigned i, uint8_t status)
{
	struct blk_remote *r = b->on.remote;
	struct blk_slot *s = &r->slot[i];
	struct virtq *q = &b->v.queue[s->queue];

	blk_put_status(q, &r->chain, status);
	s->used = 0;
	r->flight[i] = (struct blk_flight){0};
	if (r->chain.bad) {
		virtio_fail(&b->v);
		return;
	}
	virtio_give(&b->v, s->queue,
		&(struct virtq_given){r->chain.id, r->chain.descriptors, r->chain.written});
	wake_queues(b);
}

/* Identifiers are ours, and of nothing there is nothing to read or write. */
static bool needs_no_server(const struct blk_request *r)
{
	return r->type == VIRTIO_BLK_T_GET_ID ||
	       ((r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_OUT) && r->left == 0);
}

enum virtio_result blk_remote_handle(struct virtio_blk *b, unsigned queue)
{
	struct blk_remote *r = b->on.remote;
	struct virtq_chain *c = &b->v.chain;
	struct virtq *q = &b->v.queue[queue];
	unsigned i = free_slot(r);
	struct blk_slot *s = &r->slot[i];

	if (i == BLK_SLOTS) {
		r->full |= 1u << queue;
		return VIRTIO_KEEP;
	}
	if (c->count > BLK_BUFFERS || !blk_begin(b, q))
		return VIRTIO_BAD;
	if (b->request.status != VIRTIO_BLK_S_OK || needs_no_server(&b->request)) {
		blk_put_status(q, c, b->request.status);
		return VIRTIO_DONE;
	}
	*s = (struct blk_slot){
		.used = 1,
		.queue = (uint8_t)queue,
		.type = b->request.type,
		.at = b->request.at,
		.left = b->request.left,
		.id = c->id,
		.descriptors = c->descriptors,
		.count = c->count,
	};
	store(s, c);
	__builtin_memcpy(s->buffers, c->at, c->count * sizeof(c->at[0]));
	r->flight[i] = (struct blk_flight){0};
	virtio_ask(&b->v);
	return VIRTIO_HELD;
}

/* ---- the connection ---- */

static void forget_flight(struct blk_remote *r)
{
	__builtin_memset(r->flight, 0, sizeof(r->flight));
	r->receiving = BLK_SLOTS;
}

static void disconnect(struct blk_remote *r)
{
	nbd_close(&r->nbd);
	forget_flight(r);
}

static void tell(struct virtio_blk *b, const char *why)
{
	struct blk_remote *r = b->on.remote;

	if (r->told == why)
		return;
	r->told = why;
	seam_disk_server(b->v.platform, r, why);
}

static void wait_and_try(struct virtio_blk *b)
{
	struct blk_remote *r = b->on.remote;

	forget_flight(r);
	tell(b, r->nbd.why);
	r->again = dev_now(b->v.platform) + (uint64_t)b->v.platform->config.tsc_khz * AGAIN_MS;
	virtio_ask_at(&b->v, r->again);
}

/* Nobody will ever answer. */
static void fail_all(struct virtio_blk *b)
{
	struct blk_remote *r = b->on.remote;

	forget_flight(r);
	tell(b, "the VM that serves it has ended: requests fail");
	for (unsigned i = 0; i < BLK_SLOTS; i++) {
		struct blk_slot *s = &r->slot[i];

		if (!s->used || !virtio_live(&b->v) || !virtq_open(&b->v.queue[s->queue]))
			continue;
		load(r, s);
		finish(b, i, VIRTIO_BLK_S_IOERR);
	}
}

/* Whether requests can go on. */
static bool connected(struct virtio_blk *b)
{
	struct blk_remote *r = b->on.remote;

	if (r->again != 0 && dev_now(b->v.platform) < r->again) {
		virtio_ask_at(&b->v, r->again);
		return false;
	}
	r->again = 0;
	switch (nbd_step(&r->nbd)) {
	case NBD_WORKS:
		tell(b, NULL);
		return true;
	case NBD_LOST:
		wait_and_try(b);
		return false;
	case NBD_NEVER:
		fail_all(b);
		return false;
	default:
		return false;
	}
}

/* ---- sending ---- */

static uint16_t command_of(const struct blk_remote *r, const struct blk_slot *s)
{
	switch (s->type) {
	case VIRTIO_BLK_T_IN:
		return NBD_CMD_READ;
	case VIRTIO_BLK_T_FLUSH:
		return NBD_CMD_FLUSH;
	case VIRTIO_BLK_T_DISCARD:
		return NBD_CMD_TRIM;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return r->nbd.flags & NBD_FLAG_SEND_WRITE_ZEROES ? NBD_CMD_WRITE_ZEROES
								 : NBD_CMD_WRITE;
	default:
		return NBD_CMD_WRITE;
	}
}

/* Bytes of the next piece. Data is in the ring at once. */
static uint32_t piece_of(const struct blk_remote *r, const struct blk_slot *s, bool data)
{
	uint32_t most = r->nbd.most - r->nbd.most % VIRTIO_BLK_SECTOR;

	most = most < PIECE ? most : PIECE;
	if (!data)
		most = RANGE;
	return s->left < most ? (uint32_t)s->left : most;
}

/* From the chain into the ring, behind the head of the request. False: chain.bad. */
static bool put_data(struct virtio_blk *b, const struct blk_slot *s, uint32_t count)
{
	struct blk_remote *r = b->on.remote;

	for (uint32_t done = 0; done < count;) {
		uint32_t room = count - done;
		uint8_t *to = ring_place(nbd_out(&r->nbd), NBD_REQUEST_SIZE + done, &room);
		uint64_t got = room;
		const uint8_t *from = NULL;

		if (writes_data(s)) {
			from = virtq_take(&b->v.queue[s->queue], &r->chain, false, room, &got);
			if (from == NULL)
				return false;
			__builtin_memcpy(to, from, got);
		} else {
			__builtin_memset(to, 0, got);
		}
		done += (uint32_t)got;
	}
	return true;
}

/* What is written shall be on the server's storage before the driver hears of it. */
static uint16_t flags_of(const struct blk_remote *r, const struct blk_slot *s, uint16_t command)
{
	unsigned flags = 0;

	if (command != NBD_CMD_READ && command != NBD_CMD_FLUSH &&
		r->nbd.flags & NBD_FLAG_SEND_FUA)
		flags |= NBD_CMD_FLAG_FUA;
	if (command == NBD_CMD_WRITE_ZEROES && !s->unmap)
		flags |= NBD_CMD_FLAG_NO_HOLE;
	return (uint16_t)flags;
}

static bool server_can(const struct blk_remote *r, uint16_t command)
{
	if (command == NBD_CMD_TRIM)
		return r->nbd.flags & NBD_FLAG_SEND_TRIM;
	return command != NBD_CMD_FLUSH || r->nbd.flags & NBD_FLAG_SEND_FLUSH;
}

/* The next range of a slot that has none. False: the slot is done with. */
static bool begin_range(struct virtio_blk *b, unsigned i)
{
	struct blk_remote *r = b->on.remote;
	struct blk_slot *s = &r->slot[i];
	struct blk_request request = {.type = s->type};

	while (s->left == 0) {
		if (!blk_next_range(b, &b->v.queue[s->queue], &r->chain, &request)) {
			finish(b, i, request.status);
			return false;
		}
		s->at = request.at;
		s->left = request.left;
		s->unmap = request.unmap;
		store(s, &r->chain);
	}
	return true;
}

static void piece_done(struct virtio_blk *b, unsigned i);

/* The chain is loaded. False: there is no room now. */
static bool send_piece(struct virtio_blk *b, unsigned i, uint64_t *budget)
{
	struct blk_remote *r = b->on.remote;
	struct blk_slot *s = &r->slot[i];
	struct blk_flight *f = &r->flight[i];
	uint16_t command = f->flush ? NBD_CMD_FLUSH : command_of(r, s);
	bool data = command == NBD_CMD_WRITE;
	uint32_t data_size;

	if (!f->flush)
		f->piece = command == NBD_CMD_FLUSH
				   ? 0
				   : piece_of(r, s, data || command == NBD_CMD_READ);
	data_size = data ? f->piece : 0;
	virtio_spend(budget, REPLY_COST + data_size);
	if (!server_can(r, command)) {
		piece_done(b, i);
		return true;
	}
	if (!stream_has_room(r->nbd.stream, STREAM_OPENER, NBD_REQUEST_SIZE + data_size))
		return false;
	if (!put_data(b, s, data_size)) {
		virtio_fail(&b->v);
		return true;
	}
	nbd_send(&r->nbd,
		&(struct nbd_request){
			.flags = flags_of(r, s, command),
			.command = command,
			.cookie = i,
			.offset = command == NBD_CMD_FLUSH ? 0 : s->at,
			.length = command == NBD_CMD_FLUSH ? 0 : f->piece,
		},
		data_size);
	f->sent = true;
	return true;
}

/* One that has something to send. False: none of them can now. */
static bool send_next(struct virtio_blk *b, uint64_t *budget)
{
	struct blk_remote *r = b->on.remote;

	for (unsigned n = 0; n < BLK_SLOTS; n++) {
		unsigned i = (r->turn + n) % BLK_SLOTS;
		struct blk_slot *s = &r->slot[i];

		if (!s->used || r->flight[i].sent)
			continue;
		if (!virtq_open(&b->v.queue[s->queue])) {
			virtio_fail(&b->v);
			return false;
		}
		load(r, s);
		if (has_ranges(s) && !r->flight[i].flush && !begin_range(b, i))
			return true;
		r->turn = (uint8_t)((i + 1) % BLK_SLOTS);
		return send_piece(b, i, budget);
	}
	return false;
}

/* ---- receiving ---- */

static bool must_flush(const struct blk_remote *r, const struct blk_slot *s)
{
	return s->type != VIRTIO_BLK_T_IN && s->type != VIRTIO_BLK_T_FLUSH &&
	       !(r->nbd.flags & NBD_FLAG_SEND_FUA) && r->nbd.flags & NBD_FLAG_SEND_FLUSH;
}

/* The chain is loaded, and its cursors are where the piece began; of a read, where it ended. */
static void piece_done(struct virtio_blk *b, unsigned i)
{
	struct blk_remote *r = b->on.remote;
	struct blk_slot *s = &r->slot[i];
	struct blk_flight *f = &r->flight[i];

	f->sent = false;
	if (!f->flush && must_flush(r, s)) {
		f->flush = true;
		return;
	}
	f->flush = false;
	if (writes_data(s))
		virtq_skip(&r->chain, false, f->piece);
	s->at += f->piece;
	s->left -= f->piece;
	store(s, &r->chain);
	if (s->left == 0 && !(has_ranges(s) && r->chain.read.left != 0))
		finish(b, i, VIRTIO_BLK_S_OK);
}

static void receive_data(struct virtio_blk *b, uint64_t *budget)
{
	struct blk_remote *r = b->on.remote;
	unsigned i = r->receiving;
	struct blk_slot *s = &r->slot[i];

	load(r, s);
	virtq_skip(&r->chain, true, r->flight[i].piece - r->receive_left);
	while (r->receive_left != 0 && *budget != 0) {
		uint32_t waiting;
		const uint8_t *from = ring_first(nbd_in(&r->nbd), &waiting);
		uint64_t most = waiting < r->receive_left ? waiting : r->receive_left, got;
		uint8_t *to;

		if (most == 0)
			return;
		to = virtq_take(&b->v.queue[s->queue], &r->chain, true, most, &got);
		if (to == NULL) {
			virtio_fail(&b->v);
			return;
		}
		__builtin_memcpy(to, from, got);
		stream_took(r->nbd.stream, STREAM_OPENER, (uint32_t)got);
		r->receive_left -= (uint32_t)got;
		virtio_spend(budget, got);
	}
	if (r->receive_left != 0)
		return;
	r->receiving = BLK_SLOTS;
	r->chain.written = s->written + r->flight[i].piece;
	piece_done(b, i);
}

static void take_reply(struct virtio_blk *b, const struct nbd_reply *reply)
{
	struct blk_remote *r = b->on.remote;
	unsigned i = reply->cookie < BLK_SLOTS ? (unsigned)reply->cookie : BLK_SLOTS;

	if (i == BLK_SLOTS || !r->flight[i].sent) {
		nbd_refuse(&r->nbd, "the server answers what was not asked");
		return;
	}
	if (reply->error == NBD_ESHUTDOWN) { /* the next one may do it */
		nbd_refuse(&r->nbd, "the server shuts down");
		return;
	}
	if (reply->error == 0 && r->slot[i].type == VIRTIO_BLK_T_IN) {
		r->receiving = (uint8_t)i;
		r->receive_left = r->flight[i].piece;
		return;
	}
	load(r, &r->slot[i]);
	if (reply->error == 0)
		piece_done(b, i);
	else
		finish(b, i, VIRTIO_BLK_S_IOERR);
}

/* False: nothing has come. */
static bool receive(struct virtio_blk *b, uint64_t *budget)
{
	struct blk_remote *r = b->on.remote;
	uint32_t before = ring_waiting(nbd_in(&r->nbd));
	struct nbd_reply reply;
	unsigned i = r->receiving;

	if (i != BLK_SLOTS) {
		if (!virtq_open(&b->v.queue[r->slot[i].queue])) {
			virtio_fail(&b->v);
			return false;
		}
		receive_data(b, budget);
		return before != 0;
	}
	if (nbd_receive(&r->nbd, &reply) != NBD_REPLY)
		return false;
	virtio_spend(budget, REPLY_COST);
	take_reply(b, &reply);
	return true;
}

static bool goes_on(const struct virtio_blk *b)
{
	return virtio_live(&b->v) && b->on.remote->nbd.phase == NBD_READY;
}

enum vpci_work blk_remote_work(struct virtio_blk *b)
{
	uint64_t budget = TURN;
	bool more = true;

	if (!connected(b))
		return VPCI_WORK_DONE;
	while (more && budget != 0 && goes_on(b)) {
		more = receive(b, &budget);
		if (goes_on(b))
			more |= send_next(b, &budget);
	}
	if (!virtio_live(&b->v))
		return VPCI_WORK_DONE;
	if (b->on.remote->nbd.phase == NBD_READY && !more &&
		stream_state(b->on.remote->nbd.stream) == STREAM_OPEN)
		return VPCI_WORK_DONE;
	if (b->on.remote->nbd.phase != NBD_READY) {
		wait_and_try(b);
		return VPCI_WORK_DONE;
	}
	return VPCI_WORK_MORE;
}

/* ---- reset ---- */

/*
 * Replies to what is forgotten could not be told from those that come later: another
 * connection.
 */
void blk_remote_forget(struct virtio_blk *b, unsigned queue)
{
	struct blk_remote *r = b->on.remote;
	bool flies = false;

	for (unsigned i = 0; i < BLK_SLOTS; i++) {
		if (queue != VIRTIO_NO_QUEUE && r->slot[i].queue != queue)
			continue;
		flies = flies || r->flight[i].sent;
		r->slot[i].used = 0;
		r->flight[i] = (struct blk_flight){0};
	}
	r->full &= queue == VIRTIO_NO_QUEUE ? 0 : ~(1u << queue);
	wake_queues(b); /* the others */
	if (flies) {
		disconnect(r);
		virtio_ask(&b->v);
	}
}
