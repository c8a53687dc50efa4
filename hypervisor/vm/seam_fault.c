/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fault in L0 means for the VMs: the one being handled is stopped, the others go on.
 */
#include "vm/vm_int.h"

#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "vmx/asm.h"
#include "vmx/stub.h"

#define MAX_CONTAINED 4u

void fault_print_context(void)
{
	struct vcpu *vcpu = this_cpu()->current;

	if (vcpu == NULL)
		return;
	log_error("while handling VM '%s' vcpu %u in L%u, exit reason %lu",
		vcpu->vm->config.name, vcpu->index, 1u + vcpu->nested.in_l2,
		vmread(VMCS_EXIT_REASON));
}

/*
 * Sound while L0's own state is not shared between VMs: a handler works on its VM's memory
 * only, and the run queues are changed in single stores. Where no VM was being handled there is
 * nothing to go on with.
 */
void fault_contain(void)
{
	static unsigned contained;
	struct vcpu *vcpu = this_cpu()->current;

	if (vcpu == NULL || vcpu->node == NULL ||
		__atomic_fetch_add(&contained, 1, __ATOMIC_RELAXED) >= MAX_CONTAINED)
		return;
	spin_unlock_all();
	vm_stop(vcpu->vm, VM_END_L0_FAULT, 0, "fault in L0 while handling it");
	vmx_restart();
}
