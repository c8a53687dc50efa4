/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of VMCS shadowing (SDM 24.10 "VMCS Types: Ordinary and Shadow", 25.3, 30.3
 * "VMREAD", "VMWRITE"): L2 accesses a shadow VMCS of its VMM, field by field as the bitmaps
 * allow.
 */
#include "conf.h"

#define SHADOW_INDICATOR BIT(31)
#define OTHERS           10u /* more than Nestor keeps at a time */

static void *shadow, *ordinary;
static uint8_t *read_bitmap, *write_bitmap;

static void intercept(uint8_t *bitmap, uint32_t field, bool on)
{
	uint8_t bit = (uint8_t)(1u << (field & 7));

	bitmap[field / 8] = on ? bitmap[field / 8] | bit : bitmap[field / 8] & (uint8_t)~bit;
}

static void with_shadow(void)
{
	ctl_set(VMCS_PROC_CONTROLS, PROC_SECONDARY);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_VMCS_SHADOWING);
	vmwrite(VMCS_VMREAD_BITMAP, address_of(read_bitmap));
	vmwrite(VMCS_VMWRITE_BITMAP, address_of(write_bitmap));
	vmwrite(VMCS_VMCS_LINK_POINTER, address_of(shadow));
}

static void without_link(void)
{
	with_shadow();
	vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
}

static void without_control(void)
{
	with_shadow();
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_VMCS_SHADOWING);
	vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
}

static void link_without_control(void)
{
	with_shadow();
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_VMCS_SHADOWING);
}

static void link_to_ordinary(void)
{
	with_shadow();
	vmwrite(VMCS_VMCS_LINK_POINTER, address_of(ordinary));
}

static void bitmap_misaligned(void)
{
	with_shadow();
	vmwrite(VMCS_VMREAD_BITMAP, address_of(read_bitmap) + 8);
}

/* RAX is printed at the end: the value read, or the flags of the instruction. */
L2_CODE(c_read_rip, "mov $0x681e, %ebx\n\tvmread %rbx, %rax");
L2_CODE(c_read_rsp, "mov $0x681c, %ebx\n\tvmread %rbx, %rax");
L2_CODE(c_read_memory, "mov $0x681e, %ebx\n\tvmread %rbx, -64(%rsp)\n\tmov -64(%rsp), %rax");
L2_CODE(c_read_high, "mov $0x2011, %ebx\n\tvmread %rbx, %rax");
L2_CODE(c_read_bad, "mov $0x6ffe, %ebx\n\tvmread %rbx, %rcx\n\tpushf\n\tpop %rax");
L2_CODE(c_read_wide, "mov $0x1681e, %ebx\n\tvmread %rbx, %rcx\n\tmov $1, %eax");
L2_CODE(c_write_rip,
	"mov $0x681e, %ebx\n\tmov $0x7777, %ecx\n\tvmwrite %rcx, %rbx\n\tmov $2, %eax");
L2_CODE(c_write_rsp,
	"mov $0x681c, %ebx\n\tmov $0x8888, %ecx\n\tvmwrite %rcx, %rbx\n\tmov $3, %eax");
L2_CODE(c_write_reason,
	"mov $0x4402, %ebx\n\tmov $0x21, %ecx\n\tvmwrite %rcx, %rbx\n\tmov $4, %eax");
L2_CODE(c_write_read, "mov $0x6800, %ebx\n\tmov $0x5a5a, %ecx\n\tvmwrite %rcx, %rbx\n\t"
		      "vmread %rbx, %rax");
L2_CODE(c_flags,
	"mov $0x681e, %ebx\n\tvmread %rbx, %rcx\n\tpushf\n\tpop %rax\n\tand $0x8d5, %eax");

static void fill_shadow(void)
{
	void *current = conf_l2.vmcs;

	conf_status("vmclear shadow", vmx_vmclear(address_of(shadow)));
	conf_status("vmptrld shadow", vmx_vmptrld(address_of(shadow)));
	vmwrite(VMCS_GUEST_RIP, 0x1111);
	vmwrite(VMCS_GUEST_RSP, 0x2222);
	vmwrite(VMCS_GUEST_CR0, 0x3333);
	vmwrite(VMCS_TSC_OFFSET, 0x4444555566667777);
	conf_status("vmclear shadow", vmx_vmclear(address_of(shadow)));
	conf_status("vmptrld L2's", vmx_vmptrld(address_of(current)));
}

static void print_shadow(const char *when)
{
	conf_status("vmptrld shadow", vmx_vmptrld(address_of(shadow)));
	print("%s: RIP %lx RSP %lx CR0 %lx reason %lx offset %lx\n", when,
		vmread(VMCS_GUEST_RIP), vmread(VMCS_GUEST_RSP), vmread(VMCS_GUEST_CR0),
		vmread(VMCS_EXIT_REASON), vmread(VMCS_TSC_OFFSET));
	conf_status("vmclear shadow", vmx_vmclear(address_of(shadow)));
	conf_status("vmptrld L2's", vmx_vmptrld(address_of(conf_l2.vmcs)));
}

