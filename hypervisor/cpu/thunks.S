/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where L0's indirect branches and returns end: the compiler calls and jumps to these. The
 * branch of each lies in the upper half of a line of the cache, where processors with Indirect
 * Target Selection predict no target that a guest has trained (Intel, "Indirect Target
 * Selection"). On others cpu/branches.c puts the branch itself in the place of the call.
 *
 * One thunk a register in encoding order, 64 bytes each: cpu/branches.h counts on it. Nothing
 * is executed behind a branch, but for what is fetched there.
 */
	.macro	thunk register
	.skip	32
	.globl	__x86_indirect_thunk_\register
	.type	__x86_indirect_thunk_\register, @function
__x86_indirect_thunk_\register:
	jmp	*%\register
	int3
	.size	__x86_indirect_thunk_\register, . - __x86_indirect_thunk_\register
	.balign	64, 0xcc
	.endm

	.section .text.thunks, "ax", @progbits
	.balign	64, 0xcc
	.globl	indirect_thunks
indirect_thunks:
	.irp	register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi
	thunk	\register
	.endr
	.irp	register, r8, r9, r10, r11, r12, r13, r14, r15
	thunk	\register
	.endr

	.skip	32
	.globl	__x86_return_thunk
	.type	__x86_return_thunk, @function
__x86_return_thunk:
	ret
	int3
	.size	__x86_return_thunk, . - __x86_return_thunk

	.section .note.GNU-stack, "", @progbits
