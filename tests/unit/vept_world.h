/*
 * An EPT12 in fake memory for tests of virtual EPT: 0 to 2 MiB by 4 KiB pages in EPT12_PT, to 8 MiB and on;
 * 2 to 4 MiB by one page. Include it after nested_vcpu.h or fake_seam.h.
 */
#ifndef NESTOR_TESTS_VEPT_WORLD_H
#define NESTOR_TESTS_VEPT_WORLD_H

#include "fake_seam.h"

#include "nested/vept.h"

#define EPT12_PML4 0x100000ull
#define EPT12_PDPT 0x101000ull
#define EPT12_PD   0x102000ull
#define EPT12_PT   0x103000ull
#define EPT12      (EPT12_PML4 | 0x18 | 6)
#define TARGET     0x800000ull /* of address 0 */
#define LEAF       (6ull << 3)
#define R          1ull
#define W          2ull
#define X          4ull
#define RWX        7ull
#define XU         BIT64(10)
#define LARGE      BIT64(7)
#define A          BIT64(8)
#define D          BIT64(9)
#define NO_VE      BIT64(63)
#define PTE(page)  (EPT12_PT + (page)*8)
#define ADDRESS    0x000ffffffffff000ull

static inline void ept12_make(uint64_t leaf_flags)
{
	fake_write64(EPT12_PML4, EPT12_PDPT | RWX | XU);
	fake_write64(EPT12_PDPT, EPT12_PD | RWX | XU);
	fake_write64(EPT12_PD, EPT12_PT | RWX | XU);
	fake_write64(EPT12_PD + 8, 0x400000 | LEAF | LARGE | leaf_flags);
	for (uint64_t i = 0; i < 512; i++)
		fake_write64(PTE(i), (TARGET + i * PAGE_SIZE) | LEAF | leaf_flags);
}

/* Walks EPT02 as hardware would: the leaf entry, or 0. */
static inline uint64_t ept02_leaf(
	const struct vept *e, const struct vept_root *root, uint64_t gpa)
{
	uint64_t hpa = root->eptp02 & ADDRESS;

	for (unsigned level = 4;; level--) {
		uint64_t t = (hpa - e->pages_hpa) / sizeof(struct vept_pages), entry;

		assert_true(t < e->count && e->table[t].in_use && e->table[t].level == level);
		entry = e->pages[t].entry[gpa >> (12 + 9 * (level - 1)) & 511];
		if (!(entry & (RWX | XU)) || level == 1 || (entry & LARGE))
			return entry;
		hpa = entry & ADDRESS;
	}
}

#endif
