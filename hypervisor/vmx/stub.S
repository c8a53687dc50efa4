/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way into guests and back. RAX to R15 are at the start of struct vcpu in encoding order
 * (RSP left out), the pointers to struct hw_vmcs and to the function for exits follow.
 * HOST_RSP is the top of the CPU's stack.
 *
 * An NMI that arrives on the way into a guest must not be missed: PERCPU_KICKED tells of one
 * before vmx_enter, and the handler lets one that interrupts vmx_enter return to where
 * nmi_restarts says (cpu/fault.c).
 */
#define VCPU_VMCS	128
#define VCPU_ON_EXIT	136
#define PERCPU_CURRENT	8
#define PERCPU_KICKED	33

	.macro	load_registers
	mov	1 * 8(%rdi), %rcx
	mov	2 * 8(%rdi), %rdx
	mov	3 * 8(%rdi), %rbx
	mov	5 * 8(%rdi), %rbp
	mov	6 * 8(%rdi), %rsi
	mov	8 * 8(%rdi), %r8
	mov	9 * 8(%rdi), %r9
	mov	10 * 8(%rdi), %r10
	mov	11 * 8(%rdi), %r11
	mov	12 * 8(%rdi), %r12
	mov	13 * 8(%rdi), %r13
	mov	14 * 8(%rdi), %r14
	mov	15 * 8(%rdi), %r15
	mov	0 * 8(%rdi), %rax
	mov	7 * 8(%rdi), %rdi
	.endm

	.text
	.balign	16
	.globl	vmx_exit_stub
	.type	vmx_exit_stub, @function
vmx_exit_stub:
	push	%rdi
	mov	%gs:PERCPU_CURRENT, %rdi
	mov	%rax, 0 * 8(%rdi)
	mov	%rcx, 1 * 8(%rdi)
	mov	%rdx, 2 * 8(%rdi)
	mov	%rbx, 3 * 8(%rdi)
	mov	%rbp, 5 * 8(%rdi)
	mov	%rsi, 6 * 8(%rdi)
	mov	%r8, 8 * 8(%rdi)
	mov	%r9, 9 * 8(%rdi)
	mov	%r10, 10 * 8(%rdi)
	mov	%r11, 11 * 8(%rdi)
	mov	%r12, 12 * 8(%rdi)
	mov	%r13, 13 * 8(%rdi)
	mov	%r14, 14 * 8(%rdi)
	mov	%r15, 15 * 8(%rdi)
	pop	7 * 8(%rdi)
	xor	%ebp, %ebp
	call	*VCPU_ON_EXIT(%rdi)
	mov	%rax, %rdi
	.size	vmx_exit_stub, . - vmx_exit_stub

	.globl	vmx_enter
	.type	vmx_enter, @function
vmx_enter:
	cmpb	$0, %gs:PERCPU_KICKED
	jne	vmx_kicked
	mov	VCPU_VMCS(%rdi), %rax
	cmpl	$0, (%rax)
	je	1f
	load_registers
	vmresume
	jmp	2f
1:	movl	$1, (%rax)
launching:
	load_registers
	vmlaunch
enter_end:
	/* Only a failed entry comes here; the guest's registers are still in the vCPU. */
2:	mov	%gs:PERCPU_CURRENT, %rdi
	mov	%gs:16, %rsp
	xor	%ebp, %ebp
	call	vcpu_entry_failed
	mov	%rax, %rdi
	jmp	vmx_enter
	.size	vmx_enter, . - vmx_enter

kicked_launch:
	mov	%gs:PERCPU_CURRENT, %rdi
	mov	VCPU_VMCS(%rdi), %rax
	movl	$0, (%rax)
vmx_kicked:
	movb	$0, %gs:PERCPU_KICKED
	mov	%gs:16, %rsp
	xor	%ebp, %ebp
	call	vcpu_kicked
	mov	%rax, %rdi
	jmp	vmx_enter

	.section .rodata
	.balign	8
	.globl	nmi_restarts
nmi_restarts:				/* start, end, where to go on */
	.quad	vmx_enter, launching, vmx_kicked
	.quad	launching, enter_end, kicked_launch
	.quad	0, 0, 0
	.text

	.globl	vmx_restart
	.type	vmx_restart, @function
vmx_restart:
	mov	%gs:16, %rsp
	xor	%ebp, %ebp
	call	vm_first
	mov	%rax, %rdi
	jmp	vmx_enter
	.size	vmx_restart, . - vmx_restart

	.section .note.GNU-stack, "", @progbits
