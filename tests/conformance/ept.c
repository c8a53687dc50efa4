/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of EPT (SDM 28.2): violations with their qualification, misconfigurations, page
 * sizes, permissions, accessed and dirty flags, visibility of changes after INVEPT.
 *
 * L2's linear addresses are its physical addresses. The first 64 MiB are mapped to themselves;
 * WINDOW, which has no memory of its own, is where each case maps what it wants.
 */
#include "conf.h"

#define WINDOW     0x40000000ull
#define IDENTITY   0x4000000ull
#define LEAF       (EPT_RWX | EPT_WB)
#define EPT_CAP(b) (rdmsr(MSR_VMX_EPT_VPID_CAP) & (b))

static struct ept ept;
static uint64_t *page_a, *page_b;

static void fresh_ept(void)
{
	ept_init(&ept);
	ept_identity(&ept, IDENTITY, 2);
	ept_use(&ept);
}

L2_CODE(c_read, "mov 0x40000128, %eax");
L2_CODE(c_write, "movq $0x77, 0x40000128\n\tmov $2, %eax");
L2_CODE(c_rmw, "lock addl $1, 0x40000128\n\tmov $3, %eax");
L2_CODE(c_fetch, "mov $0x40000200, %eax\n\tcall *%rax");
L2_CODE(c_cross, "mov 0x40000ffe, %eax");
L2_CODE(c_cross_write, "mov %rax, 0x40000ffc");
L2_CODE(c_push, "mov $0x40000800, %esp\n\tpush %rax");
L2_CODE(c_movs, "mov $0x40000100, %esi\n\tmov $0x40001100, %edi\n\tmov $4, %ecx\n\trep movsb");
L2_CODE(c_both,
	"mov 0x40000128, %eax\n\tmov %rax, 0x40000130\n\tmov $0x40000200, %ebx\n\tcall *%rbx");
L2_CODE(c_ud, "ud2");
L2_CODE(c_int, "int $0x50");
L2_CODE(c_cr3, "mov $0x40000000, %eax\n\tmov %rax, %cr3\n\tmov 0x100000, %ebx");
L2_CODE(c_invlpg, "invlpg 0x40000000\n\tclflush 0x40000000\n\tprefetcht0 0x40000000");

static void map(uint64_t flags)
{
	fresh_ept();
	ept_map(&ept, WINDOW, address_of(page_a), 1, flags);
}

static void p_empty(void)
{
	fresh_ept();
}

static void p_table_only(void)
{
	fresh_ept();
	ept_map(&ept, WINDOW + 0x5000, address_of(page_b), 1, LEAF);
}

static void p_pml4_missing(void)
{
	fresh_ept();
	vmwrite(VMCS_GUEST_CR3, read_cr3());
	ept.root[0] &= ~EPT_RWX;
	vmwrite(VMCS_EPT_POINTER, ept.eptp);
}

static void p_full(void)
{
	map(LEAF);
}

static void p_read_only(void)
{
	map(EPT_READ | EPT_WB);
}

static void p_no_exec(void)
{
	map(EPT_READ | EPT_WRITE | EPT_WB);
}

static void p_no_write(void)
{
	map(EPT_READ | EPT_EXEC | EPT_WB);
}

static void p_exec_only(void)
{
	map(EPT_EXEC | EPT_WB);
}

static void p_write_only(void)
{
	map(EPT_WRITE | EPT_WB);
}

static void p_write_exec(void)
{
	map(EPT_WRITE | EPT_EXEC | EPT_WB);
}

static void p_bad_type(void)
{
	map(EPT_RWX | 2ull << 3);
}

static void p_type_uc(void)
{
	map(EPT_RWX);
}

static void p_beyond_width(void)
{
	map(LEAF | 1ull << 51);
}

static void p_ignored_bits(void)
{
	map(LEAF | 1ull << 11 | 1ull << 52 | 1ull << 62);
}

