/* SPDX-License-Identifier: Apache-2.0 */
#include "mm/paging.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/mem.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "spec/apic.h"
#include "spec/vmx.h"

/* Linker script. */
extern uint8_t image_start[], text_end[], rodata_end[], image_end[];

static bool has_1g_pages(void)
{
	return cpuid(0x80000000, 0).eax >= 0x80000001 && cpuid(0x80000001, 0).edx & BIT(26);
}

static bool has_nx(void)
{
	return rdmsr(MSR_EFER) & EFER_NXE;
}

/*
 * With 5-level paging a root has one table of 4 levels, for the upper half of what 48 bits
 * address; that of the start has it for the lower half, too. L0 uses it where the CPU has it,
 * since VM entries check addresses of guests by L0's mode on some machines.
 */
static bool has_5_levels(void)
{
	return read_cr4() & CR4_LA57;
}

static uint64_t *pml4_of(uint64_t cr3)
{
	uint64_t *root = direct_va((struct hpa){cr3});

	return has_5_levels() ? direct_va((struct hpa){root[511] & PT_ADDRESS}) : root;
}

/* Boot page tables reach 4 GiB, so tables come from there. */
static uint64_t *new_table(void)
{
	struct hpa page;

	if (!page_alloc(PAGE_SIZE, PAGE_SIZE, BIT64(32), &page))
		return NULL;
	return memset(direct_va(page), 0, PAGE_SIZE);
}

static uint64_t *next_table(uint64_t *entry)
{
	uint64_t *table;

	if (*entry & PT_P)
		return direct_va((struct hpa){*entry & PT_ADDRESS});
	table = new_table();
	if (table != NULL)
		*entry = hpa_of(table).v | PT_P | PT_RW;
	return table;
}

/* The size of the page to use at va, given what remains. */
static unsigned leaf_shift(uint64_t va, uint64_t pa, uint64_t size)
{
	if (((va | pa) & (SIZE_1G - 1)) == 0 && size >= SIZE_1G && has_1g_pages())
		return 30;
	if (((va | pa) & (SIZE_2M - 1)) == 0 && size >= SIZE_2M)
		return 21;
	return PAGE_SHIFT;
}

static bool map_one(uint64_t cr3, uint64_t va, uint64_t pa, unsigned shift, uint64_t flags)
{
	uint64_t *table = pml4_of(cr3);
	unsigned level = 39;

	for (; level > shift; level -= 9) {
		uint64_t *entry = &table[va >> level & 511];

		if (*entry & PT_PS)
			return true; /* callers map each address to one place only */
		table = next_table(entry);
		if (table == NULL)
			return false;
	}
	table[va >> level & 511] = pa | flags | (shift > PAGE_SHIFT ? PT_PS : 0);
	return true;
}

uint64_t paging_rights(uint64_t flags)
{
	return has_nx() ? flags : flags & ~PT_XD;
}

void paging_share(uint64_t cr3, uint64_t va, struct hpa table)
{
	uint64_t *root = pml4_of(cr3);

	root[va >> 39 & 511] = table.v | PT_P | PT_RW;
}

void paging_unshare(uint64_t cr3, uint64_t va)
{
	uint64_t *root = pml4_of(cr3);

	root[va >> 39 & 511] = 0;
}

void paging_take_over(uint64_t cr3, uint64_t from, uint64_t va)
{
	uint64_t *root = pml4_of(cr3);
	const uint64_t *other = pml4_of(from);

	root[va >> 39 & 511] = other[va >> 39 & 511];
}

void paging_follow(uint64_t cr3, uint64_t from)
{
	memcpy(pml4_of(cr3), pml4_of(from), PAGE_SIZE);
}

bool paging_map(uint64_t cr3, uint64_t va, struct hpa pa, uint64_t size, uint64_t flags)
{
	flags = paging_rights(flags);
	for (uint64_t done = 0; done < size;) {
		unsigned shift = leaf_shift(va + done, pa.v + done, size - done);

		if (!map_one(cr3, va + done, pa.v + done, shift, flags))
			return false;
		done += 1ull << shift;
	}
	return true;
}

bool paging_map_direct(uint64_t cr3, struct hpa pa, uint64_t size, uint64_t flags)
{
	return paging_map(cr3, DIRECT_BASE + pa.v, pa, size, flags);
}

static bool map_image(uint64_t cr3, const uint8_t *start, const uint8_t *end, uint64_t flags)
{
	return paging_map(
		cr3, (uint64_t)(uintptr_t)start, hpa_of(start), (uint64_t)(end - start), flags);
}

#define COMMON 7u

/* What every address space has beside the image. */
static struct common {
	struct hpa pa;
	uint64_t size, flags;
} common[COMMON] = {
	{{APIC_DEFAULT_BASE}, PAGE_SIZE, PT_RW_DATA | PT_UC},
	{{IOAPIC_DEFAULT_BASE}, PAGE_SIZE, PT_RW_DATA | PT_UC},
};
static unsigned common_count = 2;

bool paging_everywhere(struct hpa pa, uint64_t size, uint64_t flags)
{
	if (common_count == COMMON)
		return false;
	common[common_count++] = (struct common){pa, size, flags};
	return true;
}

void paging_nowhere(struct hpa pa)
{
	for (unsigned i = 0; i < common_count; i++)
		if (common[i].pa.v == (pa.v & ~PAGE_MASK))
			common[i].size = 0;
}

static bool map_common(uint64_t cr3)
{
	for (unsigned i = 0; i < common_count; i++)
		if (!paging_map_direct(cr3, common[i].pa, common[i].size, common[i].flags))
			return false;
	return true;
}

bool paging_create_beside(uint64_t *cr3)
{
	uint64_t *root = new_table();

	if (root == NULL)
		return false;
	*cr3 = hpa_of(root).v;
	return !has_5_levels() || next_table(&root[511]) != NULL;
}

bool paging_create(uint64_t *cr3)
{
	return paging_create_beside(cr3) && map_image(*cr3, image_start, text_end, PT_P) &&
	       map_image(*cr3, text_end, rodata_end, PT_P | PT_XD) &&
	       map_image(*cr3, rodata_end, image_end, PT_RW_DATA) && map_common(*cr3);
}

/* Who takes free memory may count on zeroes (vm_memory_take). */
static void free_table(uint64_t table)
{
	memset(direct_va((struct hpa){table}), 0, PAGE_SIZE);
	page_free((struct hpa){table}, PAGE_SIZE);
}

/* Bounded recursion: a table below has a smaller shift. */
static void free_tables(uint64_t table, unsigned shift)
{
	const uint64_t *entry = direct_va((struct hpa){table});

	for (unsigned i = 0; shift > PAGE_SHIFT && i < 512; i++)
		if (entry[i] & PT_P && !(entry[i] & PT_PS))
			free_tables(entry[i] & PT_ADDRESS, shift - 9);
	free_table(table);
}

void paging_destroy_beside(uint64_t cr3)
{
	const uint64_t *root = direct_va((struct hpa){cr3});

	if (has_5_levels() && root[511] & PT_P)
		free_table(root[511] & PT_ADDRESS);
	free_table(cr3);
}

void paging_destroy(uint64_t cr3)
{
	uint64_t *root = direct_va((struct hpa){cr3});

	if (has_5_levels()) {
		if (root[511] & PT_P) /* else paging_create found no memory for it */
			free_tables(root[511] & PT_ADDRESS, 39);
		free_table(cr3);
	} else {
		free_tables(cr3, 39);
	}
}
