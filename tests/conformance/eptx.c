/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of what EPT can besides translating: page-modification logging (SDM 28.2.5), #VE
 * (25.5.6), EPTP switching (25.5.5.3), mode-based execute control, PDPTEs through EPT
 * (26.3.2.4).
 *
 * L2's linear addresses are its physical addresses; WINDOW is where each case maps what it
 * wants, as in ept.c. The identity map has its flags set and both execute rights, so that only
 * WINDOW tells.
 */
#include "conf.h"

#define WINDOW   0x40000000ull
#define IDENTITY 0x4000000ull
#define LEAF     (EPT_RWX | EPT_WB)
#define LOG_TOP  511

/* What every processor with EPT has, as far as Nestor demands it. */
#define CAPABILITIES                                                                         \
	(EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_INVEPT | EPT_CAP_INVEPT_SINGLE | \
		EPT_CAP_INVEPT_GLOBAL)

static struct ept ept, other;
static uint64_t *page_a, *page_b, *log_page, *info, *list, *tables;

L2_CODE(x_read, "mov 0x40000128, %eax");
L2_CODE(x_write, "movq $0x77, 0x40000128\n\tmov $2, %eax");
L2_CODE(x_write2,
	"movq $5, 0x40000128\n\tmovq $6, 0x40000130\n\tmovq $7, 0x40001128\n\tmov $2, %eax");
L2_CODE(x_cross, "mov %rax, 0x40000ffc");
L2_CODE(x_fetch, "mov $0x40000200, %eax\n\tcall *%rax");
L2_CODE(x_cr3, "mov $0x40000000, %eax\n\tmov %rax, %cr3\n\tmov 0x100000, %ebx");
L2_CODE(x_ud, "ud2");
L2_CODE(x_push, "mov %rsp, %rbx\n\tmov $0x40000800, %esp\n\tpush %rax\n\tmov %rbx, %rsp");

static void fresh(struct ept *e)
{
	ept_init(e);
	for (uint64_t a = 0; a < IDENTITY; a += SIZE_2M)
		ept_map(e, a, a, 2,
			LEAF | EPT_USER_EXEC | EPT_ACCESSED | EPT_DIRTY | EPT_NO_VE);
	e->root[0] |= EPT_ACCESSED | EPT_USER_EXEC;
	*ept_entry(e, 0, 3) |= EPT_ACCESSED | EPT_USER_EXEC;
}

static void map(uint64_t flags)
{
	fresh(&ept);
	ept_map(&ept, WINDOW, address_of(page_a), 1, flags);
	ept_map(&ept, WINDOW + 4096, address_of(page_b), 1, flags);
	ept_use(&ept);
}

/* ---- page-modification logging ---- */

static void logging(uint64_t flags, unsigned index)
{
	map(flags);
	memset(log_page, 0, 4096);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_ENABLE_PML);
	vmwrite(VMCS_EPT_POINTER, ept.eptp | EPTP_AD);
	vmwrite(VMCS_PML_ADDRESS, address_of(log_page));
	vmwrite(VMCS_PML_INDEX, index);
}

static void p_log(void)
{
	logging(LEAF, LOG_TOP);
}

static void p_log_last(void)
{
	logging(LEAF, 0);
}

static void p_log_full(void)
{
	logging(LEAF, 0xffff);
}

static void p_log_512(void)
{
	logging(LEAF, 512);
}

static void p_log_full_accessed(void)
{
	logging(LEAF | EPT_ACCESSED, 0xffff);
}

/* The tables that lead to the page are accessed, too: the log is not looked at. */
static void p_log_full_all(void)
{
	p_log_full_accessed();
	for (int level = 2; level <= 4; level++)
		*(level == 4 ? ept.root : ept_entry(&ept, WINDOW, level)) |= EPT_ACCESSED;
}

static void p_log_large(void)
{
	p_log();
	*ept_entry(&ept, WINDOW, 2) = 0;
	ept_map(&ept, WINDOW, 8 * SIZE_2M, 2, LEAF);
}

static void p_log_tables(void)
{
	memcpy(page_a, boot_pml4, 4096);
	p_log();
}

static void p_log_off(void)
{
	p_log();
	vmwrite(VMCS_EPT_POINTER, ept.eptp);
}

