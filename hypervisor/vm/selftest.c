/*
 * Tests of L0 by itself, on a running VM; the option selftest= asks for them.
 */
#include "vm/create.h"
#include "vm/vm_int.h"

#include "cpu/mem.h"
#include "vm/nested_hw.h"
#include "vm/state.h"

/*
 * The vCPU's state is taken, the vCPU becomes as after power-on, and the state is put back: whoever runs
 * on it must not notice. It is current, and between two entries.
 */
void selftest_state(struct vcpu *vcpu)
{
	struct vcpu_saved *s = vcpu->saved;

	if (vcpu->state == VCPU_STOPPED)
		return;
	vcpu_save_registers(vcpu);
	vcpu_get_state(vcpu, s);
	vcpu_use_vmcs(vcpu, &vcpu->vmcs01);
	if (vcpu->nested_hw != NULL)
		nested_hw_reset(vcpu);
	vcpu_power_on(vcpu);
	memset(vcpu->xsave, 0, PAGE_SIZE);
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	memset(vcpu->msr, 0, sizeof(vcpu->msr));
	vcpu->cr2 = 0;
	vcpu->injecting = false;
	if (!vcpu_set_state(vcpu, s)) {
		vm_stop(vcpu->vm, VM_END_ERROR, 0, "selftest: its own state is refused");
		return;
	}
	vcpu_load_registers(vcpu);
}

bool selftest_create(struct vcpu *vcpu)
{
	unsigned pages = (sizeof(struct vcpu_saved) + PAGE_SIZE - 1) / PAGE_SIZE;

	vcpu->saved = pool_get_run(&vcpu->vm->pool, pages);
	return vcpu->saved != NULL;
}
