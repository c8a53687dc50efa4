/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of INS and OUTS of L2 at ports that L1 does not intercept, with operands in
 * memory that L1's EPT does not allow (SDM 27.2.1, table "Exit Qualification for EPT
 * Violations").
 */
#include "conf.h"

#define PAGE(n) (area + (n)*0x1000ul)

static uint64_t area; /* 2 MiB: page 1 is absent, page 2 read-only */
static struct ept ept;

L2_CODE(c_outs, "cld\n\tmov $0x80, %edx\n\toutsb");
L2_CODE(c_rep_outs, "cld\n\tmov $0x80, %edx\n\trep outsb");
L2_CODE(c_rep_outs_down, "std\n\tmov $0x80, %edx\n\trep outsw\n\tcld");
L2_CODE(c_ins, "cld\n\tmov $0x80, %edx\n\tinsl");
L2_CODE(c_rep_ins, "cld\n\tmov $0x80, %edx\n\trep insl");

static const struct {
	const char *name;
	void (*code)(void);
	unsigned page;
	int offset;
	uint64_t count;
} cases[] = {
	{"outs", c_outs, 1, 0x10, 1},
	{"outs, read-only", c_outs, 2, 0x10, 1},
	{"rep outs into an absent page", c_rep_outs, 1, -4, 8},
	{"rep outs down into an absent page", c_rep_outs_down, 2, 4, 8},
	{"ins", c_ins, 1, 0x20, 1},
	{"ins, read-only", c_ins, 2, 0x20, 1},
	{"rep ins, read-only", c_rep_ins, 2, 0x20, 4},
	{"rep ins, none", c_rep_ins, 1, 0x20, 0},
	{"ins, plain", c_ins, 5, 0x20, 1},
};

static void make_ept(void)
{
	ept_init(&ept);
	for (uint64_t a = 0; a < 0x4000000; a += 0x200000)
		if (a != area)
			ept_map(&ept, a, a, 2, EPT_RWX | EPT_WB);
	for (unsigned i = 0; i < 512; i++)
		if (i != 1)
			ept_map(&ept, PAGE(i), PAGE(i), 1,
				(i == 2 ? EPT_READ : EPT_RWX) | EPT_WB);
}

static void run(unsigned i)
{
	l2_restart(&conf_l2, cases[i].code);
	conf_base = vmread(VMCS_GUEST_RIP);
	ept_use(&ept);
	conf_handler = conf_default_handler;
	conf_l2.rsi = conf_l2.rdi = PAGE(cases[i].page) + (uint64_t)(int64_t)cases[i].offset;
	conf_l2.rcx = cases[i].count;
	conf_run(cases[i].name);
	print("%s: rcx=%lx rsi=%lx rdi=%lx rflags=%lx\n", cases[i].name, conf_l2.rcx,
		conf_l2.rsi - area, conf_l2.rdi - area, vmread(VMCS_GUEST_RFLAGS));
}

int payload_main(void)
{
	conf_start();
	area = address_of(pages_alloc_2m());
	make_ept();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run(i);
	return 0;
}
