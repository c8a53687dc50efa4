/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EPT02 tables: which are used, which EPT12 page each mirrors, which are stale, which are gone.
 * What is done with one table or page takes constant time, however many of them L1 makes us
 * have.
 */
#include "nested/vept_int.h"

/*
 * A power of two, at least one for each table. L1 chooses the pages, but of as many pages as
 * there are buckets, one after the other, each bucket has one: since there is a table for each
 * 2 MiB of L1's RAM, 512 of all.
 */
static uint32_t bucket_count(uint32_t tables)
{
	uint32_t count = 1;

	while (count < tables)
		count <<= 1;
	return count;
}

uint64_t vept_books_size(uint32_t count)
{
	return count * (sizeof(struct vept_table) + sizeof(struct vept_watch) +
			       sizeof(struct vept_scan)) +
	       (uint64_t)bucket_count(count) * sizeof(struct list);
}

static void init_books(struct vept *e)
{
	e->table = e->books;
	e->watch = (void *)(e->table + e->count);
	e->scan = (void *)(e->watch + e->count);
	e->bucket = (void *)(e->scan + e->count);
	e->bucket_mask = bucket_count(e->count) - 1;
	for (uint32_t i = 0; i <= e->bucket_mask; i++)
		list_init(&e->bucket[i]);
}

void vept_init(struct vept *e)
{
	list_init(&e->unused);
	list_init(&e->stale);
	list_init(&e->gone);
	if (e->count)
		init_books(e);
	e->in_use = e->used_once = 0;
	e->watch_count = e->open = e->hand = 0;
	e->open_max = VEPT_OPEN;
	e->closes = e->told_more = e->writing_more = false;
	e->hints = 0;
	e->writing_count = 0;
	for (unsigned i = 0; i < VEPT_TOLD; i++)
		e->told[i] = 0;
	e->roots = (e->vcpus > 8 ? e->vcpus : 8) + VEPT_SPARE;
	e->words = (e->roots + 63) / 64;
	for (unsigned i = 0; i < VEPT_WORDS; i++)
		e->live[i] = e->changed[i] = 0;
	e->use_counter = 0;
	for (unsigned i = 0; i < VEPT_ROOTS; i++) {
		e->root[i] = (struct vept_root){.table = VEPT_NONE, .spp_table = VEPT_NONE};
		list_init(&e->root[i].cut);
	}
	for (unsigned i = 0; i < VEPT_VCPUS; i++) {
		e->used[i] = NULL;
		e->tries[i] = 0;
		e->l0_writes[i] = e->l0_seen[i] = 0;
	}
}

/* ---- watched pages ---- */

static struct list *bucket_of(const struct vept *e, uint64_t gpa)
{
	uint64_t page = gpa >> PAGE_SHIFT;

	return &e->bucket[(page ^ page >> 8) & e->bucket_mask];
}

bool maybe_watched(const struct vept *e, uint64_t gpa)
{
	struct list *bucket = bucket_of(e, gpa);

	return __atomic_load_n(&bucket->next, __ATOMIC_RELAXED) != bucket;
}

struct vept_watch *watch_find(const struct vept *e, uint64_t gpa)
{
	struct list *bucket = bucket_of(e, gpa);

	for (struct list *l = bucket->next; l != bucket; l = l->next) {
		struct vept_watch *w = list_element(l, struct vept_watch, in_bucket);

		if (w->gpa == gpa)
			return w;
	}
	return NULL;
}

/* A mirror is never newer than the page's state of "written": EPT01 says so at first. */
static struct vept_watch *watch_get(struct nested *n, uint64_t gpa)
{
	struct vept *e = &n->vm->vept;
	struct vept_watch *w = watch_find(e, gpa);
	struct vept_scan *s = &e->scan[e->watch_count];

	if (w)
		return w;
	if (__builtin_expect(e->open >= e->open_max, false))
		watch_close_some(n);
	if (!s->watch)
		s->watch = &e->watch[e->watch_count];
	w = s->watch;
	w->gpa = gpa;
	w->users = 0;
	w->scan = e->watch_count++;
	s->word = seam_l1_page_watch(n, (struct gpa_l1){gpa});
	if (__builtin_expect(w->scan != e->open, false))
		watch_exchange(e, w->scan, e->open);
	e->open++;
	list_init(&w->mirrors);
	list_append(bucket_of(e, gpa), &w->in_bucket);
	return w;
}

/* Neither open nor closed ones have holes between them: the last one moves here. */
static void watch_drop(struct vept *e, struct vept_watch *w)
{
	struct vept_scan *last, *hole = &e->scan[w->scan];

	list_remove(&w->in_bucket);
	if (__builtin_expect(w->scan >= e->open, false)) {
		watch_reopen(hole);
	} else {
		last = &e->scan[--e->open];
		*hole = *last;
		last->watch->scan = w->scan;
		hole = last;
	}
	last = &e->scan[--e->watch_count];
	if (__builtin_expect(hole != last, false)) {
		*hole = *last;
		last->watch->scan = (uint32_t)(hole - e->scan);
	}
	last->watch = w;
}

