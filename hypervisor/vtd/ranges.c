/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/ranges.h"

#include <stddef.h>

#include "spec/addr.h"

const char *vtd_region_error(const struct dmar_region *r)
{
	if ((r->first & PAGE_MASK) != 0 || (r->last & PAGE_MASK) != PAGE_MASK)
		return "it does not begin and end with pages";
	if (r->last >> 52 != 0)
		return "no machine has such addresses";
	return NULL;
}

/* Number i goes, into the one before it or into a new one. */
static void remove_at(struct vtd_ranges *all, unsigned i)
{
	all->count--;
	for (; i < all->count; i++)
		all->at[i] = all->at[i + 1];
}

void vtd_ranges_add(struct vtd_ranges *all, const struct dmar_region *r)
{
	uint64_t start = r->first, end = r->last + 1;
	unsigned i = 0;

	while (i < all->count && all->at[i].end < start)
		i++;
	while (i < all->count && all->at[i].start <= end) {
		start = all->at[i].start < start ? all->at[i].start : start;
		end = all->at[i].end > end ? all->at[i].end : end;
		remove_at(all, i);
	}
	for (unsigned k = all->count++; k > i; k--)
		all->at[k] = all->at[k - 1];
	all->at[i].start = start;
	all->at[i].end = end;
}

/* Tables of one level that [start, end) needs: each has entries for 2^shift bytes. */
static uint64_t tables_for(uint64_t start, uint64_t end, unsigned shift)
{
	return ((end - 1) >> shift) - (start >> shift) + 1;
}

/* Of the lowest level only the ends need one, where there are large pages. */
uint64_t vtd_ranges_pages(const struct vtd_ranges *all, const struct vtd_caps *c)
{
	uint64_t pages = 1;

	for (unsigned i = 0; i < all->count; i++) {
		uint64_t start = all->at[i].start, end = all->at[i].end;
		uint64_t low = tables_for(start, end, 21);

		pages += c->large_2m && low > 2 ? 2 : low;
		for (unsigned level = 2; level < c->levels; level++)
			pages += tables_for(start, end, 12 + 9 * level);
	}
	return pages;
}

const char *vtd_ranges_map(const struct vtd_ranges *all, struct vtd_tables *t)
{
	const char *why = NULL;

	for (unsigned i = 0; i < all->count && why == NULL; i++)
		why = vtd_tables_map(t, all->at[i].start, all->at[i].start,
			all->at[i].end - all->at[i].start, VTD_SL_RIGHTS);
	return why;
}
