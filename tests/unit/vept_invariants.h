/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of EPT02 at any time: the tables in use are those reachable from the roots and
 * what is gone, each once; each is in the one list that it belongs to; what maps memory maps
 * L1's RAM, the void page, or registers of a device, which are not cached; and no entry allows
 * more than the EPT12 entry beside it. vept_check() asserts it. Include fake_seam.h first.
 * vept_model.h compares with EPT12 itself.
 */
#ifndef NESTOR_TESTS_VEPT_INVARIANTS_H
#define NESTOR_TESTS_VEPT_INVARIANTS_H

#include "fake_seam.h"
#include "fake_vept.h"

#include "nested/vept.h"
#include "spec/ept.h"

static inline void vept_check_leaf(const struct vept *e, uint64_t entry, unsigned level)
{
	uint64_t size = 1ull << (PAGE_SHIFT + 9 * (level - 1));
	uint64_t hpa = entry & EPT_ADDRESS;

	assert_true(level <= 3);
	assert_true((hpa & (size - 1)) == 0);
	if (level == 1 && (hpa == e->void_hpa || hpa == e->apic_hpa ||
				  (hpa & ~(FAKE_VEPT_OF(1) * 7)) == FAKE_VEPT_SCRATCH))
		return;
	if (hpa - FAKE_DEVICE_HPA < FAKE_DEVICE_SIZE) {
		assert_true(hpa + size <= FAKE_DEVICE_HPA + FAKE_DEVICE_SIZE);
		assert_true((entry & EPT_MEMTYPE) <= EPT_TYPE(MEMTYPE_WC));
		return;
	}
	assert_true(hpa >= FAKE_HPA_BASE && hpa + size <= FAKE_HPA_BASE + FAKE_RAM_SIZE);
}

/* Counts the tables below and including one. */
static inline uint32_t vept_check_table(const struct vept *e, uint32_t i, unsigned level)
{
	const struct vept_table *t = &e->table[i];
	uint32_t count = 1;

	assert_true(i < e->count && t->in_use);
	assert_int_equal(t->level, level);
	for (unsigned w = 0; t->watch && !t->source && w < VEPT_ENTRIES / 64; w++)
		assert_true(level == 4 && t->present[w] == 0); /* it has forgotten */
	for (unsigned s = 0; s < VEPT_ENTRIES; s++) {
		uint64_t entry = e->pages[i].entry[s], source = e->pages[i].source[s];
		bool large = level > 1 && (entry & EPT_LARGE);
		bool present = t->present[s / 64] & BIT64(s % 64);
		uint32_t child;

		if (!present) {
			assert_true(entry == 0);
			continue;
		}
		if (t->spp && level == 1) { /* rights of sub-pages */
			assert_true(entry == source && !(entry & SPP_RIGHTS_RESERVED));
			continue;
		}
		if (level == 1 || large) {
			vept_check_leaf(e, entry, level);
			assert_false(entry & EPT_RWX & ~source);
			continue;
		}
		child = (uint32_t)(((entry & EPT_ADDRESS) - e->pages_hpa) /
				   sizeof(struct vept_pages));
		assert_true(child < e->count && e->table[child].spp == t->spp);
		count += vept_check_table(e, child, level - 1);
	}
	return count;
}

/* Both directions agree; the number of elements. */
static inline uint32_t vept_check_list(const struct vept *e, const struct list *head)
{
	uint32_t count = 0;

	for (const struct list *l = head->next; l != head; l = l->next) {
		assert_ptr_equal(l->next->prev, l);
		assert_true(++count <= e->count);
	}
	assert_ptr_equal(head->next->prev, head);
	return count;
}

static inline struct vept_table *vept_check_element(struct list *l)
{
	return list_element(l, struct vept_table, link);
}

/* Tables that wait to be freed, with all below: nothing waits for a flush between two calls. */
static inline uint32_t vept_check_gone(const struct vept *e)
{
	uint32_t count = 0;

	vept_check_list(e, &e->gone);
	for (struct list *l = e->gone.next; l != &e->gone; l = l->next) {
		const struct vept_table *t = vept_check_element(l);

		assert_null(t->watch);
		count += vept_check_table(e, (uint32_t)(t - e->table), t->level);
	}
	for (unsigned i = 0; i < VEPT_WORDS; i++)
		assert_int_equal(e->changed[i], 0);
	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		assert_true(list_empty(&e->root[i].cut));
	return count;
}

static inline void vept_check_watches(const struct vept *e)
{
	uint32_t mirrors = vept_check_list(e, &e->stale), users = 0, in_buckets = 0;

	for (struct list *l = e->stale.next; l != &e->stale; l = l->next)
		assert_non_null(vept_check_element(l)->watch);
	assert_true(e->open <= e->watch_count);
	for (uint32_t i = 0; i < e->watch_count; i++) {
		struct vept_watch *w = e->scan[i].watch;

		assert_int_equal(w->scan, i);
		/* All that L1 can write INVEPT looks at. */
		assert_true(i < e->open || !(*e->scan[i].word & EPT_WRITE));
		assert_true(i >= e->open || !e->scan[i].word || *e->scan[i].word & EPT_WRITE);
		mirrors += vept_check_list(e, &w->mirrors);
		users += w->users;
		for (struct list *l = w->mirrors.next; l != &w->mirrors; l = l->next)
			assert_ptr_equal(vept_check_element(l)->watch, w);
	}
	assert_int_equal(mirrors, users);
	for (uint32_t i = 0; e->count && i <= e->bucket_mask; i++)
		in_buckets += vept_check_list(e, &e->bucket[i]);
	assert_int_equal(in_buckets, e->watch_count);
}

static inline void vept_check(const struct vept *e)
{
	uint32_t used = vept_check_gone(e);

	for (unsigned i = 0; i < VEPT_ROOTS; i++) {
		assert_int_equal(e->live[i / 64] >> i % 64 & 1, e->root[i].eptp12 != 0);
		if (e->root[i].eptp12)
			used += vept_check_table(e, e->root[i].table, 4);
		assert_int_equal(e->root[i].spp_table != VEPT_NONE, e->root[i].spptp != 0);
		if (e->root[i].spp_table != VEPT_NONE)
			used += vept_check_table(e, e->root[i].spp_table, 4);
	}
	assert_int_equal(used, e->in_use);
	for (struct list *l = e->unused.next; l != &e->unused; l = l->next) {
		assert_false(vept_check_element(l)->in_use);
		assert_null(vept_check_element(l)->watch);
	}
	assert_int_equal(used + vept_check_list(e, &e->unused), e->used_once);
	vept_check_watches(e);
}

#endif
