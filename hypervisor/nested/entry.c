/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMLAUNCH and VMRESUME of L1: all checks first, touching nothing, then the switch to VMCS02.
 */
#include "nested/entry_checks.h"
#include "nested/explain.h"
#include "nested/nested_int.h"

static void report_check(
	struct nested *n, uint32_t reason, enum check_id check, const struct nvmcs *v)
{
	bool unrestricted = proc2_of(v) & PROC2_UNRESTRICTED_GUEST;
	struct nested_report r = {.kind = REPORT_CHECK,
		.instruction = (uint8_t)reason,
		.check = (uint16_t)check,
		.rip = seam_vmread(FID_GUEST_RIP),
		.value = v->f[check_rows[check].field]};

	if (check == CHECK_GUEST_CR0_FIXED && unrestricted)
		r.found[0] = CR0_PE | CR0_PG;
	seam_report(n, &r);
}

/* VMCS01 is current. */
static void report_msr_load(struct nested *n, uint32_t reason)
{
	struct nested_report r = {.kind = REPORT_MSR_LOAD,
		.instruction = (uint8_t)reason,
		.why = n->refused.why,
		.rip = seam_vmread(FID_GUEST_RIP),
		.value = n->refused.value,
		.found = {n->refused.found[0], n->refused.found[1]}};

	seam_report(n, &r);
}

/* Checks on controls and host state; the outcome is a VMfail. */
static enum check_id check_before_entry(struct nvmcs *v, const struct check_env *e)
{
	enum check_id id = CHECK_OK;

	if (v->unchecked & FIELD_CHK_C)
		id = nested_check_controls(e);
	if (id == CHECK_OK)
		id = nested_check_entry_events(e);
	if (id == CHECK_OK)
		v->unchecked &= (uint8_t)~FIELD_CHK_C;
	if (id == CHECK_OK && (v->unchecked & FIELD_CHK_H))
		id = nested_check_host(e);
	if (id == CHECK_OK)
		v->unchecked &= (uint8_t)~FIELD_CHK_H;
	return id;
}

/* Checks on guest state; the outcome is a failed entry. */
static enum check_id check_guest(struct nested *n, struct nvmcs *v, const struct check_env *e)
{
	enum check_id id = CHECK_OK;

	if (v->unchecked & FIELD_CHK_G) {
		nvmcs_sync_rare(n, v);
		v->dirty |= GROUP_RARE;
		mce_find(v);
		id = nested_check_guest_state(e);
	}
	if (id == CHECK_OK)
		id = nested_check_guest_events(e);
	if (id == CHECK_OK)
		v->unchecked &= (uint8_t)~FIELD_CHK_G;
	return id;
}

/* Is this a PAE L2 of an L1 without EPT? */
static bool loads_pdptes(const struct nvmcs *v)
{
	return !uses_ept(v) && (v->f[FID_GUEST_CR0] & CR0_PG) &&
	       (v->f[FID_GUEST_CR4] & CR4_PAE) &&
	       !(v->f[FID_ENTRY_CONTROLS] & ENTRY_IA32E_GUEST);
}

/* Those that the checks read (SDM 26.3.2.4). */
static void load_pdptes(const struct nvmcs *v, const uint64_t *pdpte)
{
	if (!loads_pdptes(v))
		return;
	for (unsigned i = 0; i < 4; i++)
		seam_vmwrite((enum vmcs_fid)(FID_GUEST_PDPTE0 + i), pdpte[i]);
}

/* Values that L1's own registers supply where its entry controls load none. */
struct l1_loaded {
	uint64_t dr7, debugctl, pat, efer;
};

static struct l1_loaded l1_loaded_values(const struct nvmcs *v)
{
	uint32_t entry = (uint32_t)v->f[FID_ENTRY_CONTROLS];
	/* SDM 26.3.2.1: LME follows the control only with paging. */
	uint64_t follows = v->f[FID_GUEST_CR0] & CR0_PG ? EFER_LMA | EFER_LME : EFER_LMA;
	uint64_t lma = entry & ENTRY_IA32E_GUEST ? EFER_LMA | EFER_LME : 0;
	struct l1_loaded l = {.dr7 = v->f[FID_GUEST_DR7],
		.debugctl = v->f[FID_GUEST_DEBUGCTL],
		.pat = v->f[FID_GUEST_PAT],
		.efer = v->f[FID_GUEST_EFER]};

