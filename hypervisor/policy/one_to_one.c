/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/one_to_one.h"

#include "policy/memory.h"

/* The first region is as large as this at most: images that want to be low lie there. */
#define LOW_MOST (16 * MEMORY_UNIT)

/* What of a free range can be used, in whole units; size 0: nothing. */
static struct one_to_one_range usable(struct one_to_one_range r, uint64_t from, uint64_t to)
{
	uint64_t end = r.start + r.size < to ? r.start + r.size : to;
	uint64_t start = r.start > from ? r.start : from;

	start = (start + MEMORY_UNIT - 1) / MEMORY_UNIT * MEMORY_UNIT;
	end = end / MEMORY_UNIT * MEMORY_UNIT;
	return (struct one_to_one_range){start, end > start ? end - start : 0};
}

/* False: no place for it. *left: what is still to be found. */
static bool add(struct one_to_one *p, struct one_to_one_range r, uint64_t *left)
{
	if (r.size == 0 || *left == 0)
		return true;
	if (p->count == 1) {
		p->region[0].size = r.start <= LOW_MOST ? r.start : MEMORY_UNIT;
		if (p->region[0].size >= *left)
			return false;
		*left -= p->region[0].size;
	}
	if (p->count == ONE_TO_ONE_REGIONS)
		return false;
	if (r.size > *left)
		r.size = *left;
	*left -= r.size;
	p->region[p->count++] = r;
	return true;
}

bool one_to_one_plan(const struct one_to_one_range *free, unsigned count, uint64_t memory,
	struct one_to_one *plan)
{
	uint64_t left = memory;

	*plan = (struct one_to_one){.count = 1};
	for (unsigned i = 0; i < count; i++)
		if (!add(plan, usable(free[i], MEMORY_UNIT, ONE_TO_ONE_HOLE_START), &left) ||
			!add(plan, usable(free[i], ONE_TO_ONE_HOLE_END, UINT64_MAX), &left))
			return false;
	return left == 0;
}
