/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a processor could still have of L1's tables, if L1 ran on the bare machine: the
 * reference for tlb_world.h. Per vCPU of L1, since each is a processor to it. Times are numbers
 * of events. Include fake_seam.h first.
 */
#ifndef NESTOR_TESTS_TLB_REFERENCE_H
#define NESTOR_TESTS_TLB_REFERENCE_H

#include "fake_seam.h"

#include "fake_vept.h"
#include "spec/ept.h"
#include "tlb.h"

#define REF_VCPUS 3u
#define REF_ROOTS 2u
#define REF_VPIDS 12u
#define REF_PAST  2048u
#define REF_TYPE  (EPT_MEMTYPE | EPT_IPAT)

static struct {
	uint64_t now;
	struct {
		uint64_t at, old, until;
	} past[REF_PAST]; /* entries of EPT12 that were written over */
	unsigned past_count;
	uint64_t invept[REF_VCPUS][REF_ROOTS]; /* when L1 executed it last */
	uint64_t invvpid[REF_VCPUS][REF_VPIDS];
	uint64_t transition[REF_VCPUS]; /* the last entry or exit without VPID */
	bool device;                    /* the machine answers at the device's registers */
	unsigned vm;                    /* another one each time it starts */
} ref;

static uint64_t ref_root[REF_ROOTS]; /* EPT12s: where the top table is */

static unsigned ref_root_of(uint64_t ep4ta12)
{
	return ep4ta12 == ref_root[1];
}

static void ref_past(uint64_t at, uint64_t old)
{
	assert_true(ref.past_count < REF_PAST);
	ref.past[ref.past_count].at = at;
	ref.past[ref.past_count].old = old;
	ref.past[ref.past_count++].until = ++ref.now;
}

/* Every vCPU has executed INVEPT for every root: nobody can have what was before. */
static void ref_forget(void)
{
	ref.past_count = 0;
}

/* ---- is this page one that a processor could get to? ---- */

struct ref_page {
	unsigned vcpu;
	uint64_t since; /* INVEPT of the vCPU for this root */
	uint64_t gpa, hpa, bits;
	bool ad;
	const struct vept_root *root; /* of EPT02 */
	struct nested *const *all;    /* vCPUs, for their scratch pages */
	const struct vept *vept;
};

/* L0's own page for what is nowhere: that of a vCPU is for where it has put it. */
static bool ref_is_filler(const struct ref_page *p)
{
	if (p->hpa == p->vept->void_hpa)
		return true;
	for (unsigned v = 0; v < REF_VCPUS; v++) {
		const struct vept_scratch *s = &p->all[v]->scratch;

		if (s->hpa != p->hpa || s->root != p->root ||
			s->generation != s->root->generation)
			continue;
		for (unsigned i = 0; i < s->count; i++)
			if (s->gpa[i] == p->gpa)
				return true;
	}
	return false;
}

/* The entry `from` of EPT12 maps it, at l1. */
static bool ref_leaf(const struct ref_page *p, uint64_t from, uint64_t l1, uint64_t rights)
{
	uint64_t type = from & REF_TYPE;

	if (p->ad && !(from & EPT_DIRTY))
		rights &= ~EPT_WRITE;
	if (p->bits & EPT_RWX & ~rights)
		return false;
	if (l1 - FAKE_DEVICE < FAKE_DEVICE_SIZE &&
		p->hpa - FAKE_DEVICE_HPA < FAKE_DEVICE_SIZE) {
		bool wc = (from & EPT_MEMTYPE) == EPT_TYPE(MEMTYPE_WC);

		type = (from & EPT_IPAT) | (wc ? EPT_TYPE(MEMTYPE_WC) : 0);
		return ref.device && p->hpa == FAKE_DEVICE_HPA + l1 - FAKE_DEVICE &&
		       (p->bits & REF_TYPE) == type;
	}
	if ((p->bits & REF_TYPE) != type)
		return false;
	if (fake_is_ram(l1, PAGE_SIZE))
		return p->hpa == FAKE_HPA_BASE + l1;
	return p->hpa == p->vept->apic_hpa || ref_is_filler(p);
}

static bool ref_table(
	const struct ref_page *p, uint64_t table, unsigned level, uint64_t rights);

static bool ref_entry(const struct ref_page *p, uint64_t entry, unsigned level, uint64_t rights)
{
	uint64_t offset = tlb_span(level) - 1;

	rights &= entry;
	if (!(entry & EPT_RWX))
		return false;
	if (level > 1 && !(entry & EPT_LARGE))
		return ref_table(p, entry & EPT_ADDRESS, level - 1, rights);
	return ref_leaf(p, entry,
		(entry & EPT_ADDRESS & ~offset) | (p->gpa & offset & ~PAGE_MASK), rights);
}

/* By the entries as they are, or were at some time since the vCPU's INVEPT. */
static bool ref_table(const struct ref_page *p, uint64_t table, unsigned level, uint64_t rights)
{
	uint64_t at = table + (p->gpa >> (PAGE_SHIFT + 9 * (level - 1)) & 511) * 8;

	if (!fake_is_ram(table, PAGE_SIZE))
		return false;
	if (ref_entry(p, fake_read64(at), level, rights))
		return true;
	for (unsigned i = 0; i < ref.past_count; i++)
		if (ref.past[i].at == at && ref.past[i].until > p->since &&
			ref_entry(p, ref.past[i].old, level, rights))
			return true;
	return false;
}

#endif
