/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile L1 does with VT-x. Unless it is wild, what could hit this program itself stays
 * out: its host state, lists of VM exits, pages of its own in EPT12 tables, an L2 that never
 * comes back.
 */
#include "conf.h"
#include "hostile.h"
#include "mutate/golden.h"

#define SCRATCH       12 /* pages that anything may be written to */
#define REGIONS       14 /* VMCS regions, more than L0 keeps at a time */
#define LEVELS        4
#define EXITS         6
#define AREA_PAGES    9
#define L2_PAGE_TABLE (GOLDEN_AREA + 0x7000)
#define RAM           (64ull << 20)

static uint8_t *scratch[SCRATCH];
static void *region[REGIONS];
static uint64_t *table[LEVELS + 1], kept[LEVELS + 1][512]; /* EPT12 tables by level */
static uint64_t rubbish_list;
static uint32_t entries, failures, fails, exits_of[80];

static uint64_t scratch_page(void)
{
	return address_of(scratch[random64() % SCRATCH]);
}

static uint64_t anywhere(void)
{
	static const uint64_t places[] = {0xfee00000, 0xfec00000, 0xe0000000, 0xfed00000,
		0xc0000000, 0xfffff000, 0x100000000, 0xffffffff000, 0x7fffffffff000,
		0xfffffffff000, 0x4000000, 0x3fff000, 0x8000000, 0xa0000};

	switch (random64() % 4) {
	case 0:
		return places[random64() % (sizeof(places) / sizeof(places[0]))];
	case 1:
		return places[random64() % (sizeof(places) / sizeof(places[0]))] +
		       random64() % 4096;
	case 2:
		return random64() >> random64() % 64;
	default:
		return (random64() >> random64() % 64) & ~0xfffull;
	}
}

uint64_t random_address(void)
{
	uint64_t a = one_in(2) ? anywhere() : scratch_page();

	/* this program is there */
	if ((a & EPT_ADDRESS) < RAM && !hostile_wild)
		a = scratch_page() | (one_in(8) ? random64() % 4096 : 0);
	return a;
}

void hostile_vmx_start(void)
{
	conf_start();
	golden_init();
	for (unsigned i = 0; i < SCRATCH; i++)
		scratch[i] = page_alloc();
	for (unsigned i = 0; i < REGIONS; i++)
		region[i] = vmcs_alloc();
	region[0] = conf_l2.vmcs;
	for (int level = 1; level <= LEVELS; level++) {
		uint64_t *entry = ept_entry(&golden.ept, GOLDEN_AREA, level);

		table[level] = (uint64_t *)(uintptr_t)(address_of(entry) & ~0xfffull);
		memcpy(kept[level], table[level], 4096);
	}
	rubbish_list = address_of(page_alloc());
}

void hostile_vmx_end(void)
{
	print("L2 entries %u, failed entries %u, VMfails %u, exits:", entries, failures, fails);
	for (unsigned i = 0; i < sizeof(exits_of) / sizeof(exits_of[0]); i++)
		if (exits_of[i])
			print(" %u:%u", i, exits_of[i]);
	print("\n");
}

/* ---- instructions ---- */

/* The VMCS pointer may be anything now, or there is no VMX operation any more. */
static void random_pointer(void)
{
	uint64_t a = one_in(2) ? random_address() : address_of(region[random64() % REGIONS]);

	switch (random64() % 6) {
	case 0:
		vmx_vmxon(one_in(4) ? address_of(vmxon_region()) : a);
		break;
	case 1:
		vmx_vmclear(a);
		break;
	case 2:
		if (one_in(2))
			*(uint32_t *)(void *)scratch[0] =
				(uint32_t)rdmsr(MSR_VMX_BASIC) | BIT(31);
		vmx_vmptrld(one_in(2) ? address_of(scratch[0]) : a);
		break;
	case 3:
		vmx_vmptrst(&a);
		break;
	case 4:
		if (one_in(4))
			vmx_vmxoff();
		break;
	default:
		vmx_vmcall();
	}
}

static void random_invalidation(void)
{
	uint64_t descriptor[2] = {
		one_in(2) ? golden.ept.eptp : random_value(1), random_value(0)};

	if (one_in(2)) {
		vmx_invept(one_in(4) ? random_value(0) : 1 + random64() % 2, descriptor);
	} else {
		descriptor[0] = one_in(2) ? 1 : random_value(0);
		vmx_invvpid(one_in(4) ? random_value(0) : random64() % 4, descriptor);
	}
}

