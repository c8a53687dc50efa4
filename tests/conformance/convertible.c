/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instruction of L2 that reads a device of L1 and writes a page that EPT12 lets be read
 * only: the violation is convertible (SDM 25.5.6.1), and L1 has EPT-violation #VE.
 */
#include "apic.h"
#include "conf.h"

static struct ept ept;
static uint8_t area[4096] __attribute__((aligned(4096)));

L2_CODE(c_movs, "mov $0xfee00030,%esi\n\tmov $0x2000000,%edi\n\tmovsl");
L2_CODE(c_mov, "mov $0x2000000,%edi\n\tmov %eax,(%rdi)");
L2_CODE(handler, "vmcall");

static void one(const char *name, void (*code)(void))
{
	l2_restart(&conf_l2, code);
	ept_use(&ept);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_EPT_VIOLATION_VE);
	vmwrite(VMCS_VE_INFO_ADDRESS, address_of(area));
	memset(area, 0, sizeof(area));
	conf_l2_handler(handler);
	conf_status(name, l2_run(&conf_l2));
	print("%s: exit %lu handler %u area %x\n", name, vmread(VMCS_EXIT_REASON),
		vmread(VMCS_GUEST_RIP) == (uint64_t)(uintptr_t)handler,
		*(uint32_t *)(void *)area);
}

int payload_main(void)
{
	conf_start();
	if (conf_lacks("mov", NEEDS(VE)) | conf_lacks("movs from a device", NEEDS(VE)))
		return 0;
	ept_init(&ept);
	ept_identity(&ept, 0x100000000ull, 2);
	ept_map(&ept, 0x2000000, 0x2000000, 2, EPT_READ | EPT_WB);
	one("mov", c_mov);
	one("movs from a device", c_movs);
	return 0;
}
