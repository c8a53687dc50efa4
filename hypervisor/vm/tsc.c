/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time-stamp counter of a vCPU: host TSC + the VM's offset + IA32_TSC_ADJUST (SDM 17.17.3
 * "Time-Stamp Counter Adjustment"). The platform's time is the VM's: what software does to a
 * vCPU's TSC moves no timer but the TSC deadline, which is compared with the vCPU's own TSC.
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "vm/nested_hw.h"
#include "vmx/asm.h"

uint64_t vcpu_tsc(const struct vcpu *vcpu)
{
	return rdtsc() + vcpu->nested.tsc_offset;
}

/* VMCS01 keeps the offset of L1; whichever VMCS is current stays so. */
static void write_offset(struct vcpu *vcpu)
{
	bool away = vcpu->vmcs != &vcpu->vmcs01;

	if (away)
		vmptrld(vcpu->vmcs01.hpa);
	vmwrite(VMCS_TSC_OFFSET, vcpu->nested.tsc_offset);
	if (away)
		vmptrld(vcpu->vmcs->hpa);
	if (vcpu->vm->config.vmx)
		nested_tsc_changed(&vcpu->nested, away);
}

void vcpu_set_tsc_adjust(struct vcpu *vcpu, uint64_t adjust)
{
	uint64_t deadline = 0;

	(void)vcpu_rdmsr_deadline(vcpu, &deadline);
	vcpu->tsc_adjust = adjust;
	vcpu->nested.tsc_offset = vcpu->vm->tsc_offset + adjust;
	write_offset(vcpu);
	if (deadline != 0)
		(void)vcpu_wrmsr_deadline(vcpu, deadline);
}

/*
 * The platform's TSC deadline has been put back in the VM's time, which this does not change.
 */
void vcpu_put_back_tsc(struct vcpu *vcpu, uint64_t adjust)
{
	vcpu->tsc_adjust = adjust;
	vcpu->nested.tsc_offset = vcpu->vm->tsc_offset + adjust;
	write_offset(vcpu);
}

void vcpu_set_tsc(struct vcpu *vcpu, uint64_t value)
{
	vcpu_set_tsc_adjust(vcpu, vcpu->tsc_adjust + (value - vcpu_tsc(vcpu)));
}

bool vcpu_rdmsr_deadline(struct vcpu *vcpu, uint64_t *value)
{
	bool ok = platform_rdmsr(vcpu->vm->platform, vcpu->index, MSR_TSC_DEADLINE, value);

	if (ok && *value != 0)
		*value += vcpu->tsc_adjust;
	return ok;
}

/*
 * 0 disarms; a deadline that has passed in the vCPU's time is one that passes now in the VM's.
 */
bool vcpu_wrmsr_deadline(struct vcpu *vcpu, uint64_t value)
{
	uint64_t now = vcpu_tsc(vcpu), vm_now = now - vcpu->tsc_adjust;
	uint64_t later = value > now ? value - now : 0;

	vcpu_post(vcpu, EVENT_TIMER);
	if (value != 0 && vcpu->tsc_adjust != 0)
		value = later < UINT64_MAX - 1 - vm_now ? vm_now + later : UINT64_MAX - 1;
	return platform_wrmsr(vcpu->vm->platform, vcpu->index, MSR_TSC_DEADLINE, value);
}
