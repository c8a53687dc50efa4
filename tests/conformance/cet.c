/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: sapphire_rapids */
/*
 * Control-flow enforcement: its CPUID and MSRs, shadow stacks and indirect-branch tracking at
 * CPL 0 of L1 and L2, and what VM entries and exits load and save of it.
 */
#include "conf.h"
#include "spec/cet.h"
#include "spec/paging.h"

#define S_AND_U    0x1800u /* XSAVE state */
#define HIGH       UINT64_C(0xffff800000000000)
#define STACK_STEP 0x100u /* from one shadow stack of L1 to the next */
#define STACK_L2   0x800u /* of the page: where L2's begins */
#define SS_PAGE    (PT_P | PT_A | PT_D)

static uint64_t stack_l1, stack_l2; /* pages of shadow stacks, which follow each other */
static struct ept ept;

/* ---- shadow stacks ---- */

/* The page table for the 2 MiB at the address, which a large page mapped. */
static uint64_t *split(uint64_t at)
{
	uint64_t *pdpt = (uint64_t *)(uintptr_t)(boot_pml4[0] & PT_ADDRESS);
	uint64_t *pd = (uint64_t *)(uintptr_t)(pdpt[at >> 30] & PT_ADDRESS);
	uint64_t *pt = page_alloc();

	for (uint64_t i = 0; i < 512; i++)
		pt[i] = (at + i * PAGE_SIZE) | PT_P | PT_RW | PT_A | PT_D;
	pd[at >> 21 & 511] = address_of(pt) | PT_P | PT_RW | PT_US;
	write_cr3(read_cr3());
	return pt;
}

/* A token lets SETSSBSY use a stack, once: its own address. */
static void make_stacks(void)
{
	stack_l1 = address_of(pages_alloc_2m());
	stack_l2 = stack_l1 + PAGE_SIZE;
	for (uint64_t at = stack_l1 + STACK_STEP; at < stack_l2; at += STACK_STEP)
		*(uint64_t *)(uintptr_t)at = at;
	for (uint64_t i = 0, *pt = split(stack_l1); i < 2; i++)
		pt[i] = (stack_l1 + i * PAGE_SIZE) | SS_PAGE;
	write_cr3(read_cr3());
}

/* ---- #CP of L1 ends the enforcement and goes on at cp_resume ---- */

uint64_t cp_resume, cp_rsp, cp_error, cp_s_cet;
void cp_handler(void);
__asm__(".text\ncp_handler:\n\t"
	"endbr64\n\t"
	"push %rax\n\tpush %rcx\n\tpush %rdx\n\t"
	"mov $0x6a2,%ecx\n\trdmsr\n\tmov %eax,cp_s_cet\n\t"
	"xor %eax,%eax\n\txor %edx,%edx\n\twrmsr\n\t"
	"pop %rdx\n\tpop %rcx\n\tpop %rax\n\t"
	"popq cp_error\n\t"
	"push %rax\n\tmov cp_resume,%rax\n\tmov %rax,8(%rsp)\n\tpop %rax\n\t"
	"iretq");

static void take_cp(void)
{
	uint64_t at = address_of((void *)(uintptr_t)cp_handler);
	struct table_pointer idtr;
	uint64_t *gate;

	__asm__ volatile("sidt %0" : "=m"(idtr));
	gate = (uint64_t *)idtr.base + 2 * VEC_CP;
	gate[0] =
		(at & 0xffff) | SEL_CODE64 << 16 | 0x8e00ull << 32 | (at >> 16 & 0xffff) << 48;
	gate[1] = at >> 32;
}

/*
 * L1 executes this with IA32_S_CET = control; RCX and RDX are lost, RAX and RBX are results.
 */
#define UNDER(control, text)                                                               \
	"movq $772f,cp_resume\n\tmovq $-1,cp_error\n\tmov %%rsp,cp_rsp\n\t"                \
	"mov $0x6a2,%%ecx\n\tmov $" #control ",%%eax\n\txor %%edx,%%edx\n\twrmsr\n\t" text \
	"\n\t"                                                                             \
	"mov %%rax,%%r8\n\tmov $0x6a2,%%ecx\n\txor %%eax,%%eax\n\txor %%edx,%%edx\n\t"     \
	"wrmsr\n\tmov %%r8,%%rax\n772:\tmov cp_rsp,%%rsp\n\t"

