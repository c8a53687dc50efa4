/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of VMX instructions of a 32-bit L1, with 32-bit and with PAE paging: register
 * operands of 32 bits, halves of 64-bit fields, addressing forms, segments and their limits,
 * page faults of operands (SDM 24.11.2 "VMREAD, VMWRITE, and Encodings of VMCS Fields", 30.3,
 * vol. 3A 5.3, 4.3, 4.4).
 */
#include "conf.h"
#include "spec/vmx_caps.h"

#define SLOT     0x50 /* a GDT entry for each case */
#define WINDOW   0x50000000u
#define PAGE     4096u
#define P        1u
#define RW       2u
#define US       4u
#define RESERVED 0x0010000000000000ull /* bit 52 of a PAE entry */

#define DATA      0x92u /* writable */
#define DATA_RO   0x90u
#define DATA_DOWN 0x96u /* expand-down, writable */
#define CODE      0x9au /* readable */
#define CODE_ONLY 0x98u
#define BIG       0xcu /* G, D */
#define SMALL     0x4u /* D */
#define SMALL16   0x0u

#define FLAGS_OUT "=@ccc"(cf), "=@ccz"(zf)

static uint8_t buffer[64] __attribute__((aligned(64), used));
static void *vmcs_a;
static bool cf, zf;
static uint32_t esp_saved, scratch;

static void *low_page; /* what the window maps, page by page */
static uint32_t *table32;
static uint64_t *table64;
static bool pae;

static enum vmx_status outcome(void)
{
	if (trapped())
		return VMX_FAULT;
	return cf ? VMX_FAIL_INVALID : zf ? VMX_FAIL_VALID : VMX_OK;
}

static void show(const char *name)
{
	enum vmx_status s = outcome();

	print("%s: %s", name, vmx_outcome(s));
	if (s == VMX_FAULT && trap.vector == VEC_PF)
		print(" at %x", (uint32_t)trap.cr2);
	print("\n");
}

