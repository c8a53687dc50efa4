/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutations: from a golden VMCS, one or two fields changed at random, the guest entered, and
 * all that an L1 can see of the outcome hashed: VMfail number, or entry failure, or the first
 * exit (in one of four mutations the second, too) with its information fields, the saved guest
 * state, L2's stack, and the host state found after the exit. A line is the hash of a block of
 * 32 mutations.
 *
 * Command line: seed=N count=N first=N (in blocks) verbose=1 (a line for each mutation). A
 * mutation depends on seed and number only, so a block that differs is looked at with `first=N
 * count=1 verbose=1`. L2 sees but a few pages; each kind of instruction that it may begin with
 * is a snippet.
 */
#include "cmdline.h"
#include "conf.h"
#include "levels.h"
#include "mutate/golden.h"
#include "random.h"

#define BLOCK 32
#define QUICK 72

#define ALL     (~0ull)
#define LOW32   0xffffffffull
#define BEYOND  (0xfull << 60 | 1ull << 55) /* above every physical-address width */
#define ADDRESS (0xfffull | BEYOND)

/*
 * Fields of which only some bits may change: because other values would end this program,
 * because what a processor offers differs, or by DEVIATIONS.md. Mask 0 leaves the field alone.
 * Guest and host fields that are not here may change in all bits.
 */
static const struct {
	uint8_t fid;
	uint64_t mask;
} limits[] = {
	{FID_EPTP_INDEX, 0},
	{FID_LAST_PID_POINTER_INDEX, 0},
	{FID_PML_INDEX, 0},
	{FID_IO_BITMAP_A, ADDRESS},
	{FID_IO_BITMAP_B, ADDRESS},
	{FID_MSR_BITMAP, ADDRESS},
	{FID_EXIT_MSR_STORE_ADDR, ADDRESS},
	{FID_EXIT_MSR_LOAD_ADDR, ADDRESS},
	{FID_ENTRY_MSR_LOAD_ADDR, ADDRESS},
	{FID_PML_ADDRESS, 0},
	{FID_VIRTUAL_APIC_ADDR, ADDRESS},
	{FID_APIC_ACCESS_ADDR, ADDRESS},
	{FID_POSTED_INTR_DESC, 0x3f | BEYOND},
	{FID_VMFUNC_CONTROLS, 0},
	{FID_EPT_POINTER, ADDRESS & ~0xa0ull}, /* five levels, shadow stacks */
	{FID_EPTP_LIST_ADDRESS, 0},
	{FID_VMREAD_BITMAP, 0},
	{FID_VMWRITE_BITMAP, 0},
	{FID_VE_INFO_ADDRESS, 0},
	{FID_ENCLS_EXITING_BITMAP, 0},
	{FID_PROC3_CONTROLS, 0},
	{FID_PID_POINTER_TABLE, 0},
	{FID_SPEC_CTRL_MASK, 0},
	{FID_SPEC_CTRL_SHADOW, 0},
	{FID_VMCS_LINK_POINTER, ADDRESS},
	{FID_GUEST_DEBUGCTL, 3},
	{FID_GUEST_PERF_GLOBAL_CTRL, 0},
	{FID_GUEST_BNDCFGS, 0},
	{FID_HOST_PERF_GLOBAL_CTRL, 0},
	/* not those that newer processors have */
	{FID_PIN_CONTROLS, 0xffffffbf},
	{FID_PROC_CONTROLS, 0xfffdffff},
	{FID_PROC2_CONTROLS, 0x82111fff},
	{FID_EXIT_CONTROLS, 0x7fefff},
	{FID_ENTRY_CONTROLS, 0xff00d3ff},
	{FID_EXIT_MSR_STORE_COUNT, 0xff},
	{FID_EXIT_MSR_LOAD_COUNT, 0xff},
	{FID_ENTRY_MSR_LOAD_COUNT, 0xff},
	{FID_GUEST_CR4, 0x3527ffull | 1ull << 31 | BEYOND},
	{FID_GUEST_PENDING_DBG, LOW32},
	{FID_HOST_SYSENTER_CS, 0xffff},
	{FID_HOST_CR3, 0x18 | BEYOND},
	{FID_HOST_CR4, 0x27bf | 1ull << 31 | BEYOND},
	{FID_HOST_RSP, 0},
	{FID_HOST_RIP, BEYOND},
};

