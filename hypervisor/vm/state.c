/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/state.h"

#include "cpu/asm.h"
#include "cpu/mem.h"
#include "vm/cet.h"
#include "vm/denial.h"
#include "vm/l2.h"
#include "vm/mitigate.h"
#include "vm/vm_int.h"

/* What is no event of its own is found out anew by those that a set posts. */
#define EVENTS_KEPT   ((uint32_t)(EVENT_NMI | EVENT_INIT | EVENT_SIPI))
#define EVENTS_POSTED ((uint32_t)(EVENT_IRQ | EVENT_TIMER | EVENT_FLUSH))

/* ---- registers ---- */

static void get_registers(const struct vcpu *vcpu, struct register_state *s)
{
	memcpy(s->gpr, vcpu->regs.r, sizeof(s->gpr));
	memcpy(s->dr, vcpu->dr, sizeof(s->dr));
	memcpy(s->msr, vcpu->msr, sizeof(s->msr));
	memcpy(s->cet, vcpu->cet_msr, sizeof(s->cet));
	memcpy(s->xsave, vcpu->xsave, sizeof(s->xsave));
	s->gpr[REG_RSP] = 0;
	s->cr2 = vcpu->cr2;
	s->tsc_adjust = vcpu->tsc_adjust;
	s->spec_ctrl = vcpu->spec_ctrl.value & vcpu->speculation.spec_ctrl;
	s->xcr0 = vcpu->xcr0;
	s->xss = vcpu->xss;
	s->umwait = vcpu->umwait;
	s->mtrr = *vcpu->mtrr;
}

/* L0 executes XRSTOR on it, which faults for anything else. */
static bool xsave_valid(const uint8_t *area, uint64_t components)
{
	uint64_t present, rest = 0, word;
	uint32_t mxcsr;

	memcpy(&present, area + XSAVE_HEADER, sizeof(present));
	memcpy(&mxcsr, area + XSAVE_MXCSR, sizeof(mxcsr));
	for (unsigned i = 0; i < XSAVE_HEADER_REST; i += sizeof(word)) {
		memcpy(&word, area + XSAVE_HEADER + sizeof(present) + i, sizeof(word));
		rest |= word;
	}
	return !(present & ~components) && !(mxcsr & ~MXCSR_VALID) && rest == 0;
}

static bool mtrrs_valid(const struct mtrr_state *s)
{
	struct mtrr_state copy = *s;

	for (uint32_t msr = MSR_MTRR_PHYS_BASE_0; msr <= MSR_MTRR_DEF_TYPE; msr++) {
		const uint64_t *slot = mtrr_slot(&copy, msr);

		if (slot != NULL && !mtrr_valid(msr, *slot, vmx_caps.maxphyaddr))
			return false;
	}
	return true;
}

static bool switched_valid(const struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (!msr_policy_has(&vcpu->msrs, msr))
		return value == 0;
	return msr_policy_write(&vcpu->msrs, msr, value) == MSR_ANSWER_REGISTER;
}

static bool registers_valid(const struct vcpu *vcpu, const struct register_state *s)
{
	for (unsigned i = 0; i < VCPU_SWITCHED_MSRS; i++)
		if (!switched_valid(vcpu, vcpu_switched_msrs[i], s->msr[i]))
			return false;
	return !(s->spec_ctrl & ~vcpu->speculation.spec_ctrl) && s->dr[4] >> 32 == 0 &&
	       cet_state_valid(vcpu, s->cet, s->xss) && vcpu_xcr0_valid(vcpu, s->xcr0) &&
	       umwait_valid(vcpu, s->umwait) && xsave_valid(s->xsave, cpuid_xcr0_mask()) &&
	       mtrrs_valid(&s->mtrr);
}

static void set_registers(struct vcpu *vcpu, const struct register_state *s)
{
	memcpy(vcpu->regs.r, s->gpr, sizeof(s->gpr));
	memcpy(vcpu->dr, s->dr, sizeof(s->dr));
	memcpy(vcpu->msr, s->msr, sizeof(s->msr));
	memcpy(vcpu->cet_msr, s->cet, sizeof(s->cet));
	memcpy(vcpu->xsave, s->xsave, sizeof(s->xsave));
	vcpu->cr2 = s->cr2;
	vcpu->xcr0 = s->xcr0;
	vcpu->xss = s->xss;
	vcpu->umwait = (uint32_t)s->umwait;
	*vcpu->mtrr = s->mtrr;
}

/* ---- vCPUs ---- */

static bool sipi_waits(const struct vcpu_saved *s)
{
	return (s->events | s->deferred) & EVENT_SIPI;
}

