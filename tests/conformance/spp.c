/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: sapphire_rapids */
/*
 * Conformance of sub-page write permissions (SDM "Sub-Page Write Permissions", newer than the
 * pinned edition): which writes ask the table, what it allows, what is missing or malformed in
 * it, and when changes count.
 *
 * As in ept.c L2's linear addresses are its physical ones, and WINDOW is where each case maps
 * what it wants. No write meets two sub-pages: the emulator looks at the first one alone.
 */
#include "conf.h"

#define WINDOW    0x40000000ull
#define IDENTITY  0x4000000ull
#define READ_ONLY (EPT_READ | EPT_EXEC | EPT_WB)
#define PROTECTED (READ_ONLY | EPT_SUB_PAGE)
#define AT        0x128 /* of what most cases write */
#define ALL       UINT64_C(0x5555555555555555)

/* A table of sub-page rights that has a way to the window's first pages. */
static uint64_t *spp[5];
static struct ept ept, other;
static uint64_t *page_a, *page_b, *ve_info;

static void fresh_ept(void)
{
	ept_init(&ept);
	ept_identity(&ept, IDENTITY, 2);
	ept_use(&ept);
}

static void fresh_spp(uint64_t rights)
{
	for (unsigned level = 4; level >= 1; level--)
		memset(spp[level], 0, 4096);
	for (unsigned level = 4; level > 1; level--)
		spp[level][WINDOW >> (12 + 9 * (level - 1)) & 511] =
			address_of(spp[level - 1]) | SPP_VALID;
	spp[1][0] = rights;
}

/* The entry of the window's first page. */
static uint64_t *spp_entry(unsigned level)
{
	return &spp[level][WINDOW >> (12 + 9 * (level - 1)) & 511];
}

static void use(void)
{
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_SUB_PAGE_WRITE);
	vmwrite(VMCS_SPPTP, address_of(spp[4]));
	vmwrite(VMCS_EPT_POINTER, ept.eptp);
}

static void map(uint64_t flags, uint64_t rights)
{
	page_a[AT / 8] = 0xaaaa;
	fresh_ept();
	ept_map(&ept, WINDOW, address_of(page_a), 1, flags);
	ept_map(&ept, WINDOW + 4096, address_of(page_b), 1, READ_ONLY | EPT_WRITE);
	fresh_spp(rights);
	use();
}

L2_CODE(c_read, "mov 0x40000128, %eax");
L2_CODE(c_write, "movq $0x77, 0x40000128\n\tmov $2, %eax");
L2_CODE(c_rmw, "lock addl $1, 0x40000128\n\tmov $3, %eax");
L2_CODE(c_fetch, "mov $0x40000200, %eax\n\tcall *%rax");
L2_CODE(c_first_last,
	"movb $1, 0x40000000\n\tmovb $2, 0x4000007f\n\tmovb $3, 0x40000f80\n\tmovb $4, 0x40000fff");
L2_CODE(c_second, "movb $1, 0x4000007f\n\tmovb $2, 0x40000080");
L2_CODE(c_cross, "mov %rax, 0x40000ffc");
L2_CODE(c_push, "mov %rsp, %rbx\n\tmov $0x40000130, %esp\n\tpush %rax\n\tmov %rbx, %rsp");
L2_CODE(c_movs, "mov $0x40000100, %esi\n\tmov $0x40000170, %edi\n\tmov $32, %ecx\n\trep movsb");
L2_CODE(c_ins, "mov $0x40000128, %edi\n\tmov $0x80, %edx\n\tinsb");
L2_CODE(c_from_device, "mov $0x40002000, %esi\n\tmov $0x4000017c, %edi\n\tmovsl");
L2_CODE(c_more_from_device,
	"mov $0x40002000, %esi\n\tmov $0x4000017c, %edi\n\tmov $2, %ecx\n\trep movsl");
L2_CODE(c_to_device, "movl $1, 0x40000000\n\tmov 0x40000000, %eax\n\tmovl $0, 0x40000080");
L2_CODE(c_cr3, "mov $0x40000000, %eax\n\tmov %rax, %cr3\n\tmov 0x100000, %ebx");
L2_CODE(c_ud, "ud2");

static void p_off(void)
{
	map(PROTECTED, ALL);
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_SUB_PAGE_WRITE);
}