static uint64_t gold[FID_COUNT]; /* the golden VMCS of this block */
static uint64_t want[FID_COUNT]; /* with the mutation */
static uint64_t have[FID_COUNT]; /* what the VMCS holds */
static uint64_t masks[FID_COUNT];
static uint64_t host_efer, host_pat, host_cr0, host_cr3, host_cr4;
static struct table_pointer host_gdtr, host_idtr;
static uint64_t rng, hash;
static bool verbose;
static bool five_levels;  /* L1 has; DEVIATIONS.md: then the emulator checks with 57 bits */
static bool virtual_apic; /* L2 of this mutation has one */

/* ---- numbers ---- */

uint64_t random64(void)
{
	return random_next(&rng);
}

static void mix(uint64_t v)
{
	hash = (hash ^ v) * 0x100000001b3ull;
	hash ^= hash >> 29;
}

static void start_block(enum golden_kind g)
{
	golden_make(g);
	for (unsigned i = 0; i < FID_COUNT; i++)
		gold[i] = have[i] = vmread(vmcs_fields[i].encoding);
}

/* ---- mutation ---- */

static uint64_t width_mask(enum vmcs_fid fid)
{
	switch (vmcs_width(vmcs_fields[fid].encoding)) {
	case VMCS_WIDTH_16:
		return 0xffff;
	case VMCS_WIDTH_32:
		return LOW32;
	default:
		return ALL;
	}
}

static bool is_rights(enum vmcs_fid fid)
{
	return fid >= FID_GUEST_ES_AR && fid <= FID_GUEST_TR_AR;
}

static void init_masks(void)
{
	for (unsigned i = 0; i < FID_COUNT; i++) {
		enum vmcs_fid fid = (enum vmcs_fid)i;

		masks[i] = vmcs_type(vmcs_fields[i].encoding) == VMCS_TYPE_INFO
				   ? 0
				   : width_mask(fid);
		if (is_rights(fid))
			masks[i] = 0x1f0ff; /* DEVIATIONS.md */
	}
	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		masks[limits[i].fid] = limits[i].mask;
	if (five_levels) /* an exit would load it */
		masks[FID_HOST_RIP] &= ~(1ull << 55);
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (vmx_vmread(vmcs_fields[i].encoding, &(uint64_t){0}) != VMX_OK)
			masks[i] = 0; /* the processor does not have it */
}

/* A bit of the mask, as a value. */
static uint64_t random_bit(uint64_t mask)
{
	uint64_t bit;

	do
		bit = 1ull << random64() % 64;
	while (!(bit & mask));
	return bit;
}

static uint64_t random_value(uint64_t old, uint64_t mask)
{
	uint64_t v;

	switch (random64() % 8) {
	case 0:
		v = PICK(0, 1, 2, 0xff, 0xfff, 0xffff, 0x7fffffff, 0x80000000, LOW32, ALL,
			ALL >> 17, 1ull << 47, ALL << 47, 1ull << 32, 0x100000, 0xfffff);
		break;
	case 1:
		v = random64();
		break;
	case 2:
		v = random64() >> random64() % 64;
		break;
	case 3:
		v = old + PICK(1, ALL, 2, 16, 0x1000);
		break;
	case 4:
		v = old ^ random_bit(mask) ^ random_bit(mask);
		break;
	default:
		v = old ^ random_bit(mask);
	}
	return (old & ~mask) | (v & mask);
}

static uint64_t random_event(void)
{
	uint64_t v = INTR_INFO_VALID | (random64() % 8) << 8 | random64() % 33;

	v |= PICK(0, 0, INTR_INFO_ERROR_CODE);
	return v ^ PICK(0, 0, 0, BIT(12), BIT(31), random_bit(LOW32));
}

