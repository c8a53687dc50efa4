/* SPDX-License-Identifier: Apache-2.0 */
#include "mm/pool.h"

#include <stddef.h>

#include "cpu/mem.h"

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

static void *take_run(struct page_pool *p, unsigned pages)
{
	uint8_t *run = p->next;

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
	*(void **)page = p->free;
	p->free = page;
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
