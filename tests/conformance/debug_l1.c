/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of debug exceptions over instructions that L0 completes for L1: single steps,
 * also of each iteration of a repetition, data and I/O breakpoints, what MOV SS holds back.
 * Prints RIP and DR6 of each #DB.
 */
#include "conf.h"

#define MAX_STEPS 14
#define DR6_SHOWN 0xe00ful /* B0 to B3, BD, BS, BT */
#define DR6_CLEAR 0xffff0ff0ul

static uint64_t base, watch __attribute__((used, aligned(8)));
static uint8_t bytes[16] __attribute__((used));
static uint64_t rips[MAX_STEPS], dr6s[MAX_STEPS];
static int steps;

static uint64_t read_dr6(void)
{
	uint64_t v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}

static void write_dr6(uint64_t v)
{
	__asm__ volatile("mov %0, %%dr6" : : "r"(v));
}

static bool note_step(struct trap_frame *f)
{
	if (f->vector != 1)
		return false;
	rips[steps] = f->rip - base;
	dr6s[steps] = read_dr6() & DR6_SHOWN;
	write_dr6(DR6_CLEAR);
	if (++steps == MAX_STEPS)
		f->rflags &= ~(uint64_t)RFLAGS_TF;
	return true;
}

/* With a breakpoint at an address. */
static void run(const char *name, void (*code)(void), uint64_t dr0, uint64_t dr7)
{
	base = (uintptr_t)code;
	steps = 0;
	write_dr6(DR6_CLEAR);
	trap_hook = note_step;
	__asm__ volatile(
		"mov %1, %%dr0\n\tmov %2, %%dr7\n\tcall *%0\n\tcld\n\tmov %3, %%rax\n\t"
		"mov %%rax, %%dr7"
		:
		: "r"(code), "r"(dr0), "r"(dr7), "i"(0x400)
		: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory",
		"cc");
	trap_hook = NULL;
	print("%s:", name);
	for (int i = 0; i < steps; i++)
		print(" +%lx/%lx", rips[i], dr6s[i]);
	print("\n");
}

/* clang-format off */
#define ON "pushf\n\torl $0x100, (%rsp)\n\tpopf\n\t"
#define OFF "nop\n\tpushf\n\tandl $~0x100, (%rsp)\n\tpopf\n\t"
#define T(n, pre, insn) L2_CODE(n, pre ON insn "\n\t" OFF)
T(t_nop, "", "nop");
T(t_cpuid, "xor %eax,%eax\n\tpush %rbx\n\t", "cpuid\n\tpop %rbx");
T(t_out, "", "out %al, $0x80");
T(t_in, "", "in $0x80, %al");
T(t_repout, "mov $bytes,%esi\n\tmov $3,%ecx\n\tmov $0x80,%edx\n\t", "rep outsb");
T(t_repin, "mov $bytes,%edi\n\tmov $3,%ecx\n\tmov $0x80,%edx\n\t", "rep insb");
T(t_rdmsr, "mov $0x1b,%ecx\n\t", "rdmsr");
T(t_mmior, "mov $0xfee00020,%esi\n\t", "mov (%rsi),%eax");
T(t_mmiow, "mov $0xfee00080,%esi\n\txor %eax,%eax\n\t", "mov %eax,(%rsi)");
T(t_mmioioapic, "mov $0xfec00000,%esi\n\txor %eax,%eax\n\t", "mov %eax,(%rsi)");
T(t_mmiorep, "mov $0xfec00000,%esi\n\tmov $bytes,%edi\n\tmov $2,%ecx\n\t", "rep movsb");
T(t_cr8, "xor %eax,%eax\n\t", "mov %rax,%cr8");
T(t_vmread, "mov $0x681e,%ebx\n\t", "vmread %rbx,%rax");
T(t_vmreadm, "mov $0x4402,%ebx\n\tmov $watch,%esi\n\t", "vmread %rbx,(%rsi)");
T(t_vmwrite, "mov $0x681e,%ebx\n\tmov $1,%eax\n\t", "vmwrite %rax,%rbx");
T(t_vmptrst, "mov $watch,%esi\n\t", "vmptrst (%rsi)");
T(t_wbinvd, "", "wbinvd");
T(t_cr4, "mov %cr4,%rax\n\txor $0x80,%rax\n\t", "mov %rax,%cr4");
T(t_cr0cd, "mov %cr0,%rax\n\tmov %rax,%rbx\n\tor $0x40000000,%rax\n\t", "mov %rax,%cr0\n\tmov %rbx,%cr0");
T(t_invept, "sub $16,%rsp\n\tmovq $0,(%rsp)\n\tmovq $0,8(%rsp)\n\tmov $2,%eax\n\t", "invept (%rsp),%rax\n\tadd $16,%rsp");
T(t_vmlaunch_fail, "mov $0x4000,%ebx\n\tmov $0,%eax\n\tvmwrite %rax,%rbx\n\t", "vmlaunch");
T(t_rdtsc, "", "rdtsc");
T(t_xsetbv, "mov %cr4,%rax\n\tor $0x40000,%rax\n\tmov %rax,%cr4\n\txor %edx,%edx\n\txor %ecx,%ecx\n\tmov $3,%eax\n\t", "xsetbv");