void mark_stale(struct vept *e, struct vept_watch *w)
{
	list_move_all(&e->stale, &w->mirrors);
}

/* ---- tables ---- */

void table_mirror(struct nested *n, uint32_t i, uint64_t *source, uint64_t gpa)
{
	struct vept_table *t = &n->vm->vept.table[i];

	t->source = source;
	t->watch = watch_get(n, gpa);
	t->watch->users++;
	list_append(&t->watch->mirrors, &t->link);
}

/* One that was used before; else the first that never was. */
static inline uint32_t table_take(struct vept *e)
{
	struct list *first = e->unused.next;

	if (list_empty(&e->unused)) {
		list_init(&e->table[e->used_once].link);
		return e->used_once++;
	}
	list_remove(first);
	return table_index(e, first);
}

uint32_t table_new(struct nested *n, struct vept_root *root, unsigned level, bool split,
	uint64_t source_gpa)
{
	struct vept *e = &n->vm->vept;
	uint32_t i = table_take(e);
	struct vept_table *t = &e->table[i];

	e->in_use++;
	t->source = split ? NULL : seam_l1_page(n, (struct gpa_l1){source_gpa});
	t->root = (uint16_t)(root - e->root);
	t->level = (uint8_t)level;
	t->in_use = true;
	t->spp = false;
	if (t->source)
		table_mirror(n, i, (uint64_t *)(uintptr_t)t->source, source_gpa);
	return i;
}

bool vept_has_tables(const struct vept *e, uint64_t gpa, uint64_t size)
{
	for (uint64_t page = gpa; page < gpa + size; page += PAGE_SIZE)
		if (maybe_watched(e, page) && watch_find(e, page))
			return true;
	return false;
}

/* Out of all books but the list it goes to. */
static void table_move(struct vept *e, struct list *to, uint32_t i)
{
	struct vept_table *t = &e->table[i];

	list_move(to, &t->link);
	if (t->watch && --t->watch->users == 0)
		watch_drop(e, t->watch);
	t->watch = NULL;
}

static void mark_changed(struct vept *e, unsigned root)
{
	e->changed[root / 64] |= BIT64(root % 64);
}

void table_cut(struct vept *e, uint32_t i)
{
	struct vept_root *r = &e->root[e->table[i].root];

	table_move(e, &r->cut, i);
	mark_changed(e, e->table[i].root);
}

/* One table is unused, and those below are gone. */
static void reap_table(struct vept *e, uint32_t i)
{
	struct vept_table *t = &e->table[i];

	for (unsigned w = 0; w < VEPT_ENTRIES / 64; w++) {
		for (uint64_t bits = t->present[w]; bits; bits &= bits - 1) {
			unsigned s = w * 64 + (unsigned)__builtin_ctzll(bits);
			uint64_t entry = e->pages[i].entry[s];

			e->pages[i].entry[s] = 0;
			if (!is_leaf(entry, t->level))
				table_move(e, &e->gone, child_of(e, entry));
		}
		t->present[w] = 0;
	}
	t->in_use = false;
	list_move(&e->unused, &t->link);
	e->in_use--;
}

void reap(struct vept *e, unsigned count)
{
	for (; count && !list_empty(&e->gone); count--)
		reap_table(e, table_index(e, e->gone.next));
}

void entry_clear(struct vept *e, uint32_t i, unsigned slot)
{
	struct vept_table *t = &e->table[i];
	uint64_t old = e->pages[i].entry[slot];

	__atomic_store_n(&e->pages[i].entry[slot], 0, __ATOMIC_RELAXED);
	t->present[slot / 64] &= ~BIT64(slot % 64);
	mark_changed(e, t->root);
	if (!is_leaf(old, t->level))
		table_cut(e, child_of(e, old));
}

/* Other CPUs may walk the table meanwhile: what the entry leads to is complete before it. */
void entry_set(struct vept *e, uint32_t i, unsigned slot, uint64_t entry, uint64_t source)
{
	e->pages[i].source[slot] = source;
	__atomic_store_n(&e->pages[i].entry[slot], entry, __ATOMIC_RELEASE);
	e->table[i].present[slot / 64] |= BIT64(slot % 64);
}

/*
 * Tables may be used again only when no CPU can walk them; translations alone can wait. What is
 * below a table that was cut off cannot be walked any more, either: it needs no flush of its
 * own.
 */
static void flush(struct nested *n, struct vept_root *r, bool wait)
{
	struct vept *e = &n->vm->vept;

	if (r->eptp12) /* not what INVEPT finds in the rest of a root that went */
		seam_flush_ept(n, r->eptp02, wait);
	list_move_all(&e->gone, &r->cut);
	e->changed[(r - e->root) / 64] &= ~BIT64((r - e->root) % 64);
}

void root_flush(struct nested *n, struct vept_root *r)
{
	flush(n, r, !list_empty(&r->cut));
}

void root_flush_all(struct nested *n, struct vept_root *r)
{
	flush(n, r, true);
}
