/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is a header, data, and a byte for the status. How far it came is in struct
 * virtio_blk and in the chain, so that a large one is done in pieces. Requests may be done
 * twice, when a VM goes on elsewhere in the middle of one.
 */
#include "virtio/blk_int.h"

#include "virtio/seam.h"

#define CLASS       0x010000u /* mass storage, SCSI, as other virtio disks say */
#define QUEUE_SIZE  256u
#define SEGMENTS    (VIRTQ_SIZE - 2)
#define SEGMENT_MAX (1u << 20)
#define RANGES      16u
#define RANGE_MAX   (1u << 21) /* sectors: 1 GiB */
/* What a page costs that is given up or found to be zero already, in bytes of the budget. */
#define PAGE_COST 64u

#define SECTORS_IN_PAGE (DISK_PAGE / VIRTIO_BLK_SECTOR)

#define FEATURES                                                                \
	(VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | \
		VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_MQ)
#define FEATURES_OF_WRITABLE (VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES)

static bool on_disk(const struct virtio_blk *b, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = b->size / VIRTIO_BLK_SECTOR;

	return sector <= sectors && bytes <= (sectors - sector) * VIRTIO_BLK_SECTOR;
}

/* ---- data ---- */

/* What is left of the chain's data: the last byte that the device writes is the status. */
static uint64_t data_left(const struct virtio_blk *b)
{
	const struct virtq_chain *c = &b->v.chain;

	return b->request.type == VIRTIO_BLK_T_IN ? c->write.left - 1 : c->read.left;
}

static bool begin_data(struct virtio_blk *b, uint64_t sector)
{
	b->request.left = data_left(b);
	if (b->request.left % VIRTIO_BLK_SECTOR != 0 || !on_disk(b, sector, b->request.left) ||
		(b->request.type == VIRTIO_BLK_T_OUT && b->readonly))
		return false;
	b->request.at = sector * VIRTIO_BLK_SECTOR;
	return true;
}

static void advance(struct virtio_blk *b, uint64_t bytes, uint64_t *budget)
{
	b->request.at += bytes;
	b->request.left -= bytes;
	virtio_spend(budget, bytes);
}

static bool fail(struct virtio_blk *b)
{
	b->request.status = VIRTIO_BLK_S_IOERR;
	b->request.left = 0;
	return false;
}

/* Pieces that end with a page of the disk, a buffer, and the budget. */
static void do_in(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	bool any_wrong = dev_any_wrong();

	while (b->request.left > 0 && *budget > 0) {
		uint64_t n = b->request.left, got;
		const uint8_t *src = disk_read(b->on.disk, b->request.at, &n);
		uint8_t *dst;

		if (any_wrong && src != NULL && dev_is_wrong(src, n)) {
			fail(b);
			return;
		}
		dst = virtq_take(q, &b->v.chain, true, n, &got);
		if (dst == NULL)
			return; /* chain.bad */
		if (src != NULL)
			__builtin_memcpy(dst, src, got);
		else
			__builtin_memset(dst, 0, got);
		advance(b, got, budget);
	}
}

static bool no_space(struct virtio_blk *b)
{
	seam_disk_full(b->v.platform, b->on.disk);
	return fail(b);
}

/* A piece of a page is taken before it has a place, so that a whole page is not copied first.
 */
static void do_out(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	bool any_wrong = dev_any_wrong();

	while (b->request.left > 0 && *budget > 0) {
		uint64_t n = DISK_PAGE - b->request.at % DISK_PAGE, got, count;
		const uint8_t *src;
		uint8_t *dst;

		n = n < b->request.left ? n : b->request.left;
		src = virtq_take(q, &b->v.chain, false, n, &got);
		if (src == NULL)
			return;
		count = got;
		/* all that is to come: a page may be in several buffers */
		if (any_wrong && !disk_can_write(b->on.disk, b->request.at, b->request.left)) {
			fail(b);
			return;
		}
		dst = disk_write(b->on.disk, b->request.at, &count);
		if (dst == NULL) {
			no_space(b);
			return;
		}
		__builtin_memcpy(dst, src, got);
		advance(b, got, budget);
	}
}

/* ---- discard, write zeroes ---- */

bool blk_next_range(const struct virtio_blk *b, struct virtq *q, struct virtq_chain *c,
	struct blk_request *r)
{
	struct virtio_blk_range range;
	bool discard = r->type == VIRTIO_BLK_T_DISCARD;

