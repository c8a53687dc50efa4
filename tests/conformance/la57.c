/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: sapphire_rapids */
/*
 * 5-level paging of L1 and of L2, each with the other in either mode: addresses of 57 bits in
 * accesses, registers, operands of VMX instructions and fields of the VMCS. What is refused is
 * tried where the processor's width and the mode's are the same (DEVIATIONS.md).
 */
#include "conf.h"
#include "levels.h"
#include "spec/paging.h"

/* Where the first 2^48 bytes are, again. */
#define ALIAS   (UINT64_C(1) << 48)
#define ALIAS_H UINT64_C(0xff80000000000000)
#define UNUSED  (UINT64_C(1) << 55)
#define ODD     (UINT64_C(1) << 56) /* not canonical with 57 bits */
#define ODD_H   (UINT64_C(1) << 63)

static uint64_t *pml5;
static struct ept ept;
uint64_t word; /* also the assembly's */

static void make_tables(void)
{
	uint64_t low = address_of(boot_pml4) | PT_P | PT_RW | PT_US;

	pml5 = levels_root();
	pml5[ALIAS >> 48 & 511] = pml5[ALIAS_H >> 48 & 511] = low;
	pml5[2] = low | PT_PS; /* reserved */
}

static const char *fault(void)
{
	static char text[60];

	if (!trapped())
		return "ok";
	if (trap.vector == VEC_PF)
		format_text(text, sizeof(text), "#PF(%x) at %lx", trap.error, trap.cr2);
	else
		format_text(text, sizeof(text), "vector %d(%x)", trap.vector, trap.error);
	return text;
}

/* ---- accesses ---- */

static void load(const char *name, uint64_t at)
{
	uint64_t v = 0;

	__asm__ volatile(TRY_BEGIN "mov (%1),%0" TRY_END : "+r"(v) : "r"(at) : "memory");
	print("%s: load of %lx: %s, %lx\n", name, at & ~UINT64_C(0xffffff), fault(), v);
}

static void loads(const char *name)
{
	word = 0x57;
	load(name, ALIAS + address_of(&word));
	load(name, ALIAS_H + address_of(&word));
	load(name, UNUSED);
	load(name, UINT64_C(2) << 48);
	load(name, ODD);
	load(name, ODD_H);
}

/* L0 reads what is put out for L1, and writes what is put in. */
static void strings(const char *name, uint64_t at)
{
	uint64_t rsi = at, rdi = at;

	__asm__ volatile(TRY_BEGIN "outsb" TRY_END : "+S"(rsi) : "d"(0x80) : "memory");
	print("%s: OUTS from %lx: %s, RSI %lx on\n", name, at & ~UINT64_C(0xffffff), fault(),
		rsi - at);
	__asm__ volatile(TRY_BEGIN "insb" TRY_END : "+D"(rdi) : "d"(0x80) : "memory");
	print("%s: INS to %lx: %s, RDI %lx on\n", name, at & ~UINT64_C(0xffffff), fault(),
		rdi - at);
}

static uint64_t returns_57(void)
{
	uint64_t rip;

	__asm__ volatile("lea (%%rip),%0" : "=r"(rip));
	return rip >> 48;
}

static void branch(void)
{
	uint64_t (*there)(void) = (uint64_t(*)(void))(
		uintptr_t)(ALIAS_H + address_of((void *)(uintptr_t)returns_57));

	print("a call of %lx: executed at %lx\n", ALIAS_H, there());
}

static void msrs(void)
{
	static const uint32_t names[] = {MSR_LSTAR, MSR_CSTAR, MSR_KERNEL_GS_BASE, MSR_FS_BASE,
		MSR_GS_BASE, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP};
	static const uint64_t values[] = {ALIAS, ALIAS_H, UNUSED, ODD, ODD_H, 0};

	for (unsigned m = 0; m < sizeof(names) / sizeof(names[0]); m++)
		for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			wrmsr_try(names[m], values[i]);
			print("MSR %x = %lx: %s, reads %lx\n", names[m], values[i], fault(),
				rdmsr(names[m]));
		}
}

