/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One processor changes VTPR while another enters its L2 with a TPR threshold: between the
 * checks and the entry, too. Each entry is refused as an instruction, or takes place; what
 * comes back is never a failed entry.
 */
#include "stress.h"

static volatile uint32_t *virtual_apic;

static void flip(void *arg)
{
	uint64_t random = stress_seed(1);

	(void)arg;
	for (;;) {
		virtual_apic[0x80 / 4] ^= 0xf0;
		for (volatile uint64_t i = random_next(&random) % 256; i > 0; i--)
			;
	}
}

static void call(void)
{
	__asm__ volatile("1: vmcall\n\tjmp 1b");
}

static void expect_outcome(enum vmx_status s)
{
	if (s == VMX_FAIL_VALID) {
		if (vmread(VMCS_INSTRUCTION_ERROR) != 7)
			stress_broke("VM-instruction error", vmread(VMCS_INSTRUCTION_ERROR), 7);
		return;
	}
	if (s != VMX_OK)
		stress_broke("outcome of the entry", s, VMX_OK);
	if (vmread(VMCS_EXIT_REASON) != EXIT_VMCALL &&
		vmread(VMCS_EXIT_REASON) != EXIT_TPR_BELOW_THRESHOLD)
		stress_broke("exit reason", vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
}

int payload_main(void)
{
	static struct l2 l;
	uint32_t refused = 0;

	stress_start(3000);
	virtual_apic = page_alloc();
	if (!vmx_enable())
		stress_broke("VMXON", 0, 1);
	l2_setup(&l, call);
	start_on(1, flip, NULL);
	for (uint64_t i = 0; i < stress.count; i++) {
		enum vmx_status s;

		l2_restart(&l, call);
		ctl_set(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
		vmwrite(VMCS_VIRTUAL_APIC_ADDR, (uint64_t)(uintptr_t)virtual_apic);
		vmwrite(VMCS_TPR_THRESHOLD, 0xf);
		s = l2_run(&l);
		expect_outcome(s);
		refused += s == VMX_FAIL_VALID;
	}
	print("%u of %lu entries refused\n", refused, stress.count);
	return stress_ok();
}
