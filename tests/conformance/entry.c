/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of VM-entry checks (SDM 26.2, 26.3): one bit of one field is changed at a time,
 * in several base states, and the outcome compared. L2 executes no instruction: its preemption
 * timer is 0.
 *
 * Outcomes: `ok` (entered, exit by the timer), `X n` (another exit), `V n` (VMfailValid), `I`
 * (VMfailInvalid), `E n/q` (VM-entry failure with qualification). Equal outcomes of
 * neighbouring bits share one item.
 */
#include "conf.h"
#include "levels.h"

#define ALL      (~0ull)
#define LOW(n)   ((n) == 64 ? ALL : (1ull << (n)) - 1)
#define HIGH_END (1ull << 63 | 1ull << 60 | 1ull << 52)
/* Addresses: alignment, and what no processor has as physical address. */
#define ADDRESS (LOW(12) | HIGH_END)
/* Linear addresses. Bits 52 and 55 are allowed with 5 levels, where only_57 has them, too. */
#define LINEAR_END (HIGH_END | only_57)
#define LINEAR     (LOW(13) | 1ull << 31 | 1ull << 32 | LINEAR_END | 1ull << 62)
#define AR_BITS    0x1f0ffull /* the emulator keeps the reserved ones: DEVIATIONS.md */

static struct ept ept;
static uint64_t only_57; /* bits to try where the processor has LA57 */
static uint64_t guest_state[FID_COUNT];

static bool is_guest(unsigned i)
{
	return vmcs_type(vmcs_fields[i].encoding) == VMCS_TYPE_GUEST;
}

static void save_guest(void)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (is_guest(i))
			guest_state[i] = vmread(vmcs_fields[i].encoding);
}

static void restore_guest(void)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (is_guest(i))
			vmx_vmwrite(vmcs_fields[i].encoding, guest_state[i]);
}

struct outcome {
	char kind;
	uint32_t number;
	uint64_t qualification;
};

static struct outcome attempt(void)
{
	struct outcome o = {'?', 0, 0};
	enum vmx_status s = l2_run(&conf_l2);

	if (s == VMX_FAIL_INVALID) {
		o.kind = 'I';
	} else if (s == VMX_FAIL_VALID) {
		o.kind = 'V';
		o.number = (uint32_t)vmread(VMCS_INSTRUCTION_ERROR);
	} else if (s == VMX_OK) {
		o.number = (uint32_t)vmread(VMCS_EXIT_REASON);
		o.kind = 'X';
		if (o.number & EXIT_REASON_ENTRY_FAILURE) {
			o.kind = 'E';
			o.number &= 0xffff;
			o.qualification = vmread(VMCS_EXIT_QUALIFICATION);
		} else {
			restore_guest();
		}
	}
	return o;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->kind == b->kind && a->number == b->number &&
	       a->qualification == b->qualification;
}

static void print_outcome(const struct outcome *o)
{
	if (o->kind == 'X' && o->number == EXIT_PREEMPTION_TIMER)
		print("ok");
	else if (o->kind == 'E')
		print("E%u/%lx", o->number, o->qualification);
	else
		print("%c%u", o->kind, o->number);
}

static void print_run(int first, int last, const struct outcome *o)
{
	if (first < 0)
		return;
	print(first == last ? " %d=" : " %d-%d=", first, last);
	print_outcome(o);
}

/* Tries each bit of mask inverted in the field. */
static void flip(const char *state, const char *name, uint64_t field, uint64_t mask)
{
	uint64_t value = vmread(field);
	struct outcome run = {'?', 0, 0};
	int first = -1, last = -1;

	print("%s %s:", state, name);
	for (int bit = 0; bit < 64; bit++) {
		struct outcome o;

		if (!(mask >> bit & 1))
			continue;
		vmwrite(field, value ^ 1ull << bit);
		o = attempt();
		vmwrite(field, value);
		if (!same(&o, &run)) {
			print_run(first, last, &run);
			first = bit;
			run = o;
		}
		last = bit;
	}
	print_run(first, last, &run);
	print("\n");
}

/* Tries one value. */
static void try_value(const char *state, const char *name, uint64_t field, uint64_t v)
{
	uint64_t value = vmread(field);
	struct outcome o;

	vmwrite(field, v);
	o = attempt();
	vmwrite(field, value);
	print("%s %s=%lx: ", state, name, v);
	print_outcome(&o);
	print("\n");
}

#define FLIP(field, mask) flip(state, #field, VMCS_##field, mask)
#define TRY(field, value) try_value(state, #field, VMCS_##field, value)

