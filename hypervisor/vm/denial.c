/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest can do to the CPU itself, and so to others: an instruction or a delivery that
 * leaves no room for an interrupt, and locks that stop the memory of all CPUs. Where the
 * machine can, such things exit (docs/denial.md).
 */
#include "vm/vm_int.h"

#include "cpu/log.h"
#include "nested/nested.h"
#include "vmx/asm.h"

/*
 * Ticks without a moment in which an interrupt could be taken. No instruction of a guest takes
 * so long that does not exit anyway, and if one did it would only go on; a CPU that is held up
 * for so long, a third of a millisecond, does no harm yet.
 */
#define NOTIFY_WINDOW (1u << 20)

void denial_vmcs_create(uint32_t proc2)
{
	if (proc2 & PROC2_NOTIFY_EXITING)
		vmcs_write_setup(VMCS_NOTIFY_WINDOW, NOTIFY_WINDOW);
}

/*
 * The guest was somewhere in the middle: it goes on as behind an EPT violation, unless the
 * processor could not save where. Then it cannot be entered again (SDM "Notify VM Exits").
 */
void handle_notify(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	if (q & QUAL_NOTIFY_INVALID) {
		vm_stop(vcpu->vm, VM_END_ERROR, EXIT_NOTIFY,
			"the processor was held up, and has lost the guest's state");
		return;
	}
	if (vm_first_time(vcpu->vm, EXIT_NOTIFY))
		log_warn("'%s': L%u takes no interrupt for %u ticks, at rip %lx",
			vcpu->vm->config.name, 1u + vcpu->nested.in_l2, NOTIFY_WINDOW,
			vmread(VMCS_GUEST_RIP));
	vcpu_redeliver(vcpu);
	nested_block_nmis_again(q);
	vcpu_look_at_time(vcpu);
}

/*
 * Behind the instruction. The exit is what keeps the next lock away for a while; others have
 * their turn on this CPU first.
 */
void handle_bus_lock(struct vcpu *vcpu)
{
	if (vm_first_time(vcpu->vm, EXIT_BUS_LOCK))
		log_warn(
			"'%s': L%u locks the bus, at rip %lx; it gives its turn away each time",
			vcpu->vm->config.name, 1u + vcpu->nested.in_l2, vmread(VMCS_GUEST_RIP));
	vcpu_redeliver(vcpu);
	vcpu_post(vcpu, EVENT_YIELD);
}
