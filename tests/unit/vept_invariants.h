/*
 * What must hold of EPT02 at any time: the tables in use are those reachable from the roots, each
 * once; what maps memory maps L1's RAM or the void page; and no entry allows more than the EPT12
 * entry beside it. vept_check() asserts it. Include fake_seam.h first.
 */
#ifndef NESTOR_TESTS_VEPT_INVARIANTS_H
#define NESTOR_TESTS_VEPT_INVARIANTS_H

#include "fake_seam.h"

#include "nested/vept.h"

#define VEPT_CHECK_RWX     7ull
#define VEPT_CHECK_LARGE   BIT64(7)
#define VEPT_CHECK_ADDRESS 0x000ffffffffff000ull

static inline void vept_check_leaf(const struct vept *e, uint64_t entry, unsigned level)
{
	uint64_t size = 1ull << (PAGE_SHIFT + 9 * (level - 1));
	uint64_t hpa = entry & VEPT_CHECK_ADDRESS;

	assert_true(level <= 3);
	assert_true((hpa & (size - 1)) == 0);
	if (hpa == e->void_hpa && level == 1)
		return;
	assert_true(hpa >= FAKE_HPA_BASE && hpa + size <= FAKE_HPA_BASE + FAKE_RAM_SIZE);
}

/* Counts the tables below and including one. */
static inline uint32_t vept_check_table(const struct vept *e, uint32_t i, unsigned level)
{
	const struct vept_table *t = &e->table[i];
	uint32_t count = 1;

	assert_true(i < e->count && t->in_use);
	assert_int_equal(t->level, level);
	for (unsigned s = 0; s < VEPT_ENTRIES; s++) {
		uint64_t entry = e->pages[i].entry[s], source = e->pages[i].source[s];
		bool large = level > 1 && (entry & VEPT_CHECK_LARGE);
		bool present = t->present[s / 64] & BIT64(s % 64);
		uint32_t child;

		if (!present) {
			assert_true(entry == 0);
			continue;
		}
		if (level == 1 || large) {
			vept_check_leaf(e, entry, level);
			assert_false(entry & VEPT_CHECK_RWX & ~source);
			continue;
		}
		child = (uint32_t)(((entry & VEPT_CHECK_ADDRESS) - e->pages_hpa) /
				   sizeof(struct vept_pages));
		assert_true(child < e->count);
		assert_true(e->table[child].parent == i && e->table[child].parent_slot == s);
		count += vept_check_table(e, child, level - 1);
	}
	return count;
}

static inline void vept_check(const struct vept *e)
{
	uint32_t used = 0, free_count = 0;

	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		if (e->root[i].eptp12)
			used += vept_check_table(e, e->root[i].table, 4);
	assert_int_equal(used, e->in_use);
	for (uint32_t i = e->free; i != VEPT_NONE; i = e->table[i].next) {
		assert_true(i < e->count && !e->table[i].in_use);
		free_count++;
		assert_true(free_count <= e->count);
	}
	assert_int_equal(used + free_count, e->count);
}

#endif