static void base_state(void)
{
	l2_restart(&conf_l2, l2_done);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0);
	vmwrite(VMCS_VPID, 0);
	vmwrite(VMCS_EPT_POINTER, 0);
	vmwrite(VMCS_APIC_ACCESS_ADDR, 0x200000);
	vmwrite(VMCS_VIRTUAL_APIC_ADDR, address_of(conf_l2.io_bitmap));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	vmwrite(VMCS_GUEST_EFER, EFER_LME | EFER_LMA);
	vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
	vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
}

static void baseline(const char *state)
{
	struct outcome o;

	save_guest();
	o = attempt();
	print("%s baseline: ", state);
	print_outcome(&o);
	print("\n");
}

/* Bits that every processor with VT-x offers, or that Nestor's default policy offers. */
#define PIN_COMMON   (BIT(0) | BIT(3) | BIT(5))
#define PROC_COMMON  0xf2199e8cu
#define PROC2_COMMON 0x000018afu
#define EXIT_COMMON  (BIT(2) | BIT(9) | BIT(15) | 0x7c0000u)
#define ENTRY_COMMON (BIT(2) | BIT(9) | BIT(14) | BIT(15))

/* Bits that the capability MSR does not let one change: all must fail alike. */
static void unoffered(const char *name, uint64_t field, uint32_t msr)
{
	uint32_t value = (uint32_t)vmread(field);
	unsigned wrong = 0, tried = 0;

	for (int bit = 0; bit < 32; bit++) {
		uint32_t changed = value ^ BIT(bit);
		struct outcome o;

		if (vmx_adjust(msr, changed) == changed)
			continue;
		vmwrite(field, changed);
		o = attempt();
		vmwrite(field, value);
		tried++;
		wrong += o.kind != 'V' || o.number != VMERR_ENTRY_CONTROLS;
	}
	print("%s bits not offered: %s, %u wrong\n", name, tried ? "tried" : "none", wrong);
}

static void control_words(const char *state)
{
	unoffered("pin", VMCS_PIN_CONTROLS, MSR_VMX_PIN);
	unoffered("proc", VMCS_PROC_CONTROLS, MSR_VMX_PROC);
	unoffered("proc2", VMCS_PROC2_CONTROLS, MSR_VMX_PROC2);
	unoffered("exit", VMCS_EXIT_CONTROLS, MSR_VMX_EXIT);
	unoffered("entry", VMCS_ENTRY_CONTROLS, MSR_VMX_ENTRY);
	FLIP(PIN_CONTROLS, PIN_COMMON);
	FLIP(PROC_CONTROLS, PROC_COMMON);
	FLIP(PROC2_CONTROLS, PROC2_COMMON);
	FLIP(EXIT_CONTROLS, EXIT_COMMON);
	FLIP(ENTRY_CONTROLS, ENTRY_COMMON);
	if (conf_cr3_targets(4))
		TRY(CR3_TARGET_COUNT, 4);
	else
		conf_skipped("long CR3_TARGET_COUNT=4", "CR3 targets");
	TRY(CR3_TARGET_COUNT, 5);
	TRY(CR3_TARGET_COUNT, 0xffffffff);
}

static void control_addresses(const char *state)
{
	FLIP(IO_BITMAP_A, ADDRESS);
	ctl_set(VMCS_PROC_CONTROLS, PROC_USE_IO_BITMAPS);
	FLIP(IO_BITMAP_A, ADDRESS);
	FLIP(IO_BITMAP_B, ADDRESS);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_USE_IO_BITMAPS);
	FLIP(MSR_BITMAP, ADDRESS);
	ctl_set(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
	FLIP(VIRTUAL_APIC_ADDR, ADDRESS);
	FLIP(TPR_THRESHOLD, LOW(32));
	TRY(TPR_THRESHOLD, 0xf);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_APIC_ACCESSES);
	FLIP(APIC_ACCESS_ADDR, ADDRESS);
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_APIC_ACCESSES);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_ENABLE_VPID);
	TRY(VPID, 0);
	TRY(VPID, 0xffff);
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_ENABLE_VPID);
}

static void msr_areas(const char *state)
{
	TRY(EXIT_MSR_STORE_ADDR, 8);
	vmwrite(VMCS_EXIT_MSR_STORE_ADDR, 0x300008);
	TRY(EXIT_MSR_STORE_COUNT, 1);
	vmwrite(VMCS_EXIT_MSR_STORE_ADDR, 1ull << 60);
	TRY(EXIT_MSR_STORE_COUNT, 1);
	vmwrite(VMCS_EXIT_MSR_LOAD_ADDR, 0x300004);
	TRY(EXIT_MSR_LOAD_COUNT, 1);
	vmwrite(VMCS_EXIT_MSR_LOAD_ADDR, 1ull << 60);
	TRY(EXIT_MSR_LOAD_COUNT, 1);
	vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, 0x300001);
	TRY(ENTRY_MSR_LOAD_COUNT, 1);
	vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, 1ull << 60);
	TRY(ENTRY_MSR_LOAD_COUNT, 1);
}