static void toggle(const char *name)
{
	write_cr4_try(read_cr4() ^ CR4_LA57);
	print("%s: CR4.LA57 changed in IA-32e mode: %s\n", name, fault());
	write_cr4_try((read_cr4() ^ CR4_LA57) | CR4_SMXE | CR4_VMXE);
	print("%s: the same, with others: %s\n", name, fault());
}

/* ---- operands of VMX instructions ---- */

static void operand(const char *name, uint64_t at)
{
	uint64_t *p = (uint64_t *)(uintptr_t)at;
	uint64_t high = at & ~UINT64_C(0xffffff), vmcs = address_of(conf_l2.vmcs);

	print("%s %lx: VMPTRST %s", name, high, vmx_outcome(vmx_vmptrst(p)));
	print(" %s;", fault());
	__asm__ volatile(TRY_BEGIN "vmread %1,(%0)" TRY_END
			 :
			 : "r"(p), "r"((uint64_t)VMCS_HOST_CR3)
			 : "memory", "cc");
	print(" VMREAD %s;", fault());
	__asm__ volatile(TRY_BEGIN "vmwrite (%0),%1" TRY_END
			 :
			 : "r"(p), "r"((uint64_t)VMCS_HOST_RSP)
			 : "memory", "cc");
	print(" VMWRITE %s;", fault());
	if (!trapped())
		*p = vmcs;
	__asm__ volatile(TRY_BEGIN "vmptrld (%0)" TRY_END : : "r"(p) : "memory", "cc");
	print(" VMPTRLD %s;", fault());
	if (!trapped())
		p[0] = p[1] = 0;
	__asm__ volatile(TRY_BEGIN "invept (%0),%1" TRY_END
			 :
			 : "r"(p), "r"((uint64_t)INVEPT_GLOBAL)
			 : "memory", "cc");
	print(" INVEPT %s\n", fault());
}

static void operands(void)
{
	static const uint64_t linear[] = {ALIAS, ALIAS_H, UNUSED, ODD, ODD_H};
	uint64_t page = address_of(page_alloc()), other = address_of(pages_alloc(2));

	operand("operand at", page);
	operand("operand at", ALIAS + page + 8);
	operand("operand at", ALIAS_H + page + 16);
	operand("operand across pages at", ALIAS_H + other + PAGE_SIZE - 4);
	operand("operand at", UNUSED);
	operand("operand at", ODD);
	operand("operand at", UNUSED * 2 - 4);
	for (unsigned i = 0; i < sizeof(linear) / sizeof(linear[0]); i++) {
		uint64_t d[2] = {1, linear[i]};

		print("INVVPID of %lx: ", linear[i]);
		conf_status("one address", vmx_invvpid(INVVPID_ADDRESS, d));
	}
}

/* ---- L2 ---- */

L2_CODE(c_nothing, "vmcall");
L2_CODE(c_loads, "mov $1,%rax\n\tshl $48,%rax\n\tadd $word,%rax\n\tmov (%rax),%rax\n\tvmcall");
L2_CODE(c_load_unused, "mov $1,%rax\n\tshl $55,%rax\n\tmov (%rax),%rax\n\tvmcall");
L2_CODE(c_load_odd, "mov $1,%rax\n\tshl $56,%rax\n\tmov (%rax),%rax\n\tvmcall");
L2_CODE(c_toggle, "mov %cr4,%rax\n\txor $0x1000,%rax\n\tmov %rax,%cr4\n\tvmcall");
L2_CODE(c_outs, "mov $1,%esi\n\tshl $48,%rsi\n\tadd $word,%rsi\n\tmov $0x80,%edx\n\toutsb\n\t"
		"mov %rsi,%rax\n\tvmcall");
L2_CODE(c_outs_unused, "mov $1,%esi\n\tshl $55,%rsi\n\tmov $0x80,%edx\n\toutsb\n\tvmcall");
L2_CODE(c_cpuid, "xor %eax,%eax\n\tcpuid\n\tlea (%rip),%rax\n\tshr $48,%rax\n\tvmcall");
L2_CODE(c_protected, ".code32\n\tmov $0x3020,%eax\n\tmov %eax,%cr4\n\tcpuid\n\t"
		     "mov %cr4,%eax\n\tvmcall\n\t.code64");

