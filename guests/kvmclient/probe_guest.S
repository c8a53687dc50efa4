/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest of `kvmclient cpuid`: the least time of 32 tries of each operation, to ports 0x10 and
 * up. The jump before RDTSC makes the emulator sample it exactly.
 */
	.macro	ticks reg
	jmp	1f
1:	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, \reg
	.endm

	.macro	cpuid_zero
	xorl	%eax, %eax
	cpuid
	.endm

	.macro	measure port, operation:vararg
	movl	$32, %r15d
	movq	$-1, %r12
9:	ticks	%r13
	\operation
	ticks	%r14
	subq	%r13, %r14
	cmpq	%r12, %r14
	cmovbq	%r14, %r12
	decl	%r15d
	jnz	9b
	movl	%r12d, %eax
	outl	%eax, $\port
	.endm

	.section .rodata
	.globl	probe_guest, probe_guest_end
probe_guest:
	measure	0x10
	measure	0x11, cpuid_zero
	measure	0x12, outb %al, $0x20
	movl	$0x80000000, %ebx
	measure	0x13, movl (%rbx), %eax
	outb	%al, $0x30
	hlt
probe_guest_end:

	.section .note.GNU-stack, "", @progbits
