/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exits of L2: whose they are, what L1 sees of them, and the switch back to L1.
 */
#include "nested/explain.h"
#include "nested/nested_int.h"

struct exit_context {
	struct nested *n;
	struct nvmcs *v;
	uint32_t reason;
	uint32_t intr_info; /* of EXCEPTION_NMI */
};

#define PRI(c, bit) (((c)->v->f[FID_PROC_CONTROLS] & PROC_##bit) != 0)
#define SEC(c, bit) ((proc2_of((c)->v) & PROC2_##bit) != 0)

static bool l1_wants_exception(const struct exit_context *c)
{
	uint32_t type = INTR_INFO_TYPE(c->intr_info);
	uint8_t vector = INTR_INFO_VECTOR(c->intr_info);

	/* The machine's. NMIs of L1 are delivered in software; it has no machine checks. */
	if (type == INTR_NMI || vector == VEC_MC)
		return false;
	if (vector == VEC_AC && c->n->vm->l0.split_locks && nested_ac_of_split_lock(c->n))
		return false;
	return door_intercepts(c->n, vector,
		vector == VEC_PF ? (uint32_t)seam_vmread(FID_EXIT_INTR_ERROR_CODE) : 0);
}

/* MOV of this register to CR0 or CR4: does it change a bit that L1 owns (25.1.3)? */
static bool changes_owned(
	const struct exit_context *c, unsigned reg, enum vmcs_fid shadow, enum vmcs_fid mask)
{
	uint64_t value = reg == REG_RSP ? seam_vmread(FID_GUEST_RSP) : c->n->gpr[reg];

	if (value >> 32 && !(seam_vmread(FID_GUEST_EFER) & EFER_LMA &&
				   seam_vmread(FID_GUEST_CS_AR) & SEG_AR_L))
		value = (uint32_t)value;
	return (value ^ c->v->f[shadow]) & c->v->f[mask];
}

/*
 * VMCS02's CR3 controls are L1's; the masks of CR0 and CR4, and the controls of CR8 are wider.
 * CLTS and LMSW do not reach the bits of CR0 that L0 owns.
 */
static bool l1_wants_cr(const struct exit_context *c)
{
	uint32_t q = (uint32_t)seam_vmread(FID_EXIT_QUALIFICATION);
	unsigned reg = CR_REGISTER(q);

	switch (CR_NUMBER(q)) {
	case 0:
		return CR_TYPE(q) != CR_MOV_TO ||
		       changes_owned(c, reg, FID_CR0_READ_SHADOW, FID_CR0_GUEST_HOST_MASK);
	case 4:
		return changes_owned(c, reg, FID_CR4_READ_SHADOW, FID_CR4_GUEST_HOST_MASK);
	case 8:
		return CR_TYPE(q) == CR_MOV_TO ? PRI(c, CR8_LOAD_EXITING)
					       : PRI(c, CR8_STORE_EXITING);
	default:
		return true;
	}
}

/* SDM 25.1.3 "Instructions That Cause VM Exits Conditionally", I/O bitmaps 24.6.4 */
static bool l1_wants_io(const struct exit_context *c)
{
	uint32_t q = (uint32_t)seam_vmread(FID_EXIT_QUALIFICATION);
	uint32_t port = IO_PORT(q);
	uint32_t last = port + IO_SIZE(q) - 1;

	if (!PRI(c, USE_IO_BITMAPS))
		return PRI(c, UNCOND_IO_EXITING);
	if (last > UINT16_MAX)
		return true;
	for (; port <= last; port++) {
		enum vmcs_fid fid = port & 0x8000 ? FID_IO_BITMAP_B : FID_IO_BITMAP_A;

		if (bitmap_byte(c->n, c->v->f[fid] + (port & 0x7fff) / 8) & (1u << (port & 7)))
			return true;
	}
	return false;
}