static void eptp(const char *state)
{
	ept_use(&ept);
	FLIP(EPT_POINTER, (ADDRESS & ~0xc0ull) | 7); /* 6 and 7 are not offered by all */
	TRY(EPT_POINTER, ept.eptp & ~7ull);
	ctl_clear(VMCS_PROC2_CONTROLS, PROC2_ENABLE_EPT);
	vmwrite(VMCS_EPT_POINTER, 0);
}

/* Values that fail, or change nothing that this program relies on. */
static void host_state(const char *state)
{
	FLIP(HOST_CR0, CR0_PE | CR0_NE | CR0_PG);
	FLIP(HOST_CR4, CR4_VMXE | CR4_PAE | 1ull << 31 | 1ull << 63);
	FLIP(HOST_CR3, HIGH_END);
	FLIP(HOST_ES_SELECTOR, 7);
	FLIP(HOST_CS_SELECTOR, 7);
	FLIP(HOST_SS_SELECTOR, 7);
	FLIP(HOST_DS_SELECTOR, 7);
	FLIP(HOST_FS_SELECTOR, 7);
	FLIP(HOST_GS_SELECTOR, 7);
	FLIP(HOST_TR_SELECTOR, 7);
	TRY(HOST_CS_SELECTOR, 0);
	TRY(HOST_TR_SELECTOR, 0);
	FLIP(HOST_FS_BASE, LINEAR_END);
	FLIP(HOST_GS_BASE, LINEAR_END);
	FLIP(HOST_TR_BASE, LINEAR_END);
	FLIP(HOST_GDTR_BASE, LINEAR_END);
	FLIP(HOST_IDTR_BASE, LINEAR_END);
	FLIP(HOST_SYSENTER_ESP, LINEAR);
	FLIP(HOST_SYSENTER_EIP, LINEAR);
	FLIP(HOST_RIP, HIGH_END & ~only_57); /* what is allowed would be loaded */
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_LOAD_EFER | EXIT_LOAD_PAT);
	FLIP(HOST_EFER, EFER_LMA | EFER_LME | 2 | 1ull << 9 | HIGH_END);
	FLIP(HOST_PAT, ALL);
	ctl_clear(VMCS_EXIT_CONTROLS, EXIT_LOAD_EFER | EXIT_LOAD_PAT);
}

static void guest_registers(const char *state)
{
	FLIP(GUEST_CR0, LOW(32) | HIGH_END);
	FLIP(GUEST_CR3, LOW(13) | HIGH_END);
	FLIP(GUEST_CR4, 0x3627ffull | 1ull << 31 | HIGH_END);
	FLIP(GUEST_DR7, ALL);
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_DEBUG);
	FLIP(GUEST_DR7, ALL);
	FLIP(GUEST_DEBUGCTL, 3);
	ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_DEBUG);
	FLIP(GUEST_RFLAGS, LOW(32) | HIGH_END);
	FLIP(GUEST_RIP, LOW(33)); /* the emulator lets any address pass */
	FLIP(GUEST_RSP, LINEAR);
	FLIP(GUEST_SYSENTER_ESP, LINEAR);
	FLIP(GUEST_SYSENTER_EIP, LINEAR);
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_PAT);
	FLIP(GUEST_PAT, ALL);
	ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_PAT);
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_EFER);
	FLIP(GUEST_EFER, ALL);
	ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_EFER);
}