static const struct conf_case log_cases[] = {
	{"log: three writes to two pages", x_write2, p_log},
	{"log: read", x_read, p_log},
	{"log: crossing", x_cross, p_log},
	{"log: push", x_push, p_log},
	{"log: last entry", x_write2, p_log_last},
	{"log: full, write", x_write, p_log_full},
	{"log: index 512", x_write, p_log_512},
	{"log: full, read", x_read, p_log_full},
	{"log: full, read of accessed page", x_read, p_log_full_accessed},
	{"log: full, all accessed: write", x_write, p_log_full_all},
	{"log: 2M page", x_write2, p_log_large},
	{"log: page tables", x_cr3, p_log_tables},
	{"log: without flags", x_write2, p_log_off},
};

static void print_log(void)
{
	unsigned index = (unsigned)vmread(VMCS_PML_INDEX);

	print("  index %x:", index);
	for (unsigned i = 0; i < 512; i++)
		if (log_page[i])
			print(" [%u]=%lx", i, log_page[i]);
	print(" flags %lx\n", ept_entry(&ept, WINDOW, 1)
				      ? *ept_entry(&ept, WINDOW, 1) & (EPT_ACCESSED | EPT_DIRTY)
				      : 0);
}

/* L1 empties a full log and L2 goes on. */
static bool emptying_handler(uint32_t reason)
{
	if (reason != EXIT_PML_FULL)
		return conf_default_handler(reason);
	vmwrite(VMCS_PML_INDEX, 1);
	return true;
}

static void p_emptying(void)
{
	logging(LEAF, 0);
	conf_handler = emptying_handler;
}

static void log_all(void)
{
	struct conf_case emptied = {"log: emptied", x_write2, p_emptying};

	for (size_t i = 0; i < sizeof(log_cases) / sizeof(log_cases[0]); i++) {
		conf_run_case(&log_cases[i]);
		print_log();
	}
	conf_run_case(&emptied);
	print_log();
	/* Cleared flags are logged again after INVEPT. */
	conf_run_case(&log_cases[0]);
	*ept_entry(&ept, WINDOW, 1) &= ~(EPT_ACCESSED | EPT_DIRTY);
	invept_single(&ept);
	vmwrite(VMCS_GUEST_RIP, conf_base);
	vmwrite(VMCS_GUEST_RSP, vmread(VMCS_GUEST_RSP) - 8);
	conf_run("log: again");
	print_log();
}

/* ---- #VE ---- */

static volatile unsigned ve_count;
static uint64_t ve_seen[5];

/* In L2: keeps the information, maps the page, and tries again. */
static bool ve_hook(struct trap_frame *f)
{
	if (f->vector != VEC_VE)
		return false;
	ve_count = ve_count + 1;
	memcpy(ve_seen, info, 34);
	ve_seen[4] &= 0xffff;
	ept_map(ve_seen[4] == 1 ? &other : &ept, ve_seen[3] & ~PAGE_MASK, address_of(page_a), 1,
		LEAF | EPT_NO_VE);
	info[0] = 0;
	return true;
}

static void convert(void)
{
	page_a[0x200 / 8] = 0xc3;
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_EPT_VIOLATION_VE);
	memset(info, 0, 4096);
	vmwrite(VMCS_VE_INFO_ADDRESS, address_of(info));
	vmwrite(VMCS_EPTP_INDEX, 0);
	ept_use(&ept);
}

static void p_ve(void)
{
	fresh(&ept);
	convert();
}

static void p_ve_read_only(void)
{
	map(EPT_READ | EPT_WB);
	convert();
}

static void p_ve_suppressed(void)
{
	map(EPT_READ | EPT_WB | EPT_NO_VE);
	convert();
}

static void p_ve_suppressed_absent(void)
{
	map(EPT_NO_VE);
	convert();
}

/* Bit 63 of an entry that leads to a table does not count. */
static void p_ve_table(void)
{
	map(EPT_READ | EPT_WB);
	*ept_entry(&ept, WINDOW, 2) |= EPT_NO_VE;
	*ept_entry(&ept, WINDOW, 3) |= EPT_NO_VE;
	convert();
}

static void p_ve_large(void)
{
	fresh(&ept);
	ept_map(&ept, WINDOW, 8 * SIZE_2M, 2, EPT_READ | EPT_WB | EPT_NO_VE);
	convert();
}

static void p_ve_busy(void)
{
	p_ve();
	info[0] = 1ull << 32;
}

static void p_ve_intercepted(void)
{
	p_ve();
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_VE));
}

static void p_ve_misconfigured(void)
{
	map(EPT_WRITE | EPT_WB);
	convert();
}

static void p_ve_delivery(void)
{
	p_ve();
	vmwrite(VMCS_GUEST_IDTR_BASE, WINDOW);
}