void vcpu_get_state(struct vcpu *vcpu, struct vcpu_saved *s)
{
	vcpu_enter_cpu(vcpu);
	if (vcpu->nested.in_l2 && vcpu->state == VCPU_HALTED)
		l2_account_rest(vcpu);
	memset(s, 0, sizeof(*s));
	s->state = vcpu->state;
	s->events =
		(__atomic_load_n(&vcpu->events, __ATOMIC_SEQ_CST) | vcpu->parked) & EVENTS_KEPT;
	s->deferred = vcpu->deferred & EVENTS_KEPT;
	s->init_latched = vcpu->init_latched;
	s->nmi_waits = vcpu->nmi_waits;
	if (sipi_waits(s))
		s->sipi_vector = __atomic_load_n(&vcpu->sipi_vector, __ATOMIC_RELAXED);
	get_registers(vcpu, &s->registers);
	nested_get(&vcpu->nested, &s->nested);
}

/* What follows from L1's registers: intercepts of CR0 and CR4, and what CPUID shows of CR4 and
 * XCR0. */
static void refresh_vmcs01(struct vcpu *vcpu)
{
	struct hw_vmcs *current = vcpu->vmcs;

	vcpu_use_vmcs(vcpu, &vcpu->vmcs01);
	vcpu_update_cr_masks(vcpu);
	cpuid_update(vcpu);
	vcpu_use_vmcs(vcpu, current);
}

/*
 * An L2 that waits for a start-up IPI is never entered: the CPU would not come back from it.
 * One that rests is entered only with an event.
 */
static bool waits_as_l2_does(const struct vcpu_saved *s)
{
	uint64_t activity = s->nested.l2.f[FID_GUEST_ACTIVITY_STATE];
	bool event = s->nested.l2.event & INTR_INFO_VALID;
	bool rests = (activity == ACTIVITY_HLT || activity == ACTIVITY_SHUTDOWN) && !event;

	return !s->nested.in_l2 ||
	       ((s->nested.l2_wait_sipi != 0) == (s->state == VCPU_WAIT_SIPI) &&
		       rests == (s->state == VCPU_HALTED));
}

static bool state_valid(const struct vcpu *vcpu, const struct vcpu_saved *s)
{
	return waits_as_l2_does(s) && s->state <= VCPU_WAIT_SIPI &&
	       !(s->events & ~EVENTS_KEPT) && !(s->deferred & ~EVENTS_KEPT) &&
	       s->sipi_vector <= UINT8_MAX && registers_valid(vcpu, &s->registers);
}

bool vcpu_set_state(struct vcpu *vcpu, const struct vcpu_saved *s)
{
	if (!state_valid(vcpu, s))
		return false;
	vcpu_enter_cpu(vcpu);
	translations_drop(); /* of the registers, and the memory, that were there */
	vcpu->injecting = false;
	set_registers(vcpu, &s->registers);
	vcpu_put_back_tsc(vcpu, s->registers.tsc_adjust);
	mitigate_set_spec_ctrl(vcpu, s->registers.spec_ctrl);
	if (!nested_set(&vcpu->nested, &s->nested))
		return false;
	if (vcpu->nested.in_l2)
		apicv_entered_l2(vcpu);
	vcpu->state = (enum vcpu_state)s->state;
	vcpu->rest_tsc = rdtsc();
	vcpu->deferred = 0;
	vcpu->defers = false;
	denial_reset(vcpu);
	if (s->deferred != 0)
		vcpu_defer(vcpu, s->deferred);
	vcpu->init_latched = s->init_latched;
	vcpu->nmi_waits = s->nmi_waits;
	/* Another vCPU may send one now. */
	if (sipi_waits(s))
		__atomic_store_n(&vcpu->sipi_vector, (uint8_t)s->sipi_vector, __ATOMIC_RELAXED);
	refresh_vmcs01(vcpu);
	vcpu_add_events(vcpu, s->events | EVENTS_POSTED | (s->nmi_waits ? EVENT_NMI : 0));
	return true;
}

/* ---- VMs ---- */

void vm_get_state(struct vm *vm, struct vm_state *s)
{
	uint64_t size = vm_state_size(vm->config.cpus);

	memset(s, 0, size);
	s->size = (uint32_t)size;
	s->version = VM_STATE_VERSION;
	s->cpus = vm->config.cpus;
	platform_get_state(vm->platform, &s->platform);
	devices_get_state(vm, &s->devices);
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vcpu_get_state(vm->vcpus[i], &s->vcpu[i]);
}

bool vm_set_state(struct vm *vm, const struct vm_state *s)
{
	if (s->size != vm_state_size(vm->config.cpus) || s->version != VM_STATE_VERSION ||
		s->cpus != vm->config.cpus)
		return false;
	vm->tsc_offset = s->platform.tsc - rdtsc();
	if (!platform_set_state(vm->platform, &s->platform) ||
		!devices_set_state(vm, &s->devices))
		return false;
	for (unsigned i = 0; i < vm->config.cpus; i++)
		if (!vcpu_set_state(vm->vcpus[i], &s->vcpu[i]))
			return false;
	return true;
}
