/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processors cache of L0's own page tables (VPID 0, PCID 0), kept as long as the manual
 * allows (SDM 4.10.2 "Translation Lookaside Buffers (TLBs)", 4.10.3 "Paging-Structure Caches"):
 * until MOV to CR3 (4.10.4.1). INVEPT and INVVPID leave it alone, and so do VM entries and
 * exits (28.3.3.1). Walks begin at CR3 or at any table that is cached, at any time, for any
 * address, whether L0 means to access it or not (4.10.2.3 "Details of TLB Use"), and write
 * flags to what they take for entries: no table may be anything else by then.
 *
 * Physical addresses are those of mm/layout.h: behind the test's own.
 */
#ifndef NESTOR_TESTS_TLB_LINEAR_H
#define NESTOR_TESTS_TLB_LINEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/layout.h"
#include "spec/paging.h"

#define LINEAR_ENTRIES 256u

/* How often what lies at this physical address has become something else. */
static uint32_t linear_age(uint64_t hpa);

struct linear_entry {
	unsigned level; /* of the table; of a page: of the entry that maps it */
	bool page;
	uint64_t va, hpa; /* where it begins */
	uint32_t age;     /* of the table, when it was cached */
};

struct linear {
	struct linear_entry at[LINEAR_ENTRIES];
	unsigned used, next;
};

static inline unsigned linear_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

/* Of a table: all that it is for. */
static inline uint64_t linear_span(const struct linear_entry *e)
{
	return BIT64(linear_shift(e->page ? e->level : e->level + 1));
}

static inline bool linear_covers(const struct linear_entry *e, uint64_t va)
{
	return va - e->va < linear_span(e);
}

static inline void linear_add(struct linear *l, const struct linear_entry *e)
{
	for (unsigned i = 0; i < l->used; i++) {
		const struct linear_entry *o = &l->at[i];

		if (o->level == e->level && o->page == e->page && o->va == e->va &&
			o->hpa == e->hpa && o->age == e->age)
			return;
	}
	l->at[l->next] = *e;
	l->next = (l->next + 1) % LINEAR_ENTRIES;
	l->used += l->used < LINEAR_ENTRIES;
}

/* L0 is in the half of addresses that the last entry of a 5-level root is for. */
static inline uint64_t linear_index(uint64_t va, unsigned level)
{
	return level == 5 ? 511 : va >> linear_shift(level) & 511;
}

/* From this table down; what is met is cached. False: an entry is not present. */
static inline bool linear_walk(
	struct linear *l, struct linear_entry e, uint64_t va, struct linear_entry *page)
{
	for (;;) {
		uint64_t entry;

		CHECK(linear_age(e.hpa) == e.age);
		entry = ((const uint64_t *)direct_va(
			(struct hpa){e.hpa}))[linear_index(va, e.level)];
		if (!(entry & PT_P))
			return false;
		e.page = e.level == 1 || (e.level <= 3 && entry & PT_PS);
		e.hpa = entry & PT_ADDRESS;
		if (e.page)
			break;
		e.level--;
		e.va = va & ~(linear_span(&e) - 1);
		e.age = linear_age(e.hpa);
		linear_add(l, &e);
	}
	e.va = va & ~(linear_span(&e) - 1);
	e.hpa &= ~(linear_span(&e) - 1);
	e.age = 0;
	*page = e;
	linear_add(l, page);
	return true;
}

static inline struct linear_entry linear_root(uint64_t cr3, unsigned levels)
{
	return (struct linear_entry){.level = levels, .hpa = cr3, .age = linear_age(cr3)};
}

/*
 * The processor translates the address by all that it has. NULL is no access but a guess;
 * otherwise each way has to lead there.
 */
static inline void linear_touch(
	struct linear *l, struct linear_entry root, uint64_t va, const uint64_t *hpa)
{
	unsigned cached = l->used;
	struct linear_entry page;

	for (unsigned i = 0; i < cached; i++) {
		struct linear_entry e = l->at[i];

		if (!linear_covers(&e, va))
			continue;
		page = e;
		if (!e.page && !linear_walk(l, e, va, &page)) {
			CHECK(hpa == NULL);
			continue;
		}
		CHECK(hpa == NULL || page.hpa + (va - page.va) == *hpa);
	}
	if (!linear_walk(l, root, va, &page))
		CHECK(hpa == NULL);
	else
		CHECK(hpa == NULL || page.hpa + (va - page.va) == *hpa);
}

/* MOV to CR3: nothing is global, and PCIDs are off. */
static inline void linear_drop(struct linear *l)
{
	l->used = l->next = 0;
}

#endif
