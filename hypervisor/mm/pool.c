#include "mm/pool.h"

#include <stddef.h>

#include "cpu/mem.h"

void pool_init(struct page_pool *p, void *start, uint64_t size)
{
	*p = (struct page_pool){.next = start, .end = (uint8_t *)start + size};
}

static void count(struct page_pool *p, unsigned pages)
{
	p->in_use += pages;
	if (p->in_use > p->peak)
		p->peak = p->in_use;
}

void *pool_get(struct page_pool *p)
{
	void *page = p->free;

	if (page == NULL)
		return pool_get_run(p, 1);
	p->free = *(void **)page;
	memset(page, 0, PAGE_SIZE);
	count(p, 1);
	return page;
}

void pool_put(struct page_pool *p, void *page)
{
	*(void **)page = p->free;
	p->free = page;
	p->in_use--;
}

void *pool_get_run(struct page_pool *p, unsigned pages)
{
	uint8_t *run = p->next;

	if ((uint64_t)(p->end - run) < (uint64_t)pages * PAGE_SIZE)
		return NULL;
	p->next = run + (uint64_t)pages * PAGE_SIZE;
	count(p, pages);
	return run;
}