static uint64_t mutated(enum vmcs_fid fid, uint64_t old)
{
	bool plausible = random64() & 1;

	if (fid == FID_PREEMPTION_TIMER_VALUE)
		return PICK(0, GOLDEN_TIMER, LOW32);
	if (!plausible)
		return random_value(old, masks[fid]);
	if (fid == FID_ENTRY_INTR_INFO)
		return random_event();
	if (fid == FID_GUEST_ACTIVITY_STATE)
		return PICK(1, 2, 4);
	if (fid == FID_ENTRY_INSTRUCTION_LENGTH)
		return random64() % 17;
	if (fid == FID_EPT_POINTER)
		return PICK(golden.ept.eptp, golden.ept_no_code.eptp) ^ PICK(0, EPTP_AD, 6, 1);
	if (fid == FID_VMCS_LINK_POINTER)
		return PICK(golden.link_good, golden.link_bad, address_of(conf_l2.vmcs));
	if (is_rights(fid))
		return PICK(0xa09b, 0xc09b, 0xc093, 0x93, 0x9b, 0xf3, 0xfb, 0x10000, 0x8b, 0x83,
			       0x82, 0xc09f, 0xc0f3, 0xa0fb) ^
		       PICK(0, random_bit(0x1f0ff));
	return random_value(old, masks[fid]);
}

static enum vmcs_fid random_field(void)
{
	enum vmcs_fid fid;

	do
		fid = (enum vmcs_fid)(random64() % FID_COUNT);
	while (!masks[fid]);
	return fid;
}

/* States in which the emulator differs from the SDM or never comes back: DEVIATIONS.md. */
static bool left_out(void)
{
	uint64_t info = want[FID_ENTRY_INTR_INFO];
	uint64_t activity = want[FID_GUEST_ACTIVITY_STATE];
	bool ept_on = (want[FID_PROC_CONTROLS] & PROC_SECONDARY) &&
		      (want[FID_PROC2_CONTROLS] & PROC2_ENABLE_EPT);

	/* page tables where there is no memory */
	if (!ept_on && ((want[FID_GUEST_CR3] ^ gold[FID_GUEST_CR3]) & ~ADDRESS))
		return true;
	if (activity == ACTIVITY_WAIT_FOR_SIPI)
		return true;
	if ((info & INTR_INFO_VALID) && conf_odd_error_code(info, want[FID_GUEST_CR0]))
		return true;
	if (activity == ACTIVITY_HLT &&
		((want[FID_GUEST_RFLAGS] & RFLAGS_TF) || (info & INTR_INFO_VALID) ||
			(want[FID_PROC_CONTROLS] & PROC_INTR_WINDOW)))
		return true;
	if (!(want[FID_GUEST_CR0] & CR0_PE) && (want[FID_ENTRY_CONTROLS] & ENTRY_IA32E_GUEST))
		return true;
	if (!(want[FID_GUEST_CR0] & CR0_PE) && activity != ACTIVITY_ACTIVE)
		return true;
	/* saved, but not loaded before */
	if (want[FID_GUEST_DEBUGCTL] && (want[FID_EXIT_CONTROLS] & EXIT_SAVE_DEBUG) &&
		!(want[FID_ENTRY_CONTROLS] & ENTRY_LOAD_DEBUG))
		return true;
	return (want[FID_GUEST_RIP] >> 47) != 0 && (want[FID_GUEST_RIP] >> 47) != ALL >> 47;
}

/* One in four mutations starts from a virtual APIC of some kind: random bits would hardly ever
 * make one. */
static void choose_virtual_apic(void)
{
	static const uint32_t kinds[] = {0, PROC2_X2APIC_MODE,
		PROC2_X2APIC_MODE | PROC2_APIC_REGISTER_VIRT,
		PROC2_X2APIC_MODE | PROC2_VIRT_INTR_DELIVERY, PROC2_APIC_ACCESSES,
		PROC2_APIC_ACCESSES | PROC2_APIC_REGISTER_VIRT,
		PROC2_APIC_ACCESSES | PROC2_APIC_REGISTER_VIRT | PROC2_VIRT_INTR_DELIVERY};
	uint32_t kind = kinds[random64() % (sizeof(kinds) / sizeof(kinds[0]))];

	virtual_apic = !(random64() & 3);
	if (!virtual_apic)
		return;
	want[FID_PROC_CONTROLS] |= PROC_TPR_SHADOW;
	want[FID_PROC2_CONTROLS] |= kind;
	want[FID_PIN_CONTROLS] |= PIN_EXT_INTR_EXITING;
	want[FID_TPR_THRESHOLD] = kind & PROC2_VIRT_INTR_DELIVERY ? 0 : PICK(0, 0, 2);
	if (kind & PROC2_VIRT_INTR_DELIVERY)
		want[FID_GUEST_INTR_STATUS] = PICK(0, 0x31, 0x3100, 0x3151);
	if (kind & PROC2_VIRT_INTR_DELIVERY && random64() & 1) {
		want[FID_PIN_CONTROLS] |= PIN_POSTED_INTR;
		want[FID_EXIT_CONTROLS] |= EXIT_ACK_INTR;
	}
}

