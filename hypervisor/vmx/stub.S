/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way into guests and back. RAX to R15 are at the start of struct vcpu in encoding order
 * (RSP left out), the pointers to struct hw_vmcs and to the function for exits follow.
 * HOST_RSP is the top of the CPU's stack.
 *
 * An NMI that arrives on the way into a guest must not be missed: PERCPU_DETOUR tells of one
 * before vmx_enter, and the handler lets one that interrupts vmx_enter return to where
 * nmi_restarts says (cpu/fault.c). The same byte sends the way into a guest over what the
 * processor needs against speculative execution (vm/mitigate.c), so that one that needs nothing
 * executes nothing for it.
 */
#define VCPU_VMCS	128
#define VCPU_ON_EXIT	136
#define PERCPU_CURRENT	8
#define PERCPU_DETOUR	33 /* cpu/percpu.h, like the next two */
#define DETOUR_KICKED	1
#define DETOUR_WORK	6

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

	.macro	save_registers
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
	.endm

	/*
	 * Where it begins, the indirect call below is in the upper half of a line of the
	 * cache, as those of cpu/thunks.S are. tests/checks/branches.sh looks.
	 */
	.text
	.balign	64
	.skip	32, 0xcc
	.globl	vmx_exit_stub
	.type	vmx_exit_stub, @function
vmx_exit_stub:
	save_registers
	call	*VCPU_ON_EXIT(%rdi)
	mov	%rax, %rdi
	.size	vmx_exit_stub, . - vmx_exit_stub

	.globl	vmx_enter
	.type	vmx_enter, @function
vmx_enter:
	cmpb	$0, %gs:PERCPU_DETOUR
	jne	vmx_detour
	mov	VCPU_VMCS(%rdi), %rax
	cmpl	$0, (%rax)
	je	1f
	load_registers
	vmresume
	jmp	enter_failed
1:	movl	$1, (%rax)
launching:
	load_registers
	vmlaunch
enter_end:
	/* Only a failed entry comes here; the guest's registers are still in the vCPU. */
enter_failed:
	mov	%gs:PERCPU_CURRENT, %rdi
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
	andb	$~DETOUR_KICKED, %gs:PERCPU_DETOUR
	mov	%gs:16, %rsp
	xor	%ebp, %ebp
	call	vcpu_kicked
	mov	%rax, %rdi
	jmp	vmx_enter

/*
 * Not straight into the guest: there was an NMI, there is work before this entry, or each one
 * clears the processor's buffers. That is the last thing: VERW with a memory operand, of a
 * segment that is writable (Intel, "Microarchitectural Data Sampling").
 */
	.balign	16
	.type	vmx_detour, @function
vmx_detour:
	testb	$DETOUR_KICKED, %gs:PERCPU_DETOUR
	jne	vmx_kicked
	testb	$DETOUR_WORK, %gs:PERCPU_DETOUR
	je	1f
	call	vcpu_guard
	mov	%rax, %rdi
	jmp	vmx_enter
1:	mov	VCPU_VMCS(%rdi), %rax
	cmpl	$0, (%rax)
	je	1f
	load_registers
	verw	clearing_segment(%rip)
	vmresume
	jmp	enter_failed
1:	movl	$1, (%rax)
detour_launching:
	load_registers
	verw	clearing_segment(%rip)
	vmlaunch
detour_end:
	jmp	enter_failed
	.size	vmx_detour, . - vmx_detour

/*
 * After exits, where the processor needs it: nothing of the guest is left in registers, and no
 * return is predicted to where the guest wants it. 32 calls fill the return stack buffer; what
 * speculates behind one of them stands still. It begins where it does for the sake of its call.
 */
	.balign	64
	.skip	16, 0xcc
	.globl	vmx_exit_guarded
	.type	vmx_exit_guarded, @function
vmx_exit_guarded:
	save_registers
guarded:
	mov	$16, %eax
1:	call	2f
3:	pause
	lfence
	jmp	3b
2:	call	2f
3:	pause
	lfence
	jmp	3b
2:	dec	%eax
	jnz	1b
	add	$32 * 8, %rsp
	lfence
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%esi, %esi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	call	*VCPU_ON_EXIT(%rdi)
	mov	%rax, %rdi
	jmp	vmx_enter
	.size	vmx_exit_guarded, . - vmx_exit_guarded

/*
 * The same, and no indirect branch of ours is predicted by the guest's branches: the history
 * has room for 194 taken branches at most, and each iteration is two (Intel, "Branch History
 * Injection and Intra-mode Branch Target Injection").
 */
	.balign	64
	.globl	vmx_exit_history
	.type	vmx_exit_history, @function
vmx_exit_history:
	save_registers
	mov	$100, %eax
1:	jmp	2f
	int3
2:	dec	%eax
	jnz	1b
	lfence
	jmp	guarded
	.size	vmx_exit_history, . - vmx_exit_history

	.section .rodata
	.balign	8
clearing_segment:
	.word	0x10			/* SEL_DATA */
	.balign	8
	.globl	nmi_restarts
nmi_restarts:				/* start, end, where to go on */
	.quad	vmx_enter, launching, vmx_kicked
	.quad	launching, enter_end, kicked_launch
	.quad	vmx_detour, detour_launching, vmx_kicked
	.quad	detour_launching, detour_end, kicked_launch
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
