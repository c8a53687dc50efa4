/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of CR0.CD and CR0.NW of L2 (SDM 25.3 "Changes to Instruction Behavior in VMX
 * Non-Root Operation", 26.3.2.1, 27.5.1): VM entries and exits change neither, an L2 may unless
 * L1 owns them.
 */
#include "conf.h"

L2_CODE(c_read, "mov %cr0, %rax\n\tvmcall");
L2_CODE(c_set,
	"mov %cr0, %rax\n\tor $0x40000000, %rax\n\tmov %rax, %cr0\n\tmov %cr0, %rax\n\tvmcall");
L2_CODE(c_set_both,
	"mov %cr0, %rax\n\tor $0x60000000, %rax\n\tmov %rax, %cr0\n\tmov %cr0, %rax\n\tvmcall");
L2_CODE(c_clear,
	"mov %cr0, %rax\n\tand $0xffffffff9fffffff, %rax\n\tmov %rax, %cr0\n\tmov %cr0, %rax\n\t"
	"vmcall");
L2_CODE(c_nw_alone,
	"mov %cr0, %rax\n\tor $0x20000000, %rax\n\tmov %rax, %cr0\n\tmov %cr0, %rax\n\tvmcall");
L2_CODE(c_set_ts,
	"mov %cr0, %rax\n\tor $0x40000008, %rax\n\tmov %rax, %cr0\n\tmov %cr0, %rax\n\tvmcall");
L2_CODE(c_lmsw, "mov $0xb, %eax\n\tlmsw %ax\n\tclts\n\tmov %cr0, %rax\n\tvmcall");

static void p_none(void)
{
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
}

static void p_own(uint64_t mask, uint64_t shadow)
{
	p_none();
	vmwrite(VMCS_CR0_GUEST_HOST_MASK, mask);
	vmwrite(VMCS_CR0_READ_SHADOW, shadow);
}

static void p_own_cd(void)
{
	p_own(CR0_CD, 0);
}

static void p_own_cd_set(void)
{
	p_own(CR0_CD, CR0_CD);
}

static void p_own_nw(void)
{
	p_own(CR0_NW, CR0_NW);
}

static void p_own_ts(void)
{
	p_own(CR0_TS, 0);
}

/* Ignored by the entry. */
static void p_field(void)
{
	p_none();
	vmwrite(VMCS_GUEST_CR0, vmread(VMCS_GUEST_CR0) | CR0_CD | CR0_NW);
}

static const struct conf_case cases[] = {
	{"read", c_read, p_none},
	{"field has CD and NW", c_read, p_field},
	{"set CD", c_set, p_none},
	{"set CD and NW", c_set_both, p_none},
	{"set NW alone", c_nw_alone, p_none},
	{"clear", c_clear, p_none},
	{"read, CD owned", c_read, p_own_cd_set},
	{"set, CD owned", c_set, p_own_cd},
	{"set, CD owned and shown as set", c_set, p_own_cd_set},
	{"set both, CD owned and shown as set", c_set_both, p_own_cd_set},
	{"set CD, NW owned", c_set, p_own_nw},
	{"set CD and TS, TS owned", c_set_ts, p_own_ts},
	{"set CD and TS", c_set_ts, p_none},
	{"LMSW and CLTS", c_lmsw, p_none},
};

static void run(const struct conf_case *c, uint64_t cache)
{
	uint64_t cr0 = read_cr0();

	write_cr0((cr0 & ~(CR0_CD | CR0_NW)) | cache);
	conf_run_case(c);
	print("%s: from %lx: field %lx, L1's %lx\n", c->name, cache, vmread(VMCS_GUEST_CR0),
		read_cr0());
	write_cr0(cr0);
}

int payload_main(void)
{
	conf_start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run(&cases[i], 0);
		run(&cases[i], CR0_CD);
		run(&cases[i], CR0_CD | CR0_NW);
	}
	return 0;
}
