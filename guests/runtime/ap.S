/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an application processor starts: ap_trampoline is copied below 1 MiB and gets it from
 * real mode to ap_start32, which goes to long mode on page tables of its own, ap_cr3. From then
 * on the section .percpu is its own, too; see smp.c.
 */
#include "start.inc"

	.text
	.code16
	.globl	ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	gdt_pointer - ap_trampoline
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$0x18, $ap_start32
gdt_pointer:
	.word	rt_gdt_limit
	.long	rt_gdt
ap_trampoline_end:

	.code32
ap_start32:
	LOAD_DATA_SEGMENTS
	PAGING_ON cr4=PAE_SSE, cr3=ap_cr3, long=1
	ljmp	$8, $ap_start64

	.code64
ap_start64:
	movq	ap_stack, %rsp
	xorl	%ebp, %ebp
	call	ap_main
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
