/* SPDX-License-Identifier: Apache-2.0 */
/* A delivery of #DB that raises the next one, before the handler's first instruction: it never
 * ends. */
#include "cpu.h"
#include "rt.h"

static uint64_t word __attribute__((used, aligned(8)));
static uint8_t stack[4096] __attribute__((aligned(4096)));

int payload_main(void)
{
	struct table_pointer idtr;

	__asm__ volatile("sidt %0" : "=m"(idtr));
	((uint8_t *)idtr.base)[16 + 4] = 1; /* #DB on stack 1 */
	*(uint64_t *)(void *)(rt_tss + 0x24) = address_of(stack + sizeof(stack));
	__asm__ volatile("mov %0, %%dr0" : : "r"(address_of(stack + sizeof(stack) - 40)));
	__asm__ volatile("mov %0, %%dr1" : : "r"(address_of(&word)));
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x0099040aul)); /* 8 bytes each, written */
	print("debug_loop: starts\n");
	__asm__ volatile("movq $1, word\n\tnop\n\tnop" ::: "memory");
	print("debug_loop: ended\n");
	return 0;
}
