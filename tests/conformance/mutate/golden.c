/* SPDX-License-Identifier: Apache-2.0 */
#include "mutate/golden.h"

#include "conf.h"

#define AREA       GOLDEN_AREA
#define IDT        (AREA + 0x2000)
#define GDT        (AREA + 0x3000)
#define TSS        (GDT + 0x800)
#define PML4       (AREA + 0x4000)
#define PDPT       (AREA + 0x5000)
#define PAGE_DIR   (AREA + 0x6000)
#define PAGE_TABLE (AREA + 0x7000)
#define PAGES      9
#define AREA_SIZE  (PAGES * 4096u)
#define HANDLER    0xf00u
#define STACK_TOP  0x1f00u
#define LIST_PAGES 3
#define LIST_BAD   80 /* the entry of the VM-entry list that cannot be loaded */

/* What L2 begins with; VMCALL follows. The same bytes mean the same in all processor modes, but
 * for memory operands: [ESI], or the 16-bit displacement that follows. RSI is DATA. */
#define S(bytes)                         \
	{                                \
		sizeof(bytes) - 1, bytes \
	}
static const struct {
	uint8_t size;
	const char *bytes;
} snippets[] = {
	S("\x0f\xa2"),                         /* cpuid */
	S("\x0f\x31"),                         /* rdtsc */
	S("\xe4\x80"),                         /* in */
	S("\xe6\x80"),                         /* out */
	S("\xf4"),                             /* hlt */
	S("\x0f\x20\xc0\x0f\x22\xc0"),         /* mov cr0 */
	S("\x0f\x20\xd8\x0f\x22\xd8"),         /* mov cr3 */
	S("\x0f\x20\xe0\x0f\x22\xe0"),         /* mov cr4 */
	S("\x0f\x32"),                         /* rdmsr */
	S("\x0f\x30"),                         /* wrmsr */
	S("\xcc"),                             /* int3 */
	S("\x0f\x0b"),                         /* ud2 */
	S("\x9c\x9d"),                         /* pushf, popf */
	S("\xcd\x50"),                         /* int 0x50 */
	S("\xf3\x90"),                         /* pause */
	S("\x0f\x01\x3e\xb0\x80"),             /* invlpg */
	S("\xfb\x90\x90"),                     /* sti */
	S("\x8c\xd0\x8e\xd0\x90"),             /* mov ss */
	S("\x0f\x09"),                         /* wbinvd */
	S("\x0f\x21\xf8\x0f\x23\xf8"),         /* mov dr7 */
	S("\x0f\x01\xd1"),                     /* xsetbv */
	S("\x0f\x01\x06\xb0\x80"),             /* sgdt */
	S("\x0f\x01\x16\xb0\x80"),             /* lgdt */
	S("\x0f\x00\xc8"),                     /* str */
	S("\x89\x06\xb0\x80"),                 /* store */
	S("\x8b\x06\xb0\x80"),                 /* load */
	S("\x0f\x01\xf9"),                     /* rdtscp */
	S("\x0f\x78\xc0"),                     /* vmread */
	S("\x0f\x01\xc4"),                     /* vmxoff */
	S("\x0f\xc7\x36\xb0\x80"),             /* vmptrld */
	S("\x0f\x01\xd4"),                     /* vmfunc */
	S("\xcf"),                             /* iret */
	S("\x8e\xe0"),                         /* mov fs */
	S("\x0f\x06"),                         /* clts */
	S("\x0f\x01\xf0"),                     /* lmsw */
	S("\x0f\x01\xe0"),                     /* smsw */
	S("\xf1"),                             /* int1 */
	S("\x31\xc9\xf7\xf1"),                 /* div by 0 */
	S("\xdb\xe3"),                         /* fninit */
	S("\x0f\x20\xc0\x0c\x08\x0f\x22\xc0"), /* set cr0.ts */
	S("\x44\x0f\x20\xc0\x44\x0f\x22\xc0"), /* mov cr8, or inc sp and mov cr0 */
};
#define SNIPPETS (sizeof(snippets) / sizeof(snippets[0]))

