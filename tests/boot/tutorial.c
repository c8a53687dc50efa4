/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypervisor of docs/tutorial.md, with the two mistakes that are found there: its VMCS has
 * what no processor takes (unless `mended`), and its exit handler forgets to pass over the
 * instruction that it has handled.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "vmx.h"

#define CPUID_LENGTH 2

static struct l2 l2;
volatile uint64_t exits, pass_over; /* bytes of the instruction */

/* Asks for three leaves of CPUID, and ends. */
__attribute__((naked)) static void guest(void)
{
	__asm__("mov $3, %esi\n1:\n\txor %eax, %eax\n\tcpuid\n\tdec %esi\n\tjnz 1b\n\tret");
}

__attribute__((noinline)) static void handle_exit(uint64_t reason)
{
	exits++;
	if (reason == EXIT_CPUID)
		vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + pass_over);
}

static int run_guest(void)
{
	uint64_t reason;

	do {
		if (l2_run(&l2) != VMX_OK) {
			print("tutorial: VM entry failed with error %lu\n",
				vmread(VMCS_INSTRUCTION_ERROR));
			return 1;
		}
		reason = vmread(VMCS_EXIT_REASON);
		handle_exit(reason);
	} while (reason == EXIT_CPUID);
	print("tutorial: the guest has ended after %lu exits\n", exits);
	return 0;
}

int payload_main(void)
{
	if (!vmx_supported() || !vmx_enable())
		return 1;
	l2_setup(&l2, guest);
	l2_restart(&l2, guest);
	if (!cmdline_flag("mended"))
		vmwrite(VMCS_HOST_TR_SELECTOR, 0);
	print("tutorial: the guest begins\n");
	return run_guest();
}
