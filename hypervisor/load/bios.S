/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers BIOS calls of a VM that was started without firmware: 16-bit code that only the
 * guest executes, in segment F000, data for L0. bios.c copies it there and fills in the tables
 * at its start; addresses in it are offsets from bios_code. Text goes to COM1, and to a display
 * if there is one; keys come from COM1, disks there are none. What is not here returns with
 * carry set and AH = 86H.
 *
 * bios_video.inc has what makes text, bios_line.inc the serial line and keys.
 *
 * Calls keep all registers but those of their results; with flags as results a handler ends in
 * one of the four ends below, with the caller's IP, CS and FLAGS alone on the stack.
 */
#include "spec/bios.h"
#include "spec/vga_mode.h"

#define DAY_TICKS    0x1800b0

#define SMAP         0x534d4150
#define MAP_ENTRY    20
#define UNSUPPORTED  0x86


#define AT(symbol) (symbol - bios_code)

	.section .rodata
	.balign 16
	.globl	bios_code, bios_map, bios_sizes, bios_restart, bios_vectors, bios_end
	.code16

/* ---- filled in by bios.c ---- */
bios_code:
bios_map:		/* LOAD_MAX_RANGES rows of INT 15H, AX = E820H */
	.fill	30 * MAP_ENTRY, 1, 0
bios_sizes:		/* struct sizes */
map_count:
	.word	0
extended_kib:		/* from 1 MiB on, for AH = 88H */
	.word	0
low_kib:		/* from 1 to 16 MiB, for AX = E801H */
	.word	0
high_blocks:		/* of 64 KiB from 16 MiB on */
	.word	0

/* ---- tables of ours ---- */

/* INT 15H, AH = C0H: model FCH (AT); second PIC, clock, extended BIOS data area. */
configuration:
	.word	8
	.byte	0xfc, 0, 0, 0x64, 0, 0, 0, 0

/* ---- ends ---- */
unsupported:
	movb	$UNSUPPORTED, %ah
carry:
	pushw	%bp
	movw	%sp, %bp
	orb	$1, 6(%bp)
	popw	%bp
	iretw
no_carry:
	pushw	%bp
	movw	%sp, %bp
	andb	$0xfe, 6(%bp)
	popw	%bp
ignored:
	iretw
zero:
	pushw	%bp
	movw	%sp, %bp
	orb	$0x40, 6(%bp)
	popw	%bp
	iretw
not_zero:
	pushw	%bp
	movw	%sp, %bp
	andb	$0xbf, 6(%bp)
	popw	%bp
	iretw

/* ---- interrupts of the PICs ---- */

/* INT 08H: counts the ticks of the day, and tells INT 1CH. */
timer:
	pushw	%ds
	pushl	%eax
	pushw	$BDA_SEGMENT
	popw	%ds
	incl	BDA_TICKS
	cmpl	$DAY_TICKS, BDA_TICKS
	jb	1f
	movl	$0, BDA_TICKS
	movb	$1, BDA_MIDNIGHT
1:	int	$0x1c
	movb	$0x20, %al
	outb	%al, $0x20
	popl	%eax
	popw	%ds
	iretw

/* INT 70H: the clock interrupts again when its register C was read. */
clock_tick:
	pushw	%ax
	movb	$0x0c, %al
	call	cmos
	popw	%ax
pic2:
	pushw	%ax
	movb	$0x20, %al
	outb	%al, $0xa0
	jmp	1f
pic1:
	pushw	%ax
	movb	$0x20, %al
1:	outb	%al, $0x20
	popw	%ax
	iretw

/* AL: a register of CMOS, then what it has. */
cmos:
	outb	%al, $0x70
	inb	$0x71, %al
	ret

#include "load/bios_video.inc"
#include "load/bios_line.inc"

/* ---- INT 11H, 12H ---- */
equipment:
	pushw	%ds
	pushw	$BDA_SEGMENT
	popw	%ds
	movw	BDA_EQUIPMENT, %ax
	popw	%ds
	iretw
memory_size:
	pushw	%ds
	pushw	$BDA_SEGMENT
	popw	%ds
	movw	BDA_MEMORY, %ax
	popw	%ds
	iretw

/* ---- INT 13H: no drive ---- */
disk:
	cmpb	$0x15, %ah
	jne	1f
	movb	$0, %ah		/* its type: there is no such drive */
	jmp	no_carry