struct golden golden = {.snippets = SNIPPETS};

static uint8_t *image;      /* L2's memory */
static uint8_t *vapic;      /* virtual-APIC page */
static uint8_t *descriptor; /* of posted interrupts */

static void *at(uint32_t address)
{
	return image + (address - AREA);
}

static void build_code(void)
{
	uint8_t *code = at(AREA);

	memset(code, 0xf4, 4096);
	for (unsigned i = 0; i < SNIPPETS; i++) {
		memcpy(code + i * GOLDEN_SLOT, snippets[i].bytes, snippets[i].size);
		memcpy(code + i * GOLDEN_SLOT + snippets[i].size, "\x0f\x01\xc1", 3);
	}
	memcpy(code + HANDLER, "\x0f\x01\xc1", 3);
}

/* Every vector leads to the handler. */
static void build_idt(enum golden_kind g)
{
	uint64_t *gate = at(IDT);
	uint32_t *vector = at(IDT);
	uint64_t target = AREA + HANDLER;
	uint64_t low = (target & 0xffff) | (target >> 16) << 48 | 0xee00ull << 32;

	for (unsigned i = 0; i < 256; i++) {
		if (g == GOLD_REAL)
			vector[i] = AREA / 16 << 16 | HANDLER;
		else if (g == GOLD_PROTECTED || g == GOLD_LEGACY)
			gate[i] = low | SEL_CODE32 << 16;
		else
			gate[2 * i] = low | SEL_CODE64 << 16;
	}
}

static void build_tss(enum golden_kind g)
{
	uint32_t *tss = at(TSS);

	tss[1] = AREA + STACK_TOP;
	if (g == GOLD_PROTECTED || g == GOLD_LEGACY)
		tss[2] = SEL_DATA;
	tss[0x66 / 4] |= 0x68u << 16;
}

/* Identity for L2's memory with accessed and dirty bits set; the code read-only. */
static void build_tables(enum golden_kind g)
{
	uint64_t *table64 = at(PAGE_TABLE);
	uint32_t *table32 = at(PAGE_TABLE);

	for (uint32_t i = 0; i < PAGES; i++) {
		uint32_t page = AREA + i * 4096;
		uint32_t entry = page | (page == AREA ? 0x61 : 0x63);

		if (g == GOLD_LEGACY)
			table32[page >> 12] = entry;
		else
			table64[page >> 12] = entry;
	}
	*(uint64_t *)at(PML4) = PDPT | 0x23;
	*(uint64_t *)at(PDPT) = PAGE_DIR | 0x23;
	*(uint64_t *)at(PAGE_DIR) = PAGE_TABLE | 0x23;
}

static void build_memory(enum golden_kind g)
{
	memset(image, 0, AREA_SIZE);
	build_code();
	build_idt(g);
	build_tss(g);
	build_tables(g);
	memcpy(at(GDT), rt_gdt, (size_t)(rt_gdt_end - (char *)rt_gdt));
}

static void copy_words(void *dst, const void *src, size_t bytes)
{
	size_t n = bytes / 8;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

static void flat_tables(void)
{
	vmwrite(VMCS_GUEST_IDTR_BASE, IDT);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0xfff);
	vmwrite(VMCS_GUEST_GDTR_BASE, GDT);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, (uint64_t)(rt_gdt_end - (char *)rt_gdt) - 1);
	vmwrite(VMCS_GUEST_TR_BASE, TSS);
	vmwrite(VMCS_GUEST_RSP, AREA + STACK_TOP);
	vmwrite(VMCS_GUEST_RIP, AREA);
}