#define L1_CASE(name, control, text)                                                     \
	static void name(void)                                                           \
	{                                                                                \
		uint64_t rax = 0, rbx = 0;                                               \
                                                                                         \
		cp_s_cet = 0;                                                            \
		__asm__ volatile(UNDER(control, text)                                    \
				 : "+a"(rax), "+b"(rbx)                                  \
				 :                                                       \
				 : "rcx", "rdx", "rsi", "rdi", "r8", "memory", "cc");    \
		print(#name ": rax=%lx rbx=%lx #CP %lx, IA32_S_CET was %lx\n", rax, rbx, \
			cp_error, cp_s_cet);                                             \
	}

L1_CASE(l1_calls, 1,
	"setssbsy\n\trdsspq %%rax\n\tmov %%rax,%%rsi\n\tcall 1f\n\tjmp 2f\n"
	"1:\trdsspq %%rbx\n\tmov %%rbx,%%rdi\n\txor %%eax,%%eax\n\txor %%ecx,%%ecx\n\t"
	"cpuid\n\tmov %%rsi,%%rbx\n\tsub %%rdi,%%rbx\n\tret\n2:\trdsspq %%rax\n\t"
	"sub %%rsi,%%rax")
L1_CASE(l1_wrong_return, 1, "setssbsy\n\tcall 1f\n1:\tmovq $2f,(%%rsp)\n\tret\n2:\tnop")
L1_CASE(l1_return_after_exit, 1,
	"setssbsy\n\tcall 1f\n\tjmp 2f\n"
	"1:\tmov $0x1b,%%ecx\n\trdmsr\n\tret\n2:\tmov $1,%%ebx")
L1_CASE(l1_branch, 4, "mov $1f,%%rax\n\tjmp *%%rax\n1:\tnop")
L1_CASE(l1_branch_to_endbr, 4, "mov $1f,%%rax\n\tjmp *%%rax\n1:\tendbr64\n\tmov $1,%%ebx")
L1_CASE(l1_branch_untracked, 0x14, "mov $1f,%%rax\n\tnotrack jmp *%%rax\n1:\tmov $2,%%ebx")
L1_CASE(l1_branch_before_exit, 4,
	"mov $1f,%%rax\n\tjmp *%%rax\n1:\tendbr64\n\tmov $0x1b,%%ecx\n\trdmsr\n\tmov $3,%%ebx")

/* ---- registers ---- */

static void leaves(void)
{
	struct cpuid_regs xss = cpuid(0xd, 1);

	print("leaf 7: shadow stacks %d, tracking %d\n", cpuid(7, 0).ecx >> 7 & 1,
		cpuid(7, 0).edx >> 20 & 1);
	print("leaf d.1: ecx %x of %x\n", xss.ecx & S_AND_U, S_AND_U);
	for (uint32_t i = 11; i < 13; i++) {
		struct cpuid_regs r = cpuid(0xd, i);

		print("leaf d.%u: %x %x %x %x\n", i, r.eax, r.ebx, r.ecx, r.edx);
	}
}

static void msrs(void)
{
	static const uint32_t names[] = {MSR_U_CET, MSR_S_CET, MSR_PL0_SSP, MSR_PL0_SSP + 1,
		MSR_PL0_SSP + 2, MSR_PL3_SSP, MSR_SSP_TABLE};
	static const uint64_t values[] = {0, 1, 2, 3, 4, 8, 0x3f, 0x40, 0x80, 0x100, 0x200,
		CET_SUPPRESS, CET_TRACKER, CET_SUPPRESS | CET_TRACKER, 0x1000, 0x7ffffffff000,
		HIGH, HIGH | 5, UINT64_C(1) << 63, UINT64_C(0x7fff) << 48};

	for (unsigned m = 0; m < sizeof(names) / sizeof(names[0]); m++) {
		print("MSR %x: at first %lx;", names[m], rdmsr_try(names[m]));
		for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			wrmsr_try(names[m], values[i]);
			print(" %lx%s", values[i], trapped() ? " #GP" : "");
			if (!trapped() && rdmsr(names[m]) != values[i])
				print(" reads %lx", rdmsr(names[m]));
		}
		wrmsr(names[m], 0);
		print("\n");
	}
}

static void xss(void)
{
	static const uint64_t values[] = {0x800, 0x1000, 0x1800, 1, 2, 1ull << 63};

	if (!(cpuid(0xd, 1).eax & 8))
		return;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		wrmsr_try(MSR_XSS, values[i]);
		print("IA32_XSS = %lx: %s, size %x\n", values[i], trapped() ? "#GP" : "ok",
			cpuid(0xd, 1).ebx);
	}
}

