#include "vm/vm_int.h"
void handle_ept_violation(struct vcpu *vcpu)
{
	vm_stop(vcpu->vm, VM_END_ERROR, EXIT_EPT_VIOLATION, "MMIO is not emulated yet");
}
