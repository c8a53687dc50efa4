/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EPT02 against what it is made of: EPT12 in L1's memory, and EPT01, which in the fake adds an
 * offset. Every path through EPT02 must be one of EPT12, with the rights, memory types and
 * targets of its entries, as they are now or were since the last model_forget(): before L1
 * executes INVEPT, hardware may have them cached, too. What EPT02 keeps beside its entries is
 * not looked at. Include fake_seam.h first.
 */
#ifndef NESTOR_TESTS_VEPT_MODEL_H
#define NESTOR_TESTS_VEPT_MODEL_H

#include "fake_seam.h"

#include "nested/vept.h"
#include "spec/ept.h"

#define MODEL_TYPE (15ull << 3)

/* What L1 wrote over since the last INVEPT. */
static struct {
	struct {
		uint64_t at, old;
	} past[1024];
	unsigned count;
} model;

/* An INVEPT for all roots is complete: EPT02 shall have nothing from before. */
static inline void model_forget(void)
{
	model.count = 0;
}

/* L1 writes an entry of EPT12. */
static inline void model_write(uint64_t at, uint64_t entry)
{
	assert_true(model.count < sizeof(model.past) / sizeof(model.past[0]));
	model.past[model.count].at = at;
	model.past[model.count++].old = fake_read64(at);
	fake_write64(at, entry);
}

/* A device writes it, past EPT01: L0 looks at what that has of the page (vm/seam_dev.c). */
static inline void model_device_write(struct vept *e, uint64_t at, uint64_t entry)
{
	uint64_t *word = &fake.written[at / PAGE_SIZE], old = *word;

	assert_true(model.count < sizeof(model.past) / sizeof(model.past[0]));
	model.past[model.count].at = at;
	model.past[model.count++].old = fake_read64(at);
	vept_device_writes(e, (struct gpa_l1){at & ~PAGE_MASK});
	memcpy(fake.ram + at, &entry, sizeof(entry));
	*word |= EPT_DIRTY;
	if (!(old & (EPT_WRITE | EPT_DIRTY)))
		vept_device_wrote(e, (struct gpa_l1){at & ~PAGE_MASK});
	vept_devices_done(e);
}

static inline uint64_t model_size(unsigned level)
{
	return 1ull << (PAGE_SHIFT + 9 * (level - 1));
}

static inline bool model_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & EPT_LARGE);
}

static inline uint32_t model_child(const struct vept *e, uint64_t entry)
{
	uint64_t child = ((entry & EPT_ADDRESS) - e->pages_hpa) / sizeof(struct vept_pages);

	assert_true(child < e->count && e->table[child].in_use);
	return (uint32_t)child;
}

/* Registers of a device at l1: where they are, and a type by which nobody caches them. */
static inline bool model_device(uint64_t leaf, unsigned level, uint64_t from, uint64_t l1)
{
	uint64_t wc = EPT_TYPE(MEMTYPE_WC), type = from & EPT_IPAT;

	if ((from & EPT_MEMTYPE) == wc)
		type |= wc;
	return l1 - FAKE_DEVICE <= FAKE_DEVICE_SIZE - model_size(level) &&
	       (leaf & EPT_ADDRESS) == FAKE_DEVICE_HPA + l1 - FAKE_DEVICE &&
	       (leaf & MODEL_TYPE) == type;
}

/* May hardware have this leaf for the address l1, which the entry `from` of EPT12 maps? */
static inline bool model_leaf(const struct vept *e, uint64_t leaf, unsigned level,
	uint64_t from, uint64_t l1, bool ad)
{
	uint64_t rights = from & EPT_RIGHTS;
	bool ram = fake_is_ram(l1, model_size(level));

	if (ad && !(from & EPT_DIRTY))
		rights &= ~2ull;
	if (l1 - FAKE_DEVICE < FAKE_DEVICE_SIZE && model_device(leaf, level, from, l1))
		return !((leaf & EPT_RIGHTS) & ~rights);
	if (!ram && (level > 1 || fake_is_ram(l1, 1)))
		return false;
	return !((leaf & EPT_RIGHTS) & ~rights) && (leaf & MODEL_TYPE) == (from & MODEL_TYPE) &&
	       (ram ? (leaf & EPT_ADDRESS) == FAKE_HPA_BASE + l1
		    : (leaf & EPT_ADDRESS) == e->void_hpa ||
				       (leaf & EPT_ADDRESS) == FAKE_VEPT_SCRATCH);
}

/* A table for parts of the large page `from`; its first part is at l1. */
static inline bool model_split(const struct vept *e, uint32_t table, unsigned level,
	uint64_t from, uint64_t l1, bool ad)
{
	for (unsigned s = 0; s < VEPT_ENTRIES; s++, l1 += model_size(level)) {
		uint64_t entry = e->pages[table].entry[s];

		if (!entry)
			continue;
		if (model_is_leaf(entry, level) ? !model_leaf(e, entry, level, from, l1, ad)
						: !model_split(e, model_child(e, entry),
							  level - 1, from, l1, ad))
			return false;
	}
	return true;
}

static inline bool model_table(
	const struct vept *e, uint32_t table, unsigned level, uint64_t table12, bool ad);

/* Can the entry of EPT02 come from this one of EPT12? */
static inline bool model_from(
	const struct vept *e, uint64_t entry, unsigned level, uint64_t from, bool ad)
{
	uint64_t l1 = from & EPT_ADDRESS & ~(model_size(level) - 1);

	if (model_is_leaf(entry, level))
		return model_is_leaf(from, level) && model_leaf(e, entry, level, from, l1, ad);
	if (model_is_leaf(from, level))
		return model_split(e, model_child(e, entry), level - 1, from, l1, ad);
	return (entry & EPT_RIGHTS) == (from & EPT_RIGHTS) &&
	       model_table(e, model_child(e, entry), level - 1, from & EPT_ADDRESS, ad);
}

static inline bool model_entry(
	const struct vept *e, uint64_t entry, unsigned level, uint64_t at, bool ad)
{
	if (model_from(e, entry, level, fake_read64(at), ad))
		return true;
	for (unsigned i = 0; i < model.count; i++)
		if (model.past[i].at == at &&
			model_from(e, entry, level, model.past[i].old, ad))
			return true;
	return false;
}

static inline bool model_table(
	const struct vept *e, uint32_t table, unsigned level, uint64_t table12, bool ad)
{
	for (unsigned s = 0; s < VEPT_ENTRIES; s++) {
		uint64_t entry = e->pages[table].entry[s];

		if (entry && (!fake_is_ram(table12, PAGE_SIZE) ||
				     !model_entry(e, entry, level, table12 + s * 8ull, ad)))
			return false;
	}
	return true;
}

static inline void model_check(const struct vept *e)
{
	for (unsigned i = 0; i < VEPT_ROOTS; i++) {
		const struct vept_root *r = &e->root[i];

		if (r->eptp12)
			assert_true(model_table(
				e, r->table, 4, r->eptp12 & EPT_ADDRESS, r->eptp12 & EPTP_AD));
	}
}

/* INVEPT, as often as it takes; then EPT02 is as EPT12 is now. */
static inline void model_invept_all(struct nested *vcpu)
{
	for (unsigned i = 0; !vept_invalidate_all(vcpu); i++)
		assert_true(i < 1000);
	model_forget();
	model_check(&vcpu->vm->vept);
}

#endif