	if (!(entry & ENTRY_LOAD_DEBUG)) {
		l.dr7 = seam_vmread(FID_GUEST_DR7);
		l.debugctl = seam_vmread(FID_GUEST_DEBUGCTL);
	}
	if (!(entry & ENTRY_LOAD_PAT))
		l.pat = seam_vmread(FID_GUEST_PAT);
	if (!(entry & ENTRY_LOAD_EFER))
		l.efer = (seam_vmread(FID_GUEST_EFER) & ~follows) | lma;
	return l;
}

/*
 * VMCS02 has virtual NMIs and L1's effective IA32_DEBUGCTL where L1 may have asked for neither.
 * What its checks would refuse for that alone is put right (SDM 26.3.1.5): an injected NMI
 * blocks NMIs in any case, and BS follows BTF.
 */
static void adjust_to_02(const struct nvmcs *v, const struct l1_loaded *l)
{
	uint64_t blocking = v->f[FID_GUEST_INTERRUPTIBILITY];
	uint64_t info = v->f[FID_ENTRY_INTR_INFO];
	bool held = (blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) ||
		    v->f[FID_GUEST_ACTIVITY_STATE] == ACTIVITY_HLT;

	if ((info & INTR_INFO_VALID) && INTR_INFO_TYPE(info) == INTR_NMI)
		seam_vmwrite(FID_GUEST_INTERRUPTIBILITY, blocking & ~INTERRUPTIBILITY_NMI);
	if (held && (v->f[FID_GUEST_RFLAGS] & RFLAGS_TF) &&
		((l->debugctl ^ v->f[FID_GUEST_DEBUGCTL]) & DEBUGCTL_BTF))
		seam_vmwrite(
			FID_GUEST_PENDING_DBG, v->f[FID_GUEST_PENDING_DBG] ^ PENDING_DBG_BS);
}

/*
 * The root of the last entry may be gone: another vCPU may have needed its tables. A VMCS12
 * that gets EPT or loses it is merged anyway.
 */
static inline bool root_valid(struct nested *n, const struct nvmcs *v)
{
	return !v->root || vept_root_reuse(n, v->root, v->root_generation);
}

/* What entries of an L1 write that uses more of VT-x than most. */
static void commit_features(struct nested *n, struct nvmcs *v)
{
	if (v->proc2_02 & PROC2_VMCS_SHADOWING)
		insn_l2_merge_bitmaps(n, v);
	if (v->proc2_02 & PROC2_VIRT_INTR_DELIVERY)
		seam_vmwrite(FID_GUEST_INTR_STATUS, v->f[FID_GUEST_INTR_STATUS]);
}

/* After copy_hot_to_02 and merge_controls_hot. Those that usually pass by shall not pay for it:
 * out of line, and no call in it but the last. */
static __attribute__((noinline)) void commit_more(struct nested *n, const struct nvmcs *v)
{
	if (v->mce_clear)
		seam_vmwrite(FID_GUEST_CR4, v->f[FID_GUEST_CR4] | CR4_MCE);
	else if (v->mce_shown)
		seam_vmwrite(FID_CR4_READ_SHADOW, mce_shadow(v));
	if (v->cet)
		cet_to_02(n, v);
}

