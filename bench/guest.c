/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest for hypervisors on Nestor, booted by Multiboot: what its exits cost; with cpus=N that
 * so many processors start and take part; with vmx, by the VT-x that it is offered, a guest of
 * its own, whose exits it counts. The last line is `guest: done` when all was as it should be.
 */
#include "guest.h"

#include "cmdline.h"
#include "conf.h"

#define INNER_EXITS 200u

static void inner(void)
{
	uint64_t ticks = guest_ticks(guest_cpuid, INNER_EXITS);

	__asm__ volatile("vmcall" : : "a"(ticks) : "memory");
}

/* The guest's own guest: CPUIDs, then VMCALL. */
static bool nest(void)
{
	unsigned exits = 0;

	conf_start();
	l2_restart(&conf_l2, inner);
	for (;;) {
		uint64_t reason;

		if (l2_run(&conf_l2) != VMX_OK)
			return false;
		reason = vmread(VMCS_EXIT_REASON);
		if (reason != EXIT_CPUID)
			break;
		exits++;
		l2_skip();
	}
	print("guest: its guest had %u exits, the last is %lu\n", exits,
		vmread(VMCS_EXIT_REASON));
	print("inner_cpuid %lu\n", conf_l2.rax);
	return exits == INNER_EXITS && vmread(VMCS_EXIT_REASON) == EXIT_VMCALL;
}

int payload_main(void)
{
	unsigned count = (unsigned)cmdline_number("cpus", 1);

	print("guest: 64 bits, %s\n", vmx_supported() ? "VT-x offered" : "no VT-x");
	guest_costs((unsigned)cmdline_number("tries", GUEST_TRIES));
	if (count > 1 && !guest_processors(count))
		return 2;
	if (cmdline_flag("vmx") && !nest())
		return 3;
	print("guest: done\n");
	return 0;
}