/* SDM 24.6.9; offset 0 for reads, 2048 for writes. */
static bool l1_wants_msr(const struct exit_context *c, uint32_t offset)
{
	uint32_t msr = (uint32_t)c->n->gpr[REG_RCX];

	if (!PRI(c, USE_MSR_BITMAPS))
		return true;
	if (msr >= 0xc0000000 && msr <= 0xc0001fff)
		offset += 1024;
	else if (msr > 0x1fff)
		return true;
	offset += (msr & 0x1fff) / 8;
	return bitmap_byte(c->n, c->v->f[FID_MSR_BITMAP] + offset) & (1u << (msr & 7));
}

void nested_bus_locked(struct nested *n)
{
	if (proc2_of(n->cur) & PROC2_BUS_LOCK_EXITING)
		n->cur->bus_locked = true;
}

/* It counts as L2's first, whoever handles the exit; and bit 26 tells of it there, too. */
static bool l1_wants_bus_lock(const struct exit_context *c)
{
	seam_bus_locked(c->n);
	nested_bus_locked(c->n);
	return SEC(c, BUS_LOCK_EXITING);
}

static bool l1_wants(const struct exit_context *c)
{
	switch (c->reason) {
#define R(name, if_l1)    \
	case EXIT_##name: \
		return if_l1;
#include "nested/reflect.def"
	default:
		return false;
	}
}

/* A row too many is no enumerator or a case twice, above. */
_Static_assert(0
#define R(name, if_l1) +1
#include "nested/reflect.def"
		       == EXIT_REASON_ROWS,
	"each row of spec/exit_reasons.def has one in reflect.def");

/*
 * "NMI exiting" without "virtual NMIs": IRET of L2 does not affect the blocking of NMIs (25.3),
 * which is as the entry left it. VMCS02 always has virtual NMIs.
 */
bool exit_iret_keeps_nmis_blocked(const struct nvmcs *v)
{
	return (v->f[FID_PIN_CONTROLS] & (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)) ==
	       PIN_NMI_EXITING;
}

bool exit_entry_blocked_nmis(const struct nvmcs *v)
{
	uint32_t info = (uint32_t)v->f[FID_ENTRY_INTR_INFO];

	return v->f[FID_GUEST_INTERRUPTIBILITY] & INTERRUPTIBILITY_NMI ||
	       (info & INTR_INFO_VALID && INTR_INFO_TYPE(info) == INTR_NMI);
}

/* The event whose delivery the exit interrupted, 27.2.4. */
void exit_save_vectoring(struct nvmcs *v)
{
	uint32_t vectoring = (uint32_t)seam_vmread(FID_IDT_VECTORING_INFO);

	v->f[FID_IDT_VECTORING_INFO] = vectoring;
	if (vectoring & INTR_INFO_ERROR_CODE)
		v->f[FID_IDT_VECTORING_ERROR_CODE] = seam_vmread(FID_IDT_VECTORING_ERROR_CODE);
	v->f[FID_EXIT_INSTRUCTION_LENGTH] = seam_vmread(FID_EXIT_INSTRUCTION_LENGTH);
}

/* The exit-information fields that this exit defines, VMCS02 to VMCS12. */
void exit_save_info(struct nvmcs *v, uint32_t reason, uint32_t intr_info)
{
	v->f[FID_EXIT_REASON] = reason;
	v->f[FID_EXIT_QUALIFICATION] = seam_vmread(FID_EXIT_QUALIFICATION);
	v->f[FID_EXIT_INTR_INFO] = intr_info;
	if (intr_info & INTR_INFO_ERROR_CODE)
		v->f[FID_EXIT_INTR_ERROR_CODE] = seam_vmread(FID_EXIT_INTR_ERROR_CODE);
	exit_save_vectoring(v);
	if (exit_defines(reason, EXIT_DEFINES_INFO))
		v->f[FID_EXIT_INSTRUCTION_INFO] = seam_vmread(FID_EXIT_INSTRUCTION_INFO);
	if (exit_defines(reason, EXIT_DEFINES_LINEAR))
		v->f[FID_GUEST_LINEAR_ADDRESS] = seam_vmread(FID_GUEST_LINEAR_ADDRESS);
}

