/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/state.h"

#include "nested/entry_checks.h"
#include "nested/nested_int.h"

/* ---- a hardware VMCS, which is current ---- */

/* PDPTEs, IA32_PAT, IA32_EFER and the state of CET are there for L0, whatever VT-x L1 has; a VM
 * without VT-x has no caps. */
static bool in_guest_area(const struct nested *n, unsigned fid)
{
	bool always = vmcs_fields[fid].exists_word == EXISTS_ALWAYS;
	bool l0s = (fid >= FID_GUEST_PDPTE0 && fid <= FID_GUEST_PDPTE3) ||
		   fid == FID_GUEST_PAT || fid == FID_GUEST_EFER ||
		   (n->vm->cet && fid >= FID_GUEST_S_CET && fid <= FID_GUEST_SSP_TABLE);

	return vmcs_type(vmcs_fields[fid].encoding) == VMCS_TYPE_GUEST &&
	       (always || l0s ||
		       (field_exists(n, (enum vmcs_fid)fid) &&
			       field_in_hardware(n, (enum vmcs_fid)fid)));
}

static void get_guest_area(const struct nested *n, struct guest_area_state *s)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		s->f[i] = in_guest_area(n, i) ? seam_vmread((enum vmcs_fid)i) : 0;
	/* L0's timers arm the preemption timer anew at each entry; the link pointer is a host
	 * address. */
	s->f[FID_PREEMPTION_TIMER_VALUE] = 0;
	s->f[FID_VMCS_LINK_POINTER] = 0;
	s->cr0_shadow = seam_vmread(FID_CR0_READ_SHADOW);
	s->cr4_shadow = seam_vmread(FID_CR4_READ_SHADOW);
	s->ia32e = (uint32_t)seam_vmread(FID_ENTRY_CONTROLS) & ENTRY_IA32E_GUEST;
	s->event = (uint32_t)seam_vmread(FID_ENTRY_INTR_INFO);
	s->event_error = s->event_length = 0;
	if (!(s->event & INTR_INFO_VALID)) {
		s->event = 0;
		return;
	}
	s->event_error = (uint32_t)seam_vmread(FID_ENTRY_EXCEPTION_ERROR_CODE);
	s->event_length = (uint32_t)seam_vmread(FID_ENTRY_INSTRUCTION_LENGTH);
}

static void set_guest_area(struct nested *n, const struct guest_area_state *s)
{
	uint64_t entry = seam_vmread(FID_ENTRY_CONTROLS) & ~(uint64_t)ENTRY_IA32E_GUEST;

	for (unsigned i = 0; i < FID_COUNT; i++)
		if (in_guest_area(n, i) && i != FID_PREEMPTION_TIMER_VALUE &&
			i != FID_VMCS_LINK_POINTER)
			seam_vmwrite((enum vmcs_fid)i, s->f[i]);
	seam_vmwrite(FID_ENTRY_CONTROLS, entry | (s->ia32e & ENTRY_IA32E_GUEST));
	if (s->event & INTR_INFO_VALID)
		seam_queue_event(n, s->event, s->event_error, s->event_length);
}

/* ---- get ---- */

/* v->f has what the hardware VMCSs of v have; VMCS01 is current before and after. */
static void bring_up_to_date(struct nested *n, struct nvmcs *v)
{
	bool runs = n->in_l2 && v == n->cur;

	if (n->vm->shadowing && v->is_shadow)
		copy_all_from_shadow(n, v);
	else if (n->vm->shadowing && !runs)
		v->unchecked |= (uint8_t)nvmcs_from_shadow(n, v);
	seam_use_vmcs01(n);
	if (!runs)
		nvmcs_sync_rare(n, v);
}

static struct nvmcs *next_used(struct nested *n, const struct nvmcs *after)
{
	struct nvmcs *next = NULL;

	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		struct nvmcs *v = &n->slot[i];

		if (v->gpa != NVMCS_FREE && (!after || v->last_use > after->last_use) &&
			(!next || v->last_use < next->last_use))
			next = v;
	}
	return next;
}

static void get_vmcs(struct nested *n, struct nvmcs *v, struct vmcs12_state *s)
{
	bring_up_to_date(n, v);
	*s = (struct vmcs12_state){
		.gpa = v->gpa, .launched = v->launched, .is_shadow = v->is_shadow};
	for (unsigned i = 0; i < FID_COUNT; i++)
		s->f[i] = v->f[i];
}

