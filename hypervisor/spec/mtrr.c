/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/mtrr.h"

#include <stddef.h>

#include "lib/bits.h"
#include "spec/addr.h"
#include "spec/paging.h"

#define PHYS_MASK_VALID BIT64(11) /* figure 11-7 */
#define TYPE_OF(value)  ((uint8_t)(value))
#define FIXED_END       0x100000u

/* Table 11-9 "Address Mapping for Fixed-Range MTRRs" */
static const struct {
	uint32_t start, size; /* of the first of its ranges, 8 a register */
	uint32_t first;       /* of fixed[] */
	uint32_t msr;
} kinds[] = {
	{0, 0x10000, 0, MSR_MTRR_FIX_64K},
	{0x80000, 0x4000, 1, MSR_MTRR_FIX_16K_0},
	{0xc0000, 0x1000, 3, MSR_MTRR_FIX_4K_0},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint8_t fixed_type(const struct mtrrs *m, uint32_t address, uint64_t *until)
{
	unsigned kind = KINDS - 1;
	uint32_t n;

	while (address < kinds[kind].start)
		kind--;
	n = (address - kinds[kind].start) / kinds[kind].size;
	*until = kinds[kind].start + (uint64_t)(n + 1) * kinds[kind].size;
	return TYPE_OF(m->fixed[kinds[kind].first + n / 8] >> n % 8 * 8);
}

static uint64_t physical(const struct mtrrs *m)
{
	return m->address_bits < 64 ? BIT64(m->address_bits) - 1 : UINT64_MAX;
}

/*
 * Up to where whether this address matches stays as it is. Most masks are of one piece, which
 * begins and ends; one with gaps (11.11.3) matches again and again, and may change at each
 * multiple of its lowest bit.
 */
static uint64_t same_until(
	const struct mtrrs *m, uint64_t mask, uint64_t base, uint64_t address)
{
	uint64_t step = mask & (~mask + 1), next = (address & ~(step - 1)) + step;

	base &= mask;
	if ((mask | ~physical(m)) != ~(step - 1))
		return next != 0 ? next : UINT64_MAX;
	if (address < base)
		return base;
	return address - base < step && next != 0 ? next : UINT64_MAX;
}

/* 11.11.4.1 "MTRR Precedences": what is not defined counts as uncacheable. */
static uint8_t both(uint8_t a, uint8_t b)
{
	if (a == b)
		return a;
	if ((a == MEMTYPE_WT && b == MEMTYPE_WB) || (a == MEMTYPE_WB && b == MEMTYPE_WT))
		return MEMTYPE_WT;
	return MEMTYPE_UC;
}

static uint8_t variable_type(const struct mtrrs *m, uint64_t address, uint64_t *until)
{
	uint8_t type = TYPE_OF(m->def_type);
	bool matched = false;

	for (unsigned i = 0; i < m->pairs && i < MTRR_PAIRS; i++) {
		const struct mtrr_pair *p = &m->variable[i];
		uint64_t mask = p->mask & physical(m) & ~(uint64_t)PAGE_MASK, end;

		if (!(p->mask & PHYS_MASK_VALID) || mask == 0)
			continue;
		end = same_until(m, mask, p->base, address);
		*until = end < *until ? end : *until;
		if ((address & mask) != (p->base & mask))
			continue;
		type = matched ? both(type, TYPE_OF(p->base)) : TYPE_OF(p->base);
		matched = true;
	}
	return type;
}

uint8_t mtrr_type(const struct mtrrs *m, uint64_t address, uint64_t *until)
{
	*until = UINT64_MAX;
	if (!(m->def_type & MTRR_DEF_TYPE_ON))
		return MEMTYPE_UC;
	if (m->def_type & MTRR_DEF_TYPE_FIX && address < FIXED_END)
		return fixed_type(m, (uint32_t)address, until);
	return variable_type(m, address, until);
}

uint64_t mtrr_not_write_back(
	const struct mtrrs *m, uint64_t start, uint64_t size, uint64_t *first)
{
	uint64_t end = size < UINT64_MAX - start ? start + size : UINT64_MAX, found = 0;
	uint64_t at = start, until;

	for (unsigned i = 0; at < end && i < MTRR_STEPS; i++, at = until) {
		uint8_t type = mtrr_type(m, at, &until);

		until = until < end ? until : end;
		if (type == MEMTYPE_WB)
			continue;
		if (found == 0)
			*first = at;
		found += until - at;
	}
	return found;
}

static uint32_t fixed_msr(unsigned index)
{
	unsigned kind = KINDS - 1;

	while (index < kinds[kind].first)
		kind--;
	return kinds[kind].msr + index - kinds[kind].first;
}

uint32_t mtrr_difference(const struct mtrrs *a, const struct mtrrs *b)
{
	if (a->def_type != b->def_type || a->pairs != b->pairs)
		return MSR_MTRR_DEF_TYPE;
	for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
		if (a->fixed[i] != b->fixed[i])
			return fixed_msr(i);
	for (unsigned i = 0; i < a->pairs && i < MTRR_PAIRS; i++) {
		if (a->variable[i].base != b->variable[i].base)
			return MSR_MTRR_PHYS_BASE_0 + 2 * i;
		if (a->variable[i].mask != b->variable[i].mask)
			return MSR_MTRR_PHYS_BASE_0 + 2 * i + 1;
	}
	return 0;
}
