/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unit caches, and what invalidation takes away: exactly what was asked for, so that
 * software that forgets some of it uses a stale entry. VT-d 6.2 "Address Translation Caches".
 */
#include "bochs_vtd_unit.h"

#include <string.h>

/* An entry displaces the one that was in its place. */
static struct vtd_page *page_place(
	const struct vtd *u, uint16_t domain, uint64_t at, unsigned shift)
{
	uint64_t n = (at >> shift) + domain * UINT64_C(37) + shift;

	return (struct vtd_page *)(uintptr_t)&u->pages[n % VTD_PAGES];
}

static struct vtd_table *table_place(
	const struct vtd *u, uint16_t domain, unsigned level, uint64_t at)
{
	uint64_t n = (at >> (12 + 9 * level)) + domain * UINT64_C(37) + level * UINT64_C(101);

	return (struct vtd_table *)(uintptr_t)&u->tables[n % VTD_TABLES];
}

struct vtd_context *vtd_cached_context(struct vtd *u, uint16_t source)
{
	struct vtd_context *c = &u->contexts[source % VTD_CONTEXTS];

	return c->valid && c->source == source ? c : NULL;
}

void vtd_cache_context(struct vtd *u, const struct vtd_context *c)
{
	u->contexts[c->source % VTD_CONTEXTS] = *c;
}

const struct vtd_page *vtd_cached_page(const struct vtd *u, uint16_t domain, uint64_t at)
{
	for (unsigned shift = 12; shift <= 30; shift += 9) {
		const struct vtd_page *p = page_place(u, domain, at, shift);

		if (p->valid && p->domain == domain && p->shift == shift &&
			p->at >> shift == at >> shift)
			return p;
	}
	return NULL;
}

void vtd_cache_page(struct vtd *u, const struct vtd_page *p)
{
	*page_place(u, p->domain, p->at, p->shift) = *p;
}

const struct vtd_table *vtd_cached_table(
	const struct vtd *u, uint16_t domain, unsigned level, uint64_t at)
{
	const struct vtd_table *t = table_place(u, domain, level, at);
	unsigned shift = 12 + 9 * level;

	return t->valid && t->domain == domain && t->level == level &&
			       t->at >> shift == at >> shift
		       ? t
		       : NULL;
}

void vtd_cache_table(struct vtd *u, const struct vtd_table *t)
{
	*table_place(u, t->domain, t->level, t->at) = *t;
}

const struct vtd_irte *vtd_cached_irte(const struct vtd *u, uint16_t index)
{
	const struct vtd_irte *e = &u->irtes[index % VTD_IRTES];

	return e->valid && e->index == index ? e : NULL;
}

void vtd_cache_irte(struct vtd *u, const struct vtd_irte *e)
{
	u->irtes[e->index % VTD_IRTES] = *e;
}

/* VT-d 6.5.1.1 "Context Command Register", 6.5.2.1 "Context-cache Invalidate Descriptor" */
void vtd_forget_contexts(struct vtd *u, unsigned granularity, uint16_t domain, uint16_t source,
	unsigned function_mask)
{
	static const uint16_t ignored[4] = {0, 4, 6, 7}; /* bits of the function number */

	for (unsigned i = 0; i < VTD_CONTEXTS; i++) {
		struct vtd_context *c = &u->contexts[i];
		bool same = c->domain == domain;

		if (granularity == VTD_SELECTIVE)
			same = same &&
			       ((c->source ^ source) & ~ignored[function_mask & 3]) == 0;
		if (granularity == VTD_GLOBAL || same)
			c->valid = false;
	}
}

/* Do 2^a bytes at @x, a multiple of that, and 2^b bytes at @y have any in common? */
static bool overlap(uint64_t x, unsigned a, uint64_t y, unsigned b)
{
	unsigned larger = a > b ? a : b;

	return x >> larger == y >> larger;
}

/* VT-d 6.5.1.2 "IOTLB Registers", 6.5.2.3 "IOTLB Invalidate" */
void vtd_forget_pages(struct vtd *u, unsigned granularity, uint16_t domain, uint64_t at,
	unsigned mask, bool hint)
{
	bool selective = granularity == VTD_SELECTIVE;

	for (unsigned i = 0; i < VTD_PAGES; i++) {
		struct vtd_page *p = &u->pages[i];

		if (granularity == VTD_GLOBAL ||
			(p->domain == domain &&
				(!selective || overlap(p->at, p->shift, at, 12 + mask))))
			p->valid = false;
	}
	for (unsigned i = 0; i < VTD_TABLES && !(selective && hint); i++) {
		struct vtd_table *t = &u->tables[i];

		if (granularity == VTD_GLOBAL ||
			(t->domain == domain &&
				(!selective ||
					overlap(t->at, 12u + 9u * t->level, at, 12 + mask))))
			t->valid = false;
	}
}

/* VT-d 6.5.2.8 "Interrupt Entry Cache Invalidate Descriptor" */
void vtd_forget_irtes(struct vtd *u, bool selective, uint16_t index, unsigned mask)
{
	for (unsigned i = 0; i < VTD_IRTES; i++)
		if (!selective || u->irtes[i].index >> mask == index >> mask)
			u->irtes[i].valid = false;
}
