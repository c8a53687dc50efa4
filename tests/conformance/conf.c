/* SPDX-License-Identifier: Apache-2.0 */
#include "conf.h"

#include "cmdline.h"
#include "spec/vmx_caps.h"

#define MAX_EXITS 24

struct l2 conf_l2;
uint64_t conf_base;
bool (*conf_handler)(uint32_t reason) = conf_default_handler;

static uint64_t saved_state[FID_COUNT];

static const char *wanted; /* by the case, and the machine lacks it */

void conf_skipped(const char *name, const char *what)
{
	print("%s: skipped, no %s\n", name, what);
}

bool conf_lacks(const char *name, uint64_t features)
{
	uint64_t lacked = vmx_lacked_feature(features);

	if (lacked)
		conf_skipped(name, vmx_feature_text(lacked));
	return lacked;
}

bool conf_odd_error_code(uint64_t info, uint64_t guest_cr0)
{
	if (!(rdmsr(MSR_VMX_BASIC) & BASIC_ANY_ERROR_CODE) || !(info & INTR_INFO_ERROR_CODE))
		return false;
	return INTR_INFO_TYPE(info) != INTR_HW_EXCEPTION || !(guest_cr0 & CR0_PE);
}

bool conf_cr3_targets(unsigned count)
{
	return (rdmsr(MSR_VMX_MISC) >> MISC_CR3_TARGET_SHIFT & 0x1ff) >= count;
}

bool conf_may_write_read_only(const char *const insns[], unsigned count)
{
	char name[40];

	if (cpuid(0, 0).eax < 7 || !(cpuid(7, 0).ecx & BIT(7)))
		return true;
	for (unsigned i = 0; i < count; i++) {
		format_text(name, sizeof(name), "%s read-only, WP clear", insns[i]);
		conf_skipped(name, "processor without shadow stacks");
	}
	return false;
}

void conf_want(bool has, const char *what)
{
	if (!has && !wanted)
		wanted = what;
}

static void no_field(uint32_t field)
{
	enum vmcs_fid fid = vmcs_fid_of(field);

	conf_want(false, fid == FID_NONE ? "such field" : vmcs_fields[fid].name);
}

/* Prepares the case; false, with a line, when this machine lacks something for it. */
static bool prepare(const struct conf_case *c)
{
	uint64_t resume;

	wanted = NULL;
	vmwrite_absent = no_field;
	if (c->prepare)
		c->prepare();
	vmwrite_absent = NULL;
	resume = trap_resume; /* the case's, which VMREAD ends */
	if (!wanted) {
		uint64_t lacked = vmx_lacked_feature(vmx_used_features());

		wanted = lacked ? vmx_feature_text(lacked) : NULL;
	}
	trap_resume = resume;
	if (wanted)
		conf_skipped(c->name, wanted);
	return !wanted;
}

void conf_status(const char *name, enum vmx_status s)
{
	print("%s: %s\n", name, vmx_outcome(s));
}

bool conf_has_instruction_info(uint32_t reason)
{
	switch (reason) {
	case EXIT_VMCLEAR:
	case EXIT_VMPTRLD:
	case EXIT_VMPTRST:
	case EXIT_VMREAD:
	case EXIT_VMWRITE:
	case EXIT_VMXON:
	case EXIT_GDTR_IDTR:
	case EXIT_LDTR_TR:
	case EXIT_INVEPT:
	case EXIT_INVVPID:
	case EXIT_INVPCID:
	case EXIT_RDRAND:
	case EXIT_RDSEED:
	case EXIT_XSAVES:
	case EXIT_XRSTORS:
		return true;
	default:
		return false;
	}
}

