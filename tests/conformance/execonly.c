/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of L2 in an execute-only page of EPT12 reads L1's local APIC, which L1 maps through.
 */
#include "apic.h"
#include "conf.h"

static struct ept ept;

__attribute__((section(".text.page"), aligned(4096))) void code(void);
__asm__(".pushsection .text\n.balign 4096\ncode: mov $0xfee00030,%esi\n\tmov (%rsi),%eax\n\tvmcall\n.balign 4096\n.popsection\n");

static void one(const char *name, uint64_t rights)
{
	uint64_t at = (uint64_t)(uintptr_t)code;

	l2_restart(&conf_l2, code);
	ept_map(&ept, at, at, 1, rights | EPT_WB);
	ept_use(&ept);
	(void)invept_single(&ept);
	conf_status(name, l2_run(&conf_l2));
	print("%s: exit %lu qualification %lx gpa in code %u\n", name, vmread(VMCS_EXIT_REASON),
		vmread(VMCS_EXIT_QUALIFICATION),
		vmread(VMCS_EXIT_REASON) == 48 &&
			(vmread(VMCS_GUEST_PHYSICAL_ADDRESS) & ~0xfffull) == at);
}

int payload_main(void)
{
	conf_start();
	ept_init(&ept);
	for (uint64_t a = 0; a < 0x1000000; a += 4096)
		ept_map(&ept, a, a, 1, EPT_RWX | EPT_WB);
	for (uint64_t a = 0x1000000; a < 0x100000000ull; a += 0x200000)
		ept_map(&ept, a, a, 2, EPT_RWX | EPT_WB);
	print("execute-only: %lu\n", rdmsr(MSR_VMX_EPT_VPID_CAP) & 1);
	one("rwx", EPT_RWX);
	one("x", 4);
	return 0;
}