static void golden_mode(enum golden_kind g)
{
	flat_tables();
	vmwrite(VMCS_GUEST_CR3, PML4);
	ctl_clear(VMCS_GUEST_CR4, CR4_LA57);
	vmwrite(VMCS_GUEST_EFER, g <= GOLD_LONG ? EFER_LME | EFER_LMA : 0);
	if (g != GOLD_LONG && g != GOLD_LEGACY)
		ept_use(&golden.ept);
	if (g == GOLD_PROTECTED || g == GOLD_REAL)
		ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
	if (g == GOLD_PROTECTED)
		l2_protected_mode();
	if (g == GOLD_REAL) {
		l2_real_mode(AREA);
		vmwrite(VMCS_GUEST_IDTR_BASE, IDT);
		vmwrite(VMCS_GUEST_RSP, STACK_TOP);
	}
	if (g == GOLD_LEGACY) {
		ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST);
		vmwrite(VMCS_GUEST_CR3, PAGE_DIR);
		vmwrite(VMCS_GUEST_CR4, CR4_VMXE);
		vmwrite(VMCS_GUEST_CS_SELECTOR, SEL_CODE32);
		vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
	}
}

static void golden_controls(void)
{
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, GOLDEN_TIMER);
	vmwrite(VMCS_EXCEPTION_BITMAP, 0xffffffff);
	vmwrite(VMCS_APIC_ACCESS_ADDR, GOLDEN_DATA);
	vmwrite(VMCS_VIRTUAL_APIC_ADDR, address_of(vapic));
	vmwrite(VMCS_POSTED_INTR_DESC, address_of(descriptor));
	vmwrite(VMCS_POSTED_INTR_NV, 0xf2);
	vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, golden.list[0]);
	vmwrite(VMCS_EXIT_MSR_LOAD_ADDR, golden.list[1]);
	vmwrite(VMCS_EXIT_MSR_STORE_ADDR, golden.list[2]);
	vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	vmwrite(VMCS_VPID, 1);
	vmwrite(VMCS_EPT_POINTER, golden.ept.eptp);
}

static void no_field(uint32_t field)
{
	(void)field;
}

/* Fields of what the processor lacks are left out; controls of it stay 0. */
void golden_make(enum golden_kind kind)
{
	build_memory(kind);
	l2_restart(&conf_l2, l2_done);
	vmwrite_absent = no_field;
	golden_controls();
	golden_mode(kind);
	vmwrite_absent = NULL;
}

void golden_memory(void)
{
	copy_words((void *)(uintptr_t)AREA, image, AREA_SIZE);
	memset(vapic, 0, 4096);
	memset(descriptor, 0, 64);
}

const char *golden_name(enum golden_kind kind)
{
	static const char *const names[] = {"long-ept", "long", "protected", "real", "legacy"};

	return names[kind];
}

uint8_t golden_first_byte(unsigned snippet)
{
	return (uint8_t)snippets[snippet].bytes[0];
}

static void *pages(unsigned count)
{
	void *first = page_alloc();

	while (--count)
		page_alloc();
	return first;
}

/* Entries for MSRs that every entry and exit loads anyway. */
static uint64_t make_list(void)
{
	uint64_t *entry = pages(LIST_PAGES);

	for (unsigned i = 0; i < LIST_PAGES * 256; i++) {
		entry[2 * i] = MSR_SYSENTER_CS + i % 3;
		entry[2 * i + 1] = i;
	}
	return address_of(entry);
}

void golden_init(void)
{
	ept_init(&golden.ept);
	ept_init(&golden.ept_no_code);
	for (uint32_t a = AREA; a < AREA + AREA_SIZE; a += 4096) {
		uint64_t access = a == AREA ? EPT_READ | EPT_EXEC : EPT_READ | EPT_WRITE;

		ept_map(&golden.ept, a, a, 1, EPT_WB | access);
		ept_map(&golden.ept_no_code, a, a, 1, EPT_WB | EPT_READ | EPT_WRITE);
	}
	image = pages(PAGES);
	vapic = pages(1);
	descriptor = pages(1);
	for (unsigned i = 0; i < 3; i++)
		golden.list[i] = make_list();
	*(uint64_t *)(uintptr_t)(golden.list[0] + LIST_BAD * 16) = MSR_FS_BASE;
	golden.link_good = address_of(vmcs_alloc());
	golden.link_bad = address_of(page_alloc());
}