static void p_not_protected(void)
{
	map(READ_ONLY, ALL);
}

static void p_writable(void)
{
	map(PROTECTED | EPT_WRITE, 0);
	spp[4][0] = 0;
}

static void p_directory_read_only(void)
{
	map(PROTECTED | EPT_WRITE, ALL);
	*ept_entry(&ept, WINDOW, 2) &= ~EPT_WRITE;
}

static void p_execute_only(void)
{
	map(EPT_EXEC | EPT_WB | EPT_SUB_PAGE, ALL);
}

static void p_large(void)
{
	map(PROTECTED, ALL);
	*ept_entry(&ept, WINDOW, 2) = 0;
	ept_map(&ept, WINDOW, 8 * SIZE_2M, 2, PROTECTED);
}

static void p_all(void)
{
	map(PROTECTED, ALL);
}

static void p_none(void)
{
	map(PROTECTED, 0);
}

static void p_this(void)
{
	map(PROTECTED, SPP_RIGHT(AT));
}

static void p_others(void)
{
	map(PROTECTED, ALL & ~SPP_RIGHT(AT));
}

static void p_first(void)
{
	map(PROTECTED, SPP_RIGHT(0));
}

static void p_ends(void)
{
	map(PROTECTED, SPP_RIGHT(0) | SPP_RIGHT(0xfff));
}

static void p_rights_reserved(void)
{
	map(PROTECTED, ALL | BIT64(63));
}

#define ENTRY(name, level, value)            \
	static void p_##name(void)           \
	{                                    \
		map(PROTECTED, ALL);         \
		*spp_entry(level) = (value); \
	}
ENTRY(no_l4, 4, 0)
ENTRY(no_l3, 3, 0)
ENTRY(no_l2, 2, 0)
ENTRY(absent_reserved, 3, ~SPP_VALID)
ENTRY(low_reserved_l4, 4, *spp_entry(4) | BIT64(1))
ENTRY(low_reserved_l3, 3, *spp_entry(3) | BIT64(7))
ENTRY(low_reserved_l2, 2, *spp_entry(2) | BIT64(11))
ENTRY(high_reserved_l4, 4, *spp_entry(4) | BIT64(63))
ENTRY(high_reserved_l2, 2, *spp_entry(2) | BIT64(52))
ENTRY(beyond_width, 3, *spp_entry(3) | BIT64(51))

static void p_stack(void)
{
	p_others();
	vmwrite(VMCS_ENTRY_INTR_INFO,
		INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_GP | INTR_INFO_ERROR_CODE);
	vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 0x18);
	vmwrite(VMCS_GUEST_RSP, WINDOW + 0x180);
}

static void p_stack_missed(void)
{
	p_stack();
	*spp_entry(2) = 0;
}

static void p_tables(void)
{
	map(PROTECTED, ALL);
	memcpy(page_a, boot_pml4, 4096);
	page_a[0] &= ~0x20ull;
}

/* Registers: an index that is read as it was written; and such that can be read in a row. */
#define IOAPIC 0xfec00000
#define HPET   0xfed00000

static void p_from_device(void)
{
	p_this();
	ept_map(&ept, WINDOW + 0x2000, HPET, 1, EPT_READ);
}

static void p_device(void)
{
	map(PROTECTED, SPP_RIGHT(0));
	*ept_entry(&ept, WINDOW, 1) = IOAPIC | EPT_READ | EPT_SUB_PAGE;
}

/* With these flags an access to a paging structure is a write, which no table allows. */
static void p_tables_flags(void)
{
	p_tables();
	vmwrite(VMCS_EPT_POINTER, ept.eptp | EPTP_AD);
}