/* Chooses the mutation: want, and the text of it. False: left out. */
static bool mutate(char *text, size_t size)
{
	unsigned snippet = (unsigned)(random64() % golden.snippets);
	enum vmcs_fid fid[2] = {random_field(), random_field()};
	unsigned count = 1 + (random64() & 1);

	memcpy(want, gold, sizeof(want));
	want[FID_GUEST_RIP] += snippet * GOLDEN_SLOT;
	choose_virtual_apic();
	/* of two wrong fields this one's qualification may or may not come first */
	if (fid[0] == FID_VMCS_LINK_POINTER || fid[1] == FID_VMCS_LINK_POINTER)
		count = 1;
	for (unsigned i = 0; i < count; i++)
		want[fid[i]] = mutated(fid[i], want[fid[i]]);
	if (count == 2 && fid[0] != fid[1])
		format_text(text, size, "[%02x] %s=%lx %s=%lx", golden_first_byte(snippet),
			vmcs_fields[fid[0]].name, want[fid[0]], vmcs_fields[fid[1]].name,
			want[fid[1]]);
	else
		format_text(text, size, "[%02x] %s=%lx", golden_first_byte(snippet),
			vmcs_fields[fid[0]].name, want[fid[0]]);
	return !left_out();
}

/* ---- outcome ---- */

static bool is_guest(unsigned i)
{
	return vmcs_type(vmcs_fields[i].encoding) == VMCS_TYPE_GUEST;
}

static void write_wanted(void)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (masks[i] && want[i] != have[i]) {
			vmwrite(vmcs_fields[i].encoding, want[i]);
			have[i] = want[i];
		}
}

/* Does the exit define what the field holds? */
static bool defined(unsigned i, uint64_t cr0, uint64_t cr4)
{
	bool pae = (cr0 & CR0_PG) && (cr4 & CR4_PAE) &&
		   !(have[FID_ENTRY_CONTROLS] & ENTRY_IA32E_GUEST);

	if (i >= FID_GUEST_PDPTE0 && i <= FID_GUEST_PDPTE3)
		return pae && (want[FID_PROC2_CONTROLS] & PROC2_ENABLE_EPT);
	return i != FID_PREEMPTION_TIMER_VALUE;
}

static void note(const char *name, uint64_t v)
{
	mix(v);
	if (verbose)
		print(" %s=%lx", name, v);
}

static void read_guest(void)
{
	uint64_t cr0 = vmread(VMCS_GUEST_CR0), cr4 = vmread(VMCS_GUEST_CR4);

	have[FID_ENTRY_CONTROLS] = vmread(VMCS_ENTRY_CONTROLS);
	have[FID_ENTRY_INTR_INFO] = vmread(VMCS_ENTRY_INTR_INFO);
	note("entry", have[FID_ENTRY_CONTROLS]);
	note("injected", have[FID_ENTRY_INTR_INFO]);
	for (unsigned i = 0; i < FID_COUNT; i++) {
		if (!is_guest(i) || !masks[i])
			continue;
		have[i] = vmread(vmcs_fields[i].encoding);
		if (!defined(i, cr0, cr4))
			continue;
		mix(have[i]);
		if (verbose && have[i] != want[i])
			print(" %s=%lx", vmcs_fields[i].name, have[i]);
	}
}

static bool defines_linear(uint32_t reason, uint64_t qualification)
{
	if (reason == EXIT_EPT_VIOLATION)
		return qualification & BIT(7);
	return reason == EXIT_IO && (qualification & BIT(4));
}

