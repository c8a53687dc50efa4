/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUID and MSRs that follow the state of the virtual CPU: levels of leaf 0BH, the APIC flag,
 * IA32_APIC_BASE, and IA32_EFER.LMA, which no write changes. RDPMC as CPUID leaf 0AH tells.
 */
#include "cmdline.h"
#include "conf.h"

#define EFER_BITS 0xd01ul

struct msr_entry {
	uint32_t index, reserved;
	uint64_t value;
};

static struct msr_entry *list;

#define WRITE_EFER(name, value)                                                           \
	L2_CODE(name, "mov $0xc0000080,%ecx\n\tmov $" #value ",%eax\n\txor %edx,%edx\n\t" \
		      "wrmsr\n\trdmsr")

WRITE_EFER(e_same, 0x500);
WRITE_EFER(e_no_lma, 0x101);
WRITE_EFER(e_nxe, 0xd01);
WRITE_EFER(e_no_lme, 0x400);
WRITE_EFER(e_reserved, 0x502);
L2_CODE(c_rdpmc, "xor %ecx,%ecx\n\trdpmc\n\tvmcall");
L2_CODE(c_fmask, "mov $0xc0000084,%ecx\n\tmov $0x300,%eax\n\tmov $1,%edx\n\twrmsr\n\trdmsr");
L2_CODE(read_efer, "mov $0xc0000080,%ecx\n\trdmsr");

static void faults_exit(void)
{
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
}

static void topology(void)
{
	for (uint32_t i = 0; i < 8; i++) {
		struct cpuid_regs r = cpuid(0xb, i);

		print("leaf b.%x: ecx %x edx %x\n", i, r.ecx, r.edx);
	}
	print("leaf b.107: ecx %x\n", cpuid(0xb, 0x107).ecx);
}

static void base(const char *name, uint64_t value)
{
	wrmsr_try(0x1b, value);
	print("%s: IA32_APIC_BASE = %lx: trap %d, reads %lx, flag %d\n", name, value,
		trap.vector, rdmsr(0x1b), cpuid(1, 0).edx >> 9 & 1);
}

/* ---- RDPMC ---- */

/* The first counter: where there is none RDPMC raises #GP, in L1 as in L2. */
static bool has_counters(void)
{
	return (cpuid(0xa, 0).eax & 0xff) != 0;
}

static void as_told(const char *name, bool faults)
{
	print("%s: %s\n", name, faults != has_counters() ? "as CPUID tells" : "otherwise");
}

static void user_rdpmc(void)
{
	__asm__ volatile("rdpmc\n\tint $0x80" : : "c"(0) : "rax", "rdx");
}

static void user_mode(void)
{
	vmwrite(VMCS_GUEST_CS_SELECTOR, 0x2b);
	vmwrite(VMCS_GUEST_CS_AR, 0xa0fb);
	vmwrite(VMCS_GUEST_SS_SELECTOR, 0x23);
	vmwrite(VMCS_GUEST_SS_AR, 0xc0f3);
}

/* The reason of the exit of an L2 that executes RDPMC; CR4.PCE is L2's. */
static uint64_t l2_rdpmc(bool user, bool pce, bool intercepted)
{
	l2_restart(&conf_l2, c_rdpmc);
	faults_exit();
	if (user)
		user_mode();
	if (pce)
		vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) | CR4_PCE);
	if (intercepted)
		ctl_set(VMCS_PROC_CONTROLS, PROC_RDPMC_EXITING);
	return l2_run(&conf_l2) == VMX_OK ? vmread(VMCS_EXIT_REASON) : UINT64_MAX;
}

static void rdpmc(void)
{
	__asm__ volatile(TRY_BEGIN "rdpmc" TRY_END : : "c"(0) : "rax", "rdx", "memory");
	as_told("RDPMC in L1", trap.vector == VEC_GP);
	user_call(user_rdpmc);
	print("RDPMC in L1 at CPL 3: vector %d error %x\n", trap.vector, trap.error);
	write_cr4(read_cr4() | CR4_PCE);
	user_call(user_rdpmc);
	as_told("RDPMC in L1 at CPL 3 with PCE", trap.vector == VEC_GP);
	write_cr4(read_cr4() & ~CR4_PCE);
	as_told("RDPMC in L2", l2_rdpmc(false, false, false) == EXIT_EXCEPTION_NMI);
	as_told("RDPMC in L2 at CPL 3 with PCE",
		l2_rdpmc(true, true, false) == EXIT_EXCEPTION_NMI);
	print("RDPMC in L2 at CPL 3: exit %lu\n", l2_rdpmc(true, false, false));
	print("RDPMC in L2, intercepted: exit %lu\n", l2_rdpmc(false, false, true));
	print("RDPMC in L2 at CPL 3, intercepted: exit %lu\n", l2_rdpmc(true, false, true));
	print("RDPMC in L2 at CPL 3 with PCE, intercepted: exit %lu\n",
		l2_rdpmc(true, true, true));
}

/* Under Nestor only, by the command line "fmask": see DEVIATIONS.md. L1 writes it without an
 * exit, so that is the machine's. */
static void fmask(void)
{
	static const struct conf_case in_l2 = {"FMASK in L2", c_fmask, faults_exit};

	conf_run_case(&in_l2);
	l2_restart(&conf_l2, read_efer);
	list[0] = (struct msr_entry){MSR_FMASK, 0, 1ull << 32};
	vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, address_of(list));
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	conf_run("list: FMASK");
}

static void written_by_l1(const char *name, uint64_t efer)
{
	wrmsr_try(0xc0000080, efer);
	print("%s in L1: trap %d, %lx\n", name, trap.vector, rdmsr(0xc0000080) & EFER_BITS);
	wrmsr(0xc0000080, 0x500);
}

static void loaded_by_entry(const char *name, uint64_t efer)
{
	l2_restart(&conf_l2, read_efer);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	list[0] = (struct msr_entry){0xc0000080, 0, efer};
	vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, address_of(list));
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	conf_run(name);
	wrmsr(0xc0000080, 0x500);
}

int payload_main(void)
{
	static const struct conf_case cases[] = {
		{"EFER as it is", e_same, faults_exit},
		{"EFER without LMA", e_no_lma, faults_exit},
		{"EFER with NXE", e_nxe, faults_exit},
		{"EFER without LME", e_no_lme, faults_exit},
		{"EFER with a reserved bit", e_reserved, faults_exit},
	};

	conf_start();
	list = page_alloc();
	topology();
	conf_run_cases(CASES(cases));
	written_by_l1("EFER without LMA", 0x101);
	written_by_l1("EFER without LME", 0x400);
	loaded_by_entry("list: EFER as it is", 0x500);
	loaded_by_entry("list: EFER without LMA", 0x101);
	loaded_by_entry("list: EFER with NXE", 0xd01);
	loaded_by_entry("list: EFER without LME", 0x400);
	rdpmc();
	if (cmdline_flag("fmask"))
		fmask();
	if (!cmdline_flag("common")) /* as the machine has it */
		print("fast strings %d\n", (int)(rdmsr(0x1a0) & 1));
	base("xAPIC", 0xfee00900);
	base("xAPIC", 0xfee00800); /* the BSP flag is as written */
	base("xAPIC", 0xfee00900);
	base("xAPIC", 0xfee00901);
	if (cpuid(1, 0).ecx & BIT(21)) {
		base("x2APIC", 0xfee00d00);
		base("x2APIC", 0xfee00900);
	} else {
		conf_skipped("x2APIC", "x2APIC mode");
	}
	base("off", 0xfee00100); /* the last one: the emulator does not enable it again */
	return 0;
}