static const struct conf_case accesses[] = {
	{"read intercepted", c_read_rsp, with_shadow},
	{"read", c_read_rip, with_shadow},
	{"read to memory", c_read_memory, with_shadow},
	{"read high half", c_read_high, with_shadow},
	{"read a field that is none", c_read_bad, with_shadow},
	{"read beyond the bitmap", c_read_wide, with_shadow},
	{"flags of a read", c_flags, with_shadow},
	{"write intercepted", c_write_rsp, with_shadow},
	{"write", c_write_rip, with_shadow},
	{"write read-only", c_write_reason, with_shadow},
	{"write and read", c_write_read, with_shadow},
	{"no link", c_flags, without_link},
	{"no control", c_read_rip, without_control},
	{"link without control", c_read_rip, link_without_control},
	{"link to an ordinary VMCS", c_read_rip, link_to_ordinary},
	{"bitmap misaligned", c_read_rip, bitmap_misaligned},
};

/* ---- every encoding: L2's view is L1's ---- */

#define ENCODINGS 0x8000u

L2_CODE(c_sweep_read, "1: vmread %rbx, %rcx\n\tpushf\n\tpop %rax\n\tcpuid\n\tjmp 1b");
L2_CODE(c_sweep_write, "1: vmwrite %rcx, %rbx\n\tpushf\n\tpop %rax\n\tcpuid\n\tjmp 1b");

static uint8_t mine[ENCODINGS]; /* how L1's own instruction ends: 0, or the error */

static uint8_t ends(enum vmx_status s)
{
	return s == VMX_OK ? 0 : (uint8_t)vmread(VMCS_INSTRUCTION_ERROR);
}

/* By VMWRITE of the value that is there, so that nothing changes. */
static void sweep_of_l1(bool write)
{
	uint64_t value = 0;

	conf_status("vmptrld shadow", vmx_vmptrld(address_of(shadow)));
	for (uint32_t e = 0; e < ENCODINGS; e++) {
		enum vmx_status s = vmx_vmread(e, &value);

		mine[e] = ends(write ? vmx_vmwrite(e, s == VMX_OK ? value : 0) : s);
	}
	conf_status("vmclear shadow", vmx_vmclear(address_of(shadow)));
	conf_status("vmptrld L2's", vmx_vmptrld(address_of(conf_l2.vmcs)));
}

static unsigned sweep_of_l2(bool write, unsigned *fields)
{
	unsigned differ = 0;

	*fields = 0;
	l2_restart(&conf_l2, write ? c_sweep_write : c_sweep_read);
	with_shadow();
	for (uint32_t e = 0; e < ENCODINGS; e++) {
		uint8_t error = 0;

		conf_l2.rbx = e;
		conf_l2.rcx = 0;
		vmwrite(VMCS_INSTRUCTION_ERROR, 0);
		if (l2_run(&conf_l2) != VMX_OK || vmread(VMCS_EXIT_REASON) != EXIT_CPUID)
			return ENCODINGS;
		if (conf_l2.rax & RFLAGS_ZF)
			error = (uint8_t)vmread(VMCS_INSTRUCTION_ERROR);
		*fields += error == 0;
		differ += error != mine[e] || (conf_l2.rax & RFLAGS_CF);
		l2_skip();
	}
	return differ;
}

/* How many fields there are is the machine's; that L1 and L2 agree is not. */
static void sweep(bool write)
{
	unsigned fields, differ;

	memset(read_bitmap, 0, PAGE_SIZE);
	memset(write_bitmap, 0, PAGE_SIZE);
	sweep_of_l1(write);
	differ = sweep_of_l2(write, &fields);
	print("%s: %s, %u encodings differ\n", write ? "VMWRITE" : "VMREAD",
		fields > 100 ? "more than 100 fields" : "few fields", differ);
}

/* VMfail writes to a shadow VMCS, too, and it goes along where that is driven out. */
static void fail_in_shadow(void)
{
	for (unsigned i = 0; i < 2; i++) {
		conf_status("vmptrld shadow", vmx_vmptrld(address_of(shadow)));
		if (i == 1)
			conf_status("vmclear nothing", vmx_vmclear(1));
		print("error %lx\n", vmread(VMCS_INSTRUCTION_ERROR));
		conf_status("vmclear shadow", vmx_vmclear(address_of(shadow)));
	}
	for (unsigned i = 0; i < OTHERS; i++)
		conf_status("vmptrld", vmx_vmptrld(address_of(vmcs_alloc())));
	conf_status("vmptrld shadow", vmx_vmptrld(address_of(shadow)));
	print("error %lx\n", vmread(VMCS_INSTRUCTION_ERROR));
}

int payload_main(void)
{
	conf_start();
	if (conf_lacks("shadow", NEEDS(SHADOW)))
		return 0;
	shadow = vmcs_alloc();
	ordinary = vmcs_alloc();
	*(uint32_t *)shadow |= SHADOW_INDICATOR;
	read_bitmap = page_alloc();
	write_bitmap = page_alloc();
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		read_bitmap[i] = write_bitmap[i] = 0;
	intercept(read_bitmap, VMCS_GUEST_RSP, true);
	intercept(write_bitmap, VMCS_GUEST_RSP, true);
	fill_shadow();
	print_shadow("filled");
	conf_run_cases(CASES(accesses));
	print_shadow("after L2");
	sweep(false);
	sweep(true);
	fail_in_shadow();
	return 0;
}