static void read_information(uint32_t reason)
{
	uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);
	uint64_t info = vmread(VMCS_EXIT_INTR_INFO);
	uint64_t vectoring = vmread(VMCS_IDT_VECTORING_INFO);

	/* DEVIATIONS.md: wrong for an exit during the delivery of a virtual interrupt */
	if ((want[FID_PROC2_CONTROLS] & PROC2_VIRT_INTR_DELIVERY) &&
		want[FID_GUEST_INTR_STATUS])
		vectoring = 0;
	if (reason != EXIT_EPT_MISCONFIG && !(reason == EXIT_VMREAD || reason == EXIT_VMWRITE))
		note("qual", qualification); /* the snippet has no displacement */
	if (info & INTR_INFO_VALID)
		note("event", info);
	if ((info & INTR_INFO_VALID) && (info & INTR_INFO_ERROR_CODE))
		note("error", vmread(VMCS_EXIT_INTR_ERROR_CODE));
	if (vectoring & INTR_INFO_VALID)
		note("vectoring", vectoring & ~(uint64_t)INTR_INFO_NMI_UNBLOCKING);
	if ((vectoring & INTR_INFO_VALID) && (vectoring & INTR_INFO_ERROR_CODE))
		note("vectoring error", vmread(VMCS_IDT_VECTORING_ERROR_CODE));
	if (conf_has_length(reason))
		note("len", vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
	if (conf_has_instruction_info(reason))
		note("info", vmread(VMCS_EXIT_INSTRUCTION_INFO));
	if (defines_linear(reason, qualification))
		note("linear", vmread(VMCS_GUEST_LINEAR_ADDRESS));
	if (reason == EXIT_EPT_VIOLATION || reason == EXIT_EPT_MISCONFIG)
		note("gpa", vmread(VMCS_GUEST_PHYSICAL_ADDRESS));
}

static void save_host(void)
{
	host_efer = rdmsr(MSR_EFER);
	host_pat = rdmsr(MSR_PAT);
	host_cr0 = read_cr0();
	host_cr3 = read_cr3();
	host_cr4 = read_cr4();
	__asm__ volatile("sgdt %0\n\tsidt %1" : "=m"(host_gdtr), "=m"(host_idtr));
}

/* What mutations of the host-state area changed. */
static void restore_host(void)
{
	wrmsr(MSR_EFER, host_efer);
	wrmsr(MSR_PAT, host_pat);
	write_cr0(host_cr0);
	write_cr3(host_cr3);
	write_cr4(host_cr4);
	__asm__ volatile("lgdt %0\n\tlidt %1" : : "m"(host_gdtr), "m"(host_idtr));
}

/* The host state that the exit or the failed entry left, what L1 cares for of it. */
static void read_host(void)
{
	static const uint32_t msrs[] = {MSR_EFER, MSR_PAT, MSR_FS_BASE, MSR_GS_BASE,
		MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_DEBUGCTL};
	struct table_pointer gdtr, idtr;
	uint64_t es, cs, ss, ds, fs, gs, tr, ldtr, dr7;

	__asm__ volatile("sgdt %0\n\tsidt %1" : "=m"(gdtr), "=m"(idtr));
	__asm__ volatile("mov %%es, %0\n\tmov %%cs, %1\n\tmov %%ss, %2\n\tmov %%ds, %3\n\t"
			 "mov %%fs, %4\n\tmov %%gs, %5\n\tstr %6\n\tsldt %7\n\tmov %%dr7, %8"
			 : "=r"(es), "=r"(cs), "=r"(ss), "=r"(ds), "=r"(fs), "=r"(gs), "=r"(tr),
			 "=r"(ldtr), "=r"(dr7));
	if (verbose)
		print(" host:");
	note("selectors", es << 48 | cs << 32 | ss << 16 | ds);
	note("and", fs << 48 | gs << 32 | tr << 16 | ldtr);
	note("dr7", dr7);
	note("gdtr", gdtr.base);
	note("idtr", idtr.base);
	note("limits", (uint64_t)gdtr.limit << 16 | idtr.limit);
	note("cr0", read_cr0());
	note("cr3", read_cr3());
	note("cr4", read_cr4());
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		note("msr", rdmsr(msrs[i]));
	restore_host();
}

