/* SPDX-License-Identifier: Apache-2.0 */
#include "levels.h"

#include "cpu.h"
#include "rt.h"
#include "spec/paging.h"
#include "spec/regs.h"

/* By 32-bit code, which keeps the low halves of registers only. */
__asm__(".text\n\t.globl levels_switch\nlevels_switch:\n\t"
	"push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
	"mov %rsp,levels_switch_rsp\n\t"
	"pushq $0x18\n\tpushq $1f\n\tlretq\n"
	".code32\n1:\tmov %cr0,%eax\n\tand $0x7fffffff,%eax\n\tmov %eax,%cr0\n\t"
	"mov %edi,%cr4\n\tmov %esi,%cr3\n\t"
	"or $0x80000000,%eax\n\tmov %eax,%cr0\n\tljmp $8,$1f\n"
	".code64\n1:\tmov levels_switch_rsp,%rsp\n\t"
	"pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\tret\n"
	".bss\nlevels_switch_rsp:\n\t.skip 8\n\t.text");

bool levels_have_5(void)
{
	return cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ecx & BIT(16));
}

uint64_t *levels_root(void)
{
	uint64_t *root = page_alloc();

	root[0] = root[511] = address_of(boot_pml4) | PT_P | PT_RW | PT_US;
	return root;
}

bool levels_use_5(void)
{
	if (!levels_have_5())
		return false;
	levels_switch(read_cr4() | CR4_LA57, address_of(levels_root()));
	return true;
}
