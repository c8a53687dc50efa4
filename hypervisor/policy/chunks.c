/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/chunks.h"

/* Of each node behind this one the first goes to its end, and leaves room. */
static void put_clean(struct chunks *c, uint32_t node, uint32_t frame)
{
	uint32_t to = c->clean++;

	node = node < CHUNK_NODES ? node : 0;
	for (uint32_t n = CHUNK_NODES - 1; n > node; n--) {
		c->frame[to] = c->frame[to - c->of_node[n]];
		to -= c->of_node[n];
	}
	c->frame[to] = frame;
	c->of_node[node]++;
}

/* The last one of this node, or of the first that has one; and of each behind it the last goes
 * to its front. There is one. */
static uint32_t take_clean(struct chunks *c, uint32_t node)
{
	uint32_t at = 0, frame;

	if (node >= CHUNK_NODES || c->of_node[node] == 0)
		for (node = 0; c->of_node[node] == 0;)
			node++;
	for (uint32_t n = 0; n <= node; n++)
		at += c->of_node[n];
	frame = c->frame[--at];
	for (uint32_t n = node + 1; n < CHUNK_NODES; n++) {
		c->frame[at] = c->frame[at + c->of_node[n]];
		at += c->of_node[n];
	}
	c->of_node[node]--;
	c->clean--;
	return frame;
}

static void put_dirty(struct chunks *c, unsigned owner, uint32_t frame)
{
	uint32_t at = CHUNKS_MAX - ++c->dirty;

	c->frame[at] = frame;
	c->owner[at] = (uint16_t)owner;
}

static uint32_t left(const struct chunk_account *a)
{
	return a->used < a->reserve ? a->reserve - a->used : 0;
}

bool chunks_add(struct chunks *c, uint32_t node, uint32_t frame, bool clean)
{
	if (c->clean + c->dirty == CHUNKS_MAX)
		return false;
	if (clean)
		put_clean(c, node, frame);
	else
		put_dirty(c, CHUNK_HOSTS, frame);
	return true;
}

bool chunks_open(struct chunks *c, unsigned vm, uint32_t reserve, uint32_t spare)
{
	uint32_t room = c->clean - c->promised;

	if (reserve > room || spare > room - reserve)
		return false;
	c->account[vm] = (struct chunk_account){.reserve = reserve, .spare = spare};
	c->promised += reserve + spare;
	return true;
}

void chunks_close(struct chunks *c, unsigned vm)
{
	struct chunk_account *a = &c->account[vm];

	c->promised -= left(a) + (a->spare - a->lent);
	a->reserve = 0;
	a->used += a->lent;
	a->lent = 0;
	a->spare = 0;
}

bool chunks_can_take(const struct chunks *c, unsigned vm)
{
	return left(&c->account[vm]) != 0 || c->clean > c->promised;
}

/* It is not counted yet whose it is. */
static void count_used(struct chunks *c, struct chunk_account *a)
{
	c->promised -= left(a) != 0;
	a->used++;
}

uint32_t chunks_take(struct chunks *c, unsigned vm, uint32_t node)
{
	if (!chunks_can_take(c, vm))
		return CHUNK_NONE;
	count_used(c, &c->account[vm]);
	return take_clean(c, node);
}

uint32_t chunks_take_spare(struct chunks *c, unsigned vm, uint32_t node)
{
	struct chunk_account *a = &c->account[vm];
	uint32_t frame = chunks_take(c, vm, node);

	if (frame != CHUNK_NONE || a->lent == a->spare)
		return frame;
	a->lent++;
	c->promised--;
	return take_clean(c, node);
}

bool chunks_settle(struct chunks *c, unsigned vm)
{
	struct chunk_account *a = &c->account[vm];
	uint32_t n = left(a);

	/* What is free pays for what is lent: both are counts. */
	if (n < a->lent)
		n += c->clean - c->promised;
	for (n = n < a->lent ? n : a->lent; n > 0; n--) {
		count_used(c, a);
		a->lent--;
		c->promised++;
	}
	return a->lent == 0;
}

void chunks_give(struct chunks *c, unsigned vm, uint32_t frame)
{
	put_dirty(c, vm, frame);
}

uint32_t chunks_to_wipe(struct chunks *c, unsigned *owner)
{
	uint32_t at = CHUNKS_MAX - c->dirty;

	if (c->dirty == 0)
		return CHUNK_NONE;
	c->dirty--;
	*owner = c->owner[at];
	return c->frame[at];
}

void chunks_wiped(struct chunks *c, unsigned owner, uint32_t node, uint32_t frame)
{
	struct chunk_account *a = &c->account[owner == CHUNK_HOSTS ? 0 : owner];

	put_clean(c, node, frame);
	if (owner == CHUNK_HOSTS)
		return;
	if (a->lent != 0) {
		a->lent--;
		c->promised++;
		return;
	}
	a->used--;
	c->promised += a->used < a->reserve;
}

/*
 * What is promised and not taken stays as it is, and so does what is clean. The reserve pays as
 * long as it has something: without a spare L0 could do nothing on the VM's behalf.
 */
void chunks_lost(struct chunks *c, unsigned owner)
{
	struct chunk_account *a;

	if (owner == CHUNK_HOSTS)
		return;
	a = &c->account[owner];
	if (a->used == 0) {
		a->lent--;
		a->spare--;
		return;
	}
	a->used--;
	if (a->used < a->reserve)
		a->reserve--;
}
