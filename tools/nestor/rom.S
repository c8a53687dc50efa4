/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 64 KiB ROM at the top of memory that replaces a BIOS on emulated machines. Memory already
 * holds all images; this takes the CPU from the reset vector to protected mode (or, with page
 * tables, to 64-bit mode) and jumps to the entry point. The tool
 * fills in ROM_PARAMETERS (boot.c). The first serial port is set up as a BIOS does it.
 *
 * MSRs that the tool has put behind ROM_MSRS are written on all CPUs before: what some other
 * firmware would have left. So are registers in configuration space of PCI, by this CPU.
 *
 * A second start of the machine, which is a reset, ends it: it says so on the debug console the
 * way Nestor does (channel 1, a control record), then writes "Shutdown" to Bochs' port.
 */
	.set BASE, 0xffff0000
	.set STARTED, 0x0500		/* a word of memory: zero at power-on */
	.set STARTED_MAGIC, 0x4e53
	.set ICR, 0xfee00300
	.set APIC_BASE_MSR, 0x1b

	.section .text
	.code16
	.globl _start
_start:
	xor %ax, %ax
	mov %ax, %ds
	cmpw $STARTED_MAGIC, STARTED
	je restarted
	movw $STARTED_MAGIC, STARTED
	mov $uart - _start, %si		/* 115200 8n1, as a BIOS leaves it */
	mov $(uart_end - uart) / 2, %cx
	mov $0x3, %dh
1:	mov %cs:(%si), %dl
	mov %cs:1(%si), %al
	out %al, %dx
	add $2, %si
	loop 1b
	in $0x92, %al			/* A20 on, without a reset */
	or $2, %al
	and $0xfe, %al
	out %al, $0x92
	lgdtl %cs:gdt_pointer - _start
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $0x08, $BASE + (protected - _start)

restarted:
	mov $end_record - _start, %si
	mov $end_record_end - end_record, %cx
1:	lodsb %cs:(%si)
	out %al, $0xe9
	loop 1b
	mov $shutdown - _start, %si
	mov $8, %cx
	mov $0x8900, %dx
2:	lodsb %cs:(%si)
	out %al, %dx
	loop 2b
	mov $0x501, %dx			/* QEMU's isa-debug-exit */
	out %al, %dx
3:	hlt
	jmp 3b

	.code32
protected:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	mov $BASE + (msrs - _start), %esi
	lodsl (%esi), %eax
	mov %eax, %ebp
	test %ebp, %ebp
	jz msrs_set			/* there are neither */
	shr $16, %eax
	mov %eax, %ecx
	jecxz 2f
	mov $BASE + (pci_writes - _start), %edi
1:	mov (%edi), %eax
	mov $0xcf8, %dx
	out %eax, %dx
	mov 4(%edi), %eax
	mov $0xcfc, %dx
	out %eax, %dx
	add $8, %edi
	loop 1b
2:	movzwl %bp, %ebp
	test %ebp, %ebp
	jz msrs_set
	movl $0xc4500, ICR		/* INIT, then start-up, to all other CPUs */
	mov $100000, %ecx
1:	loop 1b
	movl $0xc4600 | (0xf0000 + ap_start - _start) >> 12, ICR
	mov $100000, %ecx
1:	loop 1b
2:	lodsl (%esi), %eax
	mov %eax, %ecx
	lodsl (%esi), %eax
	mov (%esi), %edx
	add $4, %esi
	wrmsr
	dec %ebp
	jnz 2b
msrs_set:
	mov $BASE + (parameters - _start), %ebp
	/*
	 * Bochs gives memory to the guest in blocks of 8 MiB as they are first touched, but
	 * loads an image into one contiguous piece: touch the image's blocks in their order.
	 */
	mov 24(%ebp), %ecx
	xor %edi, %edi
	jecxz 2f
1:	mov (%edi), %al
	add $0x800000, %edi
	loop 1b
2:	mov 12(%ebp), %ecx
	test %ecx, %ecx
	jnz long_mode
	mov 0(%ebp), %eax
	mov 4(%ebp), %ebx
	mov 8(%ebp), %esi
	mov 16(%ebp), %edx
	xor %ecx, %ecx
	xor %edi, %edi
	xor %ebp, %ebp
	jmp *%edx

long_mode:
	mov %ecx, %cr3
	mov %cr4, %eax
	or $1 << 5, %eax		/* PAE */
	mov %eax, %cr4
	mov $0xc0000080, %ecx		/* EFER */
	rdmsr
	or $1 << 8, %eax		/* LME */
	wrmsr
	mov %cr0, %eax
	or $1 << 31, %eax		/* PG */
	mov %eax, %cr0
	ljmpl $0x18, $BASE + (in_long_mode - _start)

	.code64
in_long_mode:
	mov %ebp, %ebp
	mov 8(%rbp), %esi
	jmp *16(%rbp)

	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 0x08: 32-bit code */
	.quad 0x00cf93000000ffff	/* 0x10: data */
	.quad 0x00af9b000000ffff	/* 0x18: 64-bit code */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long BASE + (gdt - _start)

uart:					/* low byte of the port, value */
	.byte 0xf9, 0, 0xfb, 0x80, 0xf8, 1, 0xf9, 0, 0xfb, 3, 0xfa, 0, 0xfc, 3
uart_end:

end_record:
	.ascii "\377\001end kind=reset value=0 tsc=0\n"
end_record_end:
shutdown:
	.ascii "Shutdown"

	.org 0xf000			/* other CPUs, in real mode, below 1 MiB */
	.code16
ap_start:
	mov $msrs - ap_start, %si
	mov %cs:(%si), %bp
	add $4, %si
1:	mov %cs:(%si), %ecx
	mov %cs:4(%si), %eax
	mov %cs:8(%si), %edx
	add $12, %si
	cmp $APIC_BASE_MSR, %ecx
	jne 2f
	and $~(1 << 8), %eax		/* not the bootstrap processor */
2:	wrmsr
	dec %bp
	jnz 1b
3:	hlt
	jmp 3b

	.org 0xfd00			/* boot_tables.c: index, data */
pci_writes:
	.fill 0x40, 1, 0

	.org 0xfe00			/* boot_msr.c: 16 bits how many, 16 of those; each */
msrs:	.fill 0xf0, 1, 0

	.org 0xff00			/* struct rom_parameters */
parameters:
	.fill 28, 1, 0

	.org 0xfff0
	.code16
	.byte 0xe9			/* the reset vector: jmp _start */
	.word _start - (. + 2)
	.org 0xffff
	.byte 0