/* XSAVES and XRSTORS of the state of users and supervisors. */
static void xsaves(void)
{
	uint64_t *area = page_alloc();

	if (!(cpuid(0xd, 1).eax & 8))
		return;
	wrmsr(MSR_XSS, S_AND_U);
	wrmsr(MSR_U_CET, 1);
	wrmsr(MSR_PL3_SSP, 0x30000);
	wrmsr(MSR_PL0_SSP + 1, 0x10000);
	__asm__ volatile(TRY_BEGIN "xsaves64 (%2)" TRY_END
			 :
			 : "a"(S_AND_U), "d"(0), "r"(area)
			 : "memory");
	print("XSAVES: trap %d, %lx %lx: %lx %lx, %lx %lx %lx\n", trap.vector, area[64],
		area[65] & ~BIT64(63), area[72], area[73], area[74], area[75], area[76]);
	area[73] = 0x40000;
	__asm__ volatile(TRY_BEGIN "xrstors64 (%2)" TRY_END
			 :
			 : "a"(S_AND_U), "d"(0), "r"(area)
			 : "memory");
	print("XRSTORS: trap %d, IA32_PL3_SSP = %lx\n", trap.vector, rdmsr(MSR_PL3_SSP));
	area[73] = 0x40001;
	__asm__ volatile(TRY_BEGIN "xrstors64 (%2)" TRY_END
			 :
			 : "a"(S_AND_U), "d"(0), "r"(area)
			 : "memory");
	print("XRSTORS of a bad pointer: trap %d\n", trap.vector);
	wrmsr(MSR_XSS, 0);
	wrmsr(MSR_U_CET, 0);
	wrmsr(MSR_PL3_SSP, 0);
	wrmsr(MSR_PL0_SSP + 1, 0);
}

static void control_registers(void)
{
	uint64_t cr0 = read_cr0() | CR0_WP;

	write_cr0(cr0 & ~CR0_WP);
	write_cr4_try(read_cr4() | CR4_CET);
	print("CR4.CET without CR0.WP: trap %d\n", trap.vector);
	write_cr0(cr0);
	write_cr4_try(read_cr4() | CR4_CET);
	print("CR4.CET with CR0.WP: trap %d\n", trap.vector);
	write_cr0_try(cr0 & ~CR0_WP);
	print("CR0.WP cleared: trap %d\n", trap.vector);
	write_cr0_try((cr0 & ~CR0_WP) | CR0_CD);
	print("CR0.WP cleared, CD set: trap %d\n", trap.vector);
	write_cr0_try(cr0 | CR0_CD);
	print("CD set: trap %d, WP %d\n", trap.vector, (read_cr0() & CR0_WP) != 0);
	write_cr0(cr0);
}

/* ---- L2 ---- */

L2_CODE(c_calls,
	"rdsspq %rsi\n\tcall 1f\n\tjmp 2f\n1:\trdsspq %rdi\n\txor %eax,%eax\n\tcpuid\n\t"
	"ret\n2:\tmov %rsi,%rax\n\tsub %rdi,%rax\n\tvmcall");
L2_CODE(c_wrong_return, "call 1f\n1:\tmovq $2f,(%rsp)\n\tret\n2:\tvmcall");
L2_CODE(c_branch, "mov $1f,%rax\n\tjmp *%rax\n1:\tvmcall");
L2_CODE(c_branch_well, "mov $1f,%rax\n\tjmp *%rax\n1:\tendbr64\n\tcpuid\n\tvmcall");
L2_CODE(c_read, "mov $0x6a2,%ecx\n\trdmsr\n\tmov %rax,%rsi\n\tmov $0x6a8,%ecx\n\trdmsr\n\t"
		"shl $32,%rsi\n\tor %rsi,%rax\n\tvmcall");
L2_CODE(c_write, "mov $0x6a2,%ecx\n\tmov $2,%eax\n\txor %edx,%edx\n\twrmsr\n\t"
		 "mov $0x6a8,%ecx\n\tmov $0x5000,%eax\n\twrmsr\n\t"
		 "mov $0x6a0,%ecx\n\tmov $0x1000,%eax\n\twrmsr\n\t"
		 "mov $0x6a4,%ecx\n\tmov $0x7000,%eax\n\twrmsr\n\tvmcall");
