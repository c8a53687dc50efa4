/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables of a 64-bit payload: IDT and TSS; paging structures of a further processor.
 * The GDT is in start.S.
 */
#include "cpu.h"
#include "rt.h"

#define SIZE_2M 0x200000ull
#define PTE_RWU 7ull

extern char stack_top[];

struct idt_gate {
	uint16_t offset0, selector, flags, offset1;
	uint32_t offset2, reserved;
};

static struct idt_gate idt[256] __attribute__((aligned(16)));

void tables_init(void)
{
	uint64_t tss = address_of(rt_tss), stack = address_of(stack_top) - 8192;

	for (unsigned i = 0; i < 256; i++) {
		uint64_t a = address_of(trap_stubs) + i * 16;
		uint16_t dpl = i == 0x80 || i == 3 || i == 4 ? 0x6000 : 0;

		idt[i].offset0 = (uint16_t)a;
		idt[i].selector = SEL_CODE64;
		idt[i].flags = (uint16_t)(0x8e00 | dpl);
		idt[i].offset1 = (uint16_t)(a >> 16);
		idt[i].offset2 = (uint32_t)(a >> 32);
	}
	memcpy(rt_tss + 4, &stack, 8);
	*(uint16_t *)(void *)(rt_tss + 0x66) = sizeof(rt_tss);
	rt_gdt[SEL_TSS / 8] =
		0x0000890000000067ull | (tss & 0xffffff) << 16 | (tss & 0xff000000) << 32;
	rt_gdt[SEL_TSS / 8 + 1] = tss >> 32;
}

void trap_init(void)
{
	struct table_pointer idtr = {sizeof(idt) - 1, address_of(idt)};

	trap.vector = -1;
	__asm__ volatile("lidt %0\n\tltr %w1" : : "m"(idtr), "r"(SEL_TSS) : "memory");
}

static uint64_t copy_table(uint64_t table)
{
	void *page = page_alloc();

	memcpy(page, (const void *)(uintptr_t)table, 4096);
	return address_of(page);
}

static uint64_t *entry(uint64_t table, unsigned index)
{
	return (uint64_t *)(uintptr_t)(table & ~0xfffull) + index;
}

/* Identity, but .percpu, which is within one 2-MiB region of the first GiB (payload.ld). */
uint64_t percpu_tables(const void *copy)
{
	uint64_t start = address_of(percpu_start), end = address_of(percpu_end);
	uint64_t region = start & ~(SIZE_2M - 1);
	uint64_t pml4 = copy_table(address_of(boot_pml4));
	uint64_t pdpt = copy_table(*entry(pml4, 0) & ~0xfffull);
	uint64_t pd = copy_table(*entry(pdpt, 0) & ~0xfffull);
	uint64_t pt = address_of(page_alloc());

	for (unsigned i = 0; i < 512; i++) {
		uint64_t a = region + i * 4096ull;

		if (a >= start && a < end)
			a = address_of(copy) + (a - start);
		*entry(pt, i) = a | PTE_RWU;
	}
	*entry(pd, (unsigned)(region / SIZE_2M)) = pt | PTE_RWU;
	*entry(pdpt, 0) = pd | PTE_RWU;
	*entry(pml4, 0) = pdpt | PTE_RWU;
	return pml4;
}