void hostile_insn(void)
{
	uint64_t v = 0;

	switch (random64() % 4) {
	case 0:
		random_pointer();
		break;
	case 1:
		random_invalidation();
		break;
	case 2:
		vmx_vmread(one_in(2) ? vmcs_fields[random64() % FID_COUNT].encoding
				     : random_value(0),
			&v);
		break;
	default:
		/* of whatever VMCS is current: it is made anew before it is entered */
		vmx_vmwrite(one_in(2) ? vmcs_fields[random64() % FID_COUNT].encoding
				      : random_value(0),
			random_value(v));
	}
}

/* ---- memory that VMCSs point to ---- */

static uint64_t random_ept_entry(unsigned level)
{
	uint64_t flags = random64() & 0xfff, a;

	if (one_in(2))
		flags = EPT_RWX | EPT_WB | (one_in(3) && level > 1 ? EPT_LARGE : 0);
	if (!one_in(3))
		a = random_address() & EPT_ADDRESS;
	else
		a = address_of(table[1 + random64() % LEVELS]);
	/* a large page would reach this program; L2 shall not write EPT12 tables */
	if (!hostile_wild && level > 1 && (flags & EPT_LARGE) && a < RAM)
		a |= 0x1000;
	if (!hostile_wild && level == 1 && a < RAM && a < address_of(scratch[0]))
		flags &= ~EPT_WRITE;
	/* scratch pages hold rubbish that could map anything */
	if (!hostile_wild && level > 1 && a < RAM && a >= address_of(scratch[0]) &&
		!(flags & EPT_LARGE))
		flags &= ~EPT_RWX;
	return a | flags | (one_in(16) ? random64() << 52 : 0);
}

static void random_table(void)
{
	unsigned level = 1 + (unsigned)(random64() % LEVELS);
	unsigned slot = level == 1
				? GOLDEN_AREA / 4096 + (unsigned)(random64() % (AREA_PAGES + 1))
				: (unsigned)(random64() % 3);

	if (level == 1 && one_in(4))
		table[1][L2_PAGE_TABLE / 4096] = address_of(table[1]) | EPT_READ | EPT_EXEC |
						 EPT_WB | (hostile_wild ? EPT_WRITE : 0);
	else
		table[level][slot] = random_ept_entry(level);
}

static void repair_tables(void)
{
	for (int level = 1; level <= LEVELS; level++)
		memcpy(table[level], kept[level], 4096);
}

static void random_list(void)
{
	uint64_t *entry = (uint64_t *)(uintptr_t)rubbish_list;
	unsigned i = (unsigned)(random64() % 256);

	entry[2 * i] = one_in(2) ? random64() % 0x2000 : random_value(0xc0000080);
	entry[2 * i + 1] = random_value(0);
}

void hostile_tables(void)
{
	unsigned i = (unsigned)(random64() % 512);

	switch (random64() % 6) {
	case 0:
		repair_tables();
		break;
	case 1:
	case 2:
		random_table();
		break;
	case 3:
		random_list();
		break;
	case 4:
		memset(scratch[random64() % SCRATCH], one_in(2) ? 0 : 0xff, 4096);
		break;
	default:
		((uint64_t *)(void *)scratch[random64() % SCRATCH])[i] = random_value(0);
	}
}

/* ---- L2 ---- */

static bool is_address(uint32_t encoding)
{
	return vmcs_width(encoding) == VMCS_WIDTH_64 &&
	       vmcs_type(encoding) == VMCS_TYPE_CONTROL && encoding != VMCS_TSC_OFFSET;
}

/* What must stay as it is for this program to stay. */
static bool forbidden(uint32_t encoding)
{
	switch (encoding) {
	case VMCS_EXIT_MSR_LOAD_COUNT:
	case VMCS_EXIT_MSR_LOAD_ADDR:
	case VMCS_EXIT_MSR_STORE_COUNT:
	case VMCS_EXIT_MSR_STORE_ADDR:
		return true;
	default:
		return vmcs_type(encoding) == VMCS_TYPE_HOST;
	}
}