static void describe(uint32_t base, uint32_t limit, unsigned type, unsigned flags)
{
	rt_gdt[SLOT / 8] = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
			   (uint64_t)type << 40 | (uint64_t)(limit >> 16 & 15) << 48 |
			   (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

/* One instruction on %fs:(offset), FS loaded with a selector. */
#define FS_INSN(name, text)                                                               \
	static void name(unsigned selector, uint32_t offset)                              \
	{                                                                                 \
		__asm__ volatile(                                                         \
			"movl %2, %%fs\n\t" TRY_BEGIN text TRY_END "movl %4, %%fs"        \
			: FLAGS_OUT                                                       \
			: "r"(selector), "r"(offset), "r"(SEL_DATA), "a"(VMCS_TSC_OFFSET) \
			: "memory");                                                      \
	}

FS_INSN(fs_vmptrst, "vmptrst %%fs:(%3)")
FS_INSN(fs_vmptrld, "vmptrld %%fs:(%3)")
FS_INSN(fs_vmread, "vmread %%eax, %%fs:(%3)")
FS_INSN(fs_vmwrite, "vmwrite %%fs:(%3), %%eax")

static const struct segment_case {
	const char *name;
	uint32_t offset, limit;
	uint8_t type, flags;
} segment_cases[] = {
	{"inside", 8, 15, DATA, SMALL},
	{"last byte beyond the limit", 9, 15, DATA, SMALL},
	{"four bytes inside", 12, 15, DATA, SMALL},
	{"all beyond the limit", 0x1000, 15, DATA, SMALL},
	{"pages", 0xff8, 0, DATA, BIG},
	{"pages, beyond", 0xffc, 0, DATA, BIG},
	{"read-only", 0, 15, DATA_RO, SMALL},
	{"readable code", 0, 15, CODE, SMALL},
	{"expand-down, below", 0xfff, 0xfff, DATA_DOWN, SMALL},
	{"expand-down", 0x1000, 0xfff, DATA_DOWN, SMALL},
	{"expand-down by pages", 0x1000, 0, DATA_DOWN, BIG},
	{"expand-down of 64 KiB", 0xfff8, 0xfff, DATA_DOWN, SMALL16},
	{"expand-down of 64 KiB, end", 0xfffc, 0xfff, DATA_DOWN, SMALL16},
	{"expand-down of 64 KiB, beyond", 0x10000, 0xfff, DATA_DOWN, SMALL16},
	{"address wraps", 0xfff00000, 0xfffff, DATA, BIG},
};

static void segment_operations(const struct segment_case *c)
{
	static void (*const op[])(unsigned, uint32_t) = {
		fs_vmptrst, fs_vmptrld, fs_vmread, fs_vmwrite};
	static const char *const what[] = {"vmptrst", "vmptrld", "vmread", "vmwrite"};
	char name[64];

	for (unsigned i = 0; i < 4; i++) {
		memset(buffer, 0, sizeof(buffer));
		buffer[0] = i == 1;
		describe((uint32_t)(uintptr_t)buffer - c->offset, c->limit, c->type, c->flags);
		op[i](SLOT, c->offset);
		format_text(name, sizeof(name), "%s, %s", what[i], c->name);
		show(name);
	}
}

static void segments(void)
{
	for (unsigned i = 0; i < sizeof(segment_cases) / sizeof(segment_cases[0]); i++)
		segment_operations(&segment_cases[i]);
	fs_vmptrst(0, (uint32_t)(uintptr_t)buffer);
	show("vmptrst, null selector");
	fs_vmread(0, (uint32_t)(uintptr_t)buffer);
	show("vmread, null selector");
	__asm__ volatile(TRY_BEGIN "vmptrst %%cs:buffer" TRY_END:FLAGS_OUT : : "memory");
	show("vmptrst through CS");
	__asm__ volatile(TRY_BEGIN "vmptrld %%cs:buffer" TRY_END:FLAGS_OUT : : "memory");
	show("vmptrld through CS");
	describe(0, 0xfffff, CODE_ONLY, BIG);
	__asm__ volatile("ljmpl $0x50, $1f\n1:\t" TRY_BEGIN "vmptrld %%cs:buffer" TRY_END
			 "ljmpl $0x18, $2f\n2:"
			 : FLAGS_OUT
			 :
			 : "memory");
	show("vmptrld from execute-only code");
}

/* The stack segment ends at 4 MiB: the stack is below, the operand beyond. */
static void stack_segment(void)
{
	describe(0, 0x3ff, DATA, BIG);
	__asm__ volatile("movl %2, %%ss\n\t" TRY_BEGIN "vmptrst (%%ebp)" TRY_END "movl %3, %%ss"
			 : FLAGS_OUT
			 : "r"(SLOT), "r"(SEL_DATA), "a"(low_page)
			 : "memory");
	show("vmptrst through SS, any EBP");
	__asm__ volatile("movl %2, %%ss\n\tpushl %%ebp\n\tmovl %4, %%ebp\n\t" TRY_BEGIN
			 "vmptrst 4(%%ebp)" TRY_END "popl %%ebp\n\tmovl %3, %%ss"
			 : FLAGS_OUT
			 : "r"(SLOT), "r"(SEL_DATA), "a"(low_page)
			 : "memory");
	show("vmptrst through SS, beyond the limit");
	__asm__ volatile("movl %2, %%ss\n\t" TRY_BEGIN "vmread %4, %%ss:(%%ecx)" TRY_END
			 "movl %3, %%ss"
			 : FLAGS_OUT
			 : "r"(SLOT), "r"(SEL_DATA), "r"(VMCS_TSC_OFFSET), "c"(low_page)
			 : "memory");
	show("vmread through SS override, beyond the limit");
	__asm__ volatile("movl %2, %%ss\n\tpushl %%ebp\n\tmovl %4, %%ebp\n\t" TRY_BEGIN
			 "vmptrst %%ds:(%%ebp)" TRY_END "popl %%ebp\n\tmovl %3, %%ss"
			 : FLAGS_OUT
			 : "r"(SLOT), "r"(SEL_DATA), "a"(low_page)
			 : "memory");
	show("vmptrst through DS override of EBP");
}

static void check_stored(const char *name)
{
	uint64_t v;

	memcpy(&v, buffer + 16, 8);
	show(name);
	print("%s: stored %d\n", name, v == address_of(vmcs_a));
	memset(buffer, 0, sizeof(buffer));
}

#define FORM(name, text)                                                        \
	__asm__ volatile("pushl %%ebp\n\tmovl $buffer, %%edx\n\t" TRY_BEGIN     \
			 "\n\t" text TRY_END "popl %%ebp"                       \
			 : FLAGS_OUT                                            \
			 :                                                      \
			 : "eax", "ebx", "ecx", "edx", "esi", "edi", "memory"); \
	check_stored(name)

/* Every form of 32-bit and 16-bit addresses; all lead to buffer + 16. */
static void addressing(void)
{
	FORM("absolute", "vmptrst buffer+16");
	FORM("base, disp8", "vmptrst 16(%%edx)");
	FORM("base, negative disp8", "leal 32(%%edx), %%esi\n\tvmptrst -16(%%esi)");
	FORM("base, disp32", "leal -0x12340(%%edx), %%edi\n\tvmptrst 0x12350(%%edi)");
	FORM("base, index", "movl $16, %%eax\n\tvmptrst (%%edx,%%eax)");
	FORM("base, index * 2", "movl $8, %%ecx\n\tvmptrst (%%edx,%%ecx,2)");
	FORM("base, index * 4", "movl $3, %%ebx\n\tvmptrst 4(%%edx,%%ebx,4)");
	FORM("base, index * 8", "movl $-1, %%edi\n\tvmptrst 24(%%edx,%%edi,8)");
	FORM("index * 8 without base", "movl $2, %%esi\n\tvmptrst buffer(,%%esi,8)");
	FORM("EBP as base", "movl %%edx, %%ebp\n\tvmptrst 16(%%ebp)");
	FORM("EBP as index", "movl $4, %%ebp\n\tvmptrst (%%edx,%%ebp,4)");
	FORM("ESP as base", "pushl $0\n\tpushl $0\n\tvmptrst (%%esp)\n\tpopl buffer+16\n\t"
			    "popl buffer+20");
	FORM("sum wraps", "movl $0xfffff000, %%eax\n\tvmptrst 0x1010(%%edx,%%eax)");
	describe((uint32_t)(uintptr_t)buffer - 0x8000, 0xffff, DATA, SMALL16);
	__asm__ volatile("movl %0, %%fs" : : "r"(SLOT));
	FORM("16 bits: BX + SI",
		"movw $0x8000, %%bx\n\tmovw $16, %%si\n\tvmptrst %%fs:(%%bx,%%si)");
	FORM("16 bits: BX + DI wraps",
		"movl $0x1234fff0, %%ebx\n\tmovl $0x56788010, %%edi\n\tvmptrst %%fs:16(%%bx,%%di)");
	FORM("16 bits: BP + DI",
		"movw $0x7000, %%bp\n\tmovw $0x1010, %%di\n\tvmptrst %%fs:(%%bp,%%di)");
	FORM("16 bits: SI", "movw $0x8010, %%si\n\tvmptrst %%fs:(%%si)");
	FORM("16 bits: DI, disp8", "movw $0x7fff, %%di\n\tvmptrst %%fs:17(%%di)");
	FORM("16 bits: BX, disp16", "movw $0x6000, %%bx\n\tvmptrst %%fs:0x2010(%%bx)");
	FORM("16 bits: absolute", ".byte 0x64, 0x67, 0x0f, 0xc7, 0x3e, 0x10, 0x80");
	FORM("16 bits: crosses the limit", "movw $0xfffc, %%si\n\tvmptrst %%fs:(%%si)");
	__asm__ volatile("movl %0, %%fs" : : "r"(SEL_DATA));
}

#define ALL_REGISTERS(F) \
	F(eax)           \
	F(ebx)           \
	F(ecx)           \
	F(edx)           \
	F(esi)           \
	F(edi)           \
	F(ebp)           \
	F(esp)

/* VMWRITE from and VMREAD to each register; ESP is moved aside by the instruction itself. */
#define ONE_REGISTER(reg)                                                            \
	{                                                                            \
		uint32_t v;                                                          \
		__asm__ volatile("pushal\n\tmovl %%esp, %0\n\tmovl %3, %%" #reg      \
				 "\n\tvmread %%" #reg ", %%" #reg "\n\tmovl %%" #reg \
				 ", %1\n\tmovl %0, %%esp\n\tpopal"                   \
				 : "+m"(esp_saved), "=m"(scratch)                    \
				 : "m"(scratch), "i"(VMCS_GUEST_RSP)                 \
				 : "memory");                                        \
		v = scratch;                                                         \
		print("vmread to " #reg ": %x\n", v);                                \
	}

static void registers(void)
{
	vmwrite(VMCS_GUEST_RSP, 0x9abcdef0);
	ALL_REGISTERS(ONE_REGISTER)
}

static void halves(void)
{
	static const uint32_t fields[] = {VMCS_TSC_OFFSET, VMCS_EPT_POINTER,
		VMCS_VMCS_LINK_POINTER, VMCS_GUEST_PDPTE2, VMCS_GUEST_DEBUGCTL, VMCS_MSR_BITMAP,
		VMCS_GUEST_PHYSICAL_ADDRESS, VMCS_GUEST_RIP, VMCS_GUEST_CR3,
		VMCS_GUEST_ES_SELECTOR, VMCS_EXCEPTION_BITMAP};

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint32_t f = fields[i];
		uint64_t low = 0, high = 0;

		if (vmcs_type(f) == VMCS_TYPE_INFO &&
			!(rdmsr(MSR_VMX_MISC) & MISC_VMWRITE_ANY)) {
			conf_skipped("field 2400", "VMWRITE to exit information");
			continue;
		}
		print("field %x:", f);
		print(" %s", vmx_outcome(vmx_vmwrite(f, 0x89abcdef)));
		print(" %s", vmx_outcome(vmx_vmwrite(f + 1, 0x01234567)));
		print(" %s", vmx_outcome(vmx_vmread(f, &low)));
		print(" %s", vmx_outcome(vmx_vmread(f + 1, &high)));
		if (vmcs_type(f) == VMCS_TYPE_INFO)
			low = high = 0;
		print(" %x %x", (uint32_t)low, (uint32_t)high);
		vmx_vmwrite(f, 0x77777777);
		high = 0;
		vmx_vmread(f + 1, &high);
		print(" then %x\n", vmcs_type(f) == VMCS_TYPE_INFO ? 0 : (uint32_t)high);
	}
}

/* VMREAD writes, and VMWRITE reads, four bytes. */
static void memory_operands(void)
{
	uint64_t v = 0xaaaaaaaaaaaaaaaaull;

	vmwrite(VMCS_GUEST_RSP, 0x11223344);
	__asm__ volatile(TRY_BEGIN "vmread %3, %2" TRY_END
			 : FLAGS_OUT, "+m"(v)
			 : "r"(VMCS_GUEST_RSP)
			 : "memory");
	show("vmread to memory");
	print("memory: %lx\n", v);
	v = 0x5566778899aabbccull;
	__asm__ volatile(TRY_BEGIN "vmwrite %2, %3" TRY_END:FLAGS_OUT
			 : "m"(v), "r"(VMCS_GUEST_RSP)
			 : "memory");
	show("vmwrite from memory");
	print("field: %lx\n", vmread(VMCS_GUEST_RSP));
	vmwrite(VMCS_TSC_OFFSET, ~0ull);
	__asm__ volatile(TRY_BEGIN "vmwrite %2, %3" TRY_END:FLAGS_OUT
			 : "m"(v), "r"(VMCS_TSC_OFFSET)
			 : "memory");
	print("64-bit field: %lx\n", vmread(VMCS_TSC_OFFSET));
}

/* ---- page faults ---- */

static void map_page(unsigned i, uint64_t flags)
{
	uint32_t at = (uint32_t)(uintptr_t)low_page + i * PAGE;

	table32[i] = at | (uint32_t)flags;
	table64[i] = at | flags;
	invlpg(WINDOW + i * PAGE);
}

static void make_window(void)
{
	uint64_t *pd = (uint64_t *)(uintptr_t)(boot_pdpt32[WINDOW >> 30] & ~0xfffull);
	uint64_t *first = (uint64_t *)(uintptr_t)(boot_pdpt32[0] & ~0xfffull);

	for (unsigned i = 0; i < 2048; i++) /* no user pages: SMAP */
		first[i] &= ~(uint64_t)US;
	for (unsigned i = 0; i < 1024; i++)
		boot_pd32[i] &= ~US;
	write_cr3(read_cr3());
	table32 = page_alloc();
	table64 = page_alloc();
	low_page = page_alloc();
	for (unsigned i = 1; i < 8; i++)
		page_alloc();
	boot_pd32[WINDOW >> 22] = (uint32_t)(uintptr_t)table32 | P | RW | US;
	pd[WINDOW >> 21 & 511] = address_of(table64) | P | RW | US;
}

static void flags_of_page(unsigned i)
{
	uint64_t e = pae ? table64[i] : table32[i];

	print(" [%u]%s%s", i, e & 0x20 ? "A" : "-", e & 0x40 ? "D" : "-");
}

static void window_case(const char *what, uint32_t offset)
{
	static void (*const op[])(unsigned, uint32_t) = {
		fs_vmptrst, fs_vmptrld, fs_vmread, fs_vmwrite};
	static const char *const names[] = {"vmptrst", "vmptrld", "vmread", "vmwrite"};
	char name[64];

	for (unsigned i = 0; i < 4; i++) {
		uint8_t *at = (uint8_t *)low_page + offset;

		memset(at, 0, 8);
		*at = i == 1;
		for (unsigned k = 0; k < 4; k++)
			map_page(k, (pae ? table64[k] : table32[k]) & (0xf87 | RESERVED));
		op[i](SEL_DATA, WINDOW + offset);
		format_text(name, sizeof(name), "%s %s", names[i], what);
		show(name);
		print("%s:", name);
		flags_of_page(offset / PAGE);
		flags_of_page((offset + 7) / PAGE);
		print("\n");
	}
}

static void pages(uint64_t first, uint64_t second, const char *what)
{
	char name[48];

	map_page(0, first);
	map_page(1, second);
	window_case(what, 0x10);
	format_text(name, sizeof(name), "%s, across", what);
	window_case(name, PAGE - 2);
	format_text(name, sizeof(name), "%s, 4 and 4", what);
	window_case(name, PAGE - 4);
}

static void smap(void)
{
	if (!(cpuid(7, 0).ebx & BIT(20)))
		return;
	write_cr4(read_cr4() | CR4_SMAP);
	pages(P | RW | US, P | RW | US, "user pages, SMAP");
	pages(P | RW, P | RW | US, "second a user page, SMAP");
	__asm__ volatile("stac" : : : "memory");
	pages(P | RW | US, P | RW | US, "user pages, SMAP, AC");
	__asm__ volatile("clac" : : : "memory");
	write_cr4(read_cr4() & ~CR4_SMAP);
}

static void write_protection_off(void)
{
	static const char *const insns[] = {"vmptrst", "vmptrld", "vmread", "vmwrite"};

	if (!conf_may_write_read_only(CASES(insns)))
		return;
	write_cr0(read_cr0() & ~CR0_WP);
	pages(P, P | US, "read-only, WP clear");
	write_cr0(read_cr0() | CR0_WP);
}

static void page_faults(void)
{
	pages(P | RW, P | RW, "present");
	pages(0, P | RW, "first missing");
	pages(P | RW, 0, "second missing");
	pages(P, P | RW, "first read-only");
	pages(P | RW, P, "second read-only");
	pages(P | RW | US, P | RW, "user page");
	write_protection_off();
	if (pae) {
		pages(P | RW | RESERVED, P | RW, "reserved bit");
		pages(P | RW, P | RW | RESERVED, "reserved bit in second");
	}
	smap();
	pages(P | RW, P | RW, "present again");
}

/* The processor keeps PDPTEs in registers: memory counts only when CR3 is loaded (vol. 3A
 * 4.4.1). */
static void pdpte_registers(void)
{
	uint64_t kept = boot_pdpt32[WINDOW >> 30];

	boot_pdpt32[WINDOW >> 30] = 0;
	window_case("PDPTE cleared in memory", 0x10);
	boot_pdpt32[WINDOW >> 30] = kept | 2;
	write_cr3_try(read_cr3());
	print("MOV to CR3 with bad PDPTE: vector %d\n", trap.vector);
	window_case("PDPTE bad in memory", 0x20);
	boot_pdpt32[WINDOW >> 30] = 0;
	write_cr3(read_cr3());
	window_case("PDPTE cleared, CR3 loaded", 0x10);
	boot_pdpt32[WINDOW >> 30] = kept;
	window_case("PDPTE set in memory only", 0x10);
	write_cr3(read_cr3());
	window_case("PDPTE as before", 0x10);
}

/*
 * Runs what is at V86_CODE in virtual-8086 mode until its first exception; CS has RPL bits, so
 * that the handler takes it for user code.
 */
void v86_call(void);
__asm__(".text\nv86_call:\n\tpushl %ebx\n\tpushl %ebp\n\tpushl %esi\n\tpushl %edi\n\t"
	"movl %esp, user_return_rsp\n\tpushl $0x2000\n\tpushl $0x2000\n\tpushl $0x2000\n\t"
	"pushl $0x2000\n\tpushl $0x2000\n\tpushl $0x1000\n\tpushl $0x23002\n\tpushl $0x2003\n\t"
	"pushl $0\n\tiretl\n");

#define V86_CODE 0x20030

static void in_v86_mode(void)
{
	static const struct {
		const char *name;
		uint8_t bytes[4];
	} codes[] = {{"vmcall", {0x0f, 0x01, 0xc1}}, {"vmxoff", {0x0f, 0x01, 0xc4}},
		{"vmlaunch", {0x0f, 0x01, 0xc2}}, {"vmread", {0x0f, 0x78, 0xc0}},
		{"vmptrst", {0x0f, 0xc7, 0x3f}}};

	for (unsigned i = 0; i < 1024; i++)
		boot_pd32[i] |= US;
	write_cr3(read_cr3());
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		memcpy((void *)V86_CODE, codes[i].bytes, 4);
		v86_call();
		print("%s in virtual-8086 mode: vector %d error %x\n", codes[i].name,
			trap.vector, trap.error);
	}
}

static void begin(void)
{
	vmx_vmclear(address_of(vmcs_a));
	conf_status("vmptrld", vmx_vmptrld(address_of(vmcs_a)));
}

static void in_this_mode(const char *mode)
{
	print("%s\n", mode);
	conf_status("enable", vmx_enable() ? VMX_OK : VMX_FAIL_INVALID);
	begin();
	registers();
	halves();
	memory_operands();
	segments();
	stack_segment();
	addressing();
	page_faults();
	if (pae)
		pdpte_registers();
	if (!pae)
		in_v86_mode();
	write_cr0_try(read_cr0() & ~CR0_PG);
	print("clear CR0.PG in root operation: vector %d\n", trap.vector);
	conf_status("vmxoff", vmx_vmxoff());
}

static void without_paging(void)
{
	write_cr0(read_cr0() & ~CR0_PG);
	conf_status("vmptrld without paging", vmx_vmptrld(address_of(vmxon_region())));
	conf_status("vmcall without paging", vmx_vmcall());
}

int payload_main(void)
{
	vmcs_a = vmcs_alloc();
	make_window();
	in_this_mode("32-bit paging");
	without_paging();
	write_cr4(read_cr4() | CR4_PAE);
	write_cr3((uintptr_t)boot_pdpt32);
	write_cr0(read_cr0() | CR0_PG);
	pae = true;
	in_this_mode("PAE paging");
	return 0;
}
