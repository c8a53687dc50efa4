/*
 * Where an application processor starts: ap_trampoline is copied below 1 MiB and gets it from real
 * mode to ap_start32, which goes to long mode on page tables of its own, ap_cr3. From then on
 * the section .percpu is its own, too; see smp.c.
 */
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
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%cr4, %eax
	orl	$0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	movl	%eax, %cr4
	movl	ap_cr3, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x100, %eax		/* EFER.LME */
	wrmsr
	movl	%cr0, %eax
	andl	$0x9fffffff, %eax	/* CD and NW off */
	orl	$0x80010023, %eax	/* PG, WP, NE, MP, PE */
	movl	%eax, %cr0
	ljmp	$8, $ap_start64

	.code64
ap_start64:
	movq	ap_stack, %rsp
	xorl	%ebp, %ebp
	call	ap_main
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