static void p_table_reserved(void)
{
	map(LEAF);
	*ept_entry(&ept, WINDOW, 2) |= 1ull << 4;
}

static void p_table_read_only(void)
{
	map(LEAF);
	*ept_entry(&ept, WINDOW, 2) &= ~EPT_WRITE;
}

static void p_table_no_exec(void)
{
	map(LEAF);
	*ept_entry(&ept, WINDOW, 3) &= ~EPT_EXEC;
}

static void p_large(void)
{
	uint64_t *big = pages_alloc_2m();

	big[0x128 / 8] = 0x2a2a2a;
	((uint8_t *)big)[0x200] = 0xc3;
	fresh_ept();
	ept_map(&ept, WINDOW, address_of(big), 2, LEAF);
}

static void p_large_reserved(void)
{
	p_large();
	*ept_entry(&ept, WINDOW, 2) |= 1ull << 13;
}

/* 1 GiB of window onto the start of memory: reads what lies at address 0x128. */
static void p_huge(void)
{
	__asm__ volatile("movl $0x3b3b3b, 0x128" : : : "memory");
	fresh_ept();
	ept_map(&ept, WINDOW, 0, 3, LEAF);
}

static void p_idt_in_window(void)
{
	fresh_ept();
	vmwrite(VMCS_GUEST_IDTR_BASE, WINDOW);
}

static void p_stack_in_window(void)
{
	fresh_ept();
	vmwrite(VMCS_ENTRY_INTR_INFO,
		INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_GP | INTR_INFO_ERROR_CODE);
	vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 0x18);
	vmwrite(VMCS_GUEST_RSP, WINDOW + 0x800);
}

static const struct conf_case cases[] = {
	{"read unmapped", c_read, p_empty},
	{"write unmapped", c_write, p_empty},
	{"rmw unmapped", c_rmw, p_empty},
	{"fetch unmapped", c_fetch, p_empty},
	{"push unmapped", c_push, p_empty},
	{"read with table", c_read, p_table_only},
	{"nothing mapped at all", c_read, p_pml4_missing},
	{"all rights", c_both, p_full},
	{"read-only: read", c_read, p_read_only},
	{"read-only: write", c_write, p_read_only},
	{"read-only: rmw", c_rmw, p_read_only},
	{"read-only: fetch", c_fetch, p_read_only},
	{"no execute: fetch", c_fetch, p_no_exec},
	{"no write: write", c_write, p_no_write},
	{"execute-only: fetch", c_fetch, p_exec_only},
	{"execute-only: read", c_read, p_exec_only},
	{"execute-only: write", c_write, p_exec_only},
	{"write-only", c_read, p_write_only},
	{"write and execute", c_write, p_write_exec},
	{"memory type 2", c_read, p_bad_type},
	{"memory type UC", c_read, p_type_uc},
	{"address beyond width", c_read, p_beyond_width},
	{"ignored bits", c_read, p_ignored_bits},
	{"reserved bit in table entry", c_read, p_table_reserved},
	{"table read-only: write", c_write, p_table_read_only},
	{"table no execute: fetch", c_fetch, p_table_no_exec},
	{"page crossing read", c_cross, p_full},
	{"page crossing write", c_cross_write, p_full},
	{"movs into unmapped", c_movs, p_full},
	{"2M page", c_read, p_large},
	{"2M page fetch", c_fetch, p_large},
	{"2M page reserved bit", c_read, p_large_reserved},
	{"1G page", c_read, p_huge},
	{"IDT unmapped: #UD", c_ud, p_idt_in_window},
	{"IDT unmapped: int n", c_int, p_idt_in_window},
	{"stack unmapped: injection", c_ud, p_stack_in_window},
	{"invlpg, clflush, prefetch unmapped", c_invlpg, p_full},
};

/* L2's page tables in the window: accesses to them by the processor. */
static void copy_tables(void)
{
	memcpy(page_a, boot_pml4, 4096);
}

static void p_tables_unmapped(void)
{
	fresh_ept();
}