L2_CODE(c_write_bad, "mov $0x6a2,%ecx\n\tmov $0x40,%eax\n\txor %edx,%edx\n\twrmsr\n\tvmcall");
L2_CODE(c_nothing, "vmcall");
L2_CODE(c_handler, "mov (%rsp),%rax\n\tvmcall");
L2_CODE(c_protected, ".code32\n\tcpuid\n\tvmcall\n\t.code64");

static void fields(const char *name)
{
	print("%s: S_CET %lx, SSP %lx, table %lx; L1 has %lx and %lx\n", name,
		vmread(VMCS_GUEST_S_CET), vmread(VMCS_GUEST_SSP), vmread(VMCS_GUEST_SSP_TABLE),
		rdmsr(MSR_S_CET), rdmsr(MSR_SSP_TABLE));
}

static void loads(uint64_t s_cet)
{
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_CET);
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_LOAD_CET);
	vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) | CR4_CET);
	vmwrite(VMCS_GUEST_CR0, vmread(VMCS_GUEST_CR0) | CR0_WP);
	vmwrite(VMCS_GUEST_S_CET, s_cet);
	vmwrite(VMCS_GUEST_SSP, stack_l2 + STACK_L2);
	vmwrite(VMCS_GUEST_SSP_TABLE, 0x9000);
	vmwrite(VMCS_HOST_S_CET, 0x1000);
	vmwrite(VMCS_HOST_SSP, 0);
	vmwrite(VMCS_HOST_SSP_TABLE, 0x3000);
}

static void with_stack(void)
{
	loads(CET_SH_STK_EN);
}

static void with_stack_cp(void)
{
	loads(CET_SH_STK_EN);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_CP));
}

static void with_tracking_cp(void)
{
	loads(CET_ENDBR_EN);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_CP));
}

static void with_tracker_waiting(void)
{
	loads(CET_ENDBR_EN | CET_TRACKER);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_CP));
}

static void with_gp(void)
{
	loads(0);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
}

static void loads_nothing(void)
{
	wrmsr(MSR_S_CET, 0x2000);
	wrmsr(MSR_SSP_TABLE, 0x4000);
}

static void enters_only(void)
{
	loads(2);
	ctl_clear(VMCS_EXIT_CONTROLS, EXIT_LOAD_CET);
	wrmsr(MSR_S_CET, 0x2000);
}

static void exits_only(void)
{
	loads(2);
	ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_CET);
	wrmsr(MSR_S_CET, 0x6000);
}

static void injects_cp(void)
{
	loads(0);
	conf_l2_handler(c_handler);
	vmwrite(VMCS_ENTRY_INTR_INFO,
		INTR_INFO_VALID | INTR_INFO_ERROR_CODE | INTR_HW_EXCEPTION << 8 | VEC_CP);
	vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 3);
}

static void injects_cp_on_stack(void)
{
	injects_cp();
	vmwrite(VMCS_GUEST_S_CET, CET_SH_STK_EN);
}

static void with_ept(void)
{
	with_stack();
	ept_use(&ept);
	*ept_entry(&ept, stack_l2, 1) &= ~(uint64_t)EPT_WRITE;
	invept_single(&ept);
}

static void run(const char *name, void (*code)(void), void (*prepare)(void))
{
	struct conf_case c = {name, code, prepare};

	conf_run_case(&c);
	fields(name);
	wrmsr(MSR_S_CET, 0);
	wrmsr(MSR_SSP_TABLE, 0);
}

static void l2_cases(void)
{
	run("calls", c_calls, with_stack);
	run("wrong return", c_wrong_return, with_stack_cp);
	run("branch", c_branch, with_tracking_cp);
	run("branch to ENDBRANCH", c_branch_well, with_tracking_cp);
	run("tracker waits", c_nothing, with_tracker_waiting);
	run("reads", c_read, with_tracking_cp);
	run("writes", c_write, with_gp);
	print("IA32_U_CET %lx, IA32_PL0_SSP %lx\n", rdmsr(MSR_U_CET), rdmsr(MSR_PL0_SSP));
	wrmsr(MSR_U_CET, 0);
	run("a bad value", c_write_bad, with_gp);
	run("nothing is loaded", c_read, loads_nothing);
	run("written, nothing is loaded", c_write, loads_nothing);
	run("the entry loads", c_read, enters_only);
	run("the exit loads", c_read, exits_only);
	run("injected #CP", c_nothing, injects_cp);
	run("injected #CP with a shadow stack", c_nothing, injects_cp_on_stack);
}

