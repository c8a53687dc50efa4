/*
 * INVEPT: EPT02 becomes as new as EPT12. SDM 28.3.3.1 "Operations that Invalidate Cached Mappings"
 */
#include "nested/vept_int.h"

/* Of 64 entries those that are not what they were; nearly all are. */
static inline uint64_t changed_entries(
	uint64_t present, const uint64_t *now, const uint64_t *kept)
{
	uint64_t changed = 0;

	for (; present; present &= present - 1) {
		unsigned s = (unsigned)__builtin_ctzll(present);

		if (__atomic_load_n(&now[s], __ATOMIC_RELAXED) != kept[s])
			changed |= present & -present;
	}
	return changed;
}

/* Compare a mirror with EPT12 and drop what changed. A mirror of no RAM is empty. */
static bool compare_table(struct nested *n, uint32_t i, uint64_t flags)
{
	struct vept *e = &n->vm->vept;
	const struct vept_table *t = &e->table[i];
	const uint64_t *now = t->source;
	uint64_t *kept = e->pages[i].source;
	bool dropped = false;

	n->stats.vept_syncs++;
	for (unsigned w = 0; now && w < VEPT_ENTRIES; w += 64)
		for (uint64_t bits = changed_entries(t->present[w / 64], now + w, kept + w);
			bits; bits &= bits - 1) {
			unsigned s = w + (unsigned)__builtin_ctzll(bits);
			uint64_t entry = __atomic_load_n(&now[s], __ATOMIC_RELAXED);

			if (!differs(kept[s], entry, flags)) {
				kept[s] = entry;
				continue;
			}
			entry_clear(e, i, s);
			n->stats.vept_zaps++;
			dropped = true;
		}
	return dropped;
}

static void compare_root(struct nested *n, struct vept_root *r)
{
	uint64_t flags = r->eptp12 & EPTP_AD ? EPT_ACCESSED | EPT_DIRTY : 0;
	bool changed = false;

	while (r->stale != VEPT_NONE) {
		uint32_t i = r->stale;

		stale_remove(&n->vm->vept, i);
		changed |= compare_table(n, i, flags);
	}
	if (changed)
		root_flush(n, r);
}

/*
 * The order matters with several CPUs: a CPU that has the "dirty" of EPT01 cached writes without
 * telling. After settling none has, and what was written before is seen by comparing.
 */
static void collect_written(struct nested *n)
{
	struct vept *e = &n->vm->vept;
	bool cleared = false;

	for (uint32_t i = 0; i < e->watch_count; i++) {
		const struct vept_watch *w = &e->watch[i];

		if (w->word) {
			if (!(__atomic_load_n(w->word, __ATOMIC_RELAXED) & EPT_DIRTY))
				continue;
			__atomic_fetch_and(w->word, ~EPT_DIRTY, __ATOMIC_SEQ_CST);
			cleared = true;
		}
		mark_stale(e, w);
	}
	if (cleared)
		seam_l1_pages_settle(n);
}

void vept_invalidate(struct nested *n, uint64_t eptp12)
{
	struct vept *e = &n->vm->vept;

	seam_vm_lock(n);
	collect_written(n);
	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		if (e->root[i].stale != VEPT_NONE &&
			!((e->root[i].eptp12 ^ eptp12) & EPT_ADDRESS))
			compare_root(n, &e->root[i]);
	seam_vm_unlock(n);
}

void vept_invalidate_all(struct nested *n)
{
	struct vept *e = &n->vm->vept;

	seam_vm_lock(n);
	collect_written(n);
	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		if (e->root[i].stale != VEPT_NONE)
			compare_root(n, &e->root[i]);
	seam_vm_unlock(n);
}

/* L0's writes leave no dirty bit in EPT01. */
void mark_written(struct vept *e, struct gpa_l1 a, uint32_t len)
{
	for (uint64_t page = a.v & ~PAGE_MASK; page < a.v + len; page += PAGE_SIZE) {
		uint32_t i = watch_find(e, page);

		if (i != VEPT_NONE)
			mark_stale(e, &e->watch[i]);
	}
}

/* Without the lock, a bucket that fills right now has a watch that says "written" anyway. */
void vept_written(struct nested *n, struct gpa_l1 a, uint32_t len)
{
	struct vept *e = &n->vm->vept;

	if (!e->watch_count)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!maybe_watched(e, a.v) && !maybe_watched(e, a.v + len - 1))
		return;
	seam_vm_lock(n);
	mark_written(e, a, len);
	seam_vm_unlock(n);
}
