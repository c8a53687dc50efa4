/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From 32-bit protected mode to real mode, and back; see real_mode.h.
 */
#include "real_mode.h"

#include "rt.h"

#define CODE_AT 0x8000u
#define STACK   0x100u /* of real mode, which is not compared */

/* In: `real_site` in the copy of `real_code`, and REAL_REGS; out: REAL_REGS. */
void real_mode(void);
extern const uint8_t real_code[], real_site[], real_code_end[];

__asm__(".text\n"
	"real_mode:\n"
	"	pushal\n"
	"	movl	%esp, real_esp\n"
	"	sidt	real_idt\n"
	"	sgdt	0x7e30\n"
	"	movl	%cr3, %eax\n"
	"	movl	%eax, real_cr3\n"
	"	movl	%cr4, %eax\n"
	"	movl	%eax, real_cr4\n"
	"	movl	%cr0, %eax\n"
	"	andl	$0x7fffffff, %eax\n"
	"	movl	%eax, %cr0\n"
	"	lidt	real_ivt\n"
	"	ljmp	$0x40, $0x8000\n"
	"real_back:\n"
	"	movl	$0x10, %eax\n"
	"	movl	%eax, %ds\n"
	"	movl	%eax, %es\n"
	"	movl	%eax, %ss\n"
	"	movl	real_esp, %esp\n"
	"	lidt	real_idt\n"
	"	movl	real_cr3, %eax\n"
	"	movl	%eax, %cr3\n"
	"	movl	real_cr4, %eax\n"
	"	movl	%eax, %cr4\n"
	"	movl	%cr0, %eax\n"
	"	orl	$0x80000000, %eax\n"
	"	movl	%eax, %cr0\n"
	"	popal\n"
	"	ret\n"
	"	.code16\n"
	"real_code:\n"
	"	movw	$0x48, %ax\n"
	"	movw	%ax, %ds\n"
	"	movw	%ax, %es\n"
	"	movw	%ax, %ss\n"
	"	movl	%cr0, %eax\n"
	"	andb	$0xfe, %al\n"
	"	movl	%eax, %cr0\n"
	"	ljmp	$0, $0x8000 + 1f - real_code\n"
	"1:	xorw	%ax, %ax\n"
	"	movw	%ax, %ds\n"
	"	movw	%ax, %es\n"
	"	movw	%ax, %ss\n"
	"	movw	$0x7000, %sp\n"
	"	movw	0x7e24, %es\n"
	"	movl	0x7e00, %eax\n"
	"	movl	0x7e04, %ebx\n"
	"	movl	0x7e08, %ecx\n"
	"	movl	0x7e0c, %edx\n"
	"	movl	0x7e10, %esi\n"
	"	movl	0x7e14, %edi\n"
	"	movl	0x7e18, %ebp\n"
	"	pushw	0x7e1c\n"
	"	popfw\n"
	"real_site:\n"
	"	.fill	5, 1, 0x90\n"
	"	cli\n"
	"	movl	%eax, %cs:0x7e00\n"
	"	movl	%ebx, %cs:0x7e04\n"
	"	movl	%ecx, %cs:0x7e08\n"
	"	movl	%edx, %cs:0x7e0c\n"
	"	movl	%esi, %cs:0x7e10\n"
	"	movl	%edi, %cs:0x7e14\n"
	"	movl	%ebp, %cs:0x7e18\n"
	"	movw	%sp, %cs:0x7e20\n"
	"	movw	%es, %cs:0x7e24\n"
	"	pushfl\n"
	"	popl	%cs:0x7e1c\n"
	"	lgdtl	%cs:0x7e30\n"
	"	movl	%cr0, %eax\n"
	"	orb	$1, %al\n"
	"	movl	%eax, %cr0\n"
	"	ljmpl	$0x18, $real_back\n"
	"real_code_end:\n"
	"	.code32\n"
	"	.data\n"
	"	.balign	4\n"
	"real_esp: .long 0\n"
	"real_cr3: .long 0\n"
	"real_cr4: .long 0\n"
	"real_idt: .skip 6\n"
	"real_ivt: .word 0x3ff\n	.long 0\n"
	"	.text\n");

static bool may_change(unsigned at)
{
	return (at >= 0x41a && at < 0x43e) || (at >= 0x449 && at < 0x467) ||
	       (at >= 0x46c && at <= 0x470) || at == 0x474 || (at >= 0x484 && at < 0x487);
}

static uint8_t before[REAL_STACK - STACK];

bool in_real_mode(const uint8_t *code, unsigned size)
{
	uint8_t *copy = (uint8_t *)(uintptr_t)CODE_AT;

	memcpy(copy, real_code, (unsigned)(real_code_end - real_code));
	memcpy(copy + (real_site - real_code), code, size);
	for (unsigned i = 0; i < sizeof(before); i++)
		before[i] = *(volatile uint8_t *)(uintptr_t)i;
	real_mode();
	for (unsigned i = 0; i < sizeof(before); i++)
		if (before[i] != *(volatile uint8_t *)(uintptr_t)i && !may_change(i))
			return false;
	return real_regs()->sp == REAL_STACK;
}

uint16_t real_site_end(void)
{
	return (uint16_t)(CODE_AT + (unsigned)(real_site - real_code) + 5);
}
