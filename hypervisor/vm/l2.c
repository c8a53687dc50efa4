/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/l2.h"

#include "cpu/asm.h"
#include "vm/mitigate.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

/* ---- from and to L2 ---- */

static __attribute__((noinline)) void finish(struct vcpu *vcpu)
{
	if (vcpu->nmi_waits)
		vcpu_add_events(vcpu, EVENT_NMI);
	if (vcpu->barrier_at_exit)
		mitigate_left_l2();
}

/*
 * Does VMCS02 have an interrupt window for L0? One that L1 asks for is not: there is none of
 * L0's beside it while interrupts of L1 end L2 (see nested_who_takes).
 */
static bool has_own_window(const struct nvmcs *v)
{
	return v->proc_02 & PROC_INTR_WINDOW &&
	       !(v->f[FID_PROC_CONTROLS] & PROC_INTR_WINDOW &&
		       v->f[FID_PIN_CONTROLS] & PIN_EXT_INTR_EXITING);
}

/*
 * L2 ended: what it could not take yet is L1's now. VMCS02's controls are still those it ran
 * with; for an L2 that rested nobody opened a window.
 */
static void left(struct vcpu *vcpu, bool rested)
{
	struct vm *vm = vcpu->vm;

	if (rested || has_own_window(vcpu->nested.cur) ||
		(vm->apicv.on && platform_apic_changed(vm->platform, vcpu->index)))
		vcpu_add_events(vcpu, EVENT_IRQ);
	if (vcpu->at_exit_to_l1 != 0)
		finish(vcpu);
}

/* ---- rest: L2 in the HLT or shutdown state, while this CPU may run others ---- */

static unsigned timer_shift(void)
{
	return vmx_timer.shift;
}

static void account_until(struct vcpu *vcpu, uint64_t tsc)
{
	nested_rested(
		&vcpu->nested, (tsc >> timer_shift()) - (vcpu->rest_tsc >> timer_shift()));
	vcpu->rest_tsc = tsc;
}

void l2_account_rest(struct vcpu *vcpu)
{
	account_until(vcpu, rdtsc());
}

/* For L1 the time that L0 takes for L2 is L2's. The hardware's timer counts the rest of it. */
static __attribute__((noinline)) void account_gap(struct vcpu *vcpu)
{
	if (vcpu->entry_tsc > vcpu->rest_tsc)
		account_until(vcpu, vcpu->entry_tsc);
}

uint64_t l2_rest_deadline(const struct vcpu *vcpu)
{
	uint64_t limit = nested_rest_limit(&vcpu->nested);

	if (limit == UINT64_MAX)
		return DEV_NEVER;
	return ((vcpu->rest_tsc >> timer_shift()) + limit) << timer_shift();
}

void l2_rest(struct vcpu *vcpu, bool nmi)
{
	l2_account_rest(vcpu);
	if (nested_rest(&vcpu->nested, nmi) == NESTED_RESTS)
		return;
	vcpu->state = VCPU_RUNNABLE;
	if (!vcpu->nested.in_l2)
		left(vcpu, true);
}

static void begin_rest(struct vcpu *vcpu)
{
	vcpu->state = VCPU_HALTED;
	vcpu->rest_tsc = rdtsc();
	vcpu_add_events(vcpu, EVENT_TIMER);
}

/* L2 executes HLT, and L1 does not ask for it. */
static void halt(struct vcpu *vcpu)
{
	vcpu_handle_exit(vcpu, EXIT_HLT);
	if (vcpu->state != VCPU_HALTED)
		return;
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
	begin_rest(vcpu);
}

/* L1 enters an L2 that is in another state than active. An event that is queued wakes it. */
static __attribute__((noinline)) void entered_inactive(struct vcpu *vcpu)
{
	nested_entered_resting();
	if (vcpu->nested.l2_wait_sipi) {
		vcpu->state = VCPU_WAIT_SIPI;
		vcpu_add_events(vcpu, EVENT_YIELD);
	} else if (!vcpu->injecting) {
		begin_rest(vcpu);
	}
}

void l2_entered(struct vcpu *vcpu)
{
	struct nested *n = &vcpu->nested;

	apicv_entered_l2(vcpu);
	if (vcpu->proc01 & PROC_INTR_WINDOW)
		vcpu_add_events(vcpu, EVENT_IRQ);
	if (vcpu->nmi_waits)
		vcpu_add_events(vcpu, EVENT_NMI);
	if (vcpu->init_latched && !n->l2_wait_sipi) {
		vcpu->init_latched = false;
		vcpu_add_events(vcpu, EVENT_INIT);
	}
	if (n->cur->f[FID_GUEST_ACTIVITY_STATE] != ACTIVITY_ACTIVE)
		entered_inactive(vcpu);
}

