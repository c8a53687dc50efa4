/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of 32-bit payloads: 32-bit paging with the 4 GiB identity-mapped by 4 MiB pages that
 * user mode may access, then rt_main. Tables for PAE paging of the same memory lie ready.
 */
#include "start.inc"

	MULTIBOOT_START
	/* 0x87: present, writable, user, large */
	FILL	boot_pd32, 4, 1024, 0x87, 0x400000
	FILL	pae_pd, 8, 2048, 0x87, 0x200000
	FILL	boot_pdpt32, 8, 4, pae_pd + 1, 0x1000 /* the other flags are reserved here */
	PAGING_ON cr4=PSE_SSE, cr3=$boot_pd32
	lgdt	gdt_pointer
	ljmp	$0x18, $start_flat
start_flat:
	LOAD_DATA_SEGMENTS
	xorl	%ebp, %ebp
	call	rt_main
1:	hlt
	jmp	1b

/*
 * void user_call(void (*fn)(void)): runs fn at CPL 3 until its first exception or INT 0x80.
 */
	.globl	user_call
user_call:
	movl	4(%esp), %eax
	pushl	%ebx
	pushl	%ebp
	pushl	%esi
	pushl	%edi
	movl	%esp, user_return_rsp
	movl	$0x23, %ecx
	movl	%ecx, %ds
	movl	%ecx, %es
	pushl	$0x23
	pushl	$user_stack_top - 8
	pushl	$0x3002			/* IOPL 3, interrupts off */
	pushl	$0x2b
	pushl	%eax
	iretl
	.globl	user_return
user_return:
	movl	user_return_rsp, %esp
	popl	%edi
	popl	%esi
	popl	%ebp
	popl	%ebx
	ret

	TRAP_STUBS

trap_common:
	pushal
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	cld
	pushl	%esp
	call	trap_handle
	addl	$4, %esp
	popal
	addl	$8, %esp
	iretl

	.section .percpu, "aw"
	GDT	user_code=0x00cffb000000ffff, spare=4
	.globl	user_return_rsp
user_return_rsp:
	.long	0
	.balign	16
	.skip	8192
user_stack_top:

	.bss
	.balign	4096
	.globl	boot_pd32, boot_pdpt32
boot_pd32:
	.skip	4096
boot_pdpt32:
	.skip	4096
pae_pd:
	.skip	4 * 4096
	.skip	16384
	.globl	stack_top
stack_top:

	.section .note.GNU-stack, "", @progbits
