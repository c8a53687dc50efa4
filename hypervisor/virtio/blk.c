/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is a header, data, and a byte for the status. How far it came is in struct
 * virtio_blk and in the chain, so that a large one is done in pieces. Requests may be done
 * twice, when a VM goes on elsewhere in the middle of one.
 */
#include "virtio/blk.h"

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

static struct virtio_blk *blk_of(struct virtio *v)
{
	return (struct virtio_blk *)(void *)((uint8_t *)v - offsetof(struct virtio_blk, v));
}

static void spend(uint64_t *budget, uint64_t bytes)
{
	*budget -= *budget < bytes ? *budget : bytes;
}

static bool on_disk(const struct virtio_blk *b, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = b->disk->size / VIRTIO_BLK_SECTOR;

	return sector <= sectors && bytes <= (sectors - sector) * VIRTIO_BLK_SECTOR;
}

/* ---- data ---- */

/* What is left of the chain's data: the last byte that the device writes is the status. */
static uint64_t data_left(const struct virtio_blk *b)
{
	const struct virtq_chain *c = &b->v.chain;

	return b->type == VIRTIO_BLK_T_IN ? c->write.left - 1 : c->read.left;
}

static bool begin_data(struct virtio_blk *b, uint64_t sector)
{
	b->left = data_left(b);
	if (b->left % VIRTIO_BLK_SECTOR != 0 || !on_disk(b, sector, b->left) ||
		(b->type == VIRTIO_BLK_T_OUT && b->disk->readonly))
		return false;
	b->at = sector * VIRTIO_BLK_SECTOR;
	return true;
}

static void advance(struct virtio_blk *b, uint64_t bytes, uint64_t *budget)
{
	b->at += bytes;
	b->left -= bytes;
	spend(budget, bytes);
}

