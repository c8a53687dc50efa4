/* SPDX-License-Identifier: Apache-2.0 */
#include "mm/pool.h"

#include <stddef.h>

#include "cpu/bad_memory.h"
#include "cpu/mem.h"
#include "mm/layout.h"

void pool_init(struct page_pool *p, void *start, uint64_t size)
{
	*p = (struct page_pool){
		.lock = SPINLOCK(LOCK_POOL), .next = start, .end = (uint8_t *)start + size};
}

static void count(struct page_pool *p, unsigned pages)
{
	p->in_use += pages;
	if (p->in_use > p->peak)
		p->peak = p->in_use;
}

static bool is_bad(const void *page)
{
	return bad_memory_any() && bad_memory_in(hpa_of(page).v, PAGE_SIZE);
}

/* Past the last page that is wrong of the next ones, until none is. */
static uint8_t *next_good(const struct page_pool *p, uint64_t size)
{
	uint8_t *run = p->next;
	uint64_t page;

	while ((uint64_t)(p->end - run) >= size && bad_memory_next(hpa_of(run).v, size, &page))
		run += page + PAGE_SIZE - hpa_of(run).v;
	return run;
}

static void *take_run(struct page_pool *p, unsigned pages)
{
	uint8_t *run = next_good(p, (uint64_t)pages * PAGE_SIZE);

	if ((uint64_t)(p->end - run) < (uint64_t)pages * PAGE_SIZE)
		return NULL;
	p->next = run + (uint64_t)pages * PAGE_SIZE;
	count(p, pages);
	return run;
}

void *pool_get(struct page_pool *p)
{
	void *page;

	spin_lock(&p->lock);
	page = p->free;
	if (page != NULL && is_bad(page)) /* what is behind it only its first word knows */
		p->free = page = NULL;
	if (page == NULL) {
		page = take_run(p, 1);
	} else {
		p->free = *(void **)page;
		memset(page, 0, PAGE_SIZE);
		count(p, 1);
	}
	spin_unlock(&p->lock);
	return page;
}

void pool_put(struct page_pool *p, void *page)
{
	spin_lock(&p->lock);
	if (!is_bad(page)) {
		*(void **)page = p->free;
		p->free = page;
	}
	p->in_use--;
	spin_unlock(&p->lock);
}

void *pool_get_run(struct page_pool *p, unsigned pages)
{
	void *run;

	spin_lock(&p->lock);
	run = take_run(p, pages);
	spin_unlock(&p->lock);
	return run;
}

uint64_t pool_untouched(struct page_pool *p)
{
	uint64_t pages;

	spin_lock(&p->lock);
	pages = (uint64_t)(p->end - p->next) / PAGE_SIZE;
	spin_unlock(&p->lock);
	return pages;
}