void l2_entry_failed(struct vcpu *vcpu, uint32_t reason)
{
	nested_entry_failed(&vcpu->nested, reason);
	left(vcpu, false);
}

void l2_entry_vmfailed(struct vcpu *vcpu, uint32_t error)
{
	vcpu->injecting = false; /* what was queued stays L1's, or goes to it with the exit */
	nested_entry_vmfailed(&vcpu->nested, error);
	left(vcpu, false);
}

/* ---- events ---- */

/*
 * L1 did not acknowledge an interrupt, or it notified of posted ones and another one waits, or
 * one came while L2 waited for a start-up IPI.
 */
static bool more_waits(const struct vcpu *vcpu)
{
	return vcpu->irq_known ? vcpu->irq_more
			       : platform_irq_waits(vcpu->vm->platform, vcpu->index);
}

bool l2_event(struct vcpu *vcpu, const struct nested_event *e, uint32_t post)
{
	struct nested *n = &vcpu->nested;
	bool rested = vcpu->state == VCPU_HALTED;

	switch (nested_who_takes(n, e)) {
	case TAKER_L2:
		return false;
	case TAKER_ENTRY_FIRST:
		vcpu_defer(vcpu, post);
		break;
	case TAKER_EXIT_FIRST: /* a halted L2 does not wake up */
		vcpu->nmi_waits |= e->kind == NESTED_NMI;
		return true;
	case TAKER_L1:
		vcpu->irq_known = false;
		nested_deliver(n, e);
		if (more_waits(vcpu))
			vcpu_add_events(vcpu, EVENT_IRQ);
		break;
	}
	/* Posted interrupts may or may not be for an L2 that rests. */
	if (n->in_l2 && rested) {
		l2_rest(vcpu, false);
		return true;
	}
	vcpu->state = VCPU_RUNNABLE;
	if (!n->in_l2)
		left(vcpu, rested);
	return true;
}

/* ---- control registers ---- */

/*
 * L2 writes CR0.CD or CR0.NW, which L1 does not intercept: what the processor does without an
 * exit (SDM 25.3 "MOV to CR0"). Bits that L1 owns keep their values.
 */
static void mov_to_cr0(struct vcpu *vcpu, uint64_t value)
{
	struct nested *n = &vcpu->nested;
	uint64_t owned = n->cur->f[FID_CR0_GUEST_HOST_MASK];
	uint64_t old = vmread(VMCS_GUEST_CR0) | n->cr0_cache, cr4 = vmread(VMCS_GUEST_CR4);
	uint64_t cr0 = (((value & CR0_DEFINED) | CR0_ET) & ~owned) | (old & owned);
	struct paging_fault pdptes = {.ept = true,
		.gpa = vmread(VMCS_GUEST_CR3) & CR3_PDPT,
		.qualification = QUAL_READ};
	struct gpa_l1 at;

	if (vcpu_uses_pdptes(cr0, cr4) && !vcpu_physical_address(vcpu, pdptes.gpa, &at)) {
		nested_deliver_ept_fault(n, &pdptes);
		return;
	}
	if (value >> 32 != 0 || !vcpu_cr0_valid(cr0, old) || !nested_l2_cr0_fits(n, cr0) ||
		!vcpu_load_pdptes(vcpu, cr0, cr4)) {
		vcpu_inject_gp(vcpu);
		return;
	}
	if ((cr0 ^ old) & CR0_PG) {
		vcpu_set_lma(cr0 & CR0_PG && vmread(VMCS_GUEST_EFER) & EFER_LME);
		invvpid(INVVPID_SINGLE, n->cur->vpid02, 0);
	}
	n->cr0_cache = cr0 & CR0_CACHE;
	vmwrite(VMCS_GUEST_CR0, cr0 & ~CR0_CACHE);
	vmwrite(VMCS_CR0_READ_SHADOW, nested_cr0_shadow(n));
	nested_skip();
}

/*
 * The same for CR4, of which L0 owns MCE (nested/mce.c) and what L1's virtual CPU does not
 * have. As CR0's other bits those that change along with it do as without an exit.
 */