/* Write VMCS02, which becomes current. Nothing in here can fail. */
static void commit(struct nested *n, struct nvmcs *v, const uint64_t *pdpte)
{
	struct l1_loaded l = l1_loaded_values(v);
	uint32_t proc = (uint32_t)v->f[FID_PROC_CONTROLS];

	/* The windows need no merge; the other controls decide what else is merged. */
	if ((proc ^ v->merged_proc) & ~(PROC_INTR_WINDOW | PROC_NMI_WINDOW))
		v->dirty |= GROUP_CTL;
	v->merged_proc = proc;
	nvmcs_resolve_link(n, v);

	seam_use_vmcs02(n, v);
	if ((v->dirty & GROUP_CTL) || !root_valid(n, v))
		merge_controls_all(n, v);
	if (!(proc2_of(v) & PROC2_ENABLE_VPID)) /* such entries flush, SDM 28.3.3.1 */
		seam_flush_vpid(n, v->vpid02);
	if (v->apic_in_ept01) /* L1 and its other L2s use EPT01 without knowing of that page */
		seam_flush_ept_here(n, n->vm->l0.eptp01);
	merge_controls_hot(n, v);
	merge_msr_bitmap(n, v);
	if (v->proc2_02 & (PROC2_VMCS_SHADOWING | PROC2_VIRT_INTR_DELIVERY))
		commit_features(n, v);
	if (v->dirty & GROUP_RARE)
		copy_rare_to_02(n, v);
	copy_hot_to_02(v);
	if (v->more_in_02 & MORE_AT_ENTRY)
		commit_more(n, v);
	seam_vmwrite(FID_GUEST_DR7, l.dr7);
	seam_vmwrite(FID_GUEST_DEBUGCTL, l.debugctl & ~DEBUGCTL_TRACES); /* not offered */
	seam_vmwrite(FID_GUEST_PAT, l.pat);
	seam_vmwrite(FID_GUEST_EFER, l.efer);
	load_pdptes(v, pdpte);
	adjust_to_02(v, &l);
	v->dirty = 0;
	v->timer_on = v->f[FID_PIN_CONTROLS] & PIN_PREEMPTION_TIMER;
	if (v->timer_on)
		timer_from_l1(n, v, (uint32_t)v->f[FID_PREEMPTION_TIMER_VALUE]);
}

/* The event that L1 injects; after the last point where the entry can fail. */
static void queue_event(struct nested *n, const struct nvmcs *v)
{
	uint32_t info = (uint32_t)v->f[FID_ENTRY_INTR_INFO];

	if (info & INTR_INFO_VALID)
		seam_queue_event(n, info, (uint32_t)v->f[FID_ENTRY_EXCEPTION_ERROR_CODE],
			(uint32_t)v->f[FID_ENTRY_INSTRUCTION_LENGTH]);
}

static int entry_failure(
	struct nested *n, struct nvmcs *v, uint32_t reason, uint64_t qualification)
{
	v->f[FID_EXIT_REASON] = reason | EXIT_REASON_ENTRY_FAILURE;
	v->f[FID_EXIT_QUALIFICATION] = qualification;
	n->stats.failed_entries++;
	nested_load_l1(n, v, NULL);
	return INSN_DONE;
}

void entry_undo(struct nvmcs *v, bool first)
{
	if (first)
		msrlist_entry_undo(v);
	v->dirty = v->rare_in_02 ? (uint8_t)~GROUP_RARE : UINT8_MAX;
}

