/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's CPU as the reference: executes one instruction with given registers. Include it in
 * one file of a test program.
 */
#ifndef NESTOR_TESTS_HOST_CPU_H
#define NESTOR_TESTS_HOST_CPU_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* In the order of instruction encodings; RSP is neither loaded nor stored. */
struct host_cpu {
	uint64_t r[16];
	uint64_t rflags;
};

/* The code ends with a jump to host_back, and leaves RSP alone. */
void host_enter(struct host_cpu *host, const void *code);
extern const uint8_t host_back[];

__asm__(".text\n"
	"host_enter:\n"
	"	push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n"
	"	push %rdi\n"
	"	push %rsi\n"
	"	push 128(%rdi)\n"
	"	popf\n"
	"	mov 0(%rdi), %rax\n\tmov 8(%rdi), %rcx\n\tmov 16(%rdi), %rdx\n"
	"	mov 24(%rdi), %rbx\n\tmov 40(%rdi), %rbp\n\tmov 48(%rdi), %rsi\n"
	"	mov 64(%rdi), %r8\n\tmov 72(%rdi), %r9\n\tmov 80(%rdi), %r10\n"
	"	mov 88(%rdi), %r11\n\tmov 96(%rdi), %r12\n\tmov 104(%rdi), %r13\n"
	"	mov 112(%rdi), %r14\n\tmov 120(%rdi), %r15\n"
	"	mov 56(%rdi), %rdi\n"
	"	jmp *(%rsp)\n"
	"host_back:\n"
	"	push %rdi\n"
	"	mov 16(%rsp), %rdi\n"
	"	mov %rax, 0(%rdi)\n\tmov %rcx, 8(%rdi)\n\tmov %rdx, 16(%rdi)\n"
	"	mov %rbx, 24(%rdi)\n\tmov %rbp, 40(%rdi)\n\tmov %rsi, 48(%rdi)\n"
	"	mov %r8, 64(%rdi)\n\tmov %r9, 72(%rdi)\n\tmov %r10, 80(%rdi)\n"
	"	mov %r11, 88(%rdi)\n\tmov %r12, 96(%rdi)\n\tmov %r13, 104(%rdi)\n"
	"	mov %r14, 112(%rdi)\n\tmov %r15, 120(%rdi)\n"
	"	popq 56(%rdi)\n"
	"	pushf\n"
	"	popq 128(%rdi)\n"
	"	cld\n"
	"	pop %rsi\n"
	"	pop %rdi\n"
	"	pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n"
	"	ret\n");

static inline void host_run(struct host_cpu *host, const uint8_t *insn, unsigned len)
{
	static const uint8_t jump[] = {
		0xff, 0x25, 0, 0, 0, 0}; /* to the address that follows */
	static uint8_t page[4096] __attribute__((aligned(4096)));
	const uint8_t *back = host_back;

	if (mprotect(page, sizeof(page), PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		abort();
	memcpy(page, insn, len);
	memcpy(page + len, jump, sizeof(jump));
	memcpy(page + len + sizeof(jump), &back, sizeof(back));
	host_enter(host, page);
}

#endif
