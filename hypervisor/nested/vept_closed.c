/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watched pages beyond those that one INVEPT can look at: they are closed, which means that
 * EPT01 lets L1 read them only. A closed page is as its mirrors know it, or they are stale. A
 * write that L1 tries opens the page.
 */
#include "nested/vept_int.h"

#define CLOSE_PAGES 256u /* at once, with one flush */

void watch_exchange(struct vept *e, uint32_t a, uint32_t b)
{
	struct vept_scan s = e->scan[a];

	e->scan[a] = e->scan[b];
	e->scan[b] = s;
	e->scan[a].watch->scan = a;
	e->scan[b].watch->scan = b;
}

/* Not where nobody tells what was written, and not what L1 could not write anyway. */
static bool can_be_closed(const struct vept_scan *s)
{
	return s->word && (__atomic_load_n(s->word, __ATOMIC_RELAXED) & EPT_WRITE);
}

/* Nobody but a device can write the page: it is compared when somebody has. */
void watch_take_written(struct vept *e, const struct vept_scan *s)
{
	if (!(__atomic_load_n(s->word, __ATOMIC_RELAXED) & EPT_DIRTY))
		return;
	__atomic_fetch_and(s->word, ~EPT_DIRTY, __ATOMIC_SEQ_CST);
	mark_stale(e, s->watch);
}

/*
 * The newest take the places of the oldest, which the hand passes. A processor that may write
 * by what it has cached does so before the flush is done: flags are looked at after it, and
 * what is stale is compared later still.
 */
void watch_close_some(struct nested *n)
{
	struct vept *e = &n->vm->vept;
	uint32_t before = e->open;

	for (unsigned i = 0; i < CLOSE_PAGES && e->open != 0; i++, e->hand++) {
		const struct vept_scan *s;

		if (e->hand >= e->open)
			e->hand = 0;
		s = &e->scan[e->hand];
		if (!can_be_closed(s))
			continue;
		__atomic_fetch_and(s->word, ~EPT_WRITE, __ATOMIC_SEQ_CST);
		watch_exchange(e, e->hand, --e->open);
	}
	if (e->open == before)
		return;
	__atomic_store_n(&e->closes, true, __ATOMIC_RELAXED);
	seam_flush_ept(n, n->vm->l0.eptp01, true);
	for (uint32_t i = e->open; i < before; i++)
		watch_take_written(e, &e->scan[i]);
}

/* A page of the VM that is wrong has no entry any more: a right alone would be malformed. */
void watch_reopen(const struct vept_scan *s)
{
	if (!(__atomic_load_n(s->word, __ATOMIC_SEQ_CST) & EPT_READ))
		return;
	__atomic_fetch_or(s->word, EPT_WRITE, __ATOMIC_SEQ_CST);
}

/*
 * No processor has the page's dirty flag cached as set: the write that follows sets it. Other
 * CPUs may find the page closed a while longer: their L1s come here, too, and try again.
 */
void vept_open_table(struct nested *n, struct gpa_l1 a)
{
	struct vept *e = &n->vm->vept;
	const struct vept_watch *w;

	seam_vm_lock(n);
	w = watch_find(e, a.v & ~PAGE_MASK);
	if (w && w->scan >= e->open) {
		if (e->open >= e->open_max)
			watch_close_some(n);
		watch_reopen(&e->scan[w->scan]);
		watch_exchange(e, w->scan, e->open++);
	}
	seam_vm_unlock(n);
}