bool conf_has_length(uint32_t reason)
{
	if (reason == EXIT_EXCEPTION_NMI) {
		unsigned type = INTR_INFO_TYPE(vmread(VMCS_EXIT_INTR_INFO));

		return type == INTR_SW_EXCEPTION || type == INTR_PRIV_SW_EXCEPTION;
	}
	if (reason >= EXIT_CPUID && reason <= EXIT_WRMSR && reason != EXIT_RSM)
		return true;
	switch (reason) {
	case EXIT_MWAIT:
	case EXIT_MONITOR:
	case EXIT_PAUSE:
	case EXIT_GDTR_IDTR:
	case EXIT_LDTR_TR:
	case EXIT_INVEPT:
	case EXIT_RDTSCP:
	case EXIT_INVVPID:
	case EXIT_WBINVD:
	case EXIT_XSETBV:
	case EXIT_RDRAND:
	case EXIT_INVPCID:
	case EXIT_VMFUNC:
	case EXIT_RDSEED:
		return true;
	default:
		return false;
	}
}

static void print_event(const char *what, uint32_t info, uint32_t error)
{
	print(" %s=%x", what, info & ~INTR_INFO_NMI_UNBLOCKING);
	if (info & INTR_INFO_ERROR_CODE)
		print("/%x", error);
}

static void print_vectoring(uint32_t info)
{
	print_event("vectoring", info, (uint32_t)vmread(VMCS_IDT_VECTORING_ERROR_CODE));
	if (INTR_INFO_TYPE(info) >= INTR_SW_INTERRUPT)
		print(" len=%lu", vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
}

static void print_memory_exit(uint32_t reason)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	if (reason == EXIT_IO && q & BIT(4)) /* INS, OUTS */
		print(" info=%lx linear=%lx", vmread(VMCS_EXIT_INSTRUCTION_INFO) & 0x38380,
			vmread(VMCS_GUEST_LINEAR_ADDRESS));
	if (reason != EXIT_EPT_VIOLATION && reason != EXIT_EPT_MISCONFIG &&
		reason != EXIT_SPP_EVENT)
		return;
	print(" gpa=%lx", vmread(VMCS_GUEST_PHYSICAL_ADDRESS));
	if ((reason == EXIT_EPT_VIOLATION && q & BIT(7)) || reason == EXIT_SPP_EVENT)
		print(" linear=%lx", vmread(VMCS_GUEST_LINEAR_ADDRESS));
}

/* Exits that end the HLT state tell that L2 was in it (27.3.4), but not on the emulator. */
static bool ends_a_halt(uint32_t reason)
{
	return reason == EXIT_EXTERNAL_INTERRUPT || reason == EXIT_INTERRUPT_WINDOW ||
	       reason == EXIT_NMI_WINDOW ||
	       (reason == EXIT_EXCEPTION_NMI &&
		       INTR_INFO_TYPE(vmread(VMCS_EXIT_INTR_INFO)) == INTR_NMI);
}

static void print_guest_condition(uint32_t reason)
{
	print(" rip=%lx", vmread(VMCS_GUEST_RIP) - conf_base);
	if (vmread(VMCS_GUEST_INTERRUPTIBILITY))
		print(" blocking=%lx", vmread(VMCS_GUEST_INTERRUPTIBILITY));
	if (ends_a_halt(reason) && vmread(VMCS_GUEST_ACTIVITY_STATE) == ACTIVITY_HLT)
		vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
	if (vmread(VMCS_GUEST_ACTIVITY_STATE))
		print(" activity=%lx", vmread(VMCS_GUEST_ACTIVITY_STATE));
	if (vmread(VMCS_GUEST_PENDING_DBG))
		print(" pending_dbg=%lx", vmread(VMCS_GUEST_PENDING_DBG));
}

/* A register operand has no displacement: 0 by 27.2.1, whatever is there on the emulator. */
static bool has_register_operand(uint32_t reason)
{
	return (reason == EXIT_VMREAD || reason == EXIT_VMWRITE || reason == EXIT_LDTR_TR) &&
	       vmread(VMCS_EXIT_INSTRUCTION_INFO) & BIT(10);
}

/* With "common" on the command line: without what only some processors tell (A.10, bit 22). */
static uint64_t qualification_of(uint32_t reason)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	if (reason == EXIT_EPT_VIOLATION && cmdline_flag("common"))
		q &= ~0xe00ull;
	return q;
}

