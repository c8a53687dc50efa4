/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of 64-bit payloads: long mode with the first 4 GiB identity-mapped by 2 MiB pages
 * that user mode may access, then rt_main.
 */
#include "start.inc"

	MULTIBOOT_START
	/* 0x87: present, writable, user, large */
	FILL	boot_pd, 8, 2048, 0x87, 0x200000
	FILL	boot_pdpt, 8, 4, boot_pd + 7, 0x1000
	movl	$boot_pdpt + 7, boot_pml4
	PAGING_ON cr4=PAE_SSE, cr3=$boot_pml4, long=1
	lgdt	gdt_pointer
	ljmp	$8, $start64

	.code64
start64:
	LOAD_DATA_SEGMENTS
	movq	$stack_top, %rsp
	xorl	%ebp, %ebp
	call	rt_main
1:	hlt
	jmp	1b

/*
 * void user_call(void (*fn)(void)): runs fn at CPL 3 until its first exception or INT 0x80.
 */
	.globl	user_call
user_call:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, user_return_rsp
	pushq	$0x23
	pushq	$user_stack_top - 8
	pushq	$0x3002			/* IOPL 3, interrupts off */
	pushq	$0x2b
	pushq	%rdi
	iretq
	.globl	user_return
user_return:
	movq	user_return_rsp, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	TRAP_STUBS

trap_common:
	pushq	%r15
	pushq	%r14
	pushq	%r13
	pushq	%r12
	pushq	%r11
	pushq	%r10
	pushq	%r9
	pushq	%r8
	pushq	%rbp
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rbx
	pushq	%rax
	cld
	movq	%rsp, %rdi
	call	trap_handle
	popq	%rax
	popq	%rbx
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	popq	%rbp
	popq	%r8
	popq	%r9
	popq	%r10
	popq	%r11
	popq	%r12
	popq	%r13
	popq	%r14
	popq	%r15
	addq	$16, %rsp
	iretq

	.section .percpu, "aw"
	GDT	user_code=0x00affb000000ffff, spare=2
	.globl	user_return_rsp
user_return_rsp:
	.quad	0
	.balign	16
	.skip	8192
user_stack_top:

	.bss
	.balign	4096
	.globl	boot_pml4
boot_pml4:
	.skip	4096
boot_pdpt:
	.skip	4096
boot_pd:
	.skip	4 * 4096
	.skip	16384
	.globl	stack_top
stack_top:

	.section .note.GNU-stack, "", @progbits
