/* SPDX-License-Identifier: Apache-2.0 */
#include "emul/debugger_code.h"

#include <stddef.h>

#include "spec/addr.h"

/* The first at this address or behind it. */
static unsigned first_from(const struct debugger_code *c, uint64_t at)
{
	unsigned low = 0, high = c->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (c->p[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool debugger_code_add(struct debugger_code *c, const struct debugger_point *p)
{
	unsigned i = first_from(c, p->at);

	for (unsigned k = i; k < c->count && c->p[k].at == p->at; k++)
		if (debugger_same(&c->p[k], p))
			return true;
	if (c->count == DEBUGGER_CODE)
		return false;
	for (unsigned k = c->count++; k > i; k--)
		c->p[k] = c->p[k - 1];
	c->p[i] = *p;
	return true;
}

bool debugger_code_remove(struct debugger_code *c, const struct debugger_point *p)
{
	unsigned kept = 0, count = c->count;

	for (unsigned i = 0; i < count; i++) {
		struct debugger_point like = *p;

		like.l2 = c->p[i].l2;
		if (!debugger_same(&c->p[i], &like))
			c->p[kept++] = c->p[i];
	}
	c->count = kept;
	return kept != count;
}

const struct debugger_point *debugger_code_at(
	const struct debugger_code *c, const struct debugger_place *place, uint64_t linear)
{
	for (unsigned i = first_from(c, linear); i < c->count && c->p[i].at == linear; i++)
		if (debugger_counts(&c->p[i], place))
			return &c->p[i];
	return NULL;
}

void debugger_frames_forget(struct debugger_frames *f)
{
	for (unsigned i = 0; i < DEBUGGER_CODE; i++)
		f->of[i] = DEBUGGER_NOWHERE;
}

static uint64_t page_of(uint64_t linear)
{
	return linear & ~PAGE_MASK;
}

enum debugger_page debugger_code_page(const struct debugger_code *c, struct debugger_frames *f,
	const struct debugger_place *place, bool any, uint64_t linear, uint64_t frame)
{
	uint64_t page = page_of(linear);
	enum debugger_page is = DEBUGGER_PAGE_PLAIN;

	for (unsigned i = 0; i < c->count; i++) {
		bool here = page_of(c->p[i].at) == page;

		if (here)
			f->of[i] = frame;
		if (!any && !debugger_counts(&c->p[i], place))
			continue;
		if (!here && f->of[i] == frame)
			return DEBUGGER_PAGE_ALIAS;
		if (here)
			is = DEBUGGER_PAGE_POINTS;
	}
	return is;
}

/* The next place without one, from `slot` on; DEBUGGER_POINTS: there is none. */
static unsigned free_place(const struct debugger_points *out, unsigned slot)
{
	while (slot < DEBUGGER_POINTS && out->p[slot].size != 0)
		slot++;
	return slot;
}

bool debugger_code_arrange(const struct debugger_code *c, const struct debugger_place *place,
	enum debugger_which which, uint64_t page, struct debugger_points *out, uint8_t *added)
{
	unsigned i = which == DEBUGGER_OF_PAGE ? first_from(c, page) : 0, slot = 0;

	*added = 0;
	for (; which != DEBUGGER_NONE && i < c->count; i++) {
		if (which == DEBUGGER_OF_PAGE && page_of(c->p[i].at) != page)
			break;
		if (!debugger_counts(&c->p[i], place))
			continue;
		slot = free_place(out, slot);
		if (slot == DEBUGGER_POINTS)
			return false;
		out->p[slot] = c->p[i];
		*added |= (uint8_t)(1u << slot);
	}
	return true;
}
