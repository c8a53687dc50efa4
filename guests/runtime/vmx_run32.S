/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int l2_enter(struct l2 *g) of 32-bit payloads: as in vmx_run.S, with the lower halves of g's
 * registers; the upper ones stay 0.
 */
	.text
	.code32
	.globl	l2_enter, l2_exited
l2_enter:
	pushl	%ebx
	pushl	%ebp
	pushl	%esi
	pushl	%edi
	movl	20(%esp), %edi
	movl	%edi, l2_current
	movl	%esp, l2_saved_rsp
	cmpl	$0, 120(%edi)
	movl	8(%edi), %ebx
	movl	16(%edi), %ecx
	movl	24(%edi), %edx
	movl	32(%edi), %esi
	movl	48(%edi), %ebp
	movl	(%edi), %eax
	movl	40(%edi), %edi
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
	pushl	%edi
	movl	l2_current, %edi
	movl	%eax, (%edi)
	movl	%ebx, 8(%edi)
	movl	%ecx, 16(%edi)
	movl	%edx, 24(%edi)
	movl	%esi, 32(%edi)
	popl	40(%edi)
	movl	%ebp, 48(%edi)
	movl	l2_saved_rsp, %esp
	xorl	%eax, %eax
3:	popl	%edi
	popl	%esi
	popl	%ebp
	popl	%ebx
	ret

/* Where an L2 function returns to. */
	.globl	l2_done
l2_done:
	vmcall
	jmp	l2_done

	.bss
	.balign	16
	.skip	4096
	.globl	l2_host_stack
l2_host_stack:
l2_current:
	.skip	4
l2_saved_rsp:
	.skip	4

	.section .note.GNU-stack, "", @progbits
