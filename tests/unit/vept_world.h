/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An EPT12 in fake memory for tests of virtual EPT: 0 to 2 MiB by 4 KiB pages in EPT12_PT, to 8
 * MiB and on; 2 to 4 MiB by one page. Include it after nested_vcpu.h or fake_seam.h.
 */
#ifndef NESTOR_TESTS_VEPT_WORLD_H
#define NESTOR_TESTS_VEPT_WORLD_H

#include "fake_seam.h"

#include "nested/vept.h"
#include "spec/ept.h"

#define EPT12_PML4 0x100000ull
#define EPT12_PDPT 0x101000ull
#define EPT12_PD   0x102000ull
#define EPT12_PT   0x103000ull
#define EPT12      (EPT12_PML4 | EPTP_WALK_4 | MEMTYPE_WB)
#define EPT12_AD   (EPT12 | EPTP_AD)
#define TARGET     0x800000ull /* of address 0 */
#define PTE(page)  (EPT12_PT + (page)*8)

static inline void ept12_make(uint64_t leaf_flags)
{
	fake_write64(EPT12_PML4, EPT12_PDPT | EPT_RWX | EPT_USER_EXEC);
	fake_write64(EPT12_PDPT, EPT12_PD | EPT_RWX | EPT_USER_EXEC);
	fake_write64(EPT12_PD, EPT12_PT | EPT_RWX | EPT_USER_EXEC);
	fake_write64(EPT12_PD + 8, 0x400000 | EPT_WB | EPT_LARGE | leaf_flags);
	for (uint64_t i = 0; i < 512; i++)
		fake_write64(PTE(i), (TARGET + i * PAGE_SIZE) | EPT_WB | leaf_flags);
}

/* Walks EPT02 as hardware would: the leaf entry, or 0. */
static inline uint64_t ept02_leaf(
	const struct vept *e, const struct vept_root *root, uint64_t gpa)
{
	uint64_t hpa = root->eptp02 & EPT_ADDRESS;

	for (unsigned level = 4;; level--) {
		uint64_t t = (hpa - e->pages_hpa) / sizeof(struct vept_pages), entry;

		assert_true(t < e->count && e->table[t].in_use && e->table[t].level == level);
		entry = e->pages[t].entry[gpa >> (12 + 9 * (level - 1)) & 511];
		if (!(entry & (EPT_RWX | EPT_USER_EXEC)) || level == 1 || (entry & EPT_LARGE))
			return entry;
		hpa = entry & EPT_ADDRESS;
	}
}

#endif