static void mov_to_cr4(struct vcpu *vcpu, uint64_t value)
{
	struct nested *n = &vcpu->nested;
	uint64_t owned = n->cur->f[FID_CR4_GUEST_HOST_MASK];
	uint64_t old = nested_l2_cr4(n), cr4 = (value & ~owned) | (old & owned);
	uint64_t cr0 = vmread(VMCS_GUEST_CR0), changed = cr4 ^ old;
	struct paging_fault pdptes = {.ept = true,
		.gpa = vmread(VMCS_GUEST_CR3) & CR3_PDPT,
		.qualification = QUAL_READ};
	struct gpa_l1 at;

	if (!vcpu_cr4_valid(cr4, old) || !nested_cr4_fits(n, cr4)) {
		vcpu_inject_gp(vcpu);
		return;
	}
	if (changed & CR4_LOADS_PDPTES && vcpu_uses_pdptes(cr0, cr4)) {
		if (!vcpu_physical_address(vcpu, pdptes.gpa, &at)) {
			nested_deliver_ept_fault(n, &pdptes);
			return;
		}
		if (!vcpu_load_pdptes(vcpu, cr0, cr4)) {
			vcpu_inject_gp(vcpu);
			return;
		}
	}
	nested_set_l2_cr4(n, cr4);
	if (changed & CR4_FLUSHES)
		invvpid(INVVPID_SINGLE, n->cur->vpid02, 0);
	nested_skip();
}

/* A TPR shadow in a virtual-APIC page that is no RAM of L1: ones, and writes are lost. */
static void absent_cr8(struct vcpu *vcpu, uint64_t q)
{
	if (CR_TYPE(q) == CR_MOV_FROM) {
		vcpu_write_gpr(vcpu, CR_REGISTER(q), CR8_MAX);
	} else if (vcpu_read_gpr(vcpu, CR_REGISTER(q)) > CR8_MAX) {
		vcpu_inject_gp(vcpu);
		return;
	}
	nested_skip();
}

/* What L1 did not ask for. CR8 without a TPR shadow is that of L1's own APIC. */
static void handle_l2_cr_access(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	switch (CR_NUMBER(q)) {
	case 0:
		mov_to_cr0(vcpu, vcpu_read_gpr(vcpu, CR_REGISTER(q)));
		break;
	case 4:
		mov_to_cr4(vcpu, vcpu_read_gpr(vcpu, CR_REGISTER(q)));
		break;
	case 8:
		if (vcpu->nested.cur->no_virtual_apic)
			absent_cr8(vcpu, q);
		else
			vcpu_handle_exit(vcpu, EXIT_CR_ACCESS);
		break;
	default:
		vcpu_handle_exit(vcpu, EXIT_CR_ACCESS);
		break;
	}
}

/* ---- exits ---- */

/*
 * L0's business. L1 comes to run when it intercepts an exception that L0 raised, or by its
 * monitor trap flag when L0 completed an instruction. Exits to L1 shall not pay for its stack
 * frame.
 */
static __attribute__((noinline)) void handle_in_l0(struct vcpu *vcpu, uint32_t reason)
{
	static const struct nested_event mtf = {.kind = NESTED_MTF};
	bool trapped = nested_who_takes(&vcpu->nested, &mtf) == TAKER_L1;
	uint64_t rip = trapped ? vmread(VMCS_GUEST_RIP) : 0, rcx = vcpu->regs.r[REG_RCX];

	if (reason == EXIT_CR_ACCESS)
		handle_l2_cr_access(vcpu);
	else if (reason == EXIT_HLT)
		halt(vcpu);
	else
		vcpu_handle_exit(vcpu, reason);
	/* an iteration of a repetition counts (25.5.2): RCX tells */
	if (trapped && vcpu->nested.in_l2 &&
		(vmread(VMCS_GUEST_RIP) != rip || vcpu->regs.r[REG_RCX] != rcx)) {
		nested_deliver(&vcpu->nested, &mtf);
		vcpu->state = VCPU_RUNNABLE;
	}
}

void l2_exit(struct vcpu *vcpu, uint32_t reason)
{
	struct nested *n = &vcpu->nested;

	if (n->cur->timer_on && !n->run_pending)
		account_gap(vcpu);
	switch (nested_l2_exit(n, reason)) {
	case NESTED_L1:
		break;
	case NESTED_RESUME:
		vcpu->rest_tsc = vcpu->exit_tsc;
		vcpu_redeliver(vcpu);
		break;
	case NESTED_L0:
		vcpu->rest_tsc = vcpu->exit_tsc;
		handle_in_l0(vcpu, reason);
		break;
	}
	if (!n->in_l2)
		left(vcpu, false);
}

void l2_exit_of_debugger(struct vcpu *vcpu, uint64_t conditions)
{
	struct nested *n = &vcpu->nested;

	if (n->cur->timer_on && !n->run_pending)
		account_gap(vcpu);
	nested_l2_exit_of_l0(n);
	vcpu->rest_tsc = vcpu->exit_tsc;
	if (conditions != 0)
		vcpu_inject_debug(vcpu, conditions);
	if (!n->in_l2)
		left(vcpu, false);
}
