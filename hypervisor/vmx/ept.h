/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EPT01: guest-physical to host-physical, 4-level, up to 1 GiB pages. Owns the tables of one
 * EPT; the pages come from the VM's pool.
 */
#ifndef NESTOR_VMX_EPT_H
#define NESTOR_VMX_EPT_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/pool.h"
#include "spec/addr.h"
#include "spec/ept.h"

struct ept {
	uint64_t *root;
	uint64_t eptp;
	struct page_pool *pool;
	bool small_code; /* large pages are not executable, but split when they are executed */
	uint64_t fills, evictions; /* mappings that were made, and taken away again */
	/* How often what others know of it may have become wrong (ept_changed); atomic. */
	uint32_t changes;
};

/*
 * Empty EPT; write-back tables, A/D bits when the machine has them. small_code: an executable
 * page that is large has EPT_CODE instead of the right; small ones that it is split into have
 * it. False: pool exhausted.
 */
bool ept_init(struct ept *e, struct page_pool *pool, bool small_code);

/*
 * Maps [gpa, gpa + size) to hpa with the largest pages that alignment and the machine allow;
 * all arguments page-aligned. Replaces what was there. False: pool exhausted.
 */
bool ept_map(struct ept *e, uint64_t gpa, struct hpa hpa, uint64_t size, uint64_t perm,
	enum memory_type type);

/* Removes the mapping of [gpa, gpa + size), splitting larger pages. False: pool exhausted. */
bool ept_unmap(struct ept *e, uint64_t gpa, uint64_t size);

/*
 * Removes all pages that lie in [gpa, gpa + size) as a whole; below 2^48. Costs no more than
 * there are entries of tables for it.
 */
void ept_clear(struct ept *e, uint64_t gpa, uint64_t size);

/* Is there a table of 4 KiB pages for gpa, whatever is in it? A larger page would free it. */
bool ept_has_table(const struct ept *e, uint64_t gpa);

/*
 * Maps the 2 MiB from gpa on to hpa, as write-back whatever the guest's PAT says: who has such
 * memory has no device of the machine; and removes that mapping. Tables of 4 KiB pages that are
 * there stay, for ept_split_to_4k, and say that every page is written. False: pool exhausted.
 */
bool ept_chunk_set(struct ept *e, uint64_t gpa, struct hpa hpa);
void ept_chunk_clear(struct ept *e, uint64_t gpa);

/*
 * Makes the page that maps gpa at most 4 KiB large, keeping its content, permissions and type.
 * The leaf entry, or NULL when nothing is mapped or the pool is exhausted. The caller flushes.
 */
uint64_t *ept_split_to_4k(struct ept *e, uint64_t gpa);

/*
 * After an instruction was to be fetched from gpa: true, it can be now, from a page of 4 KiB.
 * False: it is not mapped, not executable, or the pool is exhausted.
 */
bool ept_open_code(struct ept *e, uint64_t gpa);

/* The leaf that maps gpa and its page size, or NULL. */
uint64_t *ept_leaf(const struct ept *e, uint64_t gpa, uint64_t *page_size);

/* The entries that a walk for gpa (of 48 bits) meets, by level: 4 down to the one returned. */
unsigned ept_look(const struct ept *e, uint64_t gpa, uint64_t entry[5]);

/* A mapping or a right went, or a dirty flag: who has a copy of entries begins anew. */
static inline void ept_changed(struct ept *e)
{
	__atomic_fetch_add(&e->changes, 1, __ATOMIC_SEQ_CST);
}

/* INVEPT single-context on this CPU, after such a change. */
void ept_flush(struct ept *e);

#endif