	if (c->read.left == 0 || !virtq_read(q, c, &range, sizeof(range)))
		return false;
	r->at = range.sector * VIRTIO_BLK_SECTOR;
	r->left = (uint64_t)range.sectors * VIRTIO_BLK_SECTOR;
	r->unmap = discard || range.flags & VIRTIO_BLK_UNMAP;
	r->status = VIRTIO_BLK_S_OK;
	if (range.flags & (discard ? ~0u : ~VIRTIO_BLK_UNMAP))
		r->status = VIRTIO_BLK_S_UNSUPP;
	else if (range.sectors > RANGE_MAX || !on_disk(b, range.sector, r->left))
		r->status = VIRTIO_BLK_S_IOERR;
	return r->status == VIRTIO_BLK_S_OK;
}

/* Zeroes for a part of a page; a discard leaves it as it is. */
static bool zero_part(struct virtio_blk *b, uint64_t bytes)
{
	uint64_t n = bytes;
	uint8_t *dst;

	if (b->request.type == VIRTIO_BLK_T_DISCARD)
		return true;
	if (disk_read(b->on.disk, b->request.at, &n) == NULL && n == bytes)
		return true;
	if (!disk_can_write(b->on.disk, b->request.at, bytes))
		return fail(b);
	dst = disk_write(b->on.disk, b->request.at, &bytes);
	if (dst == NULL)
		return no_space(b);
	__builtin_memset(dst, 0, bytes);
	return true;
}

static bool do_page(struct virtio_blk *b, uint64_t *budget)
{
	uint64_t n = DISK_PAGE - b->request.at % DISK_PAGE;

	n = n < b->request.left ? n : b->request.left;
	if (n == DISK_PAGE && !b->request.unmap && dev_any_wrong() &&
		!disk_can_write(b->on.disk, b->request.at, n))
		return fail(b);
	if (n < DISK_PAGE) {
		if (!zero_part(b, n))
			return false;
	} else if (!disk_zero_page(b->on.disk, b->request.at, b->request.unmap)) {
		return no_space(b);
	}
	b->request.at += n;
	b->request.left -= n;
	virtio_spend(budget, b->request.unmap ? PAGE_COST : n);
	return true;
}

static void do_ranges(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	while (*budget > 0 &&
		(b->request.left > 0 || blk_next_range(b, q, &b->v.chain, &b->request)))
		while (*budget > 0 && b->request.left > 0)
			if (!do_page(b, budget))
				return;
}

bool blk_ranges_left(const struct virtq_chain *c, const struct blk_request *r)
{
	return r->status == VIRTIO_BLK_S_OK && (r->left > 0 || c->read.left > 0);
}

static uint8_t begin_ranges(struct virtio_blk *b)
{
	uint64_t size = b->v.chain.read.left;

	b->request.left = 0;
	if (b->readonly)
		return VIRTIO_BLK_S_IOERR;
	if (size == 0 || size % sizeof(struct virtio_blk_range) != 0 ||
		size / sizeof(struct virtio_blk_range) > RANGES)
		return VIRTIO_BLK_S_UNSUPP;
	return VIRTIO_BLK_S_OK;
}

/* ---- requests ---- */

/* A name that is as long as may be has no NUL (5.2.6). */
static void do_id(struct virtio_blk *b, struct virtq *q)
{
	char id[VIRTIO_BLK_ID_SIZE] = {0};
	uint64_t room = b->v.chain.write.left - 1;

	for (unsigned i = 0; i < sizeof(id) && b->name[i] != '\0'; i++)
		id[i] = b->name[i];
	virtq_write(q, &b->v.chain, id, room < sizeof(id) ? room : sizeof(id));
}

