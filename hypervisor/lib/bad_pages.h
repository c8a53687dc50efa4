/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of the machine's memory whose data are wrong: a set that only grows, without lock. Who
 * adds to it may have interrupted anybody. Pure.
 */
#ifndef NESTOR_LIB_BAD_PAGES_H
#define NESTOR_LIB_BAD_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define BAD_PAGES 1024u /* of 4 KiB; a machine with more wants other memory */

struct bad_pages {
	uint64_t at[BAD_PAGES]; /* with bit 0 set, from 0 up; then 0; atomic */
	uint32_t lost;          /* how often one had no room; atomic */
};

enum bad_page {
	BAD_PAGE_NEW,
	BAD_PAGE_KNOWN,
	BAD_PAGE_NO_ROOM
};

/* page: a host-physical address, a multiple of 4 KiB. */
enum bad_page bad_pages_add(struct bad_pages *b, uint64_t page);

/* How many there are; each has its place for ever. */
unsigned bad_pages_count(const struct bad_pages *b);

/* Is one of them in [from, end)? Then *page is the lowest, which may begin before `from`. Takes
 * time with their number. */
bool bad_pages_next(const struct bad_pages *b, uint64_t from, uint64_t end, uint64_t *page);

#endif
