/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/balloon.h"

#include "dev/platform.h"
#include "virtio/seam.h"

#define NO_CLASS    0xff0000u /* none that PCI knows */
#define DESCRIPTORS 256u
#define MOVE_COST   64u  /* of a page that goes in or out, in bytes of a budget */
#define CHUNK_COST  256u /* of a chunk that is reported */
#define PAGE_BYTES  (1ull << VIRTIO_BALLOON_PAGE_SHIFT)
#define LOOKS       4u /* in a millisecond, at what is on its way */

/*
 * No STATS_VQ, which nobody reads, and no FREE_PAGE_HINT, which is for migration. 5.5.6.1: with
 * DEFLATE_ON_OOM a guest in need takes pages back, which is what a target is meant to be.
 */
#define FEATURES                                                             \
	(VIRTIO_BALLOON_F_MUST_TELL_HOST | VIRTIO_BALLOON_F_DEFLATE_ON_OOM | \
		VIRTIO_BALLOON_F_PAGE_POISON | VIRTIO_BALLOON_F_PAGE_REPORTING)

static struct virtio_balloon *balloon_of(struct virtio *v)
{
	return (struct virtio_balloon *)(void *)((uint8_t *)v -
						 offsetof(struct virtio_balloon, v));
}

static uint32_t word_of(const struct virtio *v, unsigned offset)
{
	uint32_t word;

	__builtin_memcpy(&word, v->config + offset, sizeof(word));
	return word;
}

/* ---- pages ---- */

static bool is_full(const struct virtio_balloon *b, uint64_t page)
{
	const uint64_t *bits = b->bits + page / BALLOON_PAGES * BALLOON_CHUNK_WORDS;
	uint64_t all = UINT64_MAX;

	for (unsigned i = 0; i < BALLOON_CHUNK_WORDS; i++)
		all &= bits[i];
	return all == UINT64_MAX;
}

static uint64_t chunk_of(uint64_t page)
{
	return page / BALLOON_PAGES * BALLOON_CHUNK;
}

/* False: not now, and nothing has changed. A page that is in already changes nothing. */
static bool put_in(struct virtio_balloon *b, uint64_t page)
{
	uint64_t *word = &b->bits[page / 64], bit = 1ull << page % 64;

	if (*word & bit)
		return true;
	*word |= bit;
	if (is_full(b, page)) {
		if (!seam_balloon_give(b->v.platform, chunk_of(page))) {
			*word &= ~bit;
			return false;
		}
		b->asked = true;
	}
	b->inside++;
	return true;
}

/* The guest uses it when this is done: a chunk that is on its way stays. */
static void take_out(struct virtio_balloon *b, uint64_t page)
{
	uint64_t *word = &b->bits[page / 64], bit = 1ull << page % 64;

	if (!(*word & bit))
		return;
	if (is_full(b, page)) {
		seam_balloon_keep(b->v.platform, chunk_of(page), BALLOON_CHUNK);
		b->asked = true; /* it may be too late: then it has to be gone */
	}
	*word &= ~bit;
	b->inside--;
}

/*
 * 5.5.6 "Device Operation": numbers of pages. The guest's business which: those that are none
 * are passed over.
 */
static enum virtio_result move_pages(
	struct virtio_balloon *b, unsigned queue, uint64_t *budget, bool in)
{
	struct virtq *q = &b->v.queue[queue];
	struct virtq_chain *c = &b->v.chain;
	uint32_t page;

	while (c->read.left >= sizeof(page)) {
		if (*budget < MOVE_COST)
			return VIRTIO_MORE;
		virtio_spend(budget, MOVE_COST);
		if (!virtq_read(q, c, &page, sizeof(page)))
			return VIRTIO_BAD;
		if (page >= b->pages)
			continue;
		if (!in)
			take_out(b, page);
		else if (!put_in(b, page))
			return VIRTIO_WAITS;
	}
	return VIRTIO_DONE;
}

/* ---- reports ---- */

/*
 * 5.5.6.7 "Free Page Reporting": the buffers are the pages, and nothing is written to them.
 * What does not fill a chunk stays.
 */
static enum virtio_result take_reports(struct virtio_balloon *b, uint64_t *budget)
{
	struct virtq_chain *c = &b->v.chain;
	struct virtq_buffer r;