static void faults_exit(void)
{
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_PF));
}

static void with_ept(void)
{
	faults_exit();
	ept_use(&ept);
}

static void owns_la57(void)
{
	vmwrite(VMCS_CR4_GUEST_HOST_MASK, CR4_LA57);
	vmwrite(VMCS_CR4_READ_SHADOW, 0);
}

static void strings_exit(void)
{
	faults_exit();
	ctl_set(VMCS_PROC_CONTROLS, PROC_UNCOND_IO_EXITING);
}

static void other_mode(void)
{
	uint64_t cr4 = vmread(VMCS_GUEST_CR4) ^ CR4_LA57;

	faults_exit();
	vmwrite(VMCS_GUEST_CR4, cr4);
	vmwrite(VMCS_GUEST_CR3, cr4 & CR4_LA57 ? address_of(pml5) : address_of(boot_pml4));
}

/* Entered with 4 levels, too; then the fetch faults. */
static void other_mode_at_alias(void)
{
	other_mode();
	vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + ALIAS_H);
}

static void other_mode_ept(void)
{
	other_mode();
	ept_use(&ept);
}

static void at_alias(void)
{
	faults_exit();
	vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + ALIAS_H);
	vmwrite(VMCS_GUEST_RSP, vmread(VMCS_GUEST_RSP) + ALIAS);
	vmwrite(VMCS_GUEST_GDTR_BASE, vmread(VMCS_GUEST_GDTR_BASE) + ALIAS);
	vmwrite(VMCS_GUEST_FS_BASE, UNUSED);
	conf_base += ALIAS_H;
}

static void protected_mode(void)
{
	l2_protected_mode();
	ept_use(&ept);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
}

static void exits_to_other_mode(void)
{
	uint64_t cr4 = read_cr4() ^ CR4_LA57;

	vmwrite(VMCS_HOST_CR4, cr4);
	vmwrite(VMCS_HOST_CR3, cr4 & CR4_LA57 ? address_of(pml5) : address_of(boot_pml4));
}

static const struct conf_case high = {"high addresses", c_cpuid, at_alias};

static const struct conf_case cases[] = {
	{"loads", c_loads, faults_exit},
	{"loads by EPT", c_loads, with_ept},
	{"loads what is unused", c_load_unused, faults_exit},
	{"loads what is unused by EPT", c_load_unused, with_ept},
	{"loads what is not canonical", c_load_odd, with_ept},
	{"changes LA57", c_toggle, faults_exit},
	{"changes LA57, which L1 owns", c_toggle, owns_la57},
	{"OUTS", c_outs, faults_exit},
	{"OUTS by EPT", c_outs, with_ept},
	{"OUTS that exits", c_outs, strings_exit},
	{"OUTS of what is unused", c_outs_unused, with_ept},
	{"sets LA57 without paging", c_protected, protected_mode},
	{"other mode than L1", c_cpuid, other_mode},
	{"high RIP in other mode than L1", c_cpuid, other_mode_at_alias},
	{"loads in other mode than L1", c_loads, other_mode},
	{"loads in other mode than L1 by EPT", c_loads, other_mode_ept},
	{"changes LA57 in other mode than L1", c_toggle, other_mode},
	{"makes L1 change its mode", c_nothing, exits_to_other_mode},
	{"makes L1 change its mode again", c_nothing, exits_to_other_mode},
};

/* L1's own registers hold as L2 leaves them; what L2 wrote is in the VMCS. */
static void run_cases(const char *mode)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		conf_run_case(&cases[i]);
		print("%s: LA57 of L1 %d, of L2 %d\n", mode, (read_cr4() & CR4_LA57) != 0,
			(vmread(VMCS_GUEST_CR4) & CR4_LA57) != 0);
	}
}

static void try_field(uint32_t field, uint64_t value)
{
	vmwrite(field, value);
	print("%s = %lx: ", vmcs_fields[vmcs_fid_of(field)].name, value);
	conf_run("entered");
}