/* The violation of a push to a shadow stack. */
static void violation(void)
{
	if (conf_lacks("violation", NEEDS(EPT)))
		return;
	ept_init(&ept);
	for (uint64_t at = 0; at < 256ull << 20; at += SIZE_2M) {
		if (at != (stack_l2 & ~(SIZE_2M - 1)))
			ept_map(&ept, at, at, 2,
				EPT_READ | EPT_WRITE | EPT_EXEC | MEMTYPE_WB << 3);
		for (uint64_t p = at; at == (stack_l2 & ~(SIZE_2M - 1)) && p < at + SIZE_2M;
			p += PAGE_SIZE)
			ept_map(&ept, p, p, 1,
				EPT_READ | EPT_WRITE | EPT_EXEC | MEMTYPE_WB << 3);
	}
	l2_restart(&conf_l2, c_calls);
	conf_base = vmread(VMCS_GUEST_RIP);
	with_ept();
	if (l2_run(&conf_l2) != VMX_OK)
		return;
	print("violation: exit %lu, access %lx, page %lx\n", vmread(VMCS_EXIT_REASON),
		vmread(VMCS_EXIT_QUALIFICATION) & 0x1bf,
		vmread(VMCS_GUEST_PHYSICAL_ADDRESS) - stack_l2);
	fields("violation");
	*ept_entry(&ept, stack_l2, 1) |= EPT_WRITE;
	invept_single(&ept);
	conf_handler = conf_default_handler;
	conf_run("violation");
	fields("violation");
}

/* ---- checks of VM entries ---- */

static void attempt(const char *name, uint64_t field, uint64_t value)
{
	uint64_t kept = vmread(field);
	enum vmx_status s;

	vmwrite(field, value);
	s = l2_run(&conf_l2);
	if (s != VMX_OK)
		conf_status(name, s);
	else
		print("%s = %lx: exit %lx\n", name, value, vmread(VMCS_EXIT_REASON));
	l2_restart(&conf_l2, c_nothing);
	loads(0);
	vmwrite(field, kept);
}

#define ATTEMPT(field, value) attempt(#field, VMCS_##field, value)

static void checks(void)
{
	static const uint64_t pointers[] = {1, 2, 4, 0x7ffffffffffc, HIGH, 1ull << 62};

	l2_restart(&conf_l2, c_nothing);
	loads(0);
	for (unsigned i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		ATTEMPT(GUEST_SSP, pointers[i]);
		ATTEMPT(HOST_SSP, pointers[i]);
		ATTEMPT(GUEST_SSP_TABLE, pointers[i]);
		ATTEMPT(HOST_SSP_TABLE, pointers[i]);
	}
	ATTEMPT(HOST_S_CET, HIGH); /* it does not turn L1's shadow stacks on */
	ATTEMPT(HOST_S_CET, 1ull << 62);
	ATTEMPT(HOST_S_CET, 0x40);
	ATTEMPT(HOST_S_CET, CET_SUPPRESS | CET_TRACKER);
	ATTEMPT(GUEST_S_CET, 1ull << 62);
	ATTEMPT(GUEST_CR0, vmread(VMCS_GUEST_CR0) & ~CR0_WP);
	vmwrite(VMCS_HOST_CR4, vmread(VMCS_HOST_CR4) | CR4_CET);
	ATTEMPT(HOST_CR0, vmread(VMCS_HOST_CR0) & ~CR0_WP);
}

/* What was left of 64-bit mode does not keep L2 from other modes. */
static void other_modes(void)
{
	if (conf_lacks("other modes", NEEDS(UNRESTRICTED)))
		return;
	l2_restart(&conf_l2, c_protected);
	l2_protected_mode();
	ept_use(&ept);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
	wrmsr(MSR_S_CET, HIGH);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	conf_run("other modes");
	wrmsr(MSR_S_CET, 0);
}

static void on_stacks(void)
{
	static void (*const cases[])(void) = {l1_calls, l1_wrong_return, l1_return_after_exit};

	for (uint64_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wrmsr(MSR_PL0_SSP, stack_l1 + (i + 1) * STACK_STEP);
		cases[i]();
	}
}

int payload_main(void)
{
	if (conf_lacks("cet", NEEDS(CET)))
		return 0;
	leaves();
	msrs();
	xss();
	xsaves();
	control_registers();
	make_stacks();
	take_cp();
	on_stacks();
	l1_branch();
	l1_branch_to_endbr();
	l1_branch_untracked();
	l1_branch_before_exit();
	conf_start();
	l2_setup(&conf_l2, c_nothing);
	l2_cases();
	violation();
	checks();
	other_modes();
	return 0;
}
