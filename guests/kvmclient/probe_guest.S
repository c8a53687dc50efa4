/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest of `kvmclient cpuid`: the least time of 32 tries of each operation, to ports 0x10 and
 * up. The jump before RDTSC makes the emulator sample it exactly. Only instructions that are
 * the same bytes in 32-bit and in 64-bit mode (no INC, DEC, PUSH), so that it runs in either;
 * the NOPs keep figures comparable with those of a TSC of 64 bits in one register.
 */
	.code32
	.macro	ticks reg
	jmp	1f
1:	rdtsc
	nop
	nop
	movl	%eax, \reg
	.endm

	.macro	cpuid_zero
	xorl	%eax, %eax
	cpuid
	.endm

	.macro	measure port, operation:vararg
	movl	$32, %ebp
	movl	$-1, %esi
9:	ticks	%edi
	\operation
	ticks	%eax
	subl	%edi, %eax
	cmpl	%esi, %eax
	cmovbl	%eax, %esi
	subl	$1, %ebp
	jnz	9b
	movl	%esi, %eax
	outl	%eax, $\port
	.endm

	.section .rodata
	.globl	probe_guest, probe_guest_end
probe_guest:
	measure	0x10
	measure	0x11, cpuid_zero
	measure	0x12, outb %al, $0x20
	movl	$0x80000000, %ebx
	measure	0x13, movl (%ebx), %eax
	outb	%al, $0x30
	hlt
probe_guest_end:

	.section .note.GNU-stack, "", @progbits
