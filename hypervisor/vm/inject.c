/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Injection of events at the next entry: exceptions that L0 raises, and events whose delivery
 * an exit interrupted.
 */
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "spec/exceptions.h"
#include "vmx/asm.h"

void vcpu_inject(struct vcpu *vcpu, uint32_t info, uint32_t error_code, uint32_t length)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, info | INTR_INFO_VALID);
	if (info & INTR_INFO_ERROR_CODE)
		vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, error_code);
	if (INTR_INFO_TYPE(info) >= INTR_SW_INTERRUPT &&
		INTR_INFO_TYPE(info) <= INTR_SW_EXCEPTION)
		vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, length);
	vcpu->injecting = true;
}

void vcpu_shut_down(struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;

	/* In VMX operation INIT is blocked: the processor would stay as it is. */
	if (vcpu->nested.vmxon || !platform_shuts_down(vm->platform))
		vm_stop(vcpu->vm, VM_END_TRIPLE_FAULT, 0, "triple fault");
	else
		vm_log(vm, LOG_INFO, "'%s': a triple fault resets its processors, as CMOS says",
			vm->config.name);
}

static void shut_down(struct vcpu *vcpu)
{
	if (vcpu->nested.in_l2)
		nested_deliver(
			&vcpu->nested, &(struct nested_event){.kind = NESTED_TRIPLE_FAULT});
	else
		vcpu_shut_down(vcpu);
}

static bool l1_takes(struct vcpu *vcpu, uint32_t info, uint32_t error, uint64_t qualification)
{
	return vcpu->nested.in_l2 &&
	       nested_exception(&vcpu->nested, info, error, qualification);
}

/*
 * An L1 that intercepts the exception gets it instead of its L2. Otherwise an event whose
 * delivery the exit interrupted decides what the exception becomes (SDM 6.15, table 6-5).
 */
static void raise(struct vcpu *vcpu, uint32_t info, uint32_t error, uint64_t linear)
{
	/* In real mode exceptions have no error code, and entries may not deliver one
	 * (26.2.1.3). */
	uint32_t no_code = vmread(VMCS_GUEST_CR0) & CR0_PE ? 0 : INTR_INFO_ERROR_CODE;
	uint32_t double_fault =
		(VEC_DF | INTR_HW_EXCEPTION << 8 | INTR_INFO_ERROR_CODE) & ~no_code;
	enum exception_outcome outcome;

	info &= ~no_code;
	/* RF in the frame of a fault (SDM 17.3.1.1): an injected event pushes RFLAGS as they
	 * are (26.6.1.1). */
	if (INTR_INFO_VECTOR(info) != VEC_DB)
		vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
	if (l1_takes(vcpu, info, error, linear))
		return;
	if (INTR_INFO_VECTOR(info) == VEC_PF)
		write_cr2(linear);
	outcome = exception_combine(
		vmread32(VMCS_IDT_VECTORING_INFO), (uint8_t)INTR_INFO_VECTOR(info));
	if (outcome == OUTCOME_SHUTDOWN)
		shut_down(vcpu);
	else if (outcome == OUTCOME_SERIAL)
		vcpu_inject(vcpu, info, error, 0);
	else if (!l1_takes(vcpu, double_fault, 0, 0))
		vcpu_inject(vcpu, double_fault, 0, 0);
}

void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
	raise(vcpu, vector | INTR_HW_EXCEPTION << 8 | (has_error ? INTR_INFO_ERROR_CODE : 0),
		error, 0);
}

/*
 * An injected #DB changes no register itself (SDM 26.6.1), so what its delivery changes is done
 * here. It ends what would refuse an entry without a pending debug exception (26.3.1.5).
 */
void vcpu_inject_debug(struct vcpu *vcpu, uint64_t conditions)
{
	uint32_t info = VEC_DB | INTR_HW_EXCEPTION << 8;

	if (l1_takes(vcpu, info, 0, conditions))
		return;
	write_dr6(dr6_after(read_dr6(), conditions));
	vmwrite(VMCS_GUEST_DR7, vmread(VMCS_GUEST_DR7) & ~DR7_GD);
	vmwrite(VMCS_GUEST_DEBUGCTL,
		vmread(VMCS_GUEST_DEBUGCTL) & ~(DEBUGCTL_LBR | DEBUGCTL_BTF));
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
		vmread32(VMCS_GUEST_INTERRUPTIBILITY) &
			~(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	raise(vcpu, info, 0, 0);
}

void vcpu_inject_page_fault(struct vcpu *vcpu, uint64_t linear, uint32_t error)
{
	raise(vcpu, VEC_PF | INTR_HW_EXCEPTION << 8 | INTR_INFO_ERROR_CODE, error, linear);
}

void vcpu_inject_paging_fault(struct vcpu *vcpu, const struct paging_fault *fault)
{
	if (fault->ept)
		nested_deliver_ept_fault(&vcpu->nested, fault);
	else
		vcpu_inject_page_fault(vcpu, fault->address, fault->error_code);
}

void vcpu_inject_ud(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VEC_UD, false, 0);
}

void vcpu_inject_gp(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VEC_GP, true, 0);
}

/* SDM 27.2.4 "Information for VM Exits During Event Delivery". */
void vcpu_redeliver(struct vcpu *vcpu)
{
	uint32_t info = vmread32(VMCS_IDT_VECTORING_INFO);

	if (!(info & INTR_INFO_VALID))
		return;
	if (INTR_INFO_TYPE(info) == INTR_NMI)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			vmread32(VMCS_GUEST_INTERRUPTIBILITY) & ~INTERRUPTIBILITY_NMI);
	vcpu_inject(vcpu, info & ~INTR_INFO_NMI_UNBLOCKING,
		vmread32(VMCS_IDT_VECTORING_ERROR_CODE),
		vmread32(VMCS_EXIT_INSTRUCTION_LENGTH));
}

/*
 * Nobody asked for it: a feature that L0 neither uses nor offers, on a processor newer than L0.
 * What the guest did is not there on its virtual CPU.
 */
__attribute__((noinline)) void handle_unasked(struct vcpu *vcpu)
{
	uint32_t reason = EXIT_REASON_BASIC(vmread32(VMCS_EXIT_REASON));

	if (vm_first_time(vcpu->vm, reason < EXIT_REASON_COUNT ? reason : WARN_EXIT))
		log_warn("'%s': unexpected exit reason %u (%s) of L%u at rip %lx",
			vcpu->vm->config.name, reason, exit_reason_name(reason),
			1u + vcpu->nested.in_l2, vmread(VMCS_GUEST_RIP));
	switch (exit_unasked(reason)) {
	case UNASKED_UNDEFINED:
		vcpu_inject_ud(vcpu);
		break;
	case UNASKED_GO_ON:
		vcpu_redeliver(vcpu);
		break;
	case UNASKED_BROKEN:
		vm_stop(vcpu->vm, VM_END_ERROR, reason, "unexpected exit reason");
		break;
	}
}