static const struct conf_case cases[] = {
	{"control off: write", c_write, p_off},
	{"page without bit 61: write", c_write, p_not_protected},
	{"writable page: write", c_write, p_writable},
	{"directory read-only: write", c_write, p_directory_read_only},
	{"execute-only: write", c_write, p_execute_only},
	{"2M page: write", c_write, p_large},
	{"all allowed: write", c_write, p_all},
	{"all allowed: rmw", c_rmw, p_all},
	{"all allowed: push", c_push, p_all},
	{"all allowed: movs", c_movs, p_all},
	{"all allowed: ins", c_ins, p_all},
	{"none allowed: read", c_read, p_none},
	{"none allowed: fetch", c_fetch, p_none},
	{"none allowed: write", c_write, p_none},
	{"none allowed: rmw", c_rmw, p_none},
	{"none allowed: push", c_push, p_none},
	{"none allowed: ins", c_ins, p_none},
	{"this one allowed: write", c_write, p_this},
	{"this one allowed: movs", c_movs, p_this},
	{"others allowed: write", c_write, p_others},
	{"others allowed: ins", c_ins, p_others},
	{"first allowed: second", c_second, p_first},
	{"first and last allowed", c_first_last, p_ends},
	{"page crossing", c_cross, p_first},
	{"no level 4", c_write, p_no_l4},
	{"no level 3", c_write, p_no_l3},
	{"no level 2", c_write, p_no_l2},
	{"no level 2: ins", c_ins, p_no_l2},
	{"no level 2: read", c_read, p_no_l2},
	{"absent, other bits set", c_write, p_absent_reserved},
	{"level 4, bit 1", c_write, p_low_reserved_l4},
	{"level 3, bit 7", c_write, p_low_reserved_l3},
	{"level 2, bit 11", c_write, p_low_reserved_l2},
	{"level 2, bit 11: ins", c_ins, p_low_reserved_l2},
	{"level 4, bit 63", c_write, p_high_reserved_l4},
	{"level 2, bit 52", c_write, p_high_reserved_l2},
	{"level 3, beyond width", c_write, p_beyond_width},
	{"rights, odd bit", c_write, p_rights_reserved},
	{"stack denied: injection", c_ud, p_stack},
	{"stack missed: injection", c_ud, p_stack_missed},
	{"from a device: allowed", c_from_device, p_from_device},
	{"from a device: the next denied", c_more_from_device, p_from_device},
	{"to a device", c_to_device, p_device},
	{"page tables, all allowed", c_cr3, p_tables},
	{"A/D, page tables, all allowed", c_cr3, p_tables_flags},
};

/* With what is in the page afterwards. */
static void run(const struct conf_case *c, size_t count)
{
	const uint8_t *bytes = (const uint8_t *)page_a;

	for (size_t i = 0; i < count; i++) {
		conf_run_case(&c[i]);
		print("%s: there is %lx, %x %x %x %x\n", c[i].name, page_a[AT / 8], bytes[0],
			bytes[0x7f], bytes[0xf80], bytes[0xfff]);
	}
}

/* ---- entry checks ---- */

static void p_misaligned(void)
{
	p_all();
	vmwrite(VMCS_SPPTP, address_of(spp[4]) | 8);
}

static void p_too_wide(void)
{
	p_all();
	vmwrite(VMCS_SPPTP, address_of(spp[4]) | BIT64(50));
}

static void p_without_ept(void)
{
	p_all();
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_ENABLE_EPT);
}

static const struct conf_case entry_cases[] = {
	{"pointer misaligned", c_read, p_misaligned},
	{"pointer beyond width", c_read, p_too_wide},
	{"without EPT", c_read, p_without_ept},
};

/* ---- changes ---- */

L2_CODE(c_write_forever, "1: movq $5, 0x40000128\n\tvmcall\n\tjmp 1b");

static void again(const char *name)
{
	page_a[AT / 8] = 0xaaaa;
	l2_skip();
	conf_run(name);
	print("%s: there is %lx\n", name, page_a[AT / 8]);
}

static void after_invept(const char *name)
{
	invept_single(&ept);
	again(name);
}

/* What is refused leaves L2 at the write; a case more ends there. */
static void changes(void)
{
	struct conf_case c = {"changes: allowed", c_write_forever, p_all};

	conf_run_case(&c);
	*spp_entry(1) = ALL & ~SPP_RIGHT(AT);
	after_invept("changes: taken away");
	*spp_entry(1) = ALL;
	conf_run("changes: granted without INVEPT");
	*spp_entry(2) = 0;
	after_invept("changes: table gone");
	*spp_entry(2) = address_of(spp[1]) | SPP_VALID;
	conf_run("changes: table back without INVEPT");
	*spp_entry(3) |= BIT64(60);
	after_invept("changes: malformed");
	*spp_entry(3) &= ~BIT64(60);
	conf_run("changes: well-formed again");
	*ept_entry(&ept, WINDOW, 1) &= ~EPT_SUB_PAGE;
	after_invept("changes: bit 61 away");
	*ept_entry(&ept, WINDOW, 1) |= EPT_SUB_PAGE;
	conf_run("changes: bit 61 back");
	*ept_entry(&ept, WINDOW, 1) = address_of(page_a) | READ_ONLY | EPT_WRITE;
	invept_single(&ept);
	again("changes: writable");
}

