/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of VM exits caused by instructions (SDM 25.1 "Instructions that Cause VM Exits",
 * 25.3 "Changes to Instruction Behavior", 27.2.1, 27.2.5): each case runs one piece of L2 code
 * under one setting of the controls.
 */
#include "conf.h"

#define MSR_RANGE_READ_HIGH  0x400
#define MSR_RANGE_WRITE_LOW  0x800
#define MSR_RANGE_WRITE_HIGH 0xc00

static uint64_t operand[4] __attribute__((used));

/* Answers what L2 reads with fixed values, so that passing of registers shows. */
static bool answering_handler(uint32_t reason)
{
	conf_l2.rax = 0x11223344;
	conf_l2.rdx = 0x5566;
	return conf_default_handler(reason);
}

static void proc(uint32_t set)
{
	conf_handler = answering_handler;
	ctl_set(VMCS_PROC_CONTROLS, set);
}

static void proc2(uint32_t set)
{
	ctl_set(VMCS_PROC2_CONTROLS, set);
}

L2_CODE(c_cpuid, "mov $0x40000000, %eax\n\tcpuid\n\tmov $7, %eax\n\tcpuid\n\txor %eax, %eax");
L2_CODE(c_hlt, "hlt\n\tmov $1, %eax");
L2_CODE(c_invd, "invd");
L2_CODE(c_invlpg, "invlpg 0x123456\n\tmov $0x5000, %ebx\n\tinvlpg 0x10(%rbx)");
L2_CODE(c_rdtsc, "rdtsc");
L2_CODE(c_rdtscp, "rdtscp");
L2_CODE(c_rdpmc, "xor %ecx, %ecx\n\trdpmc");
L2_CODE(c_wbinvd, "wbinvd\n\tmov $3, %eax");
L2_CODE(c_pause, "pause\n\tmov $4, %eax");
L2_CODE(c_mwait,
	"mov $0x5000, %eax\n\txor %ecx, %ecx\n\txor %edx, %edx\n\tmonitor\n\txor %eax, %eax\n\tmwait");
L2_CODE(c_xsetbv, "xor %ecx, %ecx\n\txor %edx, %edx\n\tmov $3, %eax\n\txsetbv");
L2_CODE(c_rdrand, "rdrand %eax\n\trdrand %r8\n\trdrand %dx");
L2_CODE(c_rdseed, "rdseed %ecx\n\trdseed %r9");
L2_CODE(c_invpcid, "mov $2, %eax\n\tinvpcid operand, %rax\n\tmov $9, %eax");
L2_CODE(c_getsec, "xor %eax, %eax\n\tgetsec");
L2_CODE(c_xsaves, "xor %edx, %edx\n\tmov $0x100, %eax\n\txsaves operand");

static void p_rdtsc(void)
{
	proc(PROC_RDTSC_EXITING);
}

static void p_rdtscp(void)
{
	proc(PROC_RDTSC_EXITING);
	proc2(PROC2_ENABLE_RDTSCP);
}

static void p_ud_exits(void)
{
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
}

static void p_rdpmc(void)
{
	proc(PROC_RDPMC_EXITING);
}

static void p_invlpg(void)
{
	proc(PROC_INVLPG_EXITING);
}

static void p_wbinvd(void)
{
	proc2(PROC2_WBINVD_EXITING);
}

static void p_pause(void)
{
	proc(PROC_PAUSE_EXITING);
}

static void p_mwait(void)
{
	proc(PROC_MONITOR_EXITING | PROC_MWAIT_EXITING);
}

static void p_xsetbv(void)
{
	vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) | CR4_OSXSAVE);
}

static void p_rdrand(void)
{
	proc2(PROC2_RDRAND_EXITING | PROC2_RDSEED_EXITING);
}

static void p_invpcid(void)
{
	proc(PROC_INVLPG_EXITING);
	proc2(PROC2_ENABLE_INVPCID);
}

static void p_no_hlt(void)
{
	ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 100);
}

