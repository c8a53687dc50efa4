/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 32-bit L1 whose host state has a bad PDPTE: the exit of L2 is a VMX abort (SDM 27.5.4
 * "Checking and Loading Host Page-Directory-Pointer-Table Entries"), which ends the VM and
 * nothing else.
 */
#include "cpu.h"
#include "rt.h"
#include "vmx.h"

int payload_main(void)
{
	static struct l2 l2;
	uint64_t *pdpt = page_alloc();

	if (!vmx_supported() || !vmx_enable())
		return 1;
	memcpy(pdpt, boot_pdpt32, 32);
	pdpt[2] |= 2; /* reserved */
	l2_setup(&l2, l2_done);
	vmwrite(VMCS_HOST_CR3, address_of(pdpt));
	vmwrite(VMCS_HOST_CR4, read_cr4() | CR4_PAE);
	print("L1: entering L2\n");
	l2_run(&l2);
	print("L1: exit %lu\n", vmread(VMCS_EXIT_REASON));
	return 2;
}
