/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 32-bit guest for hypervisors on Nestor, booted by Multiboot: what its exits cost, with
 * 32-bit and then with PAE paging.
 */
#include "guest.h"

#include "spec/regs.h"

int payload_main(void)
{
	print("guest: 32 bits\n");
	guest_costs(GUEST_TRIES);
	write_cr0(read_cr0() & ~CR0_PG);
	write_cr4(read_cr4() | CR4_PAE);
	write_cr3(address_of(boot_pdpt32));
	write_cr0(read_cr0() | CR0_PG);
	print("guest: PAE paging\n");
	guest_costs(GUEST_TRIES);
	print("guest: done\n");
	return 0;
}