static const struct conf_case simple_cases[] = {
	{"cpuid", c_cpuid, NULL},
	{"hlt", c_hlt, NULL},
	{"hlt without exit, timer", c_hlt, p_no_hlt},
	{"invd", c_invd, NULL},
	{"invlpg", c_invlpg, p_invlpg},
	{"invlpg without exit", c_invlpg, NULL},
	{"rdtsc", c_rdtsc, p_rdtsc},
	{"rdtscp", c_rdtscp, p_rdtscp},
	{"rdtscp not enabled", c_rdtscp, p_ud_exits},
	{"rdpmc", c_rdpmc, p_rdpmc},
	{"wbinvd", c_wbinvd, p_wbinvd},
	{"wbinvd without exit", c_wbinvd, NULL},
	{"pause", c_pause, p_pause},
	{"pause without exit", c_pause, NULL},
	{"monitor and mwait", c_mwait, p_mwait},
	{"xsetbv", c_xsetbv, p_xsetbv},
	{"rdrand", c_rdrand, p_rdrand},
	{"rdseed", c_rdseed, p_rdrand},
	{"invpcid", c_invpcid, p_invpcid},
	{"invpcid not enabled", c_invpcid, p_ud_exits},
	{"getsec without SMXE", c_getsec, p_ud_exits},
	{"xsaves not enabled", c_xsaves, p_ud_exits},
};

L2_CODE(c_vmx_memory,
	"vmxon operand\n\tvmclear 8(%rsp)\n\tmov $operand, %ebx\n\txor %ecx, %ecx\n\t"
	"vmptrld (%rbx,%rcx,4)\n\tvmptrst 0x1234(%rbx)\n\tmov %ebx, %edi\n\tvmptrld (%edi)\n\t"
	"vmclear %fs:8(%rdi)");
L2_CODE(c_vmx_register,
	"mov $0x681e, %eax\n\tvmread %rax, %rcx\n\tvmread %rax, (%rsp)\n\tvmwrite %r8, %r9\n\t"
	"vmwrite 0x40(%rsp), %rax\n\tvmread %r15, %rsi");
L2_CODE(c_vmx_plain, "vmlaunch\n\tvmresume\n\tvmxoff");
L2_CODE(c_invalidate, "mov $1, %eax\n\tinvept (%rsp), %rax\n\tinvvpid operand, %rbx");

static const struct conf_case vmx_cases[] = {
	{"VMX with memory operand", c_vmx_memory, NULL},
	{"VMX with register operands", c_vmx_register, NULL},
	{"VMX without operand", c_vmx_plain, NULL},
	{"invalidations", c_invalidate, NULL},
};

L2_CODE(c_cr3, "mov %cr3, %rax\n\tmov %rax, %cr3\n\tmov %cr3, %r9\n\tmov %r9, %cr3");
L2_CODE(c_cr0_bits,
	"mov %cr0, %rax\n\tmov %rax, %rbx\n\tor $8, %rax\n\tmov %rax, %cr0\n\tmov %cr0, %rcx\n\t"
	"clts\n\tmov %rbx, %rax\n\tlmsw %ax\n\tsmsw %eax");
L2_CODE(c_lmsw_memory, "movl $0x3b, operand\n\tlmsw operand\n\tmov $0x1f, %eax\n\tlmsw %ax");
L2_CODE(c_cr4_bits,
	"mov %cr4, %rax\n\tmov %rax, %rbx\n\tor $4, %rax\n\tmov %rax, %cr4\n\tmov %cr4, %rax");
L2_CODE(c_cr8, "mov $5, %eax\n\tmov %rax, %cr8\n\tmov %cr8, %r8");
L2_CODE(c_dr,
	"mov %dr7, %rax\n\tmov %rax, %dr7\n\tmov %r8, %dr0\n\tmov %dr6, %r15\n\tmov %dr7, %rax");

static void p_cr3(void)
{
	proc(PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING);
	conf_handler = conf_default_handler;
	conf_l2.r9 = read_cr3();
}

static void p_cr3_target(void)
{
	conf_want(conf_cr3_targets(2), "CR3 targets");
	proc(PROC_CR3_LOAD_EXITING);
	vmwrite(VMCS_CR3_TARGET_COUNT, 2);
	vmwrite(VMCS_CR3_TARGET0, 0x1000);
	vmwrite(VMCS_CR3_TARGET1, read_cr3());
}

