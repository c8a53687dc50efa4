/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks of tables of EPT that are there, on processors of tlb.h.
 */
#ifndef NESTOR_TESTS_TLB_EPT_H
#define NESTOR_TESTS_TLB_EPT_H

#include "mm/layout.h"
#include "tlb.h"

/* How often what lies there has become something else; `origin.time` of a table that is cached
 * tells of then. A walk of what is no table any more ends the test. */
static uint64_t tlb_age(uint64_t hpa);

/* The table at the top, for all addresses. */
static inline struct tlb_entry tlb_top(uint64_t eptp)
{
	return (struct tlb_entry){.kind = TLB_TABLE,
		.level = 4,
		.ep4ta = eptp & EPT_ADDRESS,
		.hpa = eptp & EPT_ADDRESS,
		.bits = EPT_RWX,
		.origin = {.time = tlb_age(eptp & EPT_ADDRESS)}};
}

/* From this table down; what is met is cached. False: an EPT violation. */
static inline bool tlb_walk(
	struct tlb *t, struct tlb_entry e, uint64_t gpa, struct tlb_entry *page)
{
	for (;;) {
		uint64_t entry, span = tlb_span(e.level);

		if (tlb_age(e.hpa) != e.origin.time)
			abort();
		entry = ((const uint64_t *)direct_va((struct hpa){e.hpa}))[gpa / span & 511];
		e.bits &= entry;
		if (!(e.bits & EPT_RWX))
			return false;
		e.hpa = entry & EPT_ADDRESS;
		e.gpa = gpa & ~(span - 1);
		if (e.level == 1 || entry & EPT_LARGE)
			break;
		e.level--;
		e.origin.time = tlb_age(e.hpa);
		tlb_add(t, &e);
	}
	e.kind = TLB_PAGE;
	e.origin.time = 0;
	*page = e;
	tlb_add(t, page);
	return true;
}

/* May a processor use it for this access? What is combined is for one address. */
static inline bool tlb_is_for(
	const struct tlb_entry *c, uint64_t ep4ta, uint16_t vpid, uint64_t linear, uint64_t gpa)
{
	if (c->kind == TLB_NONE || c->ep4ta != ep4ta)
		return false;
	if (c->kind == TLB_COMBINED)
		return c->vpid == vpid && c->linear == linear;
	return tlb_covers(c, gpa);
}

#endif