/* Another table, at another EPT pointer and at the same. */
static void pointers(void)
{
	struct conf_case c = {"pointers: all", c_write_forever, p_all};
	uint64_t *empty = page_alloc();

	conf_run_case(&c);
	vmwrite(VMCS_SPPTP, address_of(empty));
	after_invept("pointers: empty table");
	vmwrite(VMCS_SPPTP, address_of(spp[4]));
	invept_single(&ept);
	conf_run("pointers: the first again");
	other = ept;
	fresh_ept();
	ept_map(&ept, WINDOW, address_of(page_a), 1, READ_ONLY);
	vmwrite(VMCS_EPT_POINTER, ept.eptp);
	again("pointers: another EPT");
	vmwrite(VMCS_EPT_POINTER, other.eptp);
	conf_run("pointers: the first EPT");
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_SUB_PAGE_WRITE);
	invept_global();
	again("pointers: control off");
}

/* ---- accessed and dirty flags, the log, #VE ---- */

static void flags(const char *name, uint64_t rights)
{
	struct conf_case c = {name, c_write, NULL};

	l2_restart(&conf_l2, c.code);
	conf_base = vmread(VMCS_GUEST_RIP);
	map(PROTECTED, rights);
	ept.eptp |= EPTP_AD;
	vmwrite(VMCS_EPT_POINTER, ept.eptp);
	conf_run(name);
	print("%s: flags %lx, directory %lx\n", name,
		*ept_entry(&ept, WINDOW, 1) & (EPT_ACCESSED | EPT_DIRTY),
		*ept_entry(&ept, WINDOW, 2) & (EPT_ACCESSED | EPT_DIRTY));
}

static void p_ve(void)
{
	p_others();
	for (uint64_t a = 0; a < IDENTITY; a += SIZE_2M)
		*ept_entry(&ept, a, 2) |= EPT_NO_VE;
	memset(ve_info, 0, 4096);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_EPT_VIOLATION_VE);
	vmwrite(VMCS_VE_INFO_ADDRESS, address_of(ve_info));
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_VE));
}

static void p_ve_missed(void)
{
	p_ve();
	*spp_entry(2) = 0;
}

static void p_ve_suppressed(void)
{
	p_ve();
	*ept_entry(&ept, WINDOW, 1) |= EPT_NO_VE;
}

static const struct conf_case ve_cases[] = {
	{"ve: denied", c_write, p_ve},
	{"ve: missed", c_write, p_ve_missed},
	{"ve: suppressed", c_write, p_ve_suppressed},
};

/* Rights by demand, as a hypervisor gives them: each exit adds what was missing. */
static bool giving_handler(uint32_t reason)
{
	uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);

	if (reason == EXIT_SPP_EVENT)
		*spp_entry(2) = address_of(spp[1]) | SPP_VALID;
	else if (reason == EXIT_EPT_VIOLATION)
		*spp_entry(1) |= SPP_RIGHT(gpa);
	else
		return conf_default_handler(reason);
	return true;
}

static void p_demand(void)
{
	p_none();
	*spp_entry(2) = 0;
	conf_handler = giving_handler;
}

static const struct conf_case demand_cases[] = {
	{"on demand", c_first_last, p_demand},
	{"on demand, movs", c_movs, p_demand},
	{"on demand, ins", c_ins, p_demand},
};

int payload_main(void)
{
	conf_start();
	if (conf_lacks("spp", NEEDS(SPP)))
		return 0;
	for (unsigned level = 1; level <= 4; level++)
		spp[level] = page_alloc();
	page_a = page_alloc();
	page_b = page_alloc();
	ve_info = page_alloc();
	((uint8_t *)page_a)[0x200] = 0xc3;
	run(CASES(cases));
	conf_run_cases(CASES(entry_cases));
	run(CASES(demand_cases));
	changes();
	pointers();
	flags("A/D: allowed", ALL);
	flags("A/D: denied", 0);
	run(CASES(ve_cases));
	return 0;
}
