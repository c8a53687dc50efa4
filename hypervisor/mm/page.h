/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host memory: which ranges are free. Allocation happens while L0 and its VMs are set up; what
 * one VM needs later comes from its own pool. page_add and page_reserve are for start-up, by
 * one CPU. Memory that is wrong (cpu/bad_memory.h) is never handed out, nor free.
 */
#ifndef NESTOR_MM_PAGE_H
#define NESTOR_MM_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"

#define PAGE_MAX_RANGES 6144 /* a loader's map, and what its images cut of it */

/* RAM of the machine, whoever has it: told at the start, before page_add; asked for. */
void page_know(uint64_t start, uint64_t size);
bool page_known(uint64_t start, uint64_t size);

/* What the loader's map has as firmware's own, likewise; does it have all of this so? */
#define PAGE_MAX_RESERVED 256
void page_know_reserved(uint64_t start, uint64_t size);
bool page_is_reserved(uint64_t start, uint64_t size);

/* Makes [start, start + size) available. Ranges may come in any order and overlap. */
void page_add(uint64_t start, uint64_t size);
/* Takes [start, start + size) away, to page boundaries outwards. */
void page_reserve(uint64_t start, uint64_t size);

/*
 * Takes `size` contiguous bytes, aligned to `align` (a power of two, at least PAGE_SIZE), that
 * end at or below `limit`; the highest place that fits. The content is whatever was there.
 * False when there is none.
 */
bool page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out);
#define PAGE_ANYWHERE UINT64_MAX
/* The same, that does not begin below `from`. */
bool page_alloc_in(
	uint64_t size, uint64_t align, uint64_t from, uint64_t limit, struct hpa *out);
/*
 * As much as lies in one piece in [from, limit), `most` at most; both are multiples of `unit`
 * (a power of two), and so are the place and what it returns, the size. 0: there is none.
 */
uint64_t page_alloc_most(
	uint64_t most, uint64_t unit, uint64_t from, uint64_t limit, struct hpa *out);

/* Gives memory back that page_alloc returned; but for what is wrong, which is nobody's then. */
void page_free(struct hpa start, uint64_t size);

/* Range number `index` of those that are free, lowest first; false: there are not so many. */
bool page_free_range(unsigned index, uint64_t *start, uint64_t *size);

/* Bytes available; and in [from, limit). */
uint64_t page_available(void);
uint64_t page_available_in(uint64_t from, uint64_t limit);

#endif
