/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/mirror.h"

#include "spec/addr.h"

#define FEW_PAGES UINT64_C(0x40000)

bool vtd_mirror_create(struct vtd_mirror *m, const struct vtd_caps *c, void *pool)
{
	*m = (struct vtd_mirror){.changed_from = UINT64_MAX};
	return vtd_tables_create(&m->tables, c, pool);
}

void vtd_mirror_destroy(struct vtd_mirror *m)
{
	vtd_tables_destroy(&m->tables);
	m->at = m->end = 0;
}

static uint64_t limit(const struct vtd_mirror *m)
{
	return BIT64(m->tables.bits);
}

void vtd_mirror_forget(struct vtd_mirror *m, uint64_t at, uint64_t size)
{
	uint64_t end;

	if (size == 0 || at >= limit(m))
		return;
	end = size < limit(m) - at ? at + size : limit(m);
	if (m->at >= m->end) {
		m->at = at;
		m->end = end;
		m->begun = false;
		return;
	}
	if (at < m->at) {
		m->at = at;
		m->begun = false;
	}
	m->end = end > m->end ? end : m->end;
}

bool vtd_mirror_changed(struct vtd_mirror *m, uint64_t *at, uint64_t *size)
{
	if (m->changed_from >= m->changed_to)
		return false;
	*at = m->changed_from;
	*size = m->changed_to - m->changed_from;
	m->changed_from = UINT64_MAX;
	m->changed_to = 0;
	return true;
}

static void note(struct vtd_mirror *m, uint64_t at, uint64_t size)
{
	if (at < m->changed_from)
		m->changed_from = at;
	if (at + size > m->changed_to)
		m->changed_to = at + size;
}

bool vtd_mirror_leave(struct vtd_mirror *m, uint64_t host, unsigned *most)
{
	uint64_t from, size;

	for (uint64_t at = 0; vtd_tables_find(&m->tables, host, &at, most); at += PAGE_SIZE) {
		if (!vtd_tables_leave(&m->tables, at, &from, &size))
			return false;
		note(m, from, size);
	}
	return *most != 0;
}

/* From an address on: so many bytes shall be at `host` with these rights; 0: nowhere. */
struct piece {
	uint64_t at, size, host, rights;
};

static void cut(struct piece *w, uint64_t size)
{
	if (size < w->size)
		w->size = size;
}

/* Where interrupt requests go no device reads or writes memory, whatever tables say. */
static void leave_out_messages(struct piece *w)
{
	if (w->at < VTD_MSI_FIRST)
		cut(w, VTD_MSI_FIRST - w->at);
	else if (w->at < VTD_MSI_END) {
		cut(w, VTD_MSI_END - w->at);
		w->rights = 0;
	}
}

static struct piece wanted(uint64_t at, const struct vtd_leaf *leaf, void *owner)
{
	struct piece w = {.at = at, .size = leaf->at + leaf->size - at, .rights = leaf->rights};

	leave_out_messages(&w);
	if (w.rights == 0)
		return w;
	w.size = vtd_seam_host(owner, leaf->gpa + (at - leaf->at), w.size, &w.host);
	if (w.host == VTD_NO_RAM)
		w.rights = 0;
	return w;
}

/* A few entries at most: what is not aligned becomes small pages. */
static uint64_t in_one_step(const struct vtd_mirror *m, const struct piece *w)
{
	uint64_t both = w->at | w->host;

	if (m->tables.large_1g && (both & (SIZE_1G - 1)) == 0 && w->size >= SIZE_1G)
		return SIZE_1G;
	if (m->tables.large_2m && (both & (SIZE_2M - 1)) == 0 && w->size >= SIZE_2M)
		return SIZE_2M;
	return FEW_PAGES - (w->at & (FEW_PAGES - 1));
}

static void map(struct vtd_mirror *m, struct piece *w)
{
	const char *why;

	cut(w, in_one_step(m, w));
	why = vtd_tables_map(&m->tables, w->at, w->host, w->size, w->rights);
	if (why != NULL && m->why == NULL)
		m->why = why;
	note(m, w->at, w->size);
	m->at = w->at + w->size;
}

/* The page that was there goes as a whole; if it reached further, that is compared again. */
static void unmap(struct vtd_mirror *m, uint64_t at)
{
	uint64_t host, size, first;

	(void)vtd_tables_look(&m->tables, at, &host, &size);
	first = at & ~(size - 1);
	(void)vtd_tables_unmap(&m->tables, first, size);
	note(m, first, size);
	if (first < m->at)
		m->at = first;
	if (first + size > m->end)
		m->end = first + size;
}

static void compare(struct vtd_mirror *m, struct piece w)
{
	uint64_t host, size, rights = vtd_tables_run(&m->tables, w.at, &host, &size);

	cut(&w, size);
	if (rights == w.rights && (rights == 0 || host == w.host))
		m->at = w.at + w.size;
	else if (rights != 0)
		unmap(m, w.at);
	else
		map(m, &w);
}

bool vtd_mirror_step(struct vtd_mirror *m, void *owner, unsigned most)
{
	struct vtd_leaf leaf = {0};

	for (; most > 0 && m->at < m->end; most--) {
		if (m->at - leaf.at >= leaf.size)
			vtd_seam_leaf(owner, m->at, m->end, &leaf);
		if (!m->begun)
			m->at = leaf.at;
		m->begun = true;
		if (leaf.at + leaf.size > m->end) /* a part of it is all of it */
			m->end =
				leaf.at + leaf.size < limit(m) ? leaf.at + leaf.size : limit(m);
		compare(m, wanted(m->at, &leaf, owner));
	}
	return m->at < m->end;
}