static uint64_t tamed(uint32_t encoding, uint64_t v)
{
	switch (encoding) {
	case VMCS_PIN_CONTROLS:
		return v | PIN_PREEMPTION_TIMER;
	case VMCS_PREEMPTION_TIMER_VALUE:
		return v % 10000;
	case VMCS_GUEST_ACTIVITY_STATE:
		return v == ACTIVITY_WAIT_FOR_SIPI ? 4 : v;
	case VMCS_PROC_CONTROLS:
		return v | PROC_USE_IO_BITMAPS;
	case VMCS_GUEST_CR3:
		/* 32-bit paging structures of ones map memory: with some in a device L0 ends
		 * the VM */
		return vmread(VMCS_GUEST_CR4) & CR4_PAE ? v : scratch_page();
	default:
		return v;
	}
}

static uint64_t random_field_value(uint32_t encoding)
{
	uint64_t old = vmread(encoding);

	if (encoding == VMCS_EPT_POINTER && !one_in(3))
		return golden.ept.eptp | (one_in(2) ? EPTP_AD : 0);
	if (encoding == VMCS_ENTRY_MSR_LOAD_ADDR && one_in(2))
		return rubbish_list;
	if (encoding == VMCS_GUEST_CR3 || (is_address(encoding) && !one_in(4)))
		return random_address();
	if (encoding == VMCS_ENTRY_INTR_INFO && one_in(2))
		return INTR_INFO_VALID | random64() % 8 << 8 | random64() % 40 |
		       (one_in(2) ? INTR_INFO_ERROR_CODE : 0);
	return random_value(old);
}

static void change_field(void)
{
	uint32_t encoding = vmcs_fields[random64() % FID_COUNT].encoding;
	uint64_t v;

	/* controls are where the features are */
	if (one_in(3))
		encoding = one_in(2) ? VMCS_PROC2_CONTROLS : VMCS_PROC_CONTROLS;
	if (vmcs_type(encoding) == VMCS_TYPE_INFO || (!hostile_wild && forbidden(encoding)))
		return;
	v = random_field_value(encoding);
	/* DEVIATIONS.md: what a segment register loaded in real mode makes of rubbish behind
	 * "unusable" */
	if (encoding >= VMCS_GUEST_ES_AR && encoding <= VMCS_GUEST_GS_AR &&
		(v & SEG_AR_UNUSABLE))
		v = SEG_AR_UNUSABLE | 0x93;
	if (!hostile_wild || !one_in(50))
		v = tamed(encoding, v);
	if (hostile_verbose)
		print(" %x=%lx", encoding, v);
	vmx_vmwrite(encoding, v);
}

/* The emulator dies of some EVEX prefixes. */
static void rubbish_code(void)
{
	uint8_t *code = (uint8_t *)(uintptr_t)GOLDEN_AREA;

	for (unsigned i = 0; i < 512; i++)
		((uint64_t *)(void *)code)[i] = random64();
	for (unsigned i = 0; i < 4096; i++)
		if (code[i] == 0x62)
			code[i] = 0x90;
}

/* Combinations that random bits seldom meet: the virtual APIC, and all that the processor
 * offers. */
static void features(void)
{
	static const uint32_t sets[] = {PROC2_X2APIC_MODE | PROC2_APIC_REGISTER_VIRT,
		PROC2_X2APIC_MODE | PROC2_VIRT_INTR_DELIVERY,
		PROC2_APIC_ACCESSES | PROC2_APIC_REGISTER_VIRT | PROC2_VIRT_INTR_DELIVERY,
		PROC2_VMCS_SHADOWING, PROC2_ENABLE_VMFUNC | PROC2_ENABLE_PML,
		PROC2_EPT_VIOLATION_VE | PROC2_MODE_BASED_EXECUTE, ~0u};
	uint32_t proc2 = (uint32_t)vmread(VMCS_PROC2_CONTROLS) | sets[random64() % 7];
	uint32_t pin = PIN_PREEMPTION_TIMER | PIN_EXT_INTR_EXITING;

	if (!(vmread(VMCS_GUEST_CR0) & CR0_PE))
		proc2 |= PROC2_UNRESTRICTED_GUEST;
	ctl_set(VMCS_PROC_CONTROLS, vmx_adjust(MSR_VMX_PROC, PROC_TPR_SHADOW));
	vmx_vmwrite(VMCS_PROC2_CONTROLS, vmx_adjust(MSR_VMX_PROC2, proc2));
	ctl_set(VMCS_PIN_CONTROLS,
		vmx_adjust(MSR_VMX_PIN, pin | (one_in(2) ? PIN_POSTED_INTR : 0)));
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_ACK_INTR);
	vmx_vmwrite(VMCS_VIRTUAL_APIC_ADDR, random_address());
	vmx_vmwrite(VMCS_APIC_ACCESS_ADDR, one_in(2) ? GOLDEN_DATA : random_address());
	vmx_vmwrite(VMCS_POSTED_INTR_DESC, random_address() & ~0xfffull);
	vmx_vmwrite(VMCS_POSTED_INTR_NV, random64() & 0xff);
	vmx_vmwrite(VMCS_EPTP_LIST_ADDRESS, random_address() & ~0xfffull);
	vmx_vmwrite(VMCS_VE_INFO_ADDRESS, random_address() & ~0xfffull);
	vmx_vmwrite(VMCS_PML_ADDRESS, random_address() & ~0xfffull);
	vmx_vmwrite(VMCS_PML_INDEX, random64() % 513);
	vmx_vmwrite(VMCS_VMREAD_BITMAP, random_address() & ~0xfffull);
	vmx_vmwrite(VMCS_VMWRITE_BITMAP, random_address() & ~0xfffull);
	vmx_vmwrite(VMCS_VMFUNC_CONTROLS, one_in(2));
	vmx_vmwrite(VMCS_GUEST_INTR_STATUS, random64() & 0xffff);
	if (one_in(2))
		vmx_vmwrite(VMCS_VMCS_LINK_POINTER, address_of(region[random64() % REGIONS]));
}

