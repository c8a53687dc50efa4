/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables of a 32-bit payload: IDT and TSS; paging structures of a further processor.
 * The GDT is in start32.S.
 */
#include "cpu.h"
#include "rt.h"

#define PTE_RWU 7u

extern char stack_top[];

static uint64_t idt[256] __attribute__((aligned(16)));

void tables_init(void)
{
	uint32_t tss = (uint32_t)(uintptr_t)rt_tss,
		 stack = (uint32_t)(uintptr_t)stack_top - 8192;
	uint32_t segment = SEL_DATA;

	for (unsigned i = 0; i < 256; i++) {
		uint32_t a = (uint32_t)(uintptr_t)trap_stubs + i * 16;
		uint64_t dpl = i == 0x80 || i == 3 || i == 4 ? 0x6000 : 0;

		idt[i] = (a & 0xffff) | SEL_CODE32 << 16 | (0x8e00 | dpl) << 32 |
			 (uint64_t)(a & 0xffff0000) << 32;
	}
	memcpy(rt_tss + 4, &stack, 4);
	memcpy(rt_tss + 8, &segment, 4);
	*(uint16_t *)(void *)(rt_tss + 0x66) = sizeof(rt_tss);
	rt_gdt[SEL_TSS / 8] = 0x0000890000000067ull | (uint64_t)(tss & 0xffffff) << 16 |
			      (uint64_t)(tss & 0xff000000) << 32;
}

void trap_init(void)
{
	struct table_pointer idtr = {sizeof(idt) - 1, (uintptr_t)idt};

	trap.vector = -1;
	__asm__ volatile("lidt %0\n\tltr %w1" : : "m"(idtr), "r"(SEL_TSS) : "memory");
}

/* Identity, but .percpu, which is within the first 4 MiB (payload.ld); 32-bit paging. */
uint64_t percpu_tables(const void *copy)
{
	uint32_t start = (uint32_t)(uintptr_t)percpu_start;
	uint32_t end = (uint32_t)(uintptr_t)percpu_end;
	uint32_t *pd = page_alloc(), *pt = page_alloc();

	memcpy(pd, boot_pd32, 4096);
	for (uint32_t i = 0; i < 1024; i++) {
		uint32_t a = i * 4096;

		if (a >= start && a < end)
			a = (uint32_t)(uintptr_t)copy + (a - start);
		pt[i] = a | PTE_RWU;
	}
	pd[0] = (uint32_t)(uintptr_t)pt | PTE_RWU;
	return address_of(pd);
}