/* A data breakpoint that MOV SS met is pending while L0 completes the next instruction. */
static uint64_t ss_op __attribute__((used)) = 0x10;
#define S(n, pre, insn) L2_CODE(n, pre "mov ss_op,%ss\n\t" insn "\n\tnop\n\tnop")
S(s_nop, "", "nop");
S(s_cpuid, "xor %eax,%eax\n\tpush %rbx\n\t", "cpuid\n\tpop %rbx");
S(s_out, "", "out %al,$0x80");
S(s_rdmsr, "mov $0x1b,%ecx\n\t", "rdmsr");
S(s_mmio, "mov $0xfee00020,%esi\n\t", "mov (%rsi),%eax");
S(s_mmio2, "mov $0xfec00000,%esi\n\t", "mov (%rsi),%eax");
S(s_vmread, "mov $0x681e,%ebx\n\t", "vmread %rbx,%rax");
S(s_cr8, "xor %eax,%eax\n\t", "mov %rax,%cr8");

/* I/O breakpoints */
L2_CODE(i_out, "out %al,$0x80\n\tnop\n\tnop");
L2_CODE(i_in, "in $0x80,%al\n\tnop\n\tnop");
L2_CODE(i_outl, "mov $0x7e,%edx\n\tout %eax,%dx\n\tnop\n\tnop");
L2_CODE(i_repout, "mov $bytes,%esi\n\tmov $3,%ecx\n\tmov $0x80,%edx\n\trep outsb\n\tnop\n\tnop");
/* data breakpoints */
L2_CODE(d_ins, "mov $watch,%edi\n\tmov $0x80,%edx\n\tinsb\n\tnop\n\tnop");
L2_CODE(d_repins, "mov $watch-2,%edi\n\tmov $0x80,%edx\n\tmov $5,%ecx\n\trep insb\n\tnop\n\tnop");
L2_CODE(d_outs, "mov $watch,%esi\n\tmov $0x80,%edx\n\toutsb\n\tnop\n\tnop");
L2_CODE(d_vmread, "mov $0x4402,%ebx\n\tmov $watch,%esi\n\tvmread %rbx,(%rsi)\n\tnop\n\tnop");
L2_CODE(d_vmptrst, "mov $watch-4,%esi\n\tvmptrst (%rsi)\n\tnop\n\tnop");
L2_CODE(d_vmptrld, "mov $watch,%esi\n\tvmptrst (%rsi)\n\tvmptrld (%rsi)\n\tnop\n\tnop");
L2_CODE(d_vmwrite, "mov $0x681e,%ebx\n\tmov $watch,%esi\n\tvmwrite (%rsi),%rbx\n\tnop\n\tnop");
L2_CODE(d_invept, "mov $watch-8,%esi\n\tmovq $0,(%rsi)\n\tmov $2,%eax\n\tinvept (%rsi),%rax\n\tnop\n\tnop");
L2_CODE(d_movs, "mov $0xfec00000,%esi\n\tmov $watch,%edi\n\tmovsl\n\tnop\n\tnop");
L2_CODE(d_lapic, "mov $0xfee00080,%esi\n\txor %eax,%eax\n\tmov %eax,(%rsi)\n\tnop\n\tnop");
L2_CODE(d_ioapic, "mov $0xfec00000,%esi\n\txor %eax,%eax\n\tmov %eax,(%rsi)\n\tnop\n\tnop");
L2_CODE(d_lapicr, "mov $0xfee00020,%esi\n\tmov (%rsi),%eax\n\tnop\n\tnop");
/* clang-format on */

