/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 32-bit guest for hypervisors on Nestor, booted by Multiboot: what its exits cost, with
 * 32-bit and then with PAE paging; with cpus=N that so many processors start, the others with
 * 32-bit paging, and take part.
 */
#include "guest.h"

#include "cmdline.h"
#include "spec/regs.h"

int payload_main(void)
{
	unsigned count = (unsigned)cmdline_number("cpus", 1);

	print("guest: 32 bits\n");
	guest_costs(GUEST_TRIES);
	write_cr0(read_cr0() & ~CR0_PG);
	write_cr4(read_cr4() | CR4_PAE);
	write_cr3(address_of(boot_pdpt32));
	write_cr0(read_cr0() | CR0_PG);
	print("guest: PAE paging\n");
	guest_costs(GUEST_TRIES);
	if (count > 1 && !guest_processors(count))
		return 2;
	print("guest: done\n");
	return 0;
}