static void p_tables_read_only(void)
{
	copy_tables();
	page_a[0] &= ~0x20ull;
	map(EPT_READ | EPT_WB);
}

static void p_tables_accessed(void)
{
	p_tables_read_only();
	page_a[0] |= 0x20;
}

static void p_tables_full(void)
{
	copy_tables();
	map(LEAF);
}

static const struct conf_case table_cases[] = {
	{"page tables unmapped", c_cr3, p_tables_unmapped},
	{"page tables read-only", c_cr3, p_tables_read_only},
	{"page tables read-only, A set", c_cr3, p_tables_accessed},
	{"page tables mapped", c_cr3, p_tables_full},
};

/* Faults are repaired by mapping page_a, without INVEPT. */
static bool mapping_handler(uint32_t reason)
{
	if (reason != EXIT_EPT_VIOLATION)
		return conf_default_handler(reason);
	ept_map(&ept, vmread(VMCS_GUEST_PHYSICAL_ADDRESS) & ~PAGE_MASK, address_of(page_a), 1,
		LEAF);
	return true;
}

static bool upgrading_handler(uint32_t reason)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	if (reason != EXIT_EPT_VIOLATION)
		return conf_default_handler(reason);
	*ept_entry(&ept, WINDOW, 1) |= q & EPT_RWX;
	return true;
}

static void p_on_demand(void)
{
	fresh_ept();
	conf_handler = mapping_handler;
}

static void p_upgrade(void)
{
	map(EPT_READ | EPT_WB);
	conf_handler = upgrading_handler;
}

static const struct conf_case demand_cases[] = {
	{"on demand", c_both, p_on_demand},
	{"on demand, crossing", c_cross_write, p_on_demand},
	{"on demand, movs", c_movs, p_on_demand},
	{"rights added", c_both, p_upgrade},
};

L2_CODE(c_read_forever, "1: mov 0x40000128, %eax\n\tvmcall\n\tjmp 1b");
L2_CODE(c_write_forever, "1: movq $5, 0x40000128\n\tvmcall\n\tjmp 1b");

static void again(const char *name)
{
	l2_skip();
	conf_run(name);
}

/* Free memory of the machine. */
#define OTHER_2M (8 * SIZE_2M)

static void remap(void)
{
	struct conf_case c = {"remap: page a", c_read_forever, p_full};

	conf_run_case(&c);
	*ept_entry(&ept, WINDOW, 1) = address_of(page_b) | LEAF;
	conf_status("invept single", invept_single(&ept));
	again("remap: page b");
	*ept_entry(&ept, WINDOW, 1) = address_of(page_a) | LEAF;
	conf_status("invept global", invept_global());
	again("remap: page a again");
	*ept_entry(&ept, WINDOW, 1) = 0;
	invept_single(&ept);
	again("remap: gone");
	*ept_entry(&ept, WINDOW, 2) = 0;
	ept_map(&ept, WINDOW, address_of(page_b), 1, LEAF);
	invept_single(&ept);
	conf_run("remap: new table");
	*ept_entry(&ept, WINDOW, 2) = 0;
	invept_single(&ept);
	again("remap: table gone");
	p_large();
	invept_single(&ept);
	conf_run("remap: other EPT with a 2M page");
	*(volatile uint64_t *)OTHER_2M = 0x2a;
	ept_map(&ept, WINDOW, OTHER_2M, 2, LEAF);
	invept_single(&ept);
	again("remap: 2M page elsewhere");
	*ept_entry(&ept, WINDOW, 3) = 0;
	ept_map(&ept, WINDOW, address_of(page_a), 1, LEAF);
	invept_single(&ept);
	again("remap: 2M page split");
}

