/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a debugger: x87, SSE and AVX registers with known values in L1, or with `l2` in L2, until
 * a flag is set from outside; then what is in some of them is told.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "vmx.h"

static struct l2 l2;
volatile uint64_t counter, flag;
uint64_t xmm[2] __attribute__((used)) = {0x1111222233334444, 0x5555666677778888};
uint64_t ymm[4] __attribute__((used)) = {1, 2, 3, 4};
uint64_t st __attribute__((used));

/* For GDB to call. */
uint64_t twice(uint64_t x);

__attribute__((noinline, used)) uint64_t twice(uint64_t x)
{
	return 2 * x;
}

__attribute__((naked)) static void holds(void)
{
	__asm__("fninit\n\tfld1\n\tfldpi\n\tmovdqu xmm(%rip), %xmm1\n\tvmovdqu ymm(%rip), %ymm2\n"
		"1:\n\tincq counter(%rip)\n\tcmpq $0, flag(%rip)\n\tjz 1b\n\t"
		"movdqu %xmm1, xmm(%rip)\n\tvmovdqu %ymm2, ymm(%rip)\n\tfstpl st(%rip)\n\tret");
}

static void allow_vectors(void)
{
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXSAVE);
	__asm__ volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
}

int payload_main(void)
{
	allow_vectors();
	print("vectors: begins\n");
	if (cmdline_flag("l2")) {
		if (!vmx_supported() || !vmx_enable())
			return 1;
		l2_setup(&l2, holds);
		l2_restart(&l2, holds);
		l2_run(&l2);
	} else {
		holds();
	}
	print("vectors: %lx %lx, %lx %lx, %lx\n", xmm[0], xmm[1], ymm[0], ymm[3], st);
	return 0;
}
