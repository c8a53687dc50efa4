/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a machine check returns without IRET: every register, the flags and the stack are as they
 * were, and nothing of its frame is read once the next machine check may be written over it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/fault.h"
#include "cpu/mce.h"
#include "random.h"

#define STACK_WORDS 1024u
#define FLAGS_SEEN  0xcd5ull /* CF PF AF ZF SF DF OF, which a program may change */
#define FLAGS_FIXED 0x202ull

/* The files themselves, as they are: nothing but the return runs here. */
__asm__(".pushsection .text\n.include \"hypervisor/cpu/trap.S\"\n.popsection\n"
	".pushsection .text\n.include \"hypervisor/cpu/thunks.S\"\n.popsection\n");

/* In the order of struct trap_frame, RSP and RFLAGS behind them. */
struct seen {
	uint64_t r[15], rsp, rflags;
};

void return_by(const struct trap_frame *f);
void landed(void);

struct seen trap_seen;
uint64_t trap_kept_rsp;

__asm__(".pushsection .text\n"
	"return_by:\n\t"
	"push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
	"mov %rsp, trap_kept_rsp(%rip)\n\t"
	"jmp trap_return_without_iret\n"
	"landed:\n\t"
	"mov %r15, trap_seen(%rip)\n\tmov %r14, trap_seen+8(%rip)\n\t"
	"mov %r13, trap_seen+16(%rip)\n\tmov %r12, trap_seen+24(%rip)\n\t"
	"mov %r11, trap_seen+32(%rip)\n\tmov %r10, trap_seen+40(%rip)\n\t"
	"mov %r9, trap_seen+48(%rip)\n\tmov %r8, trap_seen+56(%rip)\n\t"
	"mov %rbp, trap_seen+64(%rip)\n\tmov %rdi, trap_seen+72(%rip)\n\t"
	"mov %rsi, trap_seen+80(%rip)\n\tmov %rdx, trap_seen+88(%rip)\n\t"
	"mov %rcx, trap_seen+96(%rip)\n\tmov %rbx, trap_seen+104(%rip)\n\t"
	"mov %rax, trap_seen+112(%rip)\n\tmov %rsp, trap_seen+120(%rip)\n\t"
	"pushfq\n\tpop trap_seen+128(%rip)\n\tcld\n\t"
	"mov trap_kept_rsp(%rip), %rsp\n\t"
	"pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\tret\n"
	".popsection\n");

static uint64_t stack[STACK_WORDS], below[STACK_WORDS];
static struct trap_frame frame;
static unsigned ends;
static uint64_t end_at;

void trap_handler(struct trap_frame *f)
{
	(void)f;
}

/* Another machine check: its frame is where the first one's was. */
__attribute__((no_sanitize("address"))) void mce_end(void)
{
	end_at = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	for (size_t i = 0; i < sizeof(frame) / sizeof(uint64_t); i++)
		((volatile uint64_t *)&frame)[i] = ~0ull;
	ends++;
}

static void interrupted_is_as_it_was(unsigned used)
{
	uint64_t seed = used, want[15], flags = FLAGS_FIXED | (random_next(&seed) & FLAGS_SEEN);
	uint64_t *rsp = stack + STACK_WORDS - used;

	for (unsigned i = 0; i < 15; i++)
		((uint64_t *)&frame)[i] = want[i] = random_next(&seed);
	for (unsigned i = 0; i < STACK_WORDS; i++)
		stack[i] = below[i] = random_next(&seed);
	frame.vector = 18;
	frame.rip = (uint64_t)(uintptr_t)landed;
	frame.rflags = flags;
	frame.rsp = (uint64_t)(uintptr_t)rsp;
	memset(&trap_seen, 0, sizeof(trap_seen));
	return_by(&frame);
	assert_memory_equal(trap_seen.r, want, sizeof(want));
	assert_true(trap_seen.rsp == (uint64_t)(uintptr_t)rsp);
	assert_true((trap_seen.rflags & (FLAGS_SEEN | FLAGS_FIXED)) == flags);
	assert_memory_equal(rsp, below + STACK_WORDS - used, used * sizeof(uint64_t));
	assert_true(end_at > (uint64_t)(uintptr_t)stack && end_at < (uint64_t)(uintptr_t)rsp);
}

static void all_registers_flags_and_the_stack_are_as_they_were(void **state)
{
	(void)state;
	ends = 0;
	for (unsigned used = 0; used < 200; used++)
		interrupted_is_as_it_was(used);
	assert_int_equal(ends, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_registers_flags_and_the_stack_are_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