static void revoke(void)
{
	struct conf_case c = {"revoke: write", c_write_forever, p_full};

	conf_run_case(&c);
	*ept_entry(&ept, WINDOW, 1) &= ~EPT_WRITE;
	invept_single(&ept);
	again("revoke: read-only");
	*ept_entry(&ept, WINDOW, 1) |= EPT_WRITE;
	conf_run("revoke: granted again");
	*ept_entry(&ept, WINDOW, 3) &= ~EPT_WRITE;
	invept_single(&ept);
	again("revoke: by the directory");
}

static void two_epts(void)
{
	struct conf_case c = {"two EPTs: first", c_read_forever, p_full};
	struct ept first;

	conf_run_case(&c);
	first = ept;
	fresh_ept();
	ept_map(&ept, WINDOW, address_of(page_b), 1, LEAF);
	again("two EPTs: second");
	ept_use(&first);
	again("two EPTs: first again");
	ept_use(&ept);
	again("two EPTs: second again");
}

static void print_flags(const char *when)
{
	print("flags %s: pte %lx pde %lx pdpte %lx pml4e %lx\n", when,
		*ept_entry(&ept, WINDOW, 1) & (EPT_ACCESSED | EPT_DIRTY),
		*ept_entry(&ept, WINDOW, 2) & (EPT_ACCESSED | EPT_DIRTY),
		*ept_entry(&ept, WINDOW, 3) & (EPT_ACCESSED | EPT_DIRTY),
		ept.root[0] & (EPT_ACCESSED | EPT_DIRTY));
}

static void use_flags(void)
{
	ept.eptp |= EPTP_AD;
	vmwrite(VMCS_EPT_POINTER, ept.eptp);
}

static void p_flags(void)
{
	p_full();
	use_flags();
}

static void p_flags_read_only(void)
{
	p_read_only();
	use_flags();
}

static void p_flags_large(void)
{
	p_large();
	use_flags();
}

static void p_flags_tables(void)
{
	p_tables_read_only();
	use_flags();
}

static void accessed_dirty(void)
{
	struct conf_case c = {"A/D off", c_write_forever, p_full};
	struct conf_case reads = {"A/D read", c_read_forever, p_flags};
	struct conf_case writes = {"A/D write", c_write_forever, p_flags};
	struct conf_case denied = {"A/D write denied", c_write, p_flags_read_only};
	struct conf_case large = {"A/D 2M write", c_write_forever, p_flags_large};
	struct conf_case tables = {"A/D page tables read-only", c_cr3, p_flags_tables};

	conf_run_case(&c);
	print_flags("when off");
	if (!EPT_CAP(EPT_CAP_AD)) {
		print("no A/D flags\n");
		return;
	}
	conf_run_case(&reads);
	print_flags("after read");
	conf_run_case(&writes);
	print_flags("after write");
	*ept_entry(&ept, WINDOW, 1) &= ~(EPT_ACCESSED | EPT_DIRTY);
	again("A/D cleared without INVEPT");
	*ept_entry(&ept, WINDOW, 1) &= ~(EPT_ACCESSED | EPT_DIRTY);
	invept_single(&ept);
	again("A/D cleared with INVEPT");
	print_flags("after clearing and write");
	conf_run_case(&denied);
	conf_run_case(&large);
	print("flags of 2M page: %lx\n",
		*ept_entry(&ept, WINDOW, 2) & (EPT_ACCESSED | EPT_DIRTY));
	conf_run_case(&tables);
}

int payload_main(void)
{
	conf_start();
	page_a = page_alloc();
	page_b = page_alloc();
	page_a[0x128 / 8] = 0xaaaa;
	page_b[0x128 / 8] = 0xbbbb;
	((uint8_t *)page_a)[0x200] = 0xc3;
	((uint8_t *)page_b)[0x200] = 0xc3;
	conf_run_cases(CASES(cases));
	conf_run_cases(CASES(demand_cases));
	page_a[0x128 / 8] = 0xaaaa;
	remap();
	revoke();
	page_a[0x128 / 8] = 0xaaaa;
	two_epts();
	conf_run_cases(CASES(table_cases));
	accessed_dirty();
	return 0;
}
