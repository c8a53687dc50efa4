/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded pool of zeroed 4 KiB pages out of one host region: EPT tables, VMCSs and shadow
 * state of one VM. The pool never grows, so one VM cannot use up the memory of others. Any CPU
 * may call. Pages that are wrong (cpu/bad_memory.h) are handed out no more.
 */
#ifndef NESTOR_MM_POOL_H
#define NESTOR_MM_POOL_H

#include <stdint.h>

#include "cpu/lock.h"
#include "spec/addr.h"

struct page_pool {
	struct spinlock lock;
	void *free;      /* list of returned pages, linked through their first word */
	uint8_t *next;   /* first page never handed out */
	uint8_t *end;    /* behind the last page */
	uint64_t in_use; /* pages handed out and not returned */
	uint64_t peak;   /* highest in_use so far */
};

/* Takes over [start, start + size): page-aligned, in the direct map, zeroed. */
void pool_init(struct page_pool *p, void *start, uint64_t size);

/* A zeroed page, or NULL when the pool is used up. */
void *pool_get(struct page_pool *p);

/* Returns a page that pool_get gave. */
void pool_put(struct page_pool *p, void *page);

/* Physically contiguous zeroed pages, never handed out before, or NULL. They may be returned
 * one by one. */
void *pool_get_run(struct page_pool *p, unsigned pages);

/* Pages that were never handed out. */
uint64_t pool_untouched(struct page_pool *p);

#endif