1:	cmpb	$0x08, %ah
	movb	$0x01, %ah	/* a wrong parameter */
	jne	2f
	movb	$0x07, %ah	/* no parameters of the drive */
	movb	$0, %dl		/* so many drives */
2:	pushw	%ds
	pushw	$BDA_SEGMENT
	popw	%ds
	movb	%ah, BDA_DISK_STATUS
	popw	%ds
	jmp	carry

/* ---- INT 15H ---- */
system:
	cmpw	$0xe820, %ax
	je	memory_map
	cmpw	$0xe801, %ax
	je	memory_sizes
	cmpb	$0x88, %ah
	je	extended_size
	cmpb	$0x24, %ah
	je	a20
	cmpb	$0x86, %ah
	je	wait
	cmpb	$0xc0, %ah
	je	get_configuration
	cmpb	$0xc1, %ah
	je	extended_data
	jmp	unsupported

/* EBX: which row, ECX: room at ES:DI, by bytes: a word at offset FFFFH would be a fault. */
memory_map:
	cmpl	$SMAP, %edx
	jne	unsupported
	cmpl	$MAP_ENTRY, %ecx
	jb	unsupported
	movzwl	%cs:AT(map_count), %eax
	cmpl	%eax, %ebx
	jae	1f
	cld
	pushw	%ds
	pushw	%si
	pushw	%di
	pushw	%cs
	popw	%ds
	imulw	$MAP_ENTRY, %bx, %si
	addw	$AT(bios_map), %si
	pushl	%ecx
	movw	$MAP_ENTRY, %cx
	rep	movsb
	popl	%ecx
	cmpl	$MAP_ENTRY + 4, %ecx
	movl	$MAP_ENTRY, %ecx
	jb	2f
	pushw	%ax
	movb	$1, %al		/* the row counts (ACPI, "INT 15H, E820H") */
	stosb
	movb	$0, %al
	stosb
	stosb
	stosb
	popw	%ax
	addb	$4, %cl
2:	popw	%di
	popw	%si
	popw	%ds
	incl	%ebx
	cmpl	%eax, %ebx
	movl	$SMAP, %eax
	jb	no_carry
	xorl	%ebx, %ebx
	jmp	no_carry
1:	movl	$SMAP, %eax
	jmp	unsupported

memory_sizes:
	movw	%cs:AT(low_kib), %ax
	movw	%ax, %cx
	movw	%cs:AT(high_blocks), %bx
	movw	%bx, %dx
	jmp	no_carry

extended_size:
	movw	%cs:AT(extended_kib), %ax
	jmp	no_carry

/* It is on, and cannot be off. */
a20:
	cmpb	$1, %al
	jb	unsupported
	je	2f
	cmpb	$3, %al
	ja	unsupported
	je	1f
	movb	$1, %al
	jmp	2f
1:	movw	$3, %bx		/* by the keyboard controller, or port 92H */
2:	movb	$0, %ah
	jmp	no_carry

/* CX:DX microseconds, by the refresh bit, which changes each 15; interrupts are on. */
wait:
	sti
	pushl	%eax
	pushl	%ecx
	pushl	%edx
	pushw	%cx
	pushw	%dx
	popl	%eax
	xorl	%edx, %edx
	movl	$15, %ecx
	divl	%ecx
	movl	%eax, %ecx
	incl	%ecx
	inb	$0x61, %al
	movb	%al, %ah
1:	inb	$0x61, %al
	xorb	%ah, %al
	testb	$0x10, %al
	jz	1b
	xorb	%al, %ah
	decl	%ecx
	jnz	1b
	popl	%edx
	popl	%ecx
	popl	%eax
	movb	$0, %ah
	jmp	no_carry

get_configuration:
	pushw	%cs
	popw	%es
	movw	$AT(configuration), %bx
	movb	$0, %ah
	jmp	no_carry

extended_data:
	pushw	%ds
	pushw	$BDA_SEGMENT
	popw	%ds
	movw	0x0e, %es
	popw	%ds
	jmp	no_carry

/* ---- INT 1AH: ticks and clock ---- */
time:
	cmpb	$0x00, %ah
	je	get_ticks
	cmpb	$0x01, %ah
	je	set_ticks
	cmpb	$0x02, %ah
	je	get_time
	cmpb	$0x04, %ah
	je	get_date
	jmp	unsupported

