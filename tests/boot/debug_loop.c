/* SPDX-License-Identifier: Apache-2.0 */
/* A delivery of #DB that raises the next one, before the handler's first instruction: it never
 * ends. Command line: l2, for one of an L2 whose L1 does not intercept #DB. */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "vmx.h"

static uint64_t word __attribute__((used, aligned(8)));
static uint8_t stack[4096] __attribute__((aligned(4096)));

static void loop(void)
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
}

static void loop_in_l2(void)
{
	static struct l2 guest;

	if (!vmx_enable()) {
		print("debug_loop: no VT-x\n");
		return;
	}
	l2_setup(&guest, loop);
	vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	print("debug_loop: L2 is entered\n");
	for (;;) {
		(void)l2_run(&guest);
		print("debug_loop: L1 has an exit\n");
	}
}

int payload_main(void)
{
	if (cmdline_flag("l2"))
		loop_in_l2();
	loop();
	return 0;
}
