/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/reach.h"

#include "cpu/asm.h"
#include "cpu/leaves.h"
#include "mm/layout.h"
#include "spec/cpuid.h"
#include "spec/paging.h"
#include "spec/regs.h"

#define BOOT_REACH BIT64(32)
#define TABLES     12u /* two for a place in another 512 GiB, one for one in another GiB */
#define ROOT_SHIFT 39u
#define LEAF_SHIFT 21u

static uint64_t tables[TABLES][PT_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static unsigned used;

/* Behind it a bit of an entry is reserved. */
static uint64_t physical_end(void)
{
	unsigned bits = cpuid_physical_bits();

	return bits < 64 && BIT64(bits) < DIRECT_SIZE ? BIT64(bits) : DIRECT_SIZE;
}

/* The entry for this address, making tables on the way; NULL: there are none left. */
static uint64_t *entry_at(uint64_t va)
{
	uint64_t *table = direct_va((struct hpa){read_cr3() & PT_ADDRESS});

	if (read_cr4() & CR4_LA57) /* entry.S has one table of four levels for all */
		table = direct_va((struct hpa){table[0] & PT_ADDRESS});

	for (unsigned shift = ROOT_SHIFT; shift > LEAF_SHIFT; shift -= 9) {
		uint64_t *entry = &table[va >> shift & (PT_ENTRIES - 1)];

		if (!(*entry & PT_P)) {
			if (used == TABLES)
				return NULL;
			*entry = hpa_of(tables[used++]).v | PT_P | PT_RW;
		}
		table = direct_va((struct hpa){*entry & PT_ADDRESS});
	}
	return &table[va >> LEAF_SHIFT & (PT_ENTRIES - 1)];
}

const void *reach(struct hpa at, uint64_t size)
{
	uint64_t end = at.v + size;

	if (end < at.v || (end > BOOT_REACH && end > physical_end()))
		return NULL;
	for (uint64_t from = at.v & ~(SIZE_2M - 1); end > BOOT_REACH && from < end;
		from += SIZE_2M) {
		uint64_t *entry = entry_at(DIRECT_BASE + from);

		if (entry == NULL)
			return NULL;
		if (!(*entry & PT_P))
			*entry = from | PT_P | PT_PS;
	}
	return direct_va(at);
}