static uint8_t begin_type(struct virtio_blk *b, struct virtq *q, uint64_t sector)
{
	b->request.left = 0;
	switch (b->request.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (begin_data(b, sector))
			return VIRTIO_BLK_S_OK;
		b->request.left = 0;
		return VIRTIO_BLK_S_IOERR;
	case VIRTIO_BLK_T_FLUSH: /* of memory nothing is to do: it keeps what it has */
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		do_id(b, q);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return begin_ranges(b);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

bool blk_begin(struct virtio_blk *b, struct virtq *q)
{
	struct virtio_blk_header h;

	if (b->v.chain.write.left == 0 || !virtq_read(q, &b->v.chain, &h, sizeof(h)))
		return false;
	b->request.type = h.type;
	b->request.status = begin_type(b, q, h.sector);
	return true;
}

/* True when more is left of it than the budget allows. */
static bool go_on(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	if (b->on.host != NULL)
		return blk_host_go_on(b, q, budget);
	switch (b->request.type) {
	case VIRTIO_BLK_T_IN:
		do_in(b, q, budget);
		return b->request.left > 0;
	case VIRTIO_BLK_T_OUT:
		do_out(b, q, budget);
		return b->request.left > 0;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		do_ranges(b, q, budget);
		return blk_ranges_left(&b->v.chain, &b->request);
	default:
		return false;
	}
}

void blk_put_status(struct virtq *q, struct virtq_chain *c, uint8_t status)
{
	virtq_skip(c, true, c->write.left - 1);
	virtq_write(q, c, &status, 1);
}

static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtio_blk *b = blk_of(v);
	struct virtq *q = &v->queue[queue];

	if (b->on.remote != NULL)
		return blk_remote_handle(b, queue);
	if (!b->begun && !blk_begin(b, q))
		return VIRTIO_BAD;
	b->begun = true;
	if (b->request.status == VIRTIO_BLK_S_OK && go_on(b, q, budget))
		return v->chain.bad ? VIRTIO_BAD : VIRTIO_MORE;
	b->begun = false;
	blk_put_status(q, &v->chain, b->request.status);
	return VIRTIO_DONE;
}

static enum vpci_work work(struct virtio *v)
{
	return blk_remote_work(blk_of(v));
}

/* Connects before the first request, so that what is wrong is seen early. */
static void begins(struct virtio *v)
{
	virtio_blk_arrived(blk_of(v));
}

static void forget(struct virtio *v)
{
	struct virtio_blk *b = blk_of(v);

	b->begun = false;
	if (b->on.remote != NULL)
		blk_remote_forget(b, VIRTIO_NO_QUEUE);
}

/* It may be that of the request that is under way. */
static void forget_queue(struct virtio *v, unsigned queue)
{
	struct virtio_blk *b = blk_of(v);

	if (b->on.remote != NULL)
		blk_remote_forget(b, queue);
	else if (v->taken == VIRTIO_NO_QUEUE)
		forget(v);
}

static const struct virtio_ops ops = {
	.handle = handle,
	.work = work,
	.begins = begins,
	.reset = forget,
	.queue_reset = forget_queue,
};

void virtio_blk_arrived(struct virtio_blk *b)
{
	if (b->on.remote != NULL)
		virtio_ask(&b->v);
}

/* ---- set-up ---- */

static void put(struct virtio_blk *b, unsigned offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		b->v.config[offset + i] = (uint8_t)(value >> i * 8);
}

static void fill_config(struct virtio_blk *b)
{
	__builtin_memset(b->v.config, 0, sizeof(b->v.config));
	put(b, VIRTIO_BLK_CAPACITY, 8, b->size / VIRTIO_BLK_SECTOR);
	put(b, VIRTIO_BLK_SIZE_MAX, 4, SEGMENT_MAX);
	put(b, VIRTIO_BLK_SEG_MAX, 4, b->on.remote != NULL ? BLK_SEGMENTS : SEGMENTS);
	put(b, VIRTIO_BLK_BLK_SIZE, 4, VIRTIO_BLK_SECTOR);
	put(b, VIRTIO_BLK_PHYSICAL_EXPONENT, 1, __builtin_ctz(SECTORS_IN_PAGE));
	put(b, VIRTIO_BLK_NUM_QUEUES, 2, b->kind.queues);
	if (b->readonly)
		return;
	put(b, VIRTIO_BLK_MAX_DISCARD_SECTORS, 4, RANGE_MAX);
	put(b, VIRTIO_BLK_MAX_DISCARD_SEG, 4, RANGES);
	put(b, VIRTIO_BLK_DISCARD_ALIGNMENT, 4, SECTORS_IN_PAGE);
	put(b, VIRTIO_BLK_MAX_ZEROES_SECTORS, 4, RANGE_MAX);
	put(b, VIRTIO_BLK_MAX_ZEROES_SEG, 4, RANGES);
	put(b, VIRTIO_BLK_ZEROES_MAY_UNMAP, 1, 1);
}

static void describe(struct virtio_blk *b, const char *name, uint64_t size, bool readonly)
{
	b->name = name;
	b->size = size;
	b->readonly = readonly;
}

bool virtio_blk_create(struct virtio_blk *b, const struct blk_backing *on, unsigned queues,
	struct platform *p, uint16_t bdf)
{
	b->on = *on;
	if (on->disk != NULL)
		describe(b, on->disk->name, on->disk->size, on->disk->readonly);
	else if (on->host != NULL)
		describe(b, on->host->name, on->host->size, on->host->readonly);
	else
		describe(b, on->remote->name, on->remote->size, on->remote->readonly);
	b->kind = (struct virtio_kind){
		.type = VIRTIO_BLK,
		.class = CLASS,
		.features = FEATURES | (b->readonly ? VIRTIO_BLK_F_RO : FEATURES_OF_WRITABLE),
		.queues = (uint8_t)(queues < VIRTIO_QUEUES ? queues : VIRTIO_QUEUES),
		.queue_size = QUEUE_SIZE,
		.config_size = VIRTIO_BLK_CONFIG_SIZE,
		.ops = &ops,
	};
	fill_config(b);
	return virtio_create(&b->v, &b->kind, p, bdf);
}
