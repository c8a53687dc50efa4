/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of operands of VMX instructions of a 64-bit L1: every register as operand, base
 * and index, addressing forms, bases of FS and GS, page faults across pages (SDM 27.2.5, 30.3,
 * vol. 3A 4.6, 4.7); every encoding of a field; compatibility mode; MOV SS before an entry; CR0
 * and CR4 in root operation.
 */
#include "conf.h"

#define WINDOW   0x50000000ull
#define PAGE     4096u
#define P        1ull
#define RW       2ull
#define US       4ull
#define XD       BIT64(63)
#define RESERVED BIT64(51)

#define MSR_FSBASE 0xc0000100
#define MSR_GSBASE 0xc0000101
#define FLAGS_OUT  "=@ccc"(cf), "=@ccz"(zf)

static uint8_t buffer[64] __attribute__((aligned(64), used));
static uint64_t scratch __attribute__((used)), rsp_saved __attribute__((used));
static void *vmcs_a;
static bool cf, zf;
static uint64_t *table;
static uint8_t *low_page; /* what the window maps, page by page */

static void show(const char *name)
{
	enum vmx_status s = trapped() ? VMX_FAULT
			    : cf      ? VMX_FAIL_INVALID
			    : zf      ? VMX_FAIL_VALID
				      : VMX_OK;

	print("%s: %s", name, vmx_outcome(s));
	if (s == VMX_FAULT && trap.vector == VEC_PF)
		print(" at %lx", trap.cr2);
	print("\n");
}

static void check_stored(const char *name)
{
	uint64_t v;

	memcpy(&v, buffer + 16, 8);
	show(name);
	print("%s: stored %d\n", name, v == address_of(vmcs_a));
	memset(buffer, 0, sizeof(buffer));
}

#define CLOBBERS                                                                          \
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", \
		"r14", "r15", "memory"

/* All forms lead to buffer + 16. */
#define FORM(name, text)                                                    \
	__asm__ volatile("pushq %%rbp\n\tmovl $buffer, %%edx\n\t" TRY_BEGIN \
			 "\n\t" text TRY_END "popq %%rbp"                   \
			 : FLAGS_OUT                                        \
			 :                                                  \
			 : CLOBBERS);                                       \
	check_stored(name)