/* The checks that precede those of the VMCS itself. */
static int may_enter(struct nested *n, uint32_t reason)
{
	struct nvmcs *v = n->cur;

	if (!v || v->is_shadow)
		return INSN_FAIL_INVALID;
	if (seam_vmread(FID_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_MOV_SS)
		return VMERR_ENTRY_EVENTS_BLOCKED_MOV_SS;
	if (reason == EXIT_VMLAUNCH && v->launched)
		return VMERR_VMLAUNCH_NOT_CLEAR;
	if (reason == EXIT_VMRESUME && !v->launched)
		return VMERR_VMRESUME_NOT_LAUNCHED;
	return INSN_SUCCEED;
}

/* L2 runs next. */
static void enter(struct nested *n, struct nvmcs *v)
{
	queue_event(n, v);
	if (v->missed) { /* L1 has mapped it, most likely */
		v->missed = false;
		if (v->root)
			vept_prefill(n, v->root, v->missed_gpa);
	}
	v->launched = true;
	n->in_l2 = true;
	n->run_pending = true;
	n->l2_wait_sipi = v->f[FID_GUEST_ACTIVITY_STATE] == ACTIVITY_WAIT_FOR_SIPI;
	n->stats.entries++;
	v->habit.turn++;
}

int nested_entry(struct nested *n, const struct l1_mode *m, uint32_t reason)
{
	struct nvmcs *v = n->cur;
	struct check_env e;
	enum check_id id;
	uint32_t bad_msr;
	uint64_t context, pdpte[4] = {0};
	int outcome = may_enter(n, reason);

	if (outcome != INSN_SUCCEED)
		return outcome;
	if (n->vm->shadowing) {
		v->unchecked |= (uint8_t)copy_from_shadow(n, v);
		if (v->learned)
			v->unchecked |= (uint8_t)learn_at_entry(n, v);
		seam_use_vmcs01(n);
	}
	e = (struct check_env){.f = v->f,
		.caps = &n->vm->caps,
		.l1_long_mode = m->long64,
		.current = {v->gpa},
		.pdpte = pdpte,
		.n = n};
	context = nested_check_context(&e);
	if (context != v->check_context)
		v->unchecked |= FIELD_CHK_H | FIELD_CHK_G;
	v->check_context = context;
	id = check_before_entry(v, &e);
	if (id != CHECK_OK) {
		report_check(n, reason, id, v);
		return check_rows[id].vmfail;
	}
	id = check_guest(n, v, &e);
	if (id != CHECK_OK) {
		report_check(n, reason, id, v);
		return entry_failure(
			n, v, EXIT_INVALID_GUEST_STATE, check_rows[id].qualification);
	}
	if (v->f[FID_ENTRY_MSR_LOAD_COUNT] && loads_pdptes(v)) {
		/* They are written to VMCS02, and the list may fail then. */
		nvmcs_sync_rare(n, v);
		v->dirty |= GROUP_RARE;
	}
	commit(n, v, pdpte);
	bad_msr = v->f[FID_ENTRY_MSR_LOAD_COUNT] ? msrlist_entry_load(n, v) : 0;
	if (bad_msr) {
		entry_undo(v, true);
		seam_use_vmcs01(n);
		report_msr_load(n, reason);
		return entry_failure(n, v, EXIT_MSR_LOADING, bad_msr);
	}
	enter(n, v);
	return INSN_DONE;
}

/* Does the processor compare L1's TPR threshold with VTPR, which other vCPUs may write (SDM
 * 26.2.1.1)? */
static bool depends_on_vtpr(const struct nvmcs *v)
{
	return v->f[FID_PROC_CONTROLS] & PROC_TPR_SHADOW && v->f[FID_TPR_THRESHOLD] & 0xf &&
	       !(proc2_of(v) & (PROC2_VIRT_INTR_DELIVERY | PROC2_APIC_ACCESSES));
}

/*
 * L2 has not run: L1's instruction fails, and all is as before it, but for the machine's own
 * registers that the VM-entry MSR-load list has loaded.
 */
static void refuse(struct nested *n, struct nvmcs *v, bool by_l1)
{
	uint32_t reason;

	entry_undo(v, true);
	seam_vmwrite(FID_ENTRY_INTR_INFO, 0);
	n->in_l2 = false;
	n->run_pending = false;
	n->l2_wait_sipi = false;
	n->stats.entries--;
	seam_use_vmcs01(n);
	reason = (uint32_t)seam_vmread(FID_EXIT_REASON);
	v->launched = EXIT_REASON_BASIC(reason) == EXIT_VMRESUME;
	if (by_l1)
		report_check(n, reason, CHECK_TPR_THRESHOLD_ABOVE_VTPR, v);
	insn_fail(n, VMERR_ENTRY_CONTROLS);
}

void nested_entry_vmfailed(struct nested *n, uint32_t error)
{
	struct nvmcs *v = n->cur;
	bool by_l1 = error == VMERR_ENTRY_CONTROLS && depends_on_vtpr(v);

	if (!by_l1 && n->run_pending)
		seam_bug(n, "hardware refused a VMCS02 that passed all checks by VMfail");
	if (n->run_pending)
		refuse(n, v, by_l1);
	else if (by_l1)
		exit_below_threshold(n, v);
	else
		nested_entry_failed(n, EXIT_INVALID_GUEST_STATE);
}