	if (c->read.end != 0)
		return VIRTIO_BAD;
	/* 5.5.6.7.2: what is there afterwards must be what the guest has in its free pages. */
	if (virtio_has(&b->v, VIRTIO_BALLOON_F_PAGE_POISON) &&
		word_of(&b->v, VIRTIO_BALLOON_POISON) != 0)
		return VIRTIO_DONE;
	while (virtq_peek(c, true, &r)) {
		uint64_t into = r.gpa % BALLOON_CHUNK, size = BALLOON_CHUNK - into;

		if (*budget < CHUNK_COST)
			return VIRTIO_MORE;
		virtio_spend(budget, CHUNK_COST);
		if (into == 0 && r.length >= BALLOON_CHUNK && r.gpa / PAGE_BYTES < b->pages) {
			if (!seam_balloon_give(b->v.platform, r.gpa))
				return VIRTIO_WAITS;
			b->asked = true;
		}
		virtq_skip(c, true, size < r.length ? size : r.length);
	}
	return VIRTIO_DONE;
}

/* ---- the device ---- */

static void look_later(struct virtio_balloon *b)
{
	struct platform *p = b->v.platform;

	virtio_ask_at(&b->v, dev_now(p) + p->config.tsc_khz / LOOKS);
}

/* Until what it gave is gone, the driver does not have the chain back. */
static enum virtio_result hold(struct virtio_balloon *b, unsigned queue)
{
	const struct virtq_chain *c = &b->v.chain;

	b->asked = false;
	b->held[queue] = (struct balloon_held){
		true, {.id = c->id, .descriptors = c->descriptors, .written = 0}};
	look_later(b);
	return VIRTIO_HELD;
}

/*
 * Without statistics and hints reports come in queue 2 by drivers that count those there are.
 */
static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtio_balloon *b = balloon_of(v);
	enum virtio_result result;

	if (b->held[queue].there)
		return VIRTIO_KEEP;
	if (queue <= VIRTIO_BALLOON_DEFLATE)
		result = move_pages(b, queue, budget, queue == VIRTIO_BALLOON_INFLATE);
	else
		result = take_reports(b, budget);
	return result == VIRTIO_DONE && b->asked ? hold(b, queue) : result;
}

static enum vpci_work work(struct virtio *v)
{
	struct virtio_balloon *b = balloon_of(v);

	if (!seam_balloon_settled(v->platform)) {
		look_later(b);
		return VPCI_WORK_DONE;
	}
	for (unsigned i = 0; i < VIRTIO_BALLOON_QUEUES; i++) {
		if (!b->held[i].there)
			continue;
		b->held[i].there = false;
		virtio_give(v, i, &b->held[i].chain);
		virtio_kick(v, i);
	}
	return VPCI_WORK_DONE;
}

/*
 * The driver has forgotten what is in the balloon, and uses it as it likes. What it wrote to
 * the configuration it writes again.
 */
static void reset(struct virtio *v)
{
	struct virtio_balloon *b = balloon_of(v);

	seam_balloon_keep(v->platform, 0, b->pages * PAGE_BYTES);
	if (b->inside != 0)
		__builtin_memset(b->bits, 0, balloon_bits_size(b->pages * PAGE_BYTES));
	b->inside = 0;
	b->asked = false;
	__builtin_memset(b->held, 0, sizeof(b->held));
}

/* What it is asked for stays what it is. */
static void queue_reset(struct virtio *v, unsigned queue)
{
	struct virtio_balloon *b = balloon_of(v);

	b->held[queue].there = false;
	seam_balloon_keep(v->platform, 0, b->pages * PAGE_BYTES);
}

static void config_written(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++, value >>= 8) {
		unsigned at = offset + i;

		if (at / 4 == VIRTIO_BALLOON_ACTUAL / 4 || at / 4 == VIRTIO_BALLOON_POISON / 4)
			v->config[at] = (uint8_t)value;
	}
}

static const struct virtio_ops ops = {
	.handle = handle,
	.work = work,
	.reset = reset,
	.queue_reset = queue_reset,
	.config_written = config_written,
};

static const struct virtio_kind kind = {
	.type = VIRTIO_BALLOON,
	.class = NO_CLASS,
	.features = FEATURES,
	.queues = VIRTIO_BALLOON_QUEUES,
	.queue_size = DESCRIPTORS,
	.config_size = VIRTIO_BALLOON_CONFIG_SIZE,
	.ops = &ops,
};

static void set_target(struct virtio_balloon *b, uint64_t target)
{
	uint32_t pages = (uint32_t)(target / PAGE_BYTES);

	__builtin_memcpy(b->v.config + VIRTIO_BALLOON_NUM_PAGES, &pages, sizeof(pages));
}

bool virtio_balloon_create(struct virtio_balloon *b, uint64_t *bits, uint64_t bytes,
	uint64_t target, struct platform *p, uint16_t bdf)
{
	b->bits = bits;
	b->pages = bytes / PAGE_BYTES;
	b->v.platform = p; /* the reset tells it what stays */
	if (!virtio_create(&b->v, &kind, p, bdf))
		return false;
	set_target(b, target);
	return true;
}

void virtio_balloon_ask(struct virtio_balloon *b, uint64_t target)
{
	set_target(b, target);
	virtio_config_changed(&b->v);
}