/*
 * The emulator saves RFLAGS.RF = 1 on an EPT violation while it delivers INT n (DEVIATIONS.md),
 * which L0's own EPT violations bring into the frames on L2's stack.
 */
#define FLAGS_RF (RFLAGS_RF | RFLAGS_RF << 32)

static void read_stack(void)
{
	const uint64_t *stack = (const uint64_t *)(uintptr_t)GOLDEN_STACK;

	for (unsigned i = 448; i < 512; i++)
		if (stack[i])
			note("stack", stack[i] & ~FLAGS_RF);
}

/* Enters L2; true: an exit. */
static bool enter(void)
{
	enum vmx_status s = l2_run(&conf_l2);
	uint32_t reason;

	if (s != VMX_OK) {
		note("fail", s == VMX_FAIL_VALID ? vmread(VMCS_INSTRUCTION_ERROR) : 0x100 + s);
		return false;
	}
	reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	note("exit", reason);
	if (reason & EXIT_REASON_ENTRY_FAILURE) {
		note("qual", vmread(VMCS_EXIT_QUALIFICATION));
		read_host();
		return false;
	}
	read_information(reason);
	return true;
}

/* After the exit of an instruction L2 goes on, without a look at its state. */
static void go_on(void)
{
	if (!conf_has_length((uint32_t)vmread(VMCS_EXIT_REASON)))
		return;
	l2_skip();
	enter();
}

static void prepare(void)
{
	golden_memory();
	if (!(random64() & 3)) {
		vmx_vmclear(address_of(conf_l2.vmcs));
		vmx_vmptrld(address_of(conf_l2.vmcs));
		conf_l2.launched = 0;
	}
	memset(&conf_l2, 0, offsetof(struct l2, launched));
	conf_l2.rax = gold[FID_GUEST_CR0] & LOW32;
	conf_l2.rcx = virtual_apic ? PICK(0x808, 0x80b, 0x83f, 0x830, 0x80a) : MSR_SYSENTER_CS;
	/* DEVIATIONS.md: the emulator ignores MSRs that are not there. */
	if (!(vmx_features() & NEEDS(X2APIC_MODE)))
		conf_l2.rcx = MSR_SYSENTER_CS;
	conf_l2.rsi = GOLDEN_DATA + (virtual_apic ? PICK(0, 0x80, 0xb0, 0x300, 0x20) : 0);
	conf_l2.rdi = GOLDEN_DATA + 0x100;
	conf_l2.rbx = GOLDEN_DATA + 0x200;
	write_wanted();
}

static void one(uint64_t seed, unsigned number)
{
	char text[160];
	bool exited;

	rng = seed * 0x2545f4914f6cdd1dull ^ (uint64_t)number << 20;
	hash = number;
	if (!mutate(text, sizeof(text)))
		return;
	if (verbose)
		print("%u %s:", number, text);
	prepare();
	exited = enter();
	if (exited && !(random64() & 3))
		go_on();
	if (exited) {
		read_guest();
		read_stack();
		read_host();
	}
	if (verbose)
		print(" = %lx\n", hash);
}

int payload_main(void)
{
	unsigned seed = (unsigned)cmdline_number("seed", 1);
	unsigned first = (unsigned)cmdline_number("first", 0);
	unsigned count = (unsigned)cmdline_number("count", QUICK);

	five_levels = levels_use_5();
	conf_start();
	golden_init();
	save_host();
	init_masks();
	verbose = cmdline_number("verbose", 0);
	print("seed=%u first=%u count=%u\n", seed, first, count);
	for (unsigned b = first; b < first + count; b++) {
		enum golden_kind g = (enum golden_kind)(b % GOLD_COUNT);
		uint64_t sum = 0;

		start_block(g);
		for (unsigned i = 0; i < BLOCK; i++) {
			one(seed, b * BLOCK + i);
			sum = (sum ^ hash) * 0x100000001b3ull;
		}
		print("block %u %s: %lx\n", b, golden_name(g), sum);
	}
	return 0;
}