/* What an exit that no instruction or fault of L2 caused leaves in VMCS12. */
void exit_no_info(struct nvmcs *v, uint32_t reason)
{
	v->f[FID_EXIT_REASON] = reason;
	v->f[FID_EXIT_QUALIFICATION] = 0;
	v->f[FID_EXIT_INTR_INFO] = 0;
	v->f[FID_IDT_VECTORING_INFO] = 0;
}

/* Guest state that an exit saves, SDM 27.3; VMCS02 is current. */
static void save_guest(struct nested *n, struct nvmcs *v)
{
	uint32_t exit = (uint32_t)v->f[FID_EXIT_CONTROLS];
	bool keep_blocked = exit_iret_keeps_nmis_blocked(v) && exit_entry_blocked_nmis(v);

	copy_hot_from_02(v);
	v->f[FID_GUEST_CR0] = (v->f[FID_GUEST_CR0] & ~CR0_CACHE) | n->cr0_cache;
	if (keep_blocked)
		v->f[FID_GUEST_INTERRUPTIBILITY] |= INTERRUPTIBILITY_NMI;
	v->rare_in_02 = true;
	if (exit & EXIT_SAVE_DEBUG) {
		v->f[FID_GUEST_DR7] = seam_vmread(FID_GUEST_DR7);
		v->f[FID_GUEST_DEBUGCTL] = seam_vmread(FID_GUEST_DEBUGCTL);
	}
	if (exit & EXIT_SAVE_PAT)
		v->f[FID_GUEST_PAT] = seam_vmread(FID_GUEST_PAT);
	if (exit & EXIT_SAVE_EFER)
		v->f[FID_GUEST_EFER] = seam_vmread(FID_GUEST_EFER);
	if (v->proc2_02 & PROC2_VIRT_INTR_DELIVERY)
		v->f[FID_GUEST_INTR_STATUS] = seam_vmread(FID_GUEST_INTR_STATUS);
	if (v->timer_on && (exit & EXIT_SAVE_PREEMPTION_TIMER))
		v->f[FID_PREEMPTION_TIMER_VALUE] = timer_to_l1(n, v, &v->timer_phase);
	/*
	 * 27.2: the exit clears the valid bit; A.6: IA32_EFER.LMA goes to the entry controls.
	 */
	v->f[FID_ENTRY_INTR_INFO] &= ~(uint64_t)INTR_INFO_VALID;
	v->f[FID_ENTRY_CONTROLS] = (v->f[FID_ENTRY_CONTROLS] & ~(uint64_t)ENTRY_IA32E_GUEST) |
				   (seam_vmread(FID_ENTRY_CONTROLS) & ENTRY_IA32E_GUEST);
	if (n->l2_wait_sipi)
		v->f[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_WAIT_FOR_SIPI;
}

/*
 * SDM 27.5.5: after an exit due to an NMI, NMIs are blocked. Without virtual NMIs, what L2
 * blocked stays blocked, too: it is the processor's one state.
 */
static bool l1_blocks_nmi(const struct nvmcs *v)
{
	uint32_t info = (uint32_t)v->f[FID_EXIT_INTR_INFO];

	if (!(v->f[FID_PIN_CONTROLS] & PIN_VIRTUAL_NMIS) &&
		v->f[FID_GUEST_INTERRUPTIBILITY] & INTERRUPTIBILITY_NMI)
		return true;
	return v->f[FID_EXIT_REASON] == EXIT_EXCEPTION_NMI && INTR_INFO_TYPE(info) == INTR_NMI;
}

void exit_abort(
	struct nested *n, const struct nvmcs *v, enum vmx_abort number, const char *words)
{
	struct nested_report r = {.kind = REPORT_ABORT,
		.instruction = (uint8_t)v->f[FID_EXIT_REASON],
		.error = (uint8_t)number,
		.why = n->refused.why,
		.l2 = true,
		.rip = v->f[FID_GUEST_RIP],
		.value = n->refused.value,
		.found = {n->refused.found[0], n->refused.found[1]}};

	seam_report(n, &r);
	seam_l1_shutdown(n, words);
}

static __attribute__((noinline)) void finish_exit(
	struct nested *n, struct nvmcs *v, bool l2_ran)
{
	if (v->cet_loads)
		cet_load_l1(v, l2_ran);
	if (v->pml_moved && n->vm->shadowing)
		shadow_write_field(n, v, FID_PML_INDEX);
	v->pml_moved = false;
	if (v->apic_in_ept01) /* L1's own accesses there are none of its local APIC's */
		seam_flush_ept_here(n, n->vm->l0.eptp01);
}

void nested_load_l1(struct nested *n, struct nvmcs *v, const struct l2_leftover *l2)
{
	static const struct l2_leftover none;

	n->in_l2 = false;
	n->run_pending = false;
	n->l2_wait_sipi = false;
	if (n->vm->shadowing)
		copy_exit_to_shadow(n, v);
	seam_use_vmcs01(n);
	if (v->more_in_01 != 0)
		finish_exit(n, v, l2 != NULL);
	if (!(proc2_of(v) & PROC2_ENABLE_VPID))
		seam_flush_vpid(n, n->vpid01);
	load_l1(n, v, l2 ? l2 : &none);
	if (v->f[FID_EXIT_MSR_LOAD_COUNT] && !msrlist_exit_load(n, v))
		exit_abort(n, v, VMX_ABORT_LOAD_MSRS,
			"VMX abort: the VM-exit MSR-load list cannot be loaded");
}

_Static_assert(EXIT_REASON_COUNT <= NESTED_TO_L1, "each reason has its counter");

/* VMCS02 is current and the INFO fields are set: L2 stops, L1 goes on at its host state. */
void exit_to_l1(struct nested *n)
{
	struct nvmcs *v = n->cur;
	uint32_t exit = (uint32_t)v->f[FID_EXIT_CONTROLS];
	struct l2_leftover l2 = {.valid = true};

	save_guest(n, v);
	/* What the exit does not load stays as L2 left it (27.5.1). */
	if (!(exit & EXIT_LOAD_PAT))
		l2.pat = seam_vmread(FID_GUEST_PAT);
	if (!(exit & EXIT_LOAD_EFER))
		l2.efer = seam_vmread(FID_GUEST_EFER);
	l2.nmi_blocked = l1_blocks_nmi(v);
	if (v->f[FID_EXIT_MSR_STORE_COUNT] && !msrlist_exit_store(n, v))
		exit_abort(n, v, VMX_ABORT_SAVE_MSRS,
			"VMX abort: the VM-exit MSR-store list cannot be stored");
	n->stats.to_l1[v->f[FID_EXIT_REASON] % NESTED_TO_L1]++;
	if (v->more_in_02 & MORE_AT_EXIT) {
		if (v->bus_locked)
			v->f[FID_EXIT_REASON] |= EXIT_REASON_BUS_LOCKED;
		v->bus_locked = false;
		if (v->mce_clear)
			v->f[FID_GUEST_CR4] &= ~(uint64_t)CR4_MCE;
		if (v->cet)
			cet_from_02(v);
		if (v->learned)
			learn_at_exit(n, v);
	}
	nested_load_l1(n, v, &l2);
}

/* L1's preemption timer has run while L2 ran, whoever armed VMCS02's. */
static inline __attribute__((always_inline)) void account_timer(struct nvmcs *v)
{
	uint32_t elapsed = v->timer02 - (uint32_t)seam_vmread(FID_PREEMPTION_TIMER_VALUE);

	if (v->timer12 > elapsed)
		v->timer12 -= elapsed;
	else /* by more, where L0 took time after VMCS02's was armed */
		timer_set_left(v, timer_left(v) > elapsed ? timer_left(v) - elapsed : 0);
}

uint32_t nested_timer_value(struct nested *n, uint32_t l0_value)
{
	struct nvmcs *v = n->cur;

	v->timer02 = v->timer_on && v->timer12 < l0_value ? v->timer12 : l0_value;
	return v->timer02;
}

/* An instruction of L2 was completed here. */
static enum nested_verdict resume_after_insn(struct nested *n, const struct nvmcs *v)
{
	if (!(v->f[FID_PROC_CONTROLS] & PROC_MTF))
		return NESTED_RESUME;
	nested_deliver(n, &(struct nested_event){.kind = NESTED_MTF});
	return NESTED_L1;
}

/* L1 does not want the exit, or it is not known yet. */
static enum nested_verdict keep(struct nested *n, struct nvmcs *v, uint32_t reason)
{
	enum nested_verdict verdict;
	bool complete;

	if (reason == EXIT_SPP_EVENT && exit_spp_miss(n, v, &verdict))
		return verdict;
	n->stats.exits_kept++;
	switch (reason) {
	case EXIT_VMREAD:
	case EXIT_VMWRITE:
		complete = insn_l2_complete(n, reason);
		break;
	case EXIT_RDMSR:
		if (!spec_ctrl_owns(n, v))
			return NESTED_L0;
		spec_ctrl_read(n, v);
		complete = true;
		break;
	case EXIT_WRMSR:
		if (ipi_owns_msr(n, v))
			complete = ipi_wrmsr(n, v);
		else if (spec_ctrl_owns(n, v))
			complete = spec_ctrl_write(n, v);
		else
			return NESTED_L0;
		break;
	case EXIT_APIC_WRITE:
		if (!ipi_owns_write(v))
			return NESTED_L0;
		complete = ipi_apic_write(n, v);
		break;
	default:
		return NESTED_L0;
	}
	if (complete)
		return resume_after_insn(n, v);
	return n->in_l2 ? NESTED_RESUME : NESTED_L1;
}

enum nested_verdict nested_l2_exit(struct nested *n, uint32_t exit_reason)
{
	struct nvmcs *v = n->cur;
	struct exit_context c = {.n = n, .v = v, .reason = exit_reason};

	n->run_pending = false;
	if (v->timer_on)
		account_timer(v);
	if (exit_reason & EXIT_REASON_ENTRY_FAILURE) {
		nested_entry_failed(n, exit_reason);
		return NESTED_L1;
	}
	if (exit_reason == EXIT_EPT_VIOLATION && v->root)
		return exit_ept_violation(n, v);
	if (exit_reason == EXIT_VMFUNC && exit_vmfunc(n, v))
		return resume_after_insn(n, v);
	if (exit_reason == EXIT_EXCEPTION_NMI)
		c.intr_info = (uint32_t)seam_vmread(FID_EXIT_INTR_INFO);
	if (!l1_wants(&c))
		return keep(n, v, exit_reason);
	exit_save_info(v, exit_reason, c.intr_info);
	exit_to_l1(n);
	return NESTED_L1;
}

void nested_l2_exit_of_l0(struct nested *n)
{
	n->run_pending = false;
	if (n->cur->timer_on)
		account_timer(n->cur);
	n->stats.exits_kept++;
}

void nested_set_view(struct nested *n, uint16_t view)
{
	if (n->view == view)
		return;
	n->view = view;
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		n->slot[i].dirty |= GROUP_CTL; /* their next entry finds its root anew */
	if (n->in_l2 && n->cur->root)
		merge_root(n, n->cur);
}

bool nested_mtf_of_l1(const struct nested *n)
{
	const struct nvmcs *v = n->cur;
	uint32_t info = (uint32_t)v->f[FID_ENTRY_INTR_INFO];

	return v->f[FID_PROC_CONTROLS] & PROC_MTF ||
	       (n->run_pending && info & INTR_INFO_VALID &&
		       INTR_INFO_TYPE(info) == INTR_OTHER_EVENT);
}

uint64_t nested_l2_name(const struct nested *n)
{
	return uses_ept(n->cur) ? n->cur->f[FID_EPT_POINTER] : n->cur->gpa | 1;
}

void nested_entry_failed(struct nested *n, uint32_t exit_reason)
{
	struct nvmcs *v = n->cur;

	seam_bug(n, "hardware refused a VMCS02 that passed all checks");
	v->f[FID_EXIT_REASON] = exit_reason | EXIT_REASON_ENTRY_FAILURE;
	v->f[FID_EXIT_QUALIFICATION] = seam_vmread(FID_EXIT_QUALIFICATION);
	entry_undo(v, n->run_pending);
	seam_vmwrite(FID_ENTRY_INTR_INFO, 0); /* a failed entry leaves the valid bit */
	nested_load_l1(n, v, NULL);
}

/* As the exit right behind an entry that SDM 26.7.7 "VM Exits Induced by the TPR Threshold"
 * has. */
void exit_below_threshold(struct nested *n, struct nvmcs *v)
{
	uint32_t info = (uint32_t)seam_vmread(FID_ENTRY_INTR_INFO);

	exit_no_info(v, EXIT_TPR_BELOW_THRESHOLD);
	if (info & INTR_INFO_VALID) {
		seam_vmwrite(FID_ENTRY_INTR_INFO, 0);
		v->f[FID_IDT_VECTORING_INFO] = info;
		v->f[FID_IDT_VECTORING_ERROR_CODE] =
			seam_vmread(FID_ENTRY_EXCEPTION_ERROR_CODE);
		v->f[FID_EXIT_INSTRUCTION_LENGTH] = seam_vmread(FID_ENTRY_INSTRUCTION_LENGTH);
	}
	exit_to_l1(n);
}

void nested_deliver_ept_fault(struct nested *n, const struct paging_fault *fault)
{
	struct nvmcs *v = n->cur;
	uint64_t qualification = 0;
	enum vept_result r = VEPT_FILLED;

	n->foreign.root = NULL; /* who walked has found it otherwise */
	if (v->root)
		r = exit_violation(
			n, (struct gpa_l2){fault->gpa}, fault->qualification, &qualification);
	if (r == VEPT_FILLED || r == VEPT_NO_RAM)
		return; /* EPT12 changed meanwhile: L2 tries again */
	if (r == VEPT_CONVERTIBLE && exit_convert(n, v, fault, qualification))
		return;
	if (r == VEPT_MISCONFIG && n->vm->explaining)
		exit_report_misconfig(n);
	exit_no_info(v, r == VEPT_MISCONFIG   ? EXIT_EPT_MISCONFIG
			: r == VEPT_PML_FULL  ? EXIT_PML_FULL
			: r == VEPT_SPP_EVENT ? EXIT_SPP_EVENT
					      : EXIT_EPT_VIOLATION);
	exit_save_vectoring(v);
	v->f[FID_GUEST_PHYSICAL_ADDRESS] = fault->gpa;
	v->f[FID_GUEST_LINEAR_ADDRESS] = fault->address;
	if (r == VEPT_SPP_EVENT) /* bit 11 is another one there */
		v->f[FID_EXIT_QUALIFICATION] = qualification;
	if (!(caps_msr(&n->vm->caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_ADVANCED_INFO))
		qualification &= ~QUAL_ADVANCED;
	if (v->f[FID_EXIT_REASON] == EXIT_EPT_VIOLATION)
		v->f[FID_EXIT_QUALIFICATION] = qualification;
	/* 27.3.3: the instruction did not complete, as with a fault */
	seam_vmwrite(FID_GUEST_RFLAGS, seam_vmread(FID_GUEST_RFLAGS) | RFLAGS_RF);
	exit_to_l1(n);
}
