/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry points of all 256 vectors. L0 is never left by an interrupt to anything but L0, so GS
 * and CR3 are already right.
 */
	.text
	.balign	16
	.globl	trap_stubs
	.type	trap_stubs, @function
trap_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	/* Vectors whose delivery pushes an error code: SDM 6.3.1, table 6-1. */
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	push	$0
	.endif
	push	$vector
	.if	vector == 18
	jmp	trap_machine_check
	.else
	jmp	trap_common
	.endif
	.set	vector, vector + 1
	.endr
	.size	trap_stubs, . - trap_stubs

	.macro	push_registers
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	.endm

	.macro	pop_registers
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	.endm

	/* RBX: the frame, until the handler has returned and behind it. */
	.macro	call_handler
	cld
	push_registers
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	trap_handler
	.endm

	.type	trap_common, @function
trap_common:
	call_handler
	mov	%rbx, %rsp
	pop_registers
	add	$16, %rsp
	iretq
	.size	trap_common, . - trap_common

/*
 * A machine check may interrupt the handler of an NMI. IRET would end the blocking of NMIs then
 * (SDM 6.7.1 "Handling Multiple NMIs"), and the next one would be written over the frame of the
 * first. So it returns without: all goes onto the stack that was interrupted, below what is in
 * use there (L0 has no red zone), from where RET takes it. Whoever was interrupted has L0's own
 * segments. On that stack, too, the next machine check is let in, since it would be written
 * over the frame of this one.
 */
	.type	trap_machine_check, @function
trap_machine_check:
	call_handler
	mov	%rbx, %rdi
	.size	trap_machine_check, . - trap_machine_check

	.globl	trap_return_without_iret
	.type	trap_return_without_iret, @function
trap_return_without_iret:	/* of struct trap_frame */
	mov	160(%rdi), %rbx		/* RSP */
	sub	$17 * 8, %rbx
	mov	%rdi, %rsi
	mov	%rbx, %rdi
	mov	$15, %ecx
	rep movsq
	mov	32(%rsi), %rax		/* RFLAGS */
	mov	%rax, (%rdi)
	mov	16(%rsi), %rax		/* RIP */
	mov	%rax, 8(%rdi)
	mov	%rbx, %rsp
	and	$-16, %rsp
	call	mce_end
	mov	%rbx, %rsp
	pop_registers
	popfq
	jmp	__x86_return_thunk
	.size	trap_return_without_iret, . - trap_return_without_iret

/*
 * An NMI that interrupts these before the HLT or MWAIT returns to their end (cpu/fault.c): none
 * is slept through; nor is a store to the word, since it is read after MONITOR. The instruction
 * behind STI is not interrupted. DETOUR_KICKED is bit 0 of `detour`, at offset 33 of struct
 * percpu; DETOUR_CLEAR is bit 3: the other thread of the core has all buffers while this one
 * sleeps, with what is left in them.
 */
	.globl	cpu_mwait
	.type	cpu_mwait, @function
cpu_mwait:
	mov	%rsi, %rax
	xor	%ecx, %ecx
	xor	%edx, %edx
	monitor				/* RAX, ECX, EDX */
	testb	$8, %gs:33
	je	1f
	verw	sleep_segment(%rip)
1:	mov	%edi, %eax
	cmpl	$1, (%rsi)		/* CPU_SLEEPS */
	jne	cpu_sleep_end
	testb	$1, %gs:33
	jne	cpu_sleep_end
	sti
	mwait				/* EAX, ECX */
	jmp	cpu_sleep_end
	.size	cpu_mwait, . - cpu_mwait

	.globl	cpu_sleep
	.globl	cpu_sleep_end
	.type	cpu_sleep, @function
cpu_sleep:
	testb	$8, %gs:33
	je	1f
	verw	sleep_segment(%rip)
1:	testb	$1, %gs:33
	jne	cpu_sleep_end
	sti
	hlt
cpu_sleep_end:
	cli
	jmp	__x86_return_thunk
	.size	cpu_sleep, . - cpu_sleep

	.section .rodata
	.balign	8
sleep_segment:
	.word	0x10			/* SEL_DATA */

	.section .note.GNU-stack, "", @progbits