void nested_get(struct nested *n, struct nested_state *s)
{
	struct nvmcs *v = NULL, *l2 = n->in_l2 ? n->cur : NULL;

	*s = (struct nested_state){.vmxon = n->vmxon,
		.in_l2 = n->in_l2,
		.run_pending = n->run_pending,
		.l2_wait_sipi = n->l2_wait_sipi,
		.vmxon_gpa = n->vmxon_gpa,
		.current_gpa = n->cur ? n->cur->gpa : NVMCS_FREE,
		.feature_control = n->feature_control,
		.cr0_cache = n->cr0_cache};
	if (l2 != NULL) {
		get_guest_area(n, &s->l2);
		s->l2.f[FID_GUEST_CR4] = nested_l2_cr4(n);
		s->timer_on = l2->timer_on;
		s->timer_left = timer_to_l1(n, l2, &s->timer_phase);
		seam_use_vmcs01(n);
	}
	get_guest_area(n, &s->l1);
	while ((v = next_used(n, v)) != NULL)
		get_vmcs(n, v, &s->vmcs[s->vmcs_count++]);
	if (l2 != NULL)
		seam_use_vmcs02(n, l2);
}

bool nested_state_begin_fields(struct nested *n)
{
	if (!n->vmxon || n->cur == NULL)
		return false;
	if (!n->in_l2)
		bring_up_to_date(n, n->cur);
	return true;
}

bool nested_state_field(const struct nested *n, enum vmcs_fid fid, uint64_t *value)
{
	if (!field_exists(n, fid))
		return false;
	if (n->in_l2 && fid == FID_GUEST_CR4)
		*value = nested_l2_cr4(n);
	else
		*value = n->in_l2 && in_guest_area(n, fid) ? seam_vmread(fid) : n->cur->f[fid];
	return true;
}

/* ---- set ---- */

static const struct vmcs12_state *find(const struct nested_state *s, uint64_t gpa)
{
	for (uint32_t i = 0; i < s->vmcs_count; i++)
		if (s->vmcs[i].gpa == gpa)
			return &s->vmcs[i];
	return NULL;
}

/*
 * What L0 relies on whatever the hardware says. A CPU that waits for a start-up IPI takes no
 * NMI and no timer (SDM 26.7.2): L0 would not come back.
 */
static bool area_possible(
	const struct nested *n, const struct guest_area_state *s, bool may_wait_for_sipi)
{
	return !(s->f[FID_GUEST_DEBUGCTL] & DEBUGCTL_TRACES) &&
	       !(s->f[FID_GUEST_CR4] & n->vm->l0.cr4_hidden) &&
	       (may_wait_for_sipi || s->f[FID_GUEST_ACTIVITY_STATE] != ACTIVITY_WAIT_FOR_SIPI);
}

static bool l2_possible(
	const struct nested *n, const struct nested_state *s, const struct vmcs12_state *v)
{
	uint64_t link = v->f[FID_VMCS_LINK_POINTER];
	bool timer = v->f[FID_PIN_CONTROLS] & PIN_PREEMPTION_TIMER;

	return !v->is_shadow && area_possible(n, &s->l2, s->l2_wait_sipi) &&
	       (timer || !s->timer_on) && (link == NVMCS_FREE || nvmcs_pointer_valid(n, link));
}

/* VMCS12s outlive VMXOFF. */
static bool vmx_operation_possible(const struct nested *n, const struct nested_state *s)
{
	bool vmx = caps_msr(&n->vm->caps, MSR_VMX_BASIC) != 0;

	return (vmx || (!s->vmxon && s->vmcs_count == 0)) &&
	       (!s->vmxon || nvmcs_pointer_valid(n, s->vmxon_gpa));
}

/* What struct nested promises to the rest of nested/. */
static bool possible(const struct nested *n, const struct nested_state *s)
{
	const struct vmcs12_state *current;

	if (s->vmcs_count > NVMCS_SLOTS || (s->cr0_cache & ~CR0_CACHE) ||
		s->feature_control != n->feature_control || !area_possible(n, &s->l1, false) ||
		!vmx_operation_possible(n, s))
		return false;
	current = find(s, s->current_gpa);
	for (uint32_t i = 0; i < s->vmcs_count; i++)
		if (!nvmcs_pointer_valid(n, s->vmcs[i].gpa) ||
			find(s, s->vmcs[i].gpa) != &s->vmcs[i])
			return false;
	if (s->current_gpa != NVMCS_FREE && (!current || !s->vmxon))
		return false;
	if (s->in_l2)
		return current && l2_possible(n, s, current);
	return !s->run_pending && !s->l2_wait_sipi;
}

