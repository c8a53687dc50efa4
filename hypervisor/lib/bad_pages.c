/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bad_pages.h"

#define PAGE   4096ull
#define IN_USE 1ull

static uint64_t entry(const struct bad_pages *b, unsigned i)
{
	return __atomic_load_n(&b->at[i], __ATOMIC_ACQUIRE);
}

/* Two CPUs that add the same page meet at the same place: the second finds the first's. */
enum bad_page bad_pages_add(struct bad_pages *b, uint64_t page)
{
	for (unsigned i = 0; i < BAD_PAGES; i++) {
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&b->at[i], &none, page | IN_USE, false,
			    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return BAD_PAGE_NEW;
		if (none == (page | IN_USE))
			return BAD_PAGE_KNOWN;
	}
	__atomic_fetch_add(&b->lost, 1, __ATOMIC_RELAXED);
	return BAD_PAGE_NO_ROOM;
}

unsigned bad_pages_count(const struct bad_pages *b)
{
	unsigned low = 0, high = BAD_PAGES;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (entry(b, middle) != 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool bad_pages_next(const struct bad_pages *b, uint64_t from, uint64_t end, uint64_t *page)
{
	bool found = false;

	for (unsigned i = 0; i < BAD_PAGES; i++) {
		uint64_t e = entry(b, i), at = e & ~IN_USE;

		if (e == 0)
			break;
		if (at >= end || at + PAGE <= from || (found && at >= *page))
			continue;
		*page = at;
		found = true;
	}
	return found;
}