static void p_cr0_mask(void)
{
	vmwrite(VMCS_CR0_GUEST_HOST_MASK, CR0_TS | CR0_WP);
	vmwrite(VMCS_CR0_READ_SHADOW, CR0_WP);
}

static void p_cr0_shadow_ts(void)
{
	vmwrite(VMCS_CR0_GUEST_HOST_MASK, CR0_TS);
	vmwrite(VMCS_CR0_READ_SHADOW, CR0_TS);
}

static void p_cr0_all(void)
{
	vmwrite(VMCS_CR0_GUEST_HOST_MASK, ~0ull);
	vmwrite(VMCS_CR0_READ_SHADOW, 0x21);
}

static void p_cr4_mask(void)
{
	vmwrite(VMCS_CR4_GUEST_HOST_MASK, CR4_VMXE | BIT64(2));
}

static void p_cr4_other(void)
{
	vmwrite(VMCS_CR4_GUEST_HOST_MASK, CR4_VMXE);
	vmwrite(VMCS_CR4_READ_SHADOW, CR4_VMXE);
}

static void p_cr8(void)
{
	proc(PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING);
}

static void p_dr(void)
{
	proc(PROC_MOV_DR_EXITING);
}

static const struct conf_case cr_cases[] = {
	{"cr3 both", c_cr3, p_cr3},
	{"cr3 targets", c_cr3, p_cr3_target},
	{"cr3 without exit", c_cr3, NULL},
	{"cr0 mask TS WP", c_cr0_bits, p_cr0_mask},
	{"cr0 shadow TS", c_cr0_bits, p_cr0_shadow_ts},
	{"cr0 all owned", c_cr0_bits, p_cr0_all},
	{"cr0 none owned", c_cr0_bits, NULL},
	{"lmsw from memory", c_lmsw_memory, p_cr0_all},
	{"lmsw TS owned", c_lmsw_memory, p_cr0_shadow_ts},
	{"cr4 mask", c_cr4_bits, p_cr4_mask},
	{"cr4 mask of other bits", c_cr4_bits, p_cr4_other},
	{"cr8", c_cr8, p_cr8},
	{"mov dr", c_dr, p_dr},
	{"mov dr without exit", c_dr, NULL},
};

L2_CODE(c_io,
	"mov $0x1234, %dx\n\tin %dx, %al\n\tin %dx, %ax\n\tin %dx, %eax\n\tin $0x70, %al\n\t"
	"mov $0xabcd, %eax\n\tout %al, $0x80\n\tout %eax, %dx\n\tout %ax, $0x84");
L2_CODE(c_io_string,
	"mov $operand, %esi\n\tmov $operand, %edi\n\tmov $0x1234, %edx\n\tmov $3, %ecx\n\t"
	"outsb\n\tinsw\n\trep outsl\n\taddr32 insb\n\toutsb %gs:(%rsi), %dx\n\txor %ecx, %ecx\n\t"
	"rep outsb\n\tstd\n\trep insl\n\tcld");
L2_CODE(c_io_edges,
	"xor %eax, %eax\n\tmov $0x7fff, %dx\n\tout %al, %dx\n\tout %ax, %dx\n\tmov $0x8000, %dx\n\t"
	"out %al, %dx\n\tmov $0xfffe, %dx\n\tout %ax, %dx\n\tout %eax, %dx\n\tmov $0x81, %dx\n\t"
	"out %al, %dx\n\tmov $0x7f, %dx\n\tout %ax, %dx\n\tout %eax, %dx\n\tmov %edx, %eax");

static void io_exit_on(unsigned port)
{
	uint8_t *bitmap = conf_l2.io_bitmap;

	bitmap[port / 8] = (uint8_t)(bitmap[port / 8] | 1 << port % 8);
}

static void p_io(void)
{
	proc(PROC_UNCOND_IO_EXITING);
}

static void p_io_bitmap(void)
{
	proc(PROC_USE_IO_BITMAPS | PROC_UNCOND_IO_EXITING);
	io_exit_on(0x8000);
	io_exit_on(0x82);
}

static void p_io_bitmap_all(void)
{
	proc(PROC_USE_IO_BITMAPS);
	memset(conf_l2.io_bitmap, 0xff, 8192);
}