static void set_field(struct nested *n, struct nvmcs *v, enum vmcs_fid fid, uint64_t value)
{
	v->f[fid] = value;
	if (n->vm->shadowing)
		shadow_write_field(n, v, fid);
}

/*
 * L1's VM entry once more, without what it did already: an event, an MSR list, PDPTEs from
 * memory (L2 has those of its last MOV to CR3) and the checks of guest state, which is what L2
 * has made of it. VMCS01 is current. False: an entry that L1 cannot have made.
 */
static bool enter_again(struct nested *n, struct nvmcs *v)
{
	uint64_t event = v->f[FID_ENTRY_INTR_INFO], msrs = v->f[FID_ENTRY_MSR_LOAD_COUNT];
	uint64_t cr4 = v->f[FID_GUEST_CR4];
	struct l1_mode mode = {.long64 = seam_vmread(FID_GUEST_EFER) & EFER_LMA};
	struct check_env e = {.f = v->f, .l1_long_mode = mode.long64};

	set_field(n, v, FID_ENTRY_INTR_INFO, 0);
	set_field(n, v, FID_ENTRY_MSR_LOAD_COUNT, 0);
	if (!(v->f[FID_ENTRY_CONTROLS] & ENTRY_IA32E_GUEST))
		set_field(n, v, FID_GUEST_CR4, cr4 & ~(uint64_t)CR4_PAE);
	v->launched = true;
	v->unchecked = FIELD_CHK_C | FIELD_CHK_H;
	v->check_context = nested_check_context(&e);
	if (nested_entry(n, &mode, EXIT_VMRESUME) != INSN_DONE || !n->in_l2)
		return false;
	set_field(n, v, FID_ENTRY_INTR_INFO, event);
	set_field(n, v, FID_ENTRY_MSR_LOAD_COUNT, msrs);
	set_field(n, v, FID_GUEST_CR4, cr4);
	v->unchecked |= FIELD_CHK_C; /* without these two it was checked */
	seam_use_vmcs02(n, v);
	return true;
}

static bool resume_l2(struct nested *n, const struct nested_state *s)
{
	struct nvmcs *v = n->cur;

	if (!enter_again(n, v))
		return false;
	set_guest_area(n, &s->l2);
	nested_set_l2_cr4(n, s->l2.f[FID_GUEST_CR4]);
	v->rare_in_02 = true;
	v->timer_on = s->timer_on;
	v->timer_phase = s->timer_phase & (uint32_t)(BIT64(n->vm->timer_shift) - 1);
	timer_from_l1(n, v, s->timer_left);
	n->run_pending = s->run_pending;
	n->l2_wait_sipi = s->l2_wait_sipi;
	return true;
}

bool nested_set(struct nested *n, const struct nested_state *s)
{
	if (!possible(n, s))
		return false;
	paging_forget_code(n);
	set_guest_area(n, &s->l1);
	seam_vmwrite(FID_GUEST_CR4, s->l1.f[FID_GUEST_CR4] | CR4_MCE); /* as load_l1() says */
	seam_vmwrite(FID_CR0_READ_SHADOW, s->l1.cr0_shadow);
	seam_vmwrite(FID_CR4_READ_SHADOW, s->l1.cr4_shadow);
	n->vmxon = s->vmxon;
	n->vmxon_gpa = s->vmxon_gpa;
	n->feature_control = s->feature_control;
	n->cr0_cache = s->cr0_cache;
	if (n->vm->shadowing && n->vmxon)
		insn_serve_by_hardware(true);
	for (uint32_t i = 0; i < s->vmcs_count; i++)
		nvmcs_install(n, s->vmcs[i].gpa, s->vmcs[i].f, s->vmcs[i].launched,
			s->vmcs[i].is_shadow);
	if (s->current_gpa != NVMCS_FREE)
		nvmcs_select(n, nvmcs_find(n, s->current_gpa));
	return !s->in_l2 || resume_l2(n, s);
}
