/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of debug facilities over instructions of L2 that L1 does not intercept and L0
 * completes: the monitor trap flag, also for each iteration of a repetition, single steps, data
 * and I/O breakpoints.
 */
#include "conf.h"

static uint8_t bytes[16] __attribute__((used));
static uint64_t watch __attribute__((used, aligned(8)));
static int exits;

/* clang-format off */
L2_CODE(c_repout, "mov $bytes,%esi\n\tmov $3,%ecx\n\tmov $0x80,%edx\n\trep outsb\n\tnop\n\tnop");
L2_CODE(c_repin, "mov $bytes,%edi\n\tmov $3,%ecx\n\tmov $0x80,%edx\n\trep insb\n\tnop\n\tnop");
L2_CODE(c_out, "out %al,$0x80\n\tnop\n\tnop");
L2_CODE(c_in, "in $0x80,%al\n\tnop\n\tnop");
L2_CODE(c_rdmsr, "mov $0x1b,%ecx\n\trdmsr\n\tnop\n\tnop");
L2_CODE(c_wbinvd, "wbinvd\n\tnop\n\tnop");
L2_CODE(c_cr8, "xor %eax,%eax\n\tmov %rax,%cr8\n\tnop\n\tnop");
L2_CODE(c_cd, "mov %cr0,%rax\n\tmov %rax,%rbx\n\tor $0x40000000,%rax\n\tmov %rax,%cr0\n\tmov %rbx,%cr0\n\tnop\n\tnop");
L2_CODE(c_ins, "mov $watch,%edi\n\tmov $0x80,%edx\n\tinsb\n\tnop\n\tnop");
L2_CODE(c_gp, "mov $0x12345,%ecx\n\trdmsr\n\tnop");
L2_CODE(c_tf, "pushf\n\torl $0x100,(%rsp)\n\tpopf\n\tmov $bytes,%esi\n\tmov $3,%ecx\n\tmov $0x80,%edx\n\trep outsb\n\tnop\n\tnop");
L2_CODE(c_tfout, "pushf\n\torl $0x100,(%rsp)\n\tpopf\n\tout %al,$0x80\n\tnop\n\tnop");
/* clang-format on */

static const struct {
	const char *name;
	void (*code)(void);
	bool mtf;
	uint32_t exceptions; /* that L1 intercepts */
	uint64_t dr0, dr7;
} cases[] = {
	{"mtf out", c_out, true, 0, 0, 0x400},
	{"mtf in", c_in, true, 0, 0, 0x400},
	{"mtf rep outs", c_repout, true, 0, 0, 0x400},
	{"mtf rep ins", c_repin, true, 0, 0, 0x400},
	{"mtf rdmsr", c_rdmsr, true, 0, 0, 0x400},
	{"mtf wbinvd", c_wbinvd, true, 0, 0, 0x400},
	{"mtf cr8", c_cr8, true, 0, 0, 0x400},
	{"mtf cr0.cd", c_cd, true, 0, 0, 0x400},
	{"mtf #gp", c_gp, true, 1u << 13, 0, 0x400},
	{"tf rep outs", c_tf, false, 1u << 1, 0, 0x400},
	{"tf out", c_tfout, false, 1u << 1, 0, 0x400},
	{"tf rep outs mtf", c_tf, true, 1u << 1, 0, 0x400},
	{"tf out mtf", c_tfout, true, 1u << 1, 0, 0x400},
	{"iobp out", c_out, false, 1u << 1, 0x80, 0x00020402},
	{"iobp in", c_in, false, 1u << 1, 0x80, 0x00020402},
	{"iobp rep outs", c_repout, false, 1u << 1, 0x80, 0x00020402},
	{"data bp ins", c_ins, false, 1u << 1, (uintptr_t)&watch, 0x00010402},
};

static bool go_on(uint32_t reason)
{
	if (reason == EXIT_MTF || reason == EXIT_EXCEPTION_NMI)
		return ++exits < 12;
	return conf_default_handler(reason);
}

int payload_main(void)
{
	conf_start();
	conf_handler = go_on;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		l2_restart(&conf_l2, cases[i].code);
		conf_base = vmread(VMCS_GUEST_RIP);
		exits = 0;
		if (cases[i].mtf)
			ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
		vmwrite(VMCS_EXCEPTION_BITMAP, cases[i].exceptions);
		__asm__ volatile("mov %0, %%dr0" : : "r"(cases[i].dr0));
		ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_DEBUG);
		vmwrite(VMCS_GUEST_DR7, cases[i].dr7);
		vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) | 8); /* DE: I/O breakpoints */
		conf_run(cases[i].name);
	}
	return 0;
}