static const struct conf_case io_cases[] = {
	{"io", c_io, p_io},
	{"io by bitmap", c_io, p_io_bitmap_all},
	{"io string", c_io_string, p_io},
	{"io bitmap edges", c_io_edges, p_io_bitmap},
};

L2_CODE(c_msr,
	"mov $0x174, %ecx\n\trdmsr\n\twrmsr\n\tmov $0xc0000100, %ecx\n\trdmsr\n\twrmsr\n\t"
	"mov $0x40000000, %ecx\n\trdmsr\n\tmov $0x2000, %ecx\n\trdmsr\n\tmov $0xc0002000, %ecx\n\t"
	"wrmsr\n\tmov $0x1fff, %ecx\n\trdmsr");
L2_CODE(c_msr_efer, "mov $0xc0000080, %ecx\n\trdmsr\n\tor $1, %eax\n\twrmsr\n\trdmsr");

static void msr_exit_on(unsigned range, unsigned index)
{
	uint8_t *bitmap = conf_l2.msr_bitmap;

	bitmap[range + index / 8] = (uint8_t)(bitmap[range + index / 8] | 1 << index % 8);
}

static void p_msr_bitmap(void)
{
	conf_handler = answering_handler;
	msr_exit_on(0, 0x174);
	msr_exit_on(MSR_RANGE_WRITE_HIGH, 0x100);
	msr_exit_on(0, 0x1fff);
}

static void p_msr_bitmap_other(void)
{
	conf_handler = answering_handler;
	msr_exit_on(MSR_RANGE_WRITE_LOW, 0x174);
	msr_exit_on(MSR_RANGE_READ_HIGH, 0x100);
	msr_exit_on(0, 0x1fff);
}

static void p_msr_none(void)
{
	conf_handler = answering_handler;
	ctl_clear(VMCS_PROC_CONTROLS, PROC_USE_MSR_BITMAPS);
}

static const struct conf_case msr_cases[] = {
	{"msr without bitmap", c_msr, p_msr_none},
	{"msr read low, write high", c_msr, p_msr_bitmap},
	{"msr write low, read high", c_msr, p_msr_bitmap_other},
	{"efer without exit", c_msr_efer, NULL},
};

L2_CODE(c_tables,
	"sgdt (%rsp)\n\tsidt operand\n\tlgdt 8(%rsp)\n\tlidt (%rsp,%rcx,8)\n\tsldt %eax\n\t"
	"str (%rsp)\n\tmov $0x30, %eax\n\tltr %ax\n\tlldt operand");

static void p_tables(void)
{
	proc2(PROC2_DESC_TABLE_EXITING);
}

static const struct conf_case table_cases[] = {
	{"descriptor tables", c_tables, p_tables},
};

/* RDTSC with offset: only what does not depend on time is printed. */
L2_CODE(c_tsc_top, "rdtsc\n\tmov %edx, %eax\n\tshr $28, %eax");

static void p_tsc_offset(void)
{
	ctl_set(VMCS_PROC_CONTROLS, PROC_TSC_OFFSETTING);
	vmwrite(VMCS_TSC_OFFSET, 5ull << 60);
}

static void p_tsc_offset_unused(void)
{
	vmwrite(VMCS_TSC_OFFSET, 5ull << 60);
}

L2_CODE(c_tsc_msr, "mov $0x10, %ecx\n\trdmsr\n\tmov %edx, %eax\n\tshr $28, %eax");

static const struct conf_case tsc_cases[] = {
	{"rdtsc with offset", c_tsc_top, p_tsc_offset},
	{"rdtsc without use of offset", c_tsc_top, p_tsc_offset_unused},
	{"rdmsr of TSC with offset", c_tsc_msr, p_tsc_offset},
};

int payload_main(void)
{
	conf_start();
	conf_run_cases(CASES(simple_cases));
	conf_run_cases(CASES(vmx_cases));
	conf_run_cases(CASES(cr_cases));
	conf_run_cases(CASES(io_cases));
	conf_run_cases(CASES(msr_cases));
	conf_run_cases(CASES(table_cases));
	conf_run_cases(CASES(tsc_cases));
	return 0;
}