#define BASE(reg) FORM("base " #reg, "leaq -4(%%rdx), %%" #reg "\n\tvmptrst 20(%%" #reg ")")
#define INDEX(reg)          \
	FORM("index " #reg, \
		"movq %%rdx, %%rsi\n\tmovl $4, %%" #reg "d\n\tvmptrst (%%rsi,%%" #reg ",4)")
#define INDEX_OLD(reg)       \
	FORM("index r" #reg, \
		"movq %%rdx, %%rdi\n\tmovl $2, %%e" #reg "\n\tvmptrst (%%rdi,%%r" #reg ",8)")

static void addressing(void)
{
	BASE(rax);
	BASE(rbx);
	BASE(rcx);
	BASE(rdx);
	BASE(rsi);
	BASE(rdi);
	BASE(rbp);
	BASE(r8);
	BASE(r9);
	BASE(r10);
	BASE(r11);
	BASE(r12);
	BASE(r13);
	BASE(r14);
	BASE(r15);
	INDEX(r8);
	INDEX(r9);
	INDEX(r10);
	INDEX(r11);
	INDEX(r12);
	INDEX(r13);
	INDEX(r14);
	INDEX(r15);
	INDEX_OLD(ax);
	INDEX_OLD(bx);
	INDEX_OLD(cx);
	INDEX_OLD(dx);
	INDEX_OLD(si);
	INDEX_OLD(bp);
	FORM("rip-relative", "vmptrst buffer+16(%%rip)");
	FORM("absolute", "vmptrst buffer+16");
	FORM("32-bit rip-relative", "vmptrst buffer+16(%%eip)");
	FORM("32-bit base", "movabsq $0x1234567800000010, %%rax\n\tvmptrst buffer(%%eax)");
	FORM("32-bit index", "movl $-8, %%r15d\n\tvmptrst 32(%%edx,%%r15d,2)");
	FORM("negative index", "movq $-2, %%rcx\n\tvmptrst 32(%%rdx,%%rcx,8)");
	FORM("index without base", "movl $2, %%r9d\n\tvmptrst buffer(,%%r9,8)");
	FORM("DS override", "vmptrst %%ds:16(%%rdx)");
	FORM("ES override", "vmptrst %%es:16(%%rdx)");
	FORM("rsp as base", "subq $16, %%rsp\n\tvmptrst 8(%%rsp)\n\tpopq %%rax\n\t"
			    "popq buffer+16");
}

static void segment_bases(void)
{
	wrmsr(MSR_FSBASE, address_of(buffer));
	wrmsr(MSR_GSBASE, address_of(buffer) - 0x100000000000ull);
	FORM("FS base", "vmptrst %%fs:16");
	FORM("GS base", "movabsq $0x100000000000, %%rax\n\tvmptrst %%gs:16(%%rax)");
	FORM("FS base, 32-bit address wraps", "movl $-16, %%eax\n\tvmptrst %%fs:32(%%eax)");
	FORM("FS base, negative", "movl $buffer, %%eax\n\tvmptrst %%fs:16(%%rax,%%rax,1)");
	wrmsr(MSR_GSBASE, 0x7ffffffff000ull);
	FORM("GS base, not canonical", "movl $0x1000, %%eax\n\tvmptrst %%gs:(%%rax)");
	FORM("GS base, last bytes not canonical", "movl $0xffc, %%eax\n\tvmptrst %%gs:(%%rax)");
	wrmsr(MSR_FSBASE, 0);
	wrmsr(MSR_GSBASE, 0);
}

static void not_canonical(void)
{
	FORM("not canonical", "movabsq $0x800000000000, %%rax\n\tvmptrst (%%rax)");
	FORM("not canonical, vmread",
		"movabsq $0x800000000000, %%rax\n\tmovl $0x681e, %%ebx\n\t"
		"vmread %%rbx, (%%rax)");
	FORM("not canonical by the sum", "movabsq $0x7fffffffffff, %%rax\n\tvmptrst 1(%%rax)");
	FORM("not canonical, through RBP", "movabsq $0x800000000000, %%rbp\n\tvmptrst (%%rbp)");
	FORM("not canonical, R13", "movabsq $0x800000000000, %%r13\n\tvmptrst (%%r13)");
	FORM("not canonical, RBP and DS",
		"movabsq $0x800000000000, %%rbp\n\tvmptrst %%ds:(%%rbp)");
	FORM("not canonical, RBP as index",
		"movabsq $0x800000000000, %%rbp\n\tvmptrst (%%rdx,%%rbp)");
	FORM("not canonical, invept",
		"movabsq $0x800000000000, %%rax\n\tmovl $2, %%ebx\n\tinvept (%%rax), %%rbx");
}

/* VMREAD with a register as source and as destination. */
#define ONE_REGISTER(reg)                                                                \
	__asm__ volatile(                                                                \
		"movq %%rsp, rsp_saved\n\tpushq %%rbp\n\tmovl %0, %%eax\n\tmovq %%rax, " \
		"%%" #reg "\n\tvmread %%" #reg ", %%" #reg "\n\tmovq %%" #reg            \
		", scratch\n\tmovq rsp_saved, %%rsp\n\tmovq -8(%%rsp), %%rbp"            \
		:                                                                        \
		: "i"(VMCS_GUEST_RSP)                                                    \
		: CLOBBERS);                                                             \
	print("vmread to " #reg ": %lx\n", scratch);                                     \
	__asm__ volatile("movq %%rsp, rsp_saved\n\tpushq %%rbp\n\tmovl %0, %%eax\n\t"    \
			 "movabsq $0x8877665544332211, %%" #reg "\n\tvmwrite %%" #reg    \
			 ", %%rax\n\tmovq rsp_saved, %%rsp\n\tmovq -8(%%rsp), %%rbp"     \
			 :                                                               \
			 : "i"(VMCS_GUEST_RIP)                                           \
			 : CLOBBERS);                                                    \
	print("vmwrite from " #reg ": %lx\n", vmread(VMCS_GUEST_RIP))

static void registers(void)
{
	vmwrite(VMCS_GUEST_RSP, 0x123456789abcdef0ull);
	ONE_REGISTER(rbx);
	ONE_REGISTER(rcx);
	ONE_REGISTER(rdx);
	ONE_REGISTER(rsi);
	ONE_REGISTER(rdi);
	ONE_REGISTER(rbp);
	ONE_REGISTER(rsp);
	ONE_REGISTER(r8);
	ONE_REGISTER(r9);
	ONE_REGISTER(r10);
	ONE_REGISTER(r11);
	ONE_REGISTER(r12);
	ONE_REGISTER(r13);
	ONE_REGISTER(r14);
	ONE_REGISTER(r15);
}

/* ---- page faults ---- */

static void make_window(void)
{
	uint64_t *pdpt = (uint64_t *)(uintptr_t)(boot_pml4[0] & ~0xfffull);
	uint64_t *pd = (uint64_t *)(uintptr_t)(pdpt[WINDOW >> 30] & ~0xfffull);

	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 512; k++) /* no user pages: SMAP */
			((uint64_t *)(uintptr_t)(pdpt[i] & ~0xfffull))[k] &= ~US;
	write_cr3(read_cr3());
	table = page_alloc();
	low_page = page_alloc();
	for (unsigned i = 1; i < 4; i++)
		page_alloc();
	pd[WINDOW >> 21 & 511] = address_of(table) | P | RW | US;
}

static void op_vmptrst(uint64_t a)
{
	__asm__ volatile(TRY_BEGIN "vmptrst (%2)" TRY_END:FLAGS_OUT : "r"(a) : "memory");
}

static void op_vmptrld(uint64_t a)
{
	__asm__ volatile(TRY_BEGIN "vmptrld (%2)" TRY_END:FLAGS_OUT : "r"(a) : "memory");
}

static void op_vmread(uint64_t a)
{
	__asm__ volatile(TRY_BEGIN "vmread %3, (%2)" TRY_END:FLAGS_OUT
			 : "r"(a), "r"((uint64_t)VMCS_TSC_OFFSET)
			 : "memory");
}

static void op_vmwrite(uint64_t a)
{
	__asm__ volatile(TRY_BEGIN "vmwrite (%2), %3" TRY_END:FLAGS_OUT
			 : "r"(a), "r"((uint64_t)VMCS_TSC_OFFSET)
			 : "memory");
}

static void op_invept(uint64_t a)
{
	__asm__ volatile(TRY_BEGIN "invept (%2), %3" TRY_END:FLAGS_OUT
			 : "r"(a), "r"(2ull)
			 : "memory");
}

static void op_invvpid(uint64_t a)
{
	__asm__ volatile(TRY_BEGIN "invvpid (%2), %3" TRY_END:FLAGS_OUT
			 : "r"(a), "r"(2ull)
			 : "memory");
}

static const struct {
	const char *name;
	void (*run)(uint64_t address);
} ops[] = {
	{"vmptrst", op_vmptrst},
	{"vmptrld", op_vmptrld},
	{"vmread", op_vmread},
	{"vmwrite", op_vmwrite},
	{"invept", op_invept},
	{"invvpid", op_invvpid},
};

static void window_case(const char *what, unsigned offset, uint64_t first, uint64_t second)
{
	char name[64];

	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		memset(low_page + offset, 0, 16);
		low_page[offset] = i == 1;
		table[0] = address_of(low_page) | first;
		table[1] = (address_of(low_page) + PAGE) | second;
		invlpg(WINDOW);
		invlpg(WINDOW + PAGE);
		ops[i].run(WINDOW + offset);
		format_text(name, sizeof(name), "%s %s at %x", ops[i].name, what, offset);
		show(name);
		print("%s: %lx %lx\n", name, table[0] & 0x60, table[1] & 0x60);
	}
}

static void pages(const char *what, uint64_t first, uint64_t second)
{
	window_case(what, 0x10, first, second);
	window_case(what, PAGE - 3, first, second);
	window_case(what, PAGE - 8, first, second);
}

static void write_protection_off(void)
{
	static const char *const insns[] = {
		"vmptrst", "vmptrld", "vmread", "vmwrite", "invept", "invvpid"};

	if (!conf_may_write_read_only(CASES(insns)))
		return;
	write_cr0(read_cr0() & ~CR0_WP);
	pages("read-only, WP clear", P, P);
	write_cr0(read_cr0() | CR0_WP);
}

static void page_faults(void)
{
	pages("present", P | RW, P | RW);
	pages("first missing", 0, P | RW);
	pages("second missing", P | RW, 0);
	pages("first read-only", P, P | RW);
	pages("second read-only", P | RW, P);
	pages("reserved", P | RW | RESERVED, P | RW);
	pages("second reserved", P | RW, P | RW | RESERVED);
	pages("XD without NXE", P | RW | XD, P | RW);
	pages("user", P | RW | US, P | RW | US);
	write_protection_off();
	if (!(cpuid(7, 0).ebx & BIT(20)))
		return;
	write_cr4(read_cr4() | CR4_SMAP | CR4_SMEP);
	pages("user, SMAP", P | RW | US, P | RW | US);
	pages("second user, SMAP", P | RW, P | RW | US);
	__asm__ volatile("stac" : : : "memory");
	pages("user, SMAP, AC", P | RW | US, P | RW | US);
	__asm__ volatile("clac" : : : "memory");
	write_cr4(read_cr4() & ~(CR4_SMAP | CR4_SMEP));
}

/* ---- encodings ---- */

static bool is_bad_field(uint64_t encoding)
{
	uint64_t v = 0;

	return vmx_vmread(encoding, &v) == VMX_FAIL_VALID &&
	       vmread(VMCS_INSTRUCTION_ERROR) == VMERR_BAD_FIELD &&
	       vmx_vmwrite(encoding, 0) == VMX_FAIL_VALID &&
	       vmread(VMCS_INSTRUCTION_ERROR) == VMERR_BAD_FIELD;
}

/* Fields of the table are for insn.c; no other encoding may name one. */
static void other_encodings(void)
{
	unsigned others = 0, good = 0;

	for (uint32_t e = 0; e < 0x8000; e++) {
		if (vmcs_fid_of(e) != FID_NONE)
			continue;
		others++;
		if (!is_bad_field(e)) {
			good++;
			print("encodings: %x names a field\n", e);
		}
	}
	print("encodings: of %u others %u name a field\n", others, good);
}

static void encodings(void)
{
	if (vmx_has_unnamed_controls())
		conf_skipped("encodings", "VT-x without fields that are newer");
	else
		other_encodings();
	for (unsigned bit = 12; bit < 64; bit++) {
		if (bit == 13 || bit == 14)
			continue;
		print("bit %u: %d %d %d\n", bit, is_bad_field(VMCS_GUEST_RIP | 1ull << bit),
			is_bad_field(VMCS_VPID | 1ull << bit),
			is_bad_field(VMCS_TSC_OFFSET | 1ull << bit));
	}
}

/* ---- compatibility mode ---- */

#define IN_COMPATIBILITY_MODE(name, text)                                                   \
	__asm__ volatile(                                                                   \
		"pushq $0x18\n\tpushq $1f\n\tlretq\n\t.code32\n1:\t" TRY_BEGIN text TRY_END \
		"ljmpl $8, $2f\n\t.code64\n2:"                                              \
		: FLAGS_OUT                                                                 \
		: "a"(VMCS_GUEST_RIP), "b"(buffer)                                          \
		: "memory", "ecx");                                                         \
	show(name ", compatibility mode")

static void compatibility(void)
{
	IN_COMPATIBILITY_MODE("vmcall", "vmcall");
	IN_COMPATIBILITY_MODE("vmxon", "vmxon (%%ebx)");
	IN_COMPATIBILITY_MODE("vmxoff", "vmxoff");
	IN_COMPATIBILITY_MODE("vmclear", "vmclear (%%ebx)");
	IN_COMPATIBILITY_MODE("vmptrld", "vmptrld (%%ebx)");
	IN_COMPATIBILITY_MODE("vmptrst", "vmptrst (%%ebx)");
	IN_COMPATIBILITY_MODE("vmread", "vmread %%eax, %%ecx");
	IN_COMPATIBILITY_MODE("vmwrite", "vmwrite %%eax, %%eax");
	IN_COMPATIBILITY_MODE("vmlaunch", "vmlaunch");
	IN_COMPATIBILITY_MODE("vmresume", "vmresume");
	IN_COMPATIBILITY_MODE("invept", "invept (%%ebx), %%eax");
	IN_COMPATIBILITY_MODE("invvpid", "invvpid (%%ebx), %%eax");
}

/* ---- launch after MOV SS, control registers ---- */

#define AFTER_MOV_SS(name, text)                                                           \
	__asm__ volatile(TRY_BEGIN "movl %%ss, %%eax\n\tmovl %%eax, %%ss\n\t" text TRY_END \
:FLAGS_OUT                                                                                 \
			 :                                                                 \
			 : "rax", "memory");                                               \
	show(name " after MOV SS")

static void blocked_by_mov_ss(void)
{
	AFTER_MOV_SS("vmlaunch", "vmlaunch");
	AFTER_MOV_SS("vmresume", "vmresume");
	AFTER_MOV_SS("vmptrst", "vmptrst scratch");
}

static void mov_cr0(const char *name, uint64_t v)
{
	write_cr0_try(v);
	print("CR0 %s: vector %d, now %lx\n", name, trap.vector, read_cr0());
}

static void mov_cr4(const char *name, uint64_t v)
{
	write_cr4_try(v);
	print("CR4 %s: vector %d, now %lx\n", name, trap.vector, read_cr4());
}

static void control_registers(void)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	mov_cr0("without PE", cr0 & ~CR0_PE);
	mov_cr0("without PE and PG", cr0 & ~(CR0_PE | CR0_PG));
	mov_cr0("without PG", cr0 & ~CR0_PG);
	mov_cr0("without NE", cr0 & ~CR0_NE);
	mov_cr0("without ET", cr0 & ~CR0_ET);
	mov_cr0("with NW", cr0 | CR0_NW);
	mov_cr0("with CD and NW", cr0 | CR0_NW | CR0_CD);
	mov_cr0("with bit 32", cr0 | BIT64(32));
	mov_cr0("with TS, EM", cr0 | CR0_TS | CR0_EM);
	__asm__ volatile("clts");
	print("after CLTS: %lx\n", read_cr0());
	__asm__ volatile("lmsw %w0" : : "r"(0xa));
	print("after LMSW of a: %lx\n", read_cr0());
	__asm__ volatile("lmsw %w0" : : "r"(0));
	print("after LMSW of 0: %lx\n", read_cr0());
	mov_cr0("as before", cr0);
	mov_cr4("without VMXE", cr4 & ~CR4_VMXE);
	mov_cr4("without PAE", cr4 & ~CR4_PAE);
	mov_cr4("with bit 31", cr4 | BIT64(31));
	mov_cr4("with bit 32", cr4 | BIT64(32));
	mov_cr4("with PGE, DE", cr4 | CR4_PGE | CR4_DE);
	mov_cr4("with PCIDE", cr4 | CR4_PCIDE);
	mov_cr4("as before", cr4);
}

int payload_main(void)
{
	conf_start();
	make_window();
	vmcs_a = conf_l2.vmcs;
	addressing();
	segment_bases();
	not_canonical();
	registers();
	page_faults();
	encodings();
	compatibility();
	blocked_by_mov_ss();
	control_registers();
	conf_status("vmxoff", vmx_vmxoff());
	compatibility();
	control_registers();
	return 0;
}
