/*
 * EPT02 tables: which are used, which EPT12 page each mirrors, which are stale.
 */
#include "nested/vept_int.h"

void vept_init(struct vept *e)
{
	for (uint32_t i = 0; i < e->count; i++) {
		e->table[i].in_use = false;
		e->table[i].next = i + 1 < e->count ? i + 1 : VEPT_NONE;
		for (unsigned s = 0; s < VEPT_ENTRIES; s++)
			e->pages[i].entry[s] = 0;
	}
	e->free = e->count ? 0 : VEPT_NONE;
	e->in_use = 0;
	e->watch_count = 0;
	e->use_counter = 0;
	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		e->root[i] = (struct vept_root){.table = VEPT_NONE, .stale = VEPT_NONE};
	for (unsigned i = 0; i < VEPT_VCPUS; i++)
		e->used[i] = NULL;
	for (unsigned i = 0; i < VEPT_BUCKETS; i++)
		e->bucket[i] = VEPT_NONE;
}

/* ---- watched pages ---- */

static unsigned bucket_of(uint64_t gpa)
{
	uint64_t page = gpa >> PAGE_SHIFT;

	return (page ^ page >> 8) % VEPT_BUCKETS;
}

bool maybe_watched(const struct vept *e, uint64_t gpa)
{
	return __atomic_load_n(&e->bucket[bucket_of(gpa)], __ATOMIC_RELAXED) != VEPT_NONE;
}

uint32_t watch_find(const struct vept *e, uint64_t gpa)
{
	uint32_t i = e->bucket[bucket_of(gpa)];

	while (i != VEPT_NONE && e->watch[i].gpa != gpa)
		i = e->watch[i].next;
	return i;
}

/* The link in its bucket that points to watch i. */
static uint32_t *watch_link(struct vept *e, uint32_t i)
{
	uint32_t *link = &e->bucket[bucket_of(e->watch[i].gpa)];

	while (*link != i)
		link = &e->watch[*link].next;
	return link;
}

/* A mirror is never newer than the page's state of "written": EPT01 says so at first. */
static uint32_t watch_get(struct nested *n, uint64_t gpa)
{
	struct vept *e = &n->vm->vept;
	uint32_t i = watch_find(e, gpa);
	uint32_t *bucket = &e->bucket[bucket_of(gpa)];

	if (i != VEPT_NONE)
		return i;
	i = e->watch_count++;
	e->watch[i] = (struct vept_watch){.gpa = gpa,
		.word = seam_l1_page_watch(n, (struct gpa_l1){gpa}),
		.first = VEPT_NONE,
		.next = *bucket};
	*bucket = i;
	return i;
}

/* The array has no holes: the last watch moves here. */
static void watch_drop(struct vept *e, uint32_t i)
{
	uint32_t last = e->watch_count - 1;

	*watch_link(e, i) = e->watch[i].next;
	if (i != last) {
		*watch_link(e, last) = i;
		e->watch[i] = e->watch[last];
		for (uint32_t t = e->watch[i].first; t != VEPT_NONE; t = e->table[t].next)
			e->table[t].watch = i;
	}
	e->watch_count = last;
}

static void unlink_mirror(struct vept *e, uint32_t i)
{
	struct vept_watch *w = &e->watch[e->table[i].watch];
	uint32_t *link = &w->first;

	while (*link != i)
		link = &e->table[*link].next;
	*link = e->table[i].next;
	if (w->first == VEPT_NONE)
		watch_drop(e, e->table[i].watch);
}

/* ---- stale tables ---- */

static void stale_add(struct vept *e, uint32_t i)
{
	struct vept_table *t = &e->table[i];
	uint32_t *head = &e->root[t->root].stale;

	t->stale = true;
	t->stale_prev = VEPT_NONE;
	t->stale_next = *head;
	if (*head != VEPT_NONE)
		e->table[*head].stale_prev = i;
	*head = i;
}

void stale_remove(struct vept *e, uint32_t i)
{
	struct vept_table *t = &e->table[i];

	t->stale = false;
	if (t->stale_next != VEPT_NONE)
		e->table[t->stale_next].stale_prev = t->stale_prev;
	if (t->stale_prev != VEPT_NONE)
		e->table[t->stale_prev].stale_next = t->stale_next;
	else
		e->root[t->root].stale = t->stale_next;
}

void mark_stale(struct vept *e, const struct vept_watch *w)
{
	for (uint32_t i = w->first; i != VEPT_NONE; i = e->table[i].next)
		if (!e->table[i].stale)
			stale_add(e, i);
}

/* ---- tables ---- */

uint32_t table_new(struct nested *n, struct vept_root *root, unsigned level, bool split,
	uint64_t source_gpa)
{
	struct vept *e = &n->vm->vept;
	uint32_t i = e->free;
	struct vept_table *t = &e->table[i];

	e->free = t->next;
	e->in_use++;
	*t = (struct vept_table){.watch = VEPT_NONE,
		.parent = VEPT_NONE,
		.root = (uint8_t)(root - e->root),
		.level = (uint8_t)level,
		.in_use = true};
	if (split)
		return i;
	t->source = seam_l1_page(n, (struct gpa_l1){source_gpa});
	t->watch = watch_get(n, source_gpa);
	t->next = e->watch[t->watch].first;
	e->watch[t->watch].first = i;
	return i;
}

/* Bounded recursion: a child has a lower level. */
void table_free(struct vept *e, uint32_t i)
{
	struct vept_table *t = &e->table[i];

	for (unsigned w = 0; w < VEPT_ENTRIES / 64; w++)
		for (uint64_t bits = t->present[w]; bits; bits &= bits - 1) {
			unsigned s = w * 64 + (unsigned)__builtin_ctzll(bits);
			uint64_t entry = e->pages[i].entry[s];

			e->pages[i].entry[s] = 0;
			if (!is_leaf(entry, t->level))
				table_free(e, child_of(e, entry));
		}
	if (t->stale)
		stale_remove(e, i);
	if (t->watch != VEPT_NONE)
		unlink_mirror(e, i);
	e->root[t->root].freed_tables = true;
	t->in_use = false;
	t->next = e->free;
	e->free = i;
	e->in_use--;
}

void entry_clear(struct vept *e, uint32_t i, unsigned slot)
{
	struct vept_table *t = &e->table[i];
	uint64_t old = e->pages[i].entry[slot];

	__atomic_store_n(&e->pages[i].entry[slot], 0, __ATOMIC_RELAXED);
	t->present[slot / 64] &= ~BIT64(slot % 64);
	if (!is_leaf(old, t->level))
		table_free(e, child_of(e, old));
}

/* Other CPUs may walk the table meanwhile: what the entry leads to is complete before it. */
void entry_set(struct vept *e, uint32_t i, unsigned slot, uint64_t entry, uint64_t source)
{
	e->pages[i].source[slot] = source;
	__atomic_store_n(&e->pages[i].entry[slot], entry, __ATOMIC_RELEASE);
	e->table[i].present[slot / 64] |= BIT64(slot % 64);
}

/* Tables may be used again only when no CPU can walk them; translations alone can wait. */
void root_flush(struct nested *n, struct vept_root *r)
{
	if (r->freed_tables)
		seam_flush_ept(n, r->eptp02);
	else
		seam_flush_ept_lazy(n, r->eptp02);
	r->freed_tables = false;
}
