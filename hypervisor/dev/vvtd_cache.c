/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unit caches, and what an invalidation takes away: VT-d "Caching Translation
 * Information", "Invalidation of Translation Caches". Only what is present and right is cached.
 */
#include "dev/vvtd_int.h"

void vvtd_cache_context(struct vvtd *u, const struct vvtd_context *c)
{
	u->contexts[vvtd_context_place(c->source)] = *c;
}

void vvtd_cache_page(struct vvtd *u, const struct vvtd_page *page)
{
	u->pages[vvtd_page_place(page->domain, page->at, page->shift)] = *page;
}

const struct vvtd_entry *vvtd_cached_entry(const struct vvtd *u, uint16_t index)
{
	const struct vvtd_entry *e = &u->entries[index % VVTD_ENTRIES];

	return e->valid && e->index == index ? e : NULL;
}

void vvtd_cache_entry(struct vvtd *u, const struct vvtd_entry *e)
{
	u->entries[e->index % VVTD_ENTRIES] = *e;
}

/* ---- invalidation ---- */

bool vvtd_covers_context(const struct vvtd_invalidation *i, uint16_t source, uint16_t domain)
{
	if (i->what != VVTD_OF_CONTEXTS)
		return false;
	if (i->granularity == VTD_GLOBAL)
		return true;
	return domain == i->domain &&
	       (i->granularity != VTD_DEVICE || ((source ^ i->source) & ~i->functions) == 0);
}

/* Aligned powers of two meet when one lies in the other. */
bool vvtd_covers_page(
	const struct vvtd_invalidation *i, uint16_t domain, uint64_t at, unsigned shift)
{
	unsigned larger = VVTD_SHIFT_FIRST + i->mask;

	if (i->what != VVTD_OF_PAGES)
		return false;
	if (i->granularity == VTD_GLOBAL)
		return true;
	larger = larger > shift ? larger : shift;
	return domain == i->domain &&
	       (i->granularity != VTD_PAGES || at >> larger == i->at >> larger);
}

bool vvtd_covers_entry(const struct vvtd_invalidation *i, uint16_t index)
{
	return i->what == VVTD_OF_ENTRIES &&
	       (i->granularity == VTD_GLOBAL || index >> i->mask == i->index >> i->mask);
}

static void look_at(struct vvtd_page *page, const struct vvtd_invalidation *i)
{
	if (page->valid && vvtd_covers_page(i, page->domain, page->at, page->shift))
		page->valid = false;
}

/* A few pages: only the places where they can be. */
static bool forget_few(struct vvtd *u, const struct vvtd_invalidation *i)
{
	uint64_t pages = UINT64_C(1) << i->mask;
	uint64_t first =
		i->at & ~((pages << VVTD_SHIFT_FIRST) - 1); /* its low bits do not count */

	if (i->granularity != VTD_PAGES || pages > VVTD_PAGES / 8)
		return false;
	for (uint64_t n = 0; n < pages; n++) {
		uint64_t at = first + (n << VVTD_SHIFT_FIRST);

		for (unsigned s = VVTD_SHIFT_FIRST; s <= VVTD_SHIFT_LAST; s += VVTD_SHIFT_STEP)
			look_at(&u->pages[vvtd_page_place(i->domain, at, s)], i);
	}
	return true;
}

static void forget_pages(struct vvtd *u, const struct vvtd_invalidation *i)
{
	if (forget_few(u, i))
		return;
	for (unsigned n = 0; n < VVTD_PAGES; n++)
		look_at(&u->pages[n], i);
}

static void forget_contexts(struct vvtd *u, const struct vvtd_invalidation *i)
{
	for (unsigned n = 0; n < VVTD_CONTEXTS; n++) {
		struct vvtd_context *c = &u->contexts[n];

		if (c->valid && vvtd_covers_context(i, c->source, c->domain))
			c->valid = false;
	}
}

static void forget_entries(struct vvtd *u, const struct vvtd_invalidation *i)
{
	for (unsigned n = 0; n < VVTD_ENTRIES; n++) {
		struct vvtd_entry *e = &u->entries[n];

		if (e->valid && vvtd_covers_entry(i, e->index))
			e->valid = false;
	}
}

void vvtd_forget(struct platform *p, const struct vvtd_invalidation *i)
{
	switch (i->what) {
	case VVTD_OF_CONTEXTS:
		p->vtd.age++;
		forget_contexts(&p->vtd, i);
		break;
	case VVTD_OF_PAGES:
		p->vtd.age++;
		forget_pages(&p->vtd, i);
		break;
	case VVTD_OF_ENTRIES:
		forget_entries(&p->vtd, i);
		vpci_routes_changed(p);
		return;
	}
	dev_remap_changed(p, i);
}

void vvtd_forget_all(struct vvtd *u)
{
	u->age++;
	for (unsigned n = 0; n < VVTD_CONTEXTS; n++)
		u->contexts[n].valid = false;
	for (unsigned n = 0; n < VVTD_PAGES; n++)
		u->pages[n].valid = false;
	for (unsigned n = 0; n < VVTD_ENTRIES; n++)
		u->entries[n].valid = false;
}
