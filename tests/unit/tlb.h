/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processors cache of translations while they run guests with EPT, kept as long as the
 * manual allows (SDM 28.3 "Caching Translation Information", 4.10): guest-physical mappings
 * tagged by the EPT's root (EP4TA), combined ones by VPID and root, and the entries of upper
 * levels, by which a walk may begin below the root. Nothing goes but by what the manual says
 * invalidates it; a test tries everything that a processor might use.
 */
#ifndef NESTOR_TESTS_TLB_H
#define NESTOR_TESTS_TLB_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "spec/addr.h"
#include "spec/ept.h"

#ifndef TLB_ENTRIES
#define TLB_ENTRIES 2048u
#endif

enum tlb_kind {
	TLB_NONE,
	TLB_TABLE,   /* a table of EPT for a range of guest-physical addresses */
	TLB_PAGE,    /* a page, likewise */
	TLB_COMBINED /* a linear address and the page that it is at in the end */
};

/* Who ran when it was cached, for whoever judges whether it may be used. */
struct tlb_origin {
	unsigned vm, vcpu;
	uint16_t vpid12;
	uint64_t ep4ta12;
	uint64_t apic; /* the APIC-access page in force; 0: none */
	uint64_t time;
};

struct tlb_entry {
	enum tlb_kind kind;
	unsigned level; /* TLB_TABLE: of the table; TLB_PAGE: of the entry that maps it */
	uint16_t vpid;
	uint64_t ep4ta;
	uint64_t linear, gpa;
	uint64_t hpa;  /* of the table; of the 4 KiB page at gpa */
	uint64_t bits; /* rights of all levels together, memory type */
	struct tlb_origin origin;
};

struct tlb {
	struct tlb_entry at[TLB_ENTRIES];
	unsigned used, next;
};

static inline uint64_t tlb_span(unsigned level)
{
	return 1ull << (PAGE_SHIFT + 9 * (level - 1));
}

/* The addresses that are of one entry with this one. */
static inline uint64_t tlb_base(const struct tlb_entry *e, uint64_t gpa)
{
	return gpa & ~(tlb_span(e->kind == TLB_TABLE ? e->level + 1 : e->level) - 1);
}

static inline bool tlb_covers(const struct tlb_entry *e, uint64_t gpa)
{
	return tlb_base(e, gpa) == tlb_base(e, e->gpa);
}

static inline bool tlb_same(const struct tlb_entry *a, const struct tlb_entry *b)
{
	return a->kind == b->kind && a->level == b->level && a->vpid == b->vpid &&
	       a->ep4ta == b->ep4ta && a->linear == b->linear && a->gpa == b->gpa &&
	       a->hpa == b->hpa && a->bits == b->bits &&
	       memcmp(&a->origin, &b->origin, sizeof(a->origin)) == 0;
}

static inline void tlb_add(struct tlb *t, const struct tlb_entry *e)
{
	for (unsigned i = 0; i < t->used; i++)
		if (tlb_same(&t->at[i], e))
			return;
	t->at[t->next] = *e;
	t->next = (t->next + 1) % TLB_ENTRIES;
	t->used += t->used < TLB_ENTRIES;
}

/* INVEPT: both kinds that EPT is in; every: of all roots. */
static inline void tlb_invept(struct tlb *t, uint64_t eptp, bool every)
{
	for (unsigned i = 0; i < t->used; i++)
		if (every || t->at[i].ep4ta == (eptp & EPT_ADDRESS))
			t->at[i].kind = TLB_NONE;
	if (every)
		t->used = t->next = 0;
}

/* INVVPID: combined mappings alone; those of EPT stay. */
static inline void tlb_invvpid(struct tlb *t, uint16_t vpid, bool every)
{
	for (unsigned i = 0; i < t->used; i++)
		if (t->at[i].kind == TLB_COMBINED && (every || t->at[i].vpid == vpid))
			t->at[i].kind = TLB_NONE;
}

/* An EPT violation: what would be used for the address (SDM 28.3.3.1). */
static inline void tlb_violation(
	struct tlb *t, uint16_t vpid, uint64_t ep4ta, uint64_t linear, uint64_t gpa)
{
	for (unsigned i = 0; i < t->used; i++) {
		struct tlb_entry *e = &t->at[i];

		if (e->ep4ta != ep4ta || e->kind == TLB_NONE)
			continue;
		if (e->kind == TLB_COMBINED ? e->vpid == vpid && e->linear == linear
					    : tlb_covers(e, gpa))
			e->kind = TLB_NONE;
	}
}

#endif