/* Ports at which the VM would end. */
static void close_ports(void)
{
	static const uint16_t ports[] = {
		0x64, 0x92, 0xe9, 0xf4, 0xcf8, 0xcf9, 0x604, 0x605, 0x8900};
	uint8_t *bitmap = conf_l2.io_bitmap;

	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		bitmap[ports[i] / 8] |= (uint8_t)(1u << ports[i] % 8);
	ctl_set(VMCS_PROC_CONTROLS, PROC_USE_IO_BITMAPS);
}

static void new_l2(void)
{
	enum golden_kind kind = (enum golden_kind)(random64() % GOLD_COUNT);

	vmx_vmxon(address_of(vmxon_region()));
	conf_l2.vmcs = region[random64() % REGIONS];
	golden_make(kind);
	close_ports();
	if (kind == GOLD_LONG || kind == GOLD_LEGACY)
		ctl_set(VMCS_PROC_CONTROLS, PROC_CR3_LOAD_EXITING);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 1 + random64() % 2000);
	vmwrite(VMCS_GUEST_RIP,
		vmread(VMCS_GUEST_RIP) + random64() % golden.snippets * GOLDEN_SLOT);
	vmwrite(VMCS_EXCEPTION_BITMAP, one_in(2) ? 0xffffffff : random64() & 0xffffffff);
	if (one_in(2))
		repair_tables();
	golden_memory();
	if (kind != GOLD_LONG && kind != GOLD_LEGACY && one_in(2))
		rubbish_code();
	if (one_in(3))
		features();
	if (one_in(3))
		ctl_clear(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	conf_l2.rcx = one_in(2) ? MSR_SYSENTER_CS : random_value(0x800);
	conf_l2.rsi = GOLDEN_DATA;
	conf_l2.rdi = GOLDEN_DATA + 0x100;
	conf_l2.rbx = GOLDEN_DATA + 0x200;
}

static bool enter(void)
{
	uint32_t reason;

	if (l2_run(&conf_l2) != VMX_OK) {
		fails++;
		return false;
	}
	reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	if (hostile_verbose)
		print(" exit %x at %lx;", reason, vmread(VMCS_GUEST_RIP));
	if (reason & EXIT_REASON_ENTRY_FAILURE) {
		failures++;
		return false;
	}
	entries++;
	if (reason < sizeof(exits_of) / sizeof(exits_of[0]))
		exits_of[reason]++;
	if (conf_has_length(reason) && !one_in(4))
		vmx_vmwrite(VMCS_GUEST_RIP,
			vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
	return true;
}

void hostile_l2(void)
{
	new_l2();
	if (hostile_verbose)
		print("L2: cr0 %lx proc2 %lx", vmread(VMCS_GUEST_CR0),
			vmread(VMCS_PROC2_CONTROLS));
	for (uint64_t n = random64() % 5; n; n--)
		change_field();
	for (int i = 0; i < EXITS && enter(); i++) {
		if (one_in(2))
			change_field();
		if (one_in(3))
			hostile_tables();
		if (one_in(3))
			random_invalidation();
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, random64() % 2000);
	}
	if (hostile_verbose)
		print("\n");
}
