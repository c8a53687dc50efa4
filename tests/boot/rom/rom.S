/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware of 64 KiB that says what it finds, and asks for a reset: starts at the reset
 * vector, in real mode, in ROM; goes on in the copy below 1 MiB, in protected mode (rom_c.c)
 * and in real mode with 4 GiB segments. What it prints goes to port 0xe9. Linked at
 * 0xffff0000.
 */
#define CONSOLE 0xe9
#define VECTOR  0x40
#define STACK   0x7000
#define DIRT    0xaa
#define CODE32  0x08
#define DATA32  0x10
#define CODE16  0x18

	.section .text16, "ax"
	.code16

/* Prints the text at CS:SI. */
print16:
	movb	%cs:(%si), %al
	incw	%si
	testb	%al, %al
	jz	1f
	outb	%al, $CONSOLE
	jmp	print16
1:	ret

	.macro	say text
	movw	$9f, %si
	call	print16
	jmp	8f
9:	.asciz	"\text\n"
8:
	.endm

/* CS has its base at 4 GiB - 64 KiB; calls need a stack. */
start16:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ss
	movw	$STACK, %sp
	say	"starts at the reset vector"
	ljmp	$0xf000, $shadow16

/* In the copy, which is RAM. */
shadow16:
	movw	%cs, %ax
	movw	%ax, %ds
	cmpb	$DIRT, dirt
	je	1f
	say	"its copy below 1 MiB is clean"
1:	movb	$DIRT, dirt
	cmpb	$DIRT, dirt
	jne	1f
	say	"its copy is RAM"
1:	xorw	%ax, %ax
	movw	%ax, %es
	movw	$handler, %es:VECTOR * 4
	movw	%cs, %es:VECTOR * 4 + 2
	int	$VECTOR
	movw	$strings, %si
	movw	$strings_end - strings, %cx
	movw	$CONSOLE, %dx
	rep outsb
	lgdtl	%cs:gdtr
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$CODE32, $protected

handler:
	say	"takes an interrupt in real mode"
	iret

/* Data segments have 4 GiB here. */
big16:
	movl	$0xfee00030, %ebx
	movl	%ds:(%ebx), %ebp /* version of the local APIC */
	testl	%ebp, %ebp
	jz	1f
	say	"reads a device above 1 MiB in real mode"
1:	movl	$0xfee00030, %esi
	movl	$0x8000, %edi
	movl	$1, %ecx
	addr32 rep movsl %ds:(%esi), %es:(%edi)
	cmpl	%ebp, %ds:0x8000
	jne	1f
	say	"copies from a device in real mode"
1:	movl	$0xffff1000, %edi /* behind its variables */
	movl	%ds:(%edi), %ebx
	movl	$0x8000, %esi
	movl	$1, %ecx
	addr32 rep movsl %ds:(%esi), %es:(%edi)
	movl	$0xffff1000, %edi
	cmpl	%ebx, %ds:(%edi)
	jne	1f
	say	"cannot change its ROM in real mode"
1:	say	"asks for a reset"
	movw	$0xcf9, %dx
	movb	$6, %al
	outb	%al, %dx
1:	hlt
	jmp	1b

dirt:	.byte	0
strings:
	.ascii	"prints with one instruction\n"
strings_end:

	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0xff009bff0000ffff /* base 0xffff0000, 16 bits */
gdtr:	.short	. - gdt - 1
	.long	gdt

	.code32
protected:
	movw	$DATA32, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$STACK, %esp
	call	rom_main
	ljmp	$CODE16, $leave16 - 0xffff0000

	.code16
leave16:
	movl	%cr0, %eax
	andb	$0xfe, %al
	movl	%eax, %cr0
	ljmp	$0xf000, $1f
1:	xorw	%ax, %ax
	movw	%ax, %ss
	movw	%ax, %ds /* keeps its limit */
	movw	%ax, %es
	movw	$STACK, %sp
	jmp	big16

/* The volume of variables: a page of flash, whose first free byte is erased. */
	.section .variables, "a"
	.skip	16
	.byte	0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c
	.byte	0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50
	.quad	0x1000
	.ascii	"_FVH"
	.balign	0x1000, 0xff

	.section .reset, "ax"
	jmp	start16
	.balign	16
