/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known numbers of instructions for --profile: so many exits of L1 that one function of L0
 * handles, and a loop in L1 and in L2 each.
 */
#include "conf.h"

#define TURNS "1000000"

static struct l2 l2;

L2_CODE(count_in_l2, "mov $" TURNS ", %ecx\n1:\tdec %ecx\n\tjnz 1b");

static void count_in_l1(void)
{
	uint32_t turns = 1500000;

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
}

int payload_main(void)
{
	for (unsigned i = 0; i < 20000; i++)
		cpuid(0, 0);
	count_in_l1();
	if (!vmx_supported() || !vmx_enable())
		return 1;
	l2_setup(&l2, count_in_l2);
	l2_restart(&l2, count_in_l2);
	l2_run(&l2);
	print("profiled: exit %lu\n", vmread(VMCS_EXIT_REASON));
	return 0;
}