static void p_ve_off(void)
{
	p_ve();
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_EPT_VIOLATION_VE);
}

static const struct conf_case ve_cases[] = {
	{"ve: absent, read", x_read, p_ve},
	{"ve: absent, write", x_write, p_ve},
	{"ve: absent, fetch", x_fetch, p_ve},
	{"ve: read-only, write", x_write, p_ve_read_only},
	{"ve: bit 63 of tables", x_write, p_ve_table},
	{"ve: crossing", x_cross, p_ve},
	{"ve: suppressed", x_write, p_ve_suppressed},
	{"ve: suppressed, absent", x_read, p_ve_suppressed_absent},
	{"ve: suppressed, 2M", x_write, p_ve_large},
	{"ve: busy", x_read, p_ve_busy},
	{"ve: intercepted", x_read, p_ve_intercepted},
	{"ve: misconfiguration", x_read, p_ve_misconfigured},
	{"ve: event delivery", x_ud, p_ve_delivery},
	{"ve: off", x_read, p_ve_off},
};

static void ve_all(void)
{
	trap_hook = ve_hook;
	for (size_t i = 0; i < sizeof(ve_cases) / sizeof(ve_cases[0]); i++) {
		ve_count = 0;
		memset(ve_seen, 0, sizeof(ve_seen));
		conf_run_case(&ve_cases[i]);
		print("  count %u info %lx %lx %lx %lx %lx area %lx\n", ve_count, ve_seen[0],
			ve_seen[1], ve_seen[2], ve_seen[3], ve_seen[4], info[0]);
	}
	trap_hook = NULL;
}

/* ---- EPTP switching ---- */

L2_CODE(f_switch, "mov 0x40000128, %ebx\n\txor %eax, %eax\n\tmov $1, %ecx\n\tvmfunc\n\t"
		  "mov 0x40000128, %edx\n\tmov %rbx, %rax\n\tshl $32, %rax\n\tor %rdx, %rax");
L2_CODE(f_there_and_back,
	"xor %eax, %eax\n\tmov $1, %ecx\n\tvmfunc\n\tmov 0x40000128, %ebx\n\txor %ecx, %ecx\n\t"
	"vmfunc\n\tmov 0x40000128, %edx\n\tmov %rbx, %rax\n\tshl $32, %rax\n\tor %rdx, %rax");
L2_CODE(f_high_bits, "mov $0xff00000000, %rax\n\tmov $0xff00000001, %rcx\n\tvmfunc\n\t"
		     "mov 0x40000128, %eax");
L2_CODE(f_last, "xor %eax, %eax\n\tmov $511, %ecx\n\tvmfunc\n\tmov 0x40000128, %eax");
L2_CODE(f_512, "xor %eax, %eax\n\tmov $512, %ecx\n\tvmfunc\n\tmov 0x40000128, %eax");
L2_CODE(f_bad, "xor %eax, %eax\n\tmov $2, %ecx\n\tvmfunc\n\tmov 0x40000128, %eax");
L2_CODE(f_bad_type, "xor %eax, %eax\n\tmov $3, %ecx\n\tvmfunc\n\tmov 0x40000128, %eax");
L2_CODE(f_one, "mov $1, %eax\n\tmov $1, %ecx\n\tvmfunc\n\tmov 0x40000128, %eax");
L2_CODE(f_63, "mov $63, %eax\n\tmov $1, %ecx\n\tvmfunc\n\tmov 0x40000128, %eax");
L2_CODE(f_64, "mov $64, %eax\n\tmov $1, %ecx\n\tvmfunc\n\tmov 0x40000128, %eax");

static void p_functions(void)
{
	map(LEAF | EPT_NO_VE);
	fresh(&other);
	ept_map(&other, WINDOW, address_of(page_b), 1, LEAF);
	page_a[0x128 / 8] = 0xaaaa;
	page_b[0x128 / 8] = 0xbbbb;
	list[0] = ept.eptp;
	list[1] = list[511] = other.eptp;
	list[2] = other.eptp | 1ull << 51;
	list[3] = other.eptp & ~7ull;
	list[3] |= 5;
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_ENABLE_VMFUNC);
	vmwrite(VMCS_VMFUNC_CONTROLS, 1);
	vmwrite(VMCS_EPTP_LIST_ADDRESS, address_of(list));
	vmwrite(VMCS_EPTP_INDEX, 0x77);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
}

static void p_functions_off(void)
{
	p_functions();
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_ENABLE_VMFUNC);
}

