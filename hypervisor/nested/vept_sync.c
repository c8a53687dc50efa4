/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INVEPT: EPT02 becomes as new as EPT12. SDM 28.3.3.1 "Operations that Invalidate Cached
 * Mappings"
 *
 * One execution does a piece of the work. The instruction is complete when one execution has
 * looked at all watched pages and left nothing stale. It needs to know nothing of the one
 * before: L1 may have been interrupted between them, and have come back from elsewhere.
 */
#include "nested/vept_int.h"

/* Executions that find and compare everything, if nobody writes EPT12 meanwhile. */
static uint32_t enough_tries(const struct vept *e)
{
	return VEPT_OPEN / FOUND_PAGES + e->count / COMPARE_TABLES + 2;
}

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

/* Compare a mirror with EPT12 and drop what changed. */
static void compare_table(struct nested *n, uint32_t i)
{
	struct vept *e = &n->vm->vept;
	const struct vept_table *t = &e->table[i];
	uint64_t flags = e->root[t->root].eptp12 & EPTP_AD ? EPT_ACCESSED | EPT_DIRTY : 0;
	const uint64_t *now = t->source;
	uint64_t *kept = e->pages[i].source;

	n->stats.vept_syncs++;
	if (!now) /* a root that has forgotten what it has */
		return;
	for (unsigned w = 0; w < VEPT_ENTRIES; w += 64)
		for (uint64_t bits = changed_entries(t->present[w / 64], now + w, kept + w);
			bits; bits &= bits - 1) {
			unsigned s = w + (unsigned)__builtin_ctzll(bits);
			uint64_t entry = __atomic_load_n(&now[s], __ATOMIC_RELAXED);

			if (!t->spp && !differs(kept[s], entry, flags)) {
				kept[s] = entry;
				continue;
			}
			entry_clear(e, i, s);
			n->stats.vept_zaps++;
		}
}

/* The oldest stale tables; returns how many more may be compared. */
static unsigned compare_stale(struct nested *n, unsigned budget)
{
	struct vept *e = &n->vm->vept;

	for (; budget && !list_empty(&e->stale); budget--) {
		uint32_t i = table_index(e, e->stale.next);

		list_move(&e->table[i].watch->mirrors, &e->table[i].link);
		compare_table(n, i);
	}
	return budget;
}

enum collected {
	COLLECTED_ALL,
	COLLECTED_SOME,
	/* the machine does not tell what L1 wrote, and there is too much of it */
	CANNOT_COLLECT
};

/*
 * The order matters with several CPUs: a CPU that has the "dirty" of EPT01 cached writes
 * without telling. After settling none has, and what was written before is seen by comparing.
 */
static enum collected collect_written(struct nested *n)
{
	struct vept *e = &n->vm->vept;
	enum collected result = COLLECTED_ALL;
	unsigned budget = FOUND_PAGES;
	bool cleared = false;

	for (uint32_t i = 0; i < e->open; i++) {
		const struct vept_scan *s = &e->scan[i];

		if (s->word && !(__atomic_load_n(s->word, __ATOMIC_RELAXED) & EPT_DIRTY))
			continue;
		if (!budget--) {
			result = s->word ? COLLECTED_SOME : CANNOT_COLLECT;
			break;
		}
		if (s->word) {
			__atomic_fetch_and(s->word, ~EPT_DIRTY, __ATOMIC_SEQ_CST);
			cleared = true;
		}
		mark_stale(e, s->watch);
	}
	if (cleared)
		seam_flush_ept(n, n->vm->l0.eptp01, true);
	return result;
}

static __attribute__((noinline)) void collect_hinted(struct nested *n)
{
	uint8_t hints = __atomic_exchange_n(&n->vm->vept.hints, 0, __ATOMIC_SEQ_CST);

	if (hints & VEPT_HINT_TOLD)
		collect_told(n);
	if (hints & VEPT_HINT_L0)
		collect_l0(n);
}

/*
 * What is written past EPT01. Before anything that is marked is taken: what is not being
 * written any more is seen by the compare that follows; devices are asked first who writes, and
 * then what they have told.
 */
static inline void collect_l0s(struct nested *n)
{
	const struct vept *e = &n->vm->vept;

	if (__builtin_expect(__atomic_load_n(&e->writing_count, __ATOMIC_SEQ_CST) != 0, false))
		collect_writing(n);
	if (__builtin_expect(__atomic_load_n(&e->hints, __ATOMIC_SEQ_CST) != 0, false))
		collect_hinted(n);
}

static void flush_changed(struct nested *n)
{
	struct vept *e = &n->vm->vept;

	for (unsigned i = 0; i < e->words; i++)
		while (e->changed[i] != 0)
			root_flush(
				n, &e->root[i * 64 + (unsigned)__builtin_ctzll(e->changed[i])]);
}

/* A piece of INVEPT. True: everything that EPT02 has is as EPT12 has it. */
static bool invalidate(struct nested *n, bool *hopeless)
{
	struct vept *e = &n->vm->vept;
	enum collected collected = COLLECTED_SOME;
	unsigned budget;

	collect_l0s(n);
	budget = compare_stale(n, COMPARE_TABLES);
	if (budget) {
		collected = collect_written(n);
		compare_stale(n, budget);
	}
	flush_changed(n);
	reap_some(e);
	*hopeless = collected == CANNOT_COLLECT;
	return collected == COLLECTED_ALL && list_empty(&e->stale);
}

/*
 * What L1 expects of INVEPT besides: this CPU drops what it has cached with these roots,
 * whether EPT12 changed or not. A combined mapping also tells how L2's own tables were, and
 * whether a page was the APIC-access page (SDM 28.3.1 "Information That May Be Cached", 29.4.5
 * "Issues Pertaining to Page Size and TLB Management"); KVM relies on it when a vCPU of its
 * comes back to a CPU. Others execute their own.
 */
static void flush_here(struct nested *n, uint64_t eptp12, uint64_t mask)
{
	const struct vept *e = &n->vm->vept;

	for (unsigned i = 0; i < e->words; i++)
		for (uint64_t live = e->live[i]; live; live &= live - 1) {
			const struct vept_root *r =
				&e->root[i * 64 + (unsigned)__builtin_ctzll(live)];

			if (!((r->eptp12 ^ eptp12) & mask))
				seam_flush_ept_here(n, r->eptp02);
		}
}

/* mask: the bits by which the roots concerned have eptp12. */
static bool invalidate_roots(struct nested *n, uint64_t eptp12, uint64_t mask)
{
	struct vept *e = &n->vm->vept;
	bool hopeless, done;

	seam_vm_lock(n);
	done = invalidate(n, &hopeless);
	/* Somebody writes EPT12 all the time: without translations none is stale. */
	if (!done && (hopeless || ++e->tries[n->vcpu] >= enough_tries(e))) {
		for (unsigned i = 0; i < e->roots; i++)
			if (e->root[i].eptp12 && !((e->root[i].eptp12 ^ eptp12) & mask))
				root_empty(n, &e->root[i]);
		done = true;
	}
	if (done) {
		vept_foreign_forget(e);
		e->tries[n->vcpu] = 0;
		flush_here(n, eptp12, mask);
	}
	seam_vm_unlock(n);
	return done;
}

bool vept_invalidate(struct nested *n, uint64_t eptp12)
{
	return invalidate_roots(n, eptp12, EPT_ADDRESS);
}

bool vept_invalidate_all(struct nested *n)
{
	return invalidate_roots(n, 0, 0);
}
