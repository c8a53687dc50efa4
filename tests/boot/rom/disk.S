/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that a BIOS boots: its first sector prints with INT 10h (with SERIAL itself, on COM1,
 * where the BIOS has no screen), reads and writes sectors with INT 13h, asks INT 15h for the
 * memory, and resets; what it wrote is there then, and it powers off by ACPI. Linked at 0x7c00.
 */
#define POWER_OFF 0x2000 /* SLP_TYP of S5, which is 0, and SLP_EN */
#define BUFFER    0x8000
#define MAGIC     0x4e657374
#define COM1      0x3f8

	.code16
	.text
	.globl	_start
_start:
	ljmp	$0, $1f
1:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti
	cld
	movb	%dl, drive
	movw	$booted, %si
	call	print
	movb	$0x42, %ah /* read */
	call	transfer
	jc	failed
	cmpl	$MAGIC, BUFFER
	jne	failed
	movw	$read, %si
	call	print
	incl	sector
	movl	BUFFER, %ebx
	incl	%ebx
	movb	$0x42, %ah /* what was written before a reset */
	pushl	%ebx
	call	transfer
	popl	%ebx
	jc	failed
	cmpl	%ebx, BUFFER
	je	again
	movl	%ebx, BUFFER
	movw	$0x4300, %ax /* write */
	call	transfer
	jc	failed
	movl	$0, BUFFER
	movb	$0x42, %ah
	call	transfer
	jc	failed
	cmpl	$MAGIC + 1, BUFFER
	jne	failed
	movw	$written, %si
	call	print
	movw	$0xe801, %ax /* BX: 64 KiB units above 16 MiB */
	int	$0x15
	jc	failed
	cmpw	$(64 - 16) * 16 - 1, %bx /* of 64 MiB; SeaBIOS takes some at the end */
	ja	failed
	cmpw	$(60 - 16) * 16, %bx
	jb	failed
	movw	$memory, %si
	call	print
	movw	$ends, %si
	call	print
	movw	$0xcf9, %dx
	movb	$6, %al
	outb	%al, %dx
1:	hlt
	jmp	1b
again:
	movw	$kept, %si
	call	print
	jmp	off
failed:
	movw	$wrong, %si
	call	print
off:	/* SeaBIOS prints a character when the next one comes */
	movw	$ends, %si
	call	print
	movw	$0x604, %dx
	movw	$POWER_OFF, %ax
	outw	%ax, %dx
1:	hlt
	jmp	1b

transfer:
	movw	$packet, %si
	movb	drive, %dl
	int	$0x13
	ret

#ifdef SERIAL
print:
	lodsb
	testb	%al, %al
	jz	2f
	movb	%al, %ah
	movw	$COM1 + 5, %dx
1:	inb	%dx, %al
	testb	$0x20, %al
	jz	1b
	movb	%ah, %al
	movw	$COM1, %dx
	outb	%al, %dx
	jmp	print
2:	ret
#else
print:
	lodsb
	testb	%al, %al
	jz	1f
	movb	$0x0e, %ah
	movw	$7, %bx
	int	$0x10
	jmp	print
1:	ret
#endif

drive:	.byte	0
	.balign	4
packet:	.byte	16, 0
	.short	1, BUFFER, 0
sector:	.quad	1
booted:	.asciz	"boot sector: runs\r\n"
read:	.asciz	"boot sector: reads\r\n"
written: .asciz	"boot sector: writes\r\n"
memory:	.asciz	"boot sector: memory\r\n"
ends:	.asciz	"off\r\n"
kept:	.asciz	"boot sector: was written before\r\n"
wrong:	.asciz	"boot sector: WRONG\r\n"

	.org	510
	.short	0xaa55
	.long	MAGIC
	.org	2048 * 512 /* more than a cylinder of 16 heads with 63 sectors */