static void guest_activity(const char *state)
{
	FLIP(GUEST_INTERRUPTIBILITY, LOW(32));
	TRY(GUEST_INTERRUPTIBILITY, 3);
	TRY(GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
	TRY(GUEST_ACTIVITY_STATE, 4);
	TRY(GUEST_ACTIVITY_STATE, 0x80000000);
	FLIP(GUEST_PENDING_DBG, LOW(32) & ~0x1500full);
	TRY(VMCS_LINK_POINTER, 1);
	TRY(VMCS_LINK_POINTER, 1ull << 60);
	TRY(VMCS_LINK_POINTER, address_of(conf_l2.vmcs));
	FLIP(GUEST_GDTR_BASE, LINEAR);
	FLIP(GUEST_IDTR_BASE, LINEAR);
	FLIP(GUEST_GDTR_LIMIT, LOW(32));
	FLIP(GUEST_IDTR_LIMIT, LOW(32));
}

static void segment(const char *state, const char *name, unsigned index)
{
	char text[32];

	format_text(text, sizeof(text), "%s selector", name);
	flip(state, text, VMCS_GUEST_ES_SELECTOR + 2 * index, LOW(16));
	format_text(text, sizeof(text), "%s base", name);
	flip(state, text, VMCS_GUEST_ES_BASE + 2 * index, LINEAR);
	format_text(text, sizeof(text), "%s limit", name);
	flip(state, text, VMCS_GUEST_ES_LIMIT + 2 * index, LOW(32));
	format_text(text, sizeof(text), "%s access rights", name);
	flip(state, text, VMCS_GUEST_ES_AR + 2 * index, AR_BITS);
}

static void segment_type(const char *state, const char *name, unsigned index)
{
	uint64_t field = VMCS_GUEST_ES_AR + 2 * index, value = vmread(field);
	char text[32];

	format_text(text, sizeof(text), "%s type", name);
	for (uint64_t type = 0; type < 16; type++)
		try_value(state, text, field, (value & ~0xfull) | type);
}

static void segments(const char *state)
{
	static const char *const names[] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};

	for (unsigned i = 0; i < 8; i++) {
		segment(state, names[i], i);
		segment_type(state, names[i], i);
	}
}

/* A usable LDTR, to see its checks. */
static void usable_ldtr(void)
{
	vmwrite(VMCS_GUEST_LDTR_SELECTOR, 0x10);
	vmwrite(VMCS_GUEST_LDTR_BASE, 0x1000);
	vmwrite(VMCS_GUEST_LDTR_LIMIT, 0xff);
	vmwrite(VMCS_GUEST_LDTR_AR, 0x82);
}

static void long_mode(void)
{
	const char *state = "long";

	base_state();
	baseline(state);
	control_words(state);
	control_addresses(state);
	msr_areas(state);
	eptp(state);
	host_state(state);
	guest_registers(state);
	guest_activity(state);
	segments(state);
	usable_ldtr();
	baseline("long with LDTR");
	segment("long with", "LDTR", 6);
}

static void legacy_paging(void)
{
	ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST);
	vmwrite(VMCS_GUEST_CR4, CR4_VMXE);
	vmwrite(VMCS_GUEST_EFER, 0);
	vmwrite(VMCS_GUEST_CS_SELECTOR, SEL_CODE32);
	vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
}

static void protected_mode(void)
{
	const char *state = "protected";

	base_state();
	legacy_paging();
	baseline(state);
	guest_registers(state);
	segments(state);
}

static void user_segments(void)
{
	for (unsigned i = 0; i < 6; i++) {
		vmwrite(VMCS_GUEST_ES_SELECTOR + 2 * i, i == 1 ? 0x2b : 0x23);
		ctl_set(VMCS_GUEST_ES_AR + 2 * i, 0x60);
	}
}

static void user_mode(void)
{
	const char *state = "user";

	base_state();
	legacy_paging();
	user_segments();
	baseline(state);
	segments(state);
}

static void virtual_8086(void)
{
	const char *state = "v86";

	base_state();
	legacy_paging();
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_VM);
	vmwrite(VMCS_GUEST_RIP, 0);
	for (unsigned i = 0; i < 6; i++) {
		vmwrite(VMCS_GUEST_ES_SELECTOR + 2 * i, 0x1000);
		vmwrite(VMCS_GUEST_ES_BASE + 2 * i, 0x10000);
		vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, 0xffff);
		vmwrite(VMCS_GUEST_ES_AR + 2 * i, 0xf3);
	}
	baseline(state);
	FLIP(GUEST_RFLAGS, LOW(32));
	segments(state);
}

static void unrestricted(void)
{
	const char *state = "real";

	base_state();
	ept_use(&ept);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
	l2_real_mode(0x10000);
	vmwrite(VMCS_GUEST_EFER, 0);
	baseline(state);
	FLIP(PROC2_CONTROLS, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	guest_registers(state);
	segments(state);
}

int payload_main(void)
{
	if (levels_use_5()) /* DEVIATIONS.md: then the emulator checks with 57 bits */
		only_57 = 1ull << 52 | 1ull << 55 | 1ull << 56;
	conf_start();
	ept_init(&ept);
	ept_identity(&ept, 0x4000000, 2);
	long_mode();
	protected_mode();
	user_mode();
	virtual_8086();
	unrestricted();
	return 0;
}