static void p_no_function(void)
{
	p_functions();
	vmwrite(VMCS_VMFUNC_CONTROLS, 0);
}

/* The page that L2 reads is not in the EPT it switches to. */
static void p_switch_to_nothing(void)
{
	p_functions();
	*ept_entry(&other, WINDOW, 1) = 0;
}

static void p_switch_and_convert(void)
{
	p_switch_to_nothing();
	convert();
}

static void p_switch_stepped(void)
{
	p_functions();
	ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
}

static const struct conf_case function_cases[] = {
	{"vmfunc: switch", f_switch, p_functions},
	{"vmfunc: there and back", f_there_and_back, p_functions},
	{"vmfunc: high halves", f_high_bits, p_functions},
	{"vmfunc: entry 511", f_last, p_functions},
	{"vmfunc: entry 512", f_512, p_functions},
	{"vmfunc: bad EPTP", f_bad, p_functions},
	{"vmfunc: bad memory type", f_bad_type, p_functions},
	{"vmfunc: function 1", f_one, p_functions},
	{"vmfunc: function 63", f_63, p_functions},
	{"vmfunc: function 64", f_64, p_functions},
	{"vmfunc: off", f_switch, p_functions_off},
	{"vmfunc: no function enabled", f_switch, p_no_function},
	{"vmfunc: page missing", f_switch, p_switch_to_nothing},
};

static const char *which(uint64_t eptp)
{
	return eptp == ept.eptp ? "first" : eptp == other.eptp ? "second" : "?";
}

/* Each step of L2 until it is behind VMFUNC: an exit for the monitor trap flag after each. */
static bool stepping_handler(uint32_t reason)
{
	return reason == EXIT_MTF;
}

static void function_all(void)
{
	struct conf_case c = {"vmfunc: stepped", f_last, p_switch_stepped};
	struct conf_case converted = {
		"vmfunc: page missing, #VE", f_switch, p_switch_and_convert};

	for (size_t i = 0; i < sizeof(function_cases) / sizeof(function_cases[0]); i++) {
		conf_run_case(&function_cases[i]);
		print("  EPT: %s, index %lx\n", which(vmread(VMCS_EPT_POINTER)),
			vmread(VMCS_EPTP_INDEX));
	}
	trap_hook = ve_hook;
	ve_count = 0;
	conf_run_case(&converted);
	print("  count %u info %lx %lx %lx %lx\n", ve_count, ve_seen[1], ve_seen[2], ve_seen[3],
		ve_seen[4]);
	trap_hook = NULL;
	l2_restart(&conf_l2, c.code);
	conf_base = vmread(VMCS_GUEST_RIP);
	c.prepare();
	conf_handler = stepping_handler;
	conf_run(c.name);
	/* INVEPT of the other EPT reaches what L2 uses by switching. */
	conf_run_case(&function_cases[3]);
	*ept_entry(&other, WINDOW, 1) = address_of(page_a) | LEAF;
	invept_single(&other);
	vmwrite(VMCS_GUEST_RIP, conf_base);
	vmwrite(VMCS_GUEST_RSP, vmread(VMCS_GUEST_RSP) - 8);
	conf_run("vmfunc: after INVEPT");
}

/* ---- mode-based execute control ---- */

static void modes(uint64_t flags, bool user)
{
	page_a[0x200 / 8] = 0xc3;
	page_a[0x128 / 8] = 0xaaaa;
	map(flags);
	*ept_entry(&ept, WINDOW, 2) |= EPT_USER_EXEC;
	*ept_entry(&ept, WINDOW, 3) |= EPT_USER_EXEC;
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_MODE_BASED_EXECUTE);
	memcpy(tables, boot_pml4, 4096);
	if (!user)
		tables[0] &= ~4ull;
	vmwrite(VMCS_GUEST_CR3, address_of(tables));
}

#define MODES(name, flags)                      \
	static void p_user_##name(void)         \
	{                                       \
		modes((flags) | EPT_WB, true);  \
	}                                       \
	static void p_super_##name(void)        \
	{                                       \
		modes((flags) | EPT_WB, false); \
	}
MODES(both, EPT_RWX | EPT_USER_EXEC)
MODES(x, EPT_READ | EPT_EXEC)
MODES(xu, EPT_READ | EPT_USER_EXEC)
MODES(neither, EPT_READ | EPT_WRITE)
MODES(only_x, EPT_EXEC)
MODES(only_xu, EPT_USER_EXEC)
MODES(w_xu, EPT_WRITE | EPT_USER_EXEC)