get_ticks:
	pushw	%ds
	pushw	$BDA_SEGMENT
	popw	%ds
	movw	BDA_TICKS, %dx
	movw	BDA_TICKS + 2, %cx
	movb	$0, %al
	xchgb	%al, BDA_MIDNIGHT
	movb	$0, %ah
	popw	%ds
	jmp	no_carry

set_ticks:
	pushw	%ds
	pushw	$BDA_SEGMENT
	popw	%ds
	movw	%dx, BDA_TICKS
	movw	%cx, BDA_TICKS + 2
	movb	$0, BDA_MIDNIGHT
	movb	$0, %ah
	popw	%ds
	jmp	no_carry

/* Registers of the clock are read while it does not change them: 65536 tries at most. */
settle:
	xorw	%cx, %cx
1:	movb	$0x0a, %al
	call	cmos
	testb	$0x80, %al
	loopnz	1b
	ret

get_time:
	pushw	%ax
	call	settle
	movb	$0x04, %al
	call	cmos
	movb	%al, %ch
	movb	$0x02, %al
	call	cmos
	movb	%al, %cl
	movb	$0x00, %al
	call	cmos
	movb	%al, %dh
	movb	$0, %dl		/* no daylight saving */
	popw	%ax
	movb	$0, %ah
	jmp	no_carry

get_date:
	pushw	%ax
	call	settle
	movb	$0x32, %al
	call	cmos
	movb	%al, %ch
	movb	$0x09, %al
	call	cmos
	movb	%al, %cl
	movb	$0x08, %al
	call	cmos
	movb	%al, %dh
	movb	$0x07, %al
	call	cmos
	movb	%al, %dl
	popw	%ax
	movb	$0, %ah
	jmp	no_carry

/* ---- the end ---- */

/*
 * At FFFF:0, and where a processor is after a reset. What it shall do is in CMOS: go on at the
 * address in 40:67, or start the machine again.
 */
bios_restart:
	cli
	movb	$CMOS_SHUTDOWN, %al
	outb	%al, $0x70
	inb	$0x71, %al
	movb	%al, %ah
	movb	$CMOS_SHUTDOWN, %al
	outb	%al, $0x70
	movb	$0, %al
	outb	%al, $0x71
	cmpb	$CMOS_SHUTDOWN_JUMP, %ah
	je	2f
	cmpb	$CMOS_SHUTDOWN_RESUME, %ah
	jne	reset
	movb	$0x20, %al
	outb	%al, $0xa0
	outb	%al, $0x20
2:	movw	$BDA_SEGMENT, %ax
	movw	%ax, %ds
	ljmpw	*BDA_RESUME

reset:
	movw	$0xcf9, %dx
	movb	$6, %al
	outb	%al, %dx
/* With interrupts disabled, as INT leaves them: a VM that waits for nothing. */
nothing_to_boot:
	hlt
	jmp	nothing_to_boot

bios_end:

/*
 * First and last vector, handler. Vectors in no row are unsupported; of exceptions, and of
 * interrupts that are called and not asked (break key, tick, alarm), nothing comes.
 */
	.balign	2
#define ROW(first, last, handler) .word first, last, AT(handler)
bios_vectors:
	ROW(0x00, 0xff, unsupported)
	ROW(0x00, 0x07, ignored)
	ROW(0x08, 0x08, timer)
	ROW(0x09, 0x0f, pic1)
	ROW(0x10, 0x10, video)
	ROW(0x11, 0x11, equipment)
	ROW(0x12, 0x12, memory_size)
	ROW(0x13, 0x13, disk)
	ROW(0x14, 0x14, serial)
	ROW(0x15, 0x15, system)
	ROW(0x16, 0x16, keyboard)
	ROW(0x18, 0x18, nothing_to_boot)
	ROW(0x19, 0x19, reset)
	ROW(0x1a, 0x1a, time)
	ROW(0x1b, 0x1c, ignored)
	ROW(0x40, 0x40, disk)
	ROW(0x4a, 0x4a, ignored)
	ROW(0x70, 0x70, clock_tick)
	ROW(0x71, 0x77, pic2)
	.word	1, 0, 0		/* none */

	.section .note.GNU-stack, "", @progbits
