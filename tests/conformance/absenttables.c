/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paging structures of L2 where no memory is; then writes of L2 to the same address.
 */
#include "apic.h"
#include "conf.h"

#define ABSENT 0x90000000u
static struct ept ept;
static uint64_t root[512] __attribute__((aligned(4096)));

L2_CODE(c_walk, "mov $0x8000000000,%rdi\n\tmov (%rdi),%eax");
L2_CODE(c_write, "mov $0x90000010,%edi\n\tmovl $0x1234,(%rdi)\n\tmov (%rdi),%ebx");
L2_CODE(c_read, "mov $0x90000010,%edi\n\tmov (%rdi),%ebx");

static void one(const char *name, void (*code)(void))
{
	l2_restart(&conf_l2, code);
	vmwrite(VMCS_GUEST_CR3, address_of(root));
	vmwrite(VMCS_EXCEPTION_BITMAP, 1u << 14);
	ept_use(&ept);
	conf_l2.rbx = 0;
	conf_status(name, l2_run(&conf_l2));
	print("%s: exit %lu rbx %lx\n", name, vmread(VMCS_EXIT_REASON), conf_l2.rbx);
}

int payload_main(void)
{
	conf_start();
	ept_init(&ept);
	ept_identity(&ept, 0x100000000ull, 2);
	memcpy(root, (void *)(uintptr_t)(read_cr3() & ~0xfffull), 4096);
	root[1] = ABSENT | 7;
	one("write before", c_write);
	one("walk", c_walk);
	one("write", c_write);
	one("read", c_read);
	/* another L2's, and L1's own */
	ept_init(&ept);
	ept_identity(&ept, 0x100000000ull, 2);
	one("other EPT: walk", c_walk);
	one("other EPT: read", c_read);
	return 0;
}