/* R/W and LEN of breakpoint 0, which is enabled. */
#define DR7(rw, len) (0x402ul | (rw) << 16 | ((len)-1ul) << 18)
#define WRITES       1ul
#define PORT         2ul
#define ALL          3ul

#define STEP(code)        run(#code, code, 0, 0x400)
#define AT(code, at, dr7) run(#code, code, at, dr7)

static void single_steps(void)
{
	STEP(t_nop);
	STEP(t_cpuid);
	STEP(t_out);
	STEP(t_in);
	STEP(t_repout);
	STEP(t_repin);
	STEP(t_rdmsr);
	STEP(t_mmior);
	STEP(t_mmiow);
	STEP(t_mmioioapic);
	STEP(t_mmiorep);
	STEP(t_cr8);
	STEP(t_vmread);
	STEP(t_vmreadm);
	STEP(t_vmwrite);
	STEP(t_vmptrst);
	STEP(t_wbinvd);
	STEP(t_cr4);
	STEP(t_cr0cd);
	STEP(t_invept);
	STEP(t_vmlaunch_fail);
	STEP(t_rdtsc);
	STEP(t_xsetbv);
}

static void held_back_by_mov_ss(void)
{
	AT(s_nop, address_of(&ss_op), DR7(ALL, 2));
	AT(s_cpuid, address_of(&ss_op), DR7(ALL, 2));
	AT(s_out, address_of(&ss_op), DR7(ALL, 2));
	AT(s_rdmsr, address_of(&ss_op), DR7(ALL, 2));
	AT(s_mmio, address_of(&ss_op), DR7(ALL, 2));
	AT(s_mmio2, address_of(&ss_op), DR7(ALL, 2));
	AT(s_vmread, address_of(&ss_op), DR7(ALL, 2));
	AT(s_cr8, address_of(&ss_op), DR7(ALL, 2));
}

static void breakpoints(void)
{
	write_cr4(read_cr4() | 8); /* CR4.DE: I/O breakpoints */
	AT(i_out, 0x80, DR7(PORT, 1));
	AT(i_in, 0x80, DR7(PORT, 1));
	AT(i_outl, 0x80, DR7(PORT, 1));
	AT(i_repout, 0x80, DR7(PORT, 1));
	AT(d_ins, address_of(&watch), DR7(WRITES, 1));
	AT(d_repins, address_of(&watch), DR7(WRITES, 1));
	AT(d_outs, address_of(&watch), DR7(ALL, 1));
	AT(d_outs, address_of(&watch), DR7(WRITES, 1));
	AT(d_vmread, address_of(&watch), DR7(WRITES, 8));
	AT(d_vmread, address_of(&watch) + 8, DR7(WRITES, 1));
	AT(d_vmptrst, address_of(&watch), DR7(WRITES, 1));
	AT(d_vmptrld, address_of(&watch), DR7(ALL, 1));
	AT(d_vmwrite, address_of(&watch), DR7(ALL, 4));
	AT(d_vmwrite, address_of(&watch), DR7(WRITES, 4));
	AT(d_invept, address_of(&watch), DR7(ALL, 1));
	AT(d_movs, address_of(&watch), DR7(WRITES, 4));
	AT(d_lapic, 0xfee00080, DR7(WRITES, 4));
	AT(d_lapicr, 0xfee00020, DR7(ALL, 4));
	AT(d_ioapic, 0xfec00000, DR7(WRITES, 4));
	AT(d_ioapic, 0xfec00004, DR7(WRITES, 4));
}

int payload_main(void)
{
	conf_start();
	single_steps();
	held_back_by_mov_ss();
	breakpoints();
	return 0;
}