/* Pieces that end with a page of the disk, a buffer, and the budget. */
static void do_in(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	while (b->left > 0 && *budget > 0) {
		uint64_t n = b->left, got;
		const uint8_t *src = disk_read(b->disk, b->at, &n);
		uint8_t *dst = virtq_take(q, &b->v.chain, true, n, &got);

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
	b->status = VIRTIO_BLK_S_IOERR;
	b->left = 0;
	seam_disk_full(b->v.platform, b->disk);
	return false;
}

/* A piece of a page is taken before it has a place, so that a whole page is not copied first.
 */
static void do_out(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	while (b->left > 0 && *budget > 0) {
		uint64_t n = DISK_PAGE - b->at % DISK_PAGE, got, count;
		const uint8_t *src;
		uint8_t *dst;

		n = n < b->left ? n : b->left;
		src = virtq_take(q, &b->v.chain, false, n, &got);
		if (src == NULL)
			return;
		count = got;
		dst = disk_write(b->disk, b->at, &count);
		if (dst == NULL) {
			no_space(b);
			return;
		}
		__builtin_memcpy(dst, src, got);
		advance(b, got, budget);
	}
}

/* ---- discard, write zeroes ---- */

/* The next range of the request. False: there is none, or it is refused. */
static bool next_range(struct virtio_blk *b, struct virtq *q)
{
	struct virtio_blk_range r;
	bool discard = b->type == VIRTIO_BLK_T_DISCARD;

	if (b->v.chain.read.left == 0 || !virtq_read(q, &b->v.chain, &r, sizeof(r)))
		return false;
	b->at = r.sector * VIRTIO_BLK_SECTOR;
	b->left = (uint64_t)r.sectors * VIRTIO_BLK_SECTOR;
	b->unmap = discard || r.flags & VIRTIO_BLK_UNMAP;
	b->status = VIRTIO_BLK_S_OK;
	if (r.flags & (discard ? ~0u : ~VIRTIO_BLK_UNMAP))
		b->status = VIRTIO_BLK_S_UNSUPP;
	else if (r.sectors > RANGE_MAX || !on_disk(b, r.sector, b->left))
		b->status = VIRTIO_BLK_S_IOERR;
	return b->status == VIRTIO_BLK_S_OK;
}

/* Zeroes for a part of a page; a discard leaves it as it is. */
static bool zero_part(struct virtio_blk *b, uint64_t bytes)
{
	uint64_t n = bytes;
	uint8_t *dst;

	if (b->type == VIRTIO_BLK_T_DISCARD)
		return true;
	if (disk_read(b->disk, b->at, &n) == NULL && n == bytes)
		return true;
	dst = disk_write(b->disk, b->at, &bytes);
	if (dst == NULL)
		return no_space(b);
	__builtin_memset(dst, 0, bytes);
	return true;
}

static bool do_page(struct virtio_blk *b, uint64_t *budget)
{
	uint64_t n = DISK_PAGE - b->at % DISK_PAGE;

	n = n < b->left ? n : b->left;
	if (n < DISK_PAGE) {
		if (!zero_part(b, n))
			return false;
	} else if (!disk_zero_page(b->disk, b->at, b->unmap)) {
		return no_space(b);
	}
	b->at += n;
	b->left -= n;
	spend(budget, b->unmap ? PAGE_COST : n);
	return true;
}

static void do_ranges(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	while (*budget > 0 && (b->left > 0 || next_range(b, q)))
		while (*budget > 0 && b->left > 0)
			if (!do_page(b, budget))
				return;
}

static bool ranges_left(const struct virtio_blk *b)
{
	return b->status == VIRTIO_BLK_S_OK && (b->left > 0 || b->v.chain.read.left > 0);
}

static uint8_t begin_ranges(struct virtio_blk *b)
{
	uint64_t size = b->v.chain.read.left;

	b->left = 0;
	if (b->disk->readonly)
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

	for (unsigned i = 0; i < sizeof(id) && b->disk->name[i] != '\0'; i++)
		id[i] = b->disk->name[i];
	virtq_write(q, &b->v.chain, id, room < sizeof(id) ? room : sizeof(id));
}

static uint8_t begin_type(struct virtio_blk *b, struct virtq *q, uint64_t sector)
{
	b->left = 0;
	switch (b->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (begin_data(b, sector))
			return VIRTIO_BLK_S_OK;
		b->left = 0;
		return VIRTIO_BLK_S_IOERR;
	case VIRTIO_BLK_T_FLUSH: /* memory keeps what it has */
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

/* False: what the driver made is no request. */
static bool begin(struct virtio_blk *b, struct virtq *q)
{
	struct virtio_blk_header h;

	if (b->v.chain.write.left == 0 || !virtq_read(q, &b->v.chain, &h, sizeof(h)))
		return false;
	b->type = h.type;
	b->status = begin_type(b, q, h.sector);
	b->begun = true;
	return true;
}

/* True when more is left of it than the budget allows. */
static bool go_on(struct virtio_blk *b, struct virtq *q, uint64_t *budget)
{
	switch (b->type) {
	case VIRTIO_BLK_T_IN:
		do_in(b, q, budget);
		return b->left > 0;
	case VIRTIO_BLK_T_OUT:
		do_out(b, q, budget);
		return b->left > 0;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		do_ranges(b, q, budget);
		return ranges_left(b);
	default:
		return false;
	}
}

static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtio_blk *b = blk_of(v);
	struct virtq *q = &v->queue[queue];

	if (!b->begun && !begin(b, q))
		return VIRTIO_BAD;
	if (b->status == VIRTIO_BLK_S_OK && go_on(b, q, budget))
		return v->chain.bad ? VIRTIO_BAD : VIRTIO_MORE;
	b->begun = false;
	virtq_skip(&v->chain, true, v->chain.write.left - 1);
	virtq_write(q, &v->chain, &b->status, 1);
	return VIRTIO_DONE;
}

static void forget(struct virtio *v)
{
	blk_of(v)->begun = false;
}

/* It may be that of the request that is under way. */
static void forget_queue(struct virtio *v, unsigned queue)
{
	(void)queue;
	if (v->taken == VIRTIO_NO_QUEUE)
		forget(v);
}

static const struct virtio_ops ops = {
	.handle = handle,
	.reset = forget,
	.queue_reset = forget_queue,
};

/* ---- set-up ---- */

static void put(struct virtio_blk *b, unsigned offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		b->v.config[offset + i] = (uint8_t)(value >> i * 8);
}

static void fill_config(struct virtio_blk *b)
{
	__builtin_memset(b->v.config, 0, sizeof(b->v.config));
	put(b, VIRTIO_BLK_CAPACITY, 8, b->disk->size / VIRTIO_BLK_SECTOR);
	put(b, VIRTIO_BLK_SIZE_MAX, 4, SEGMENT_MAX);
	put(b, VIRTIO_BLK_SEG_MAX, 4, SEGMENTS);
	put(b, VIRTIO_BLK_BLK_SIZE, 4, VIRTIO_BLK_SECTOR);
	put(b, VIRTIO_BLK_PHYSICAL_EXPONENT, 1, __builtin_ctz(SECTORS_IN_PAGE));
	put(b, VIRTIO_BLK_NUM_QUEUES, 2, b->kind.queues);
	if (b->disk->readonly)
		return;
	put(b, VIRTIO_BLK_MAX_DISCARD_SECTORS, 4, RANGE_MAX);
	put(b, VIRTIO_BLK_MAX_DISCARD_SEG, 4, RANGES);
	put(b, VIRTIO_BLK_DISCARD_ALIGNMENT, 4, SECTORS_IN_PAGE);
	put(b, VIRTIO_BLK_MAX_ZEROES_SECTORS, 4, RANGE_MAX);
	put(b, VIRTIO_BLK_MAX_ZEROES_SEG, 4, RANGES);
	put(b, VIRTIO_BLK_ZEROES_MAY_UNMAP, 1, 1);
}

bool virtio_blk_create(struct virtio_blk *b, struct disk *disk, unsigned queues,
	struct platform *p, uint16_t bdf)
{
	b->disk = disk;
	b->kind = (struct virtio_kind){
		.type = VIRTIO_BLK,
		.class = CLASS,
		.features =
			FEATURES | (disk->readonly ? VIRTIO_BLK_F_RO : FEATURES_OF_WRITABLE),
		.queues = (uint8_t)queues,
		.queue_size = QUEUE_SIZE,
		.config_size = VIRTIO_BLK_CONFIG_SIZE,
		.ops = &ops,
	};
	fill_config(b);
	return virtio_create(&b->v, &b->kind, p, bdf);
}
