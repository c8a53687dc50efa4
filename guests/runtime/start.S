/*
 * Entry of every payload: Multiboot 1 header, 32-bit entry, long mode with the first 4 GiB
 * identity-mapped by 2 MiB pages that user mode may access, then rt_main.
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

	movl	$0x87, %eax		/* present, writable, user, 2 MiB */
	movl	$boot_pd, %edi
	movl	$2048, %ecx
1:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	1b
	movl	$boot_pd + 7, %eax
	movl	$boot_pdpt, %edi
	movl	$4, %ecx
2:	movl	%eax, (%edi)
	addl	$0x1000, %eax
	addl	$8, %edi
	loop	2b
	movl	$boot_pdpt + 7, boot_pml4

	movl	%cr4, %eax
	orl	$0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	movl	%eax, %cr4
	movl	$boot_pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x100, %eax		/* EFER.LME */
	wrmsr
	movl	%cr0, %eax
	andl	$0x9fffffff, %eax	/* CD and NW off */
	orl	$0x80010023, %eax	/* PG, WP, NE, MP, PE */
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$8, $start64

	.code64
start64:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	movq	$stack_top, %rsp
	xorl	%ebp, %ebp
	call	rt_main
1:	hlt
	jmp	1b

/* void user_call(void (*fn)(void)): runs fn at CPL 3 until its first exception or INT 0x80. */
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

/* One stub per vector, 16 bytes apart: an error code (or 0), the vector, then trap_common. */
	.globl	trap_stubs
	.balign	16
trap_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
	.else
	pushq	$0
	.endif
	pushq	$vector
	jmp	trap_common
	.set	vector, vector + 1
	.endr

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
	.globl	rt_gdt
	.balign	16
rt_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 0x08 64-bit code */
	.quad	0x00cf93000000ffff	/* 0x10 data */
	.quad	0x00cf9b000000ffff	/* 0x18 32-bit code */
	.quad	0x00cff3000000ffff	/* 0x20 user data */
	.quad	0x00affb000000ffff	/* 0x28 user 64-bit code */
	.quad	0, 0			/* 0x30 TSS, filled in by rt_main */
	.quad	0x00009b000000ffff	/* 0x40 16-bit code */
	.quad	0x000093000000ffff	/* 0x48 16-bit data */
	.quad	0, 0			/* 0x50, 0x58 32-bit TSSs for task-switch tests */
	.globl	rt_gdt_end
rt_gdt_end:
	.globl	rt_gdt_limit
	.set	rt_gdt_limit, rt_gdt_end - rt_gdt - 1
	.globl	user_return_rsp
user_return_rsp:
	.quad	0
	.balign	16
	.skip	8192
user_stack_top:

	.data
gdt_pointer:
	.word	rt_gdt_limit
	.quad	rt_gdt
	.globl	mb_magic, mb_info
mb_magic:
	.long	0
mb_info:
	.long	0

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