void conf_exit(const char *name)
{
	uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	uint32_t vectoring = (uint32_t)vmread(VMCS_IDT_VECTORING_INFO);
	uint32_t info = (uint32_t)vmread(VMCS_EXIT_INTR_INFO);

	if (reason & EXIT_REASON_ENTRY_FAILURE) {
		print("%s: entry failure %u qual=%lx\n", name, reason & 0xffff,
			vmread(VMCS_EXIT_QUALIFICATION));
		return;
	}
	print("%s: exit %u", name, reason);
	if (reason != EXIT_EPT_MISCONFIG && !has_register_operand(reason))
		print(" qual=%lx", qualification_of(reason));
	if (conf_has_length(reason))
		print(" len=%lu", vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
	if (conf_has_instruction_info(reason))
		print(" info=%lx", vmread(VMCS_EXIT_INSTRUCTION_INFO));
	if (info & INTR_INFO_VALID)
		print_event("event", info, (uint32_t)vmread(VMCS_EXIT_INTR_ERROR_CODE));
	if (vectoring & INTR_INFO_VALID)
		print_vectoring(vectoring);
	print_memory_exit(reason);
	print_guest_condition(reason);
	print("\n");
}

void conf_l2_handler(void (*handler)(void))
{
	static uint64_t idt[64] __attribute__((aligned(16)));
	uint64_t at = (uint64_t)(uintptr_t)handler;

	for (unsigned i = 0; i < 32; i++) {
		idt[2 * i] = (at & 0xffff) | vmread(VMCS_GUEST_CS_SELECTOR) << 16 |
			     0x8e00ull << 32 | (at >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = at >> 32;
	}
	vmwrite(VMCS_GUEST_IDTR_BASE, address_of(idt));
	vmwrite(VMCS_GUEST_IDTR_LIMIT, sizeof(idt) - 1);
	vmwrite(VMCS_EXCEPTION_BITMAP, 0);
}

bool conf_default_handler(uint32_t reason)
{
	if (reason == EXIT_EXCEPTION_NMI || !conf_has_length(reason) ||
		reason == EXIT_TASK_SWITCH)
		return false;
	l2_skip();
	return true;
}

void conf_run(const char *name)
{
	for (int n = 0; n < MAX_EXITS; n++) {
		enum vmx_status s = l2_run(&conf_l2);
		uint32_t reason;

		if (s != VMX_OK) {
			conf_status(name, s);
			return;
		}
		reason = (uint32_t)vmread(VMCS_EXIT_REASON);
		if (reason == EXIT_VMCALL) {
			print("%s: done rax=%lx\n", name, conf_l2.rax);
			return;
		}
		conf_exit(name);
		if (reason & EXIT_REASON_ENTRY_FAILURE || !conf_handler(reason))
			return;
	}
	print("%s: too many exits\n", name);
}

void conf_run_case(const struct conf_case *c)
{
	l2_restart(&conf_l2, c->code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	if (prepare(c))
		conf_run(c->name);
}

void conf_run_cases(const struct conf_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		conf_run_case(&cases[i]);
}

/* SDM 27.3.4: an exit leaves PDPTEs undefined without EPT. */
static bool is_guest_state(uint32_t enc)
{
	if (enc >= VMCS_GUEST_PDPTE0 && enc <= VMCS_GUEST_PDPTE3)
		return vmread(VMCS_PROC2_CONTROLS) & PROC2_ENABLE_EPT;
	return vmcs_type(enc) == VMCS_TYPE_GUEST || enc == VMCS_ENTRY_INTR_INFO ||
	       enc == VMCS_PREEMPTION_TIMER_VALUE;
}

void conf_state_save(void)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		saved_state[i] = vmread(vmcs_fields[i].encoding);
}

void conf_state_diff(const char *name)
{
	print("%s: changed", name);
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint64_t v = vmread(vmcs_fields[i].encoding);

		if (is_guest_state(vmcs_fields[i].encoding) && v != saved_state[i])
			print(" %s=%lx", vmcs_fields[i].name, v);
	}
	print("\n");
}

void conf_start(void)
{
	if (!vmx_supported() || !vmx_enable()) {
		print("no VT-x\n");
		payload_exit(1);
	}
	l2_setup(&conf_l2, l2_done);
}
