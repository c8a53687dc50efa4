/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int l2_enter(struct l2 *g): enters L2 with the registers of g by VMLAUNCH, or VMRESUME when
 * g->launched is not 0; returns after the VM exit with L2's registers in g. Result: enum
 * vmx_status.
 *
 * HOST_RSP is a small stack of its own and HOST_RIP l2_exited, both set once by l2_setup. Every
 * processor has its own stack and variables, at the same address.
 */
	.text
	.globl	l2_enter, l2_exited
l2_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rdi, l2_current
	movq	%rsp, l2_saved_rsp
	cmpq	$0, 120(%rdi)
	movq	8(%rdi), %rbx
	movq	16(%rdi), %rcx
	movq	24(%rdi), %rdx
	movq	32(%rdi), %rsi
	movq	48(%rdi), %rbp
	movq	56(%rdi), %r8
	movq	64(%rdi), %r9
	movq	72(%rdi), %r10
	movq	80(%rdi), %r11
	movq	88(%rdi), %r12
	movq	96(%rdi), %r13
	movq	104(%rdi), %r14
	movq	112(%rdi), %r15
	movq	(%rdi), %rax
	movq	40(%rdi), %rdi
	jne	1f
	vmlaunch
	jmp	2f
1:	vmresume
2:	movl	$1, %eax		/* VMfail: CF invalid, ZF valid */
	jc	3f
	movl	$2, %eax
	jz	3f
	movl	$4, %eax
	jmp	3f

l2_exited:
	pushq	%rdi
	movq	l2_current, %rdi
	movq	%rax, (%rdi)
	movq	%rbx, 8(%rdi)
	movq	%rcx, 16(%rdi)
	movq	%rdx, 24(%rdi)
	movq	%rsi, 32(%rdi)
	popq	40(%rdi)
	movq	%rbp, 48(%rdi)
	movq	%r8, 56(%rdi)
	movq	%r9, 64(%rdi)
	movq	%r10, 72(%rdi)
	movq	%r11, 80(%rdi)
	movq	%r12, 88(%rdi)
	movq	%r13, 96(%rdi)
	movq	%r14, 104(%rdi)
	movq	%r15, 112(%rdi)
	movq	l2_saved_rsp, %rsp
	xorl	%eax, %eax
3:	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

/* Where an L2 function returns to. */
	.globl	l2_done
l2_done:
	vmcall
	jmp	l2_done

	.section .percpu, "aw"
	.balign	16
	.skip	4096
	.globl	l2_host_stack
l2_host_stack:
l2_current:
	.skip	8
l2_saved_rsp:
	.skip	8

	.section .note.GNU-stack, "", @progbits
