/*
 * Entry of 32-bit payloads: Multiboot 1 header, then 32-bit paging with the 4 GiB identity-mapped by
 * 4 MiB pages that user mode may access. Tables for PAE paging of the same memory lie ready.
 */
	.section .multiboot, "a"
	.balign 4
	.long	0x1badb002
	.long	3			/* page-aligned modules, memory map */
	.long	-(0x1badb002 + 3)

	.text
	.code32
	.globl	start
start:
	cli
	cld
	movl	%eax, %ebp
	movl	$bss_start, %edi
	movl	$bss_end, %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	xorl	%eax, %eax
	rep stosl
	movl	%ebp, mb_magic
	movl	%ebx, mb_info
	movl	$stack_top, %esp

	movl	$0x87, %eax		/* present, writable, user, large */
	movl	$boot_pd32, %edi
	movl	$1024, %ecx
1:	movl	%eax, (%edi)
	addl	$0x400000, %eax
	addl	$4, %edi
	loop	1b
	movl	$0x87, %eax
	movl	$pae_pd, %edi
	movl	$2048, %ecx
2:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	2b
	movl	$pae_pd + 1, %eax	/* the other flags are reserved here */
	movl	$boot_pdpt32, %edi
	movl	$4, %ecx
3:	movl	%eax, (%edi)
	addl	$0x1000, %eax
	addl	$8, %edi
	loop	3b

	movl	%cr4, %eax
	orl	$0x610, %eax		/* PSE, OSFXSR, OSXMMEXCPT */
	movl	%eax, %cr4
	movl	$boot_pd32, %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	andl	$0x9fffffff, %eax	/* CD and NW off */
	orl	$0x80010023, %eax	/* PG, WP, NE, MP, PE */
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$0x18, $start_flat
start_flat:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	xorl	%ebp, %ebp
	call	rt_main
4:	hlt
	jmp	4b

/* void user_call(void (*fn)(void)): runs fn at CPL 3 until its first exception or INT 0x80. */
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

/* One stub per vector, 16 bytes apart: an error code (or 0), the vector, then trap_common. */
	.globl	trap_stubs
	.balign	16
trap_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
	.else
	pushl	$0
	.endif
	pushl	$vector
	jmp	trap_common
	.set	vector, vector + 1
	.endr

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

	.data
	.globl	rt_gdt
	.balign	16
rt_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 0x08 64-bit code */
	.quad	0x00cf93000000ffff	/* 0x10 data */
	.quad	0x00cf9b000000ffff	/* 0x18 32-bit code */
	.quad	0x00cff3000000ffff	/* 0x20 user data */
	.quad	0x00cffb000000ffff	/* 0x28 user code */
	.quad	0, 0			/* 0x30 TSS, filled in by tables_init */
	.quad	0x00009b000000ffff	/* 0x40 16-bit code */
	.quad	0x000093000000ffff	/* 0x48 16-bit data */
	.quad	0, 0, 0, 0		/* 0x50.. for tests */
	.globl	rt_gdt_end
rt_gdt_end:
gdt_pointer:
	.word	rt_gdt_end - rt_gdt - 1
	.long	rt_gdt
	.globl	mb_magic, mb_info, user_return_rsp
mb_magic:
	.long	0
mb_info:
	.long	0
user_return_rsp:
	.long	0

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
	.globl	stack_top, user_stack_top
stack_top:
	.skip	8192
user_stack_top:

	.section .note.GNU-stack, "", @progbits