static void p_xu_off(void)
{
	p_user_xu();
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_MODE_BASED_EXECUTE);
}

static void p_only_xu_off(void)
{
	p_user_only_xu();
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_MODE_BASED_EXECUTE);
}

static const struct conf_case mode_cases[] = {
	{"mbec: both, user", x_fetch, p_user_both},
	{"mbec: both, supervisor", x_fetch, p_super_both},
	{"mbec: X, user", x_fetch, p_user_x},
	{"mbec: X, supervisor", x_fetch, p_super_x},
	{"mbec: XU, user", x_fetch, p_user_xu},
	{"mbec: XU, supervisor", x_fetch, p_super_xu},
	{"mbec: neither, user", x_fetch, p_user_neither},
	{"mbec: neither, supervisor", x_fetch, p_super_neither},
	{"mbec: neither, read", x_read, p_user_neither},
	{"mbec: only X, supervisor", x_fetch, p_super_only_x},
	{"mbec: only X, read", x_read, p_super_only_x},
	{"mbec: only XU, user", x_fetch, p_user_only_xu},
	{"mbec: only XU, supervisor", x_fetch, p_super_only_xu},
	{"mbec: W and XU", x_read, p_user_w_xu},
	{"mbec: W and XU, supervisor", x_read, p_super_w_xu},
	{"mbec: only X, user", x_fetch, p_user_only_x},
	{"mbec: control off, XU", x_fetch, p_xu_off},
	{"mbec: control off, only XU", x_read, p_only_xu_off},
};

/* ---- PDPTEs of PAE paging, which MOV to CR0 and CR3 load through EPT ---- */

__asm__(".text\n.code32\n"
	"pae_on:\n\t"
	"mov %cr4, %eax\n\tor $0x20, %eax\n\tmov %eax, %cr4\n\tmov $0x40000000, %eax\n\t"
	"mov %eax, %cr3\n\tmov %cr0, %eax\n\tor $0x80000000, %eax\n\tmov %eax, %cr0\n\t"
	"jmp 1f\n1:\tmov 0x100000, %ebx\n\tmov $0x9ae, %eax\n\tvmcall\n"
	".code64\n");

void pae_on(void);

static void p_pae(void)
{
	l2_protected_mode();
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
	memset(page_a, 0, 4096);
	for (uint64_t i = 0; i < 32; i++)
		tables[i] = i * SIZE_2M | 0xe3;
	page_a[0] = address_of(tables) | 1;
	map(EPT_READ | EPT_WB);
}

static void p_pae_absent(void)
{
	p_pae();
	*ept_entry(&ept, WINDOW, 1) = 0;
}

static void p_pae_unreadable(void)
{
	p_pae();
	*ept_entry(&ept, WINDOW, 1) = address_of(page_a) | EPT_EXEC | EPT_WB;
}

static void p_pae_flags(void)
{
	p_pae();
	*ept_entry(&ept, WINDOW, 1) |= EPT_WRITE;
	ept.eptp |= EPTP_AD;
	ept_use(&ept);
}

static const struct conf_case pae_cases[] = {
	{"pae: PDPTEs", pae_on, p_pae},
	{"pae: unmapped", pae_on, p_pae_absent},
	{"pae: execute-only", pae_on, p_pae_unreadable},
	{"pae: A/D flags", pae_on, p_pae_flags},
};

static void pae_all(void)
{
	for (size_t i = 0; i < sizeof(pae_cases) / sizeof(pae_cases[0]); i++) {
		conf_run_case(&pae_cases[i]);
		print("  flags %lx\n", *ept_entry(&ept, WINDOW, 1) & EPT_ACCESSED);
	}
}

int payload_main(void)
{
	conf_start();
	page_a = page_alloc();
	page_b = page_alloc();
	log_page = page_alloc();
	info = page_alloc();
	list = page_alloc();
	tables = page_alloc();
	print("capabilities %lx\n", rdmsr(MSR_VMX_EPT_VPID_CAP) & CAPABILITIES);
	if (!conf_lacks("log", NEEDS(PML)))
		log_all();
	if (!conf_lacks("ve", NEEDS(VE)))
		ve_all();
	/* The EPTP index is #VE's. */
	if (!conf_lacks("vmfunc", NEEDS(VMFUNC)) && !conf_lacks("vmfunc", NEEDS(VE)))
		function_all();
	if (!conf_lacks("mbec", NEEDS(MODE_BASED_EXECUTE)))
		conf_run_cases(CASES(mode_cases));
	pae_all();
	return 0;
}