static void enters_with(uint32_t field, uint64_t value)
{
	l2_restart(&conf_l2, c_nothing);
	try_field(field, value);
}

/* Checked by the mode that the exit enters; an exit continues there. */
static void host_rip(const char *mode)
{
	static const uint64_t values[] = {ALIAS_H, ODD, ODD_H};
	uint64_t now = vmread(VMCS_HOST_RIP);

	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		print("%s: ", mode);
		enters_with(VMCS_HOST_RIP, now + values[i]);
	}
	vmwrite(VMCS_HOST_RIP, now);
}

static void cet_fields(void)
{
	static const uint32_t names[] = {VMCS_HOST_S_CET, VMCS_HOST_SSP, VMCS_HOST_SSP_TABLE,
		VMCS_GUEST_S_CET, VMCS_GUEST_SSP, VMCS_GUEST_SSP_TABLE};
	static const uint64_t values[] = {UNUSED, ALIAS_H, ODD, ODD_H, 0};

	if (conf_lacks("fields of CET", NEEDS(CET)))
		return;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		vmwrite(names[i], 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			l2_restart(&conf_l2, c_nothing);
			ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_CET);
			ctl_set(VMCS_EXIT_CONTROLS, EXIT_LOAD_CET);
			try_field(names[i], values[v]);
		}
}

static void fields(void)
{
	static const uint32_t any[] = {VMCS_GUEST_FS_BASE, VMCS_GUEST_GS_BASE,
		VMCS_GUEST_SYSENTER_ESP, VMCS_GUEST_SYSENTER_EIP, VMCS_GUEST_GDTR_BASE,
		VMCS_GUEST_IDTR_BASE, VMCS_GUEST_TR_BASE, VMCS_HOST_FS_BASE, VMCS_HOST_GS_BASE,
		VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP};
	static const uint32_t used[] = {
		VMCS_HOST_GDTR_BASE, VMCS_HOST_IDTR_BASE, VMCS_HOST_TR_BASE};
	static const uint64_t values[] = {UNUSED, ALIAS_H, ODD, ODD_H};

	for (unsigned i = 0; i < sizeof(any) / sizeof(any[0]); i++)
		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			enters_with(any[i], values[v]);
	for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		uint64_t now = vmread(used[i]);

		enters_with(used[i], ODD_H);
		enters_with(used[i], ALIAS_H + now);
		enters_with(used[i], now);
	}
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
	host_rip("5 levels");
	cet_fields();
}

int payload_main(void)
{
	uint64_t cr4 = read_cr4();

	if (!levels_have_5()) {
		conf_skipped("all", "5-level paging");
		return 0;
	}
	print("CPUID: linear addresses of %u bits\n", cpuid(0x80000008, 0).eax >> 8 & 0xff);
	make_tables();
	toggle("4 levels");
	load("4 levels", ALIAS);
	levels_switch(cr4 | CR4_LA57, address_of(pml5));
	print("5 levels: CR4.LA57 %d\n", (read_cr4() & CR4_LA57) != 0);
	loads("5 levels");
	strings("5 levels", ALIAS + address_of(&word));
	strings("5 levels", UNUSED);
	strings("5 levels", ODD);
	word = 0x57; /* INS has changed it */
	branch();
	msrs();
	toggle("5 levels");
	conf_start();
	print("IA32_VMX_CR4_FIXED1: LA57 %lu\n", rdmsr(MSR_VMX_CR4_FIXED1) >> 12 & 1);
	ept_init(&ept);
	ept_identity(&ept, UINT64_C(1) << 32, 2);
	l2_restart(&conf_l2, c_nothing);
	operands();
	fields();
	conf_run_case(&high);
	run_cases("5 levels");
	conf_status("VMXOFF", vmx_vmxoff());
	levels_switch(cr4 | CR4_VMXE, address_of(boot_pml4));
	load("4 levels again", ALIAS);
	conf_status("VMXON", vmx_vmxon(address_of(vmxon_region())));
	l2_restart(&conf_l2, c_nothing);
	host_rip("4 levels");
	run_cases("4 levels");
	return 0;
}
