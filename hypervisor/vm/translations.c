/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUs may have cached of a VM's translations, and what makes them drop it
 * (docs/translations.md has all changes of tables, and why each is safe).
 *
 * A CPU drops what it has of EPT01, EPT02s and VPIDs at once where it made a change itself. For
 * the others the change is an event of each vCPU, which is looked at before the next entry. A
 * vCPU that comes to a CPU has everything dropped there: what it left behind when it was there
 * before has met no event.
 */
#include "vm/devices.h"
#include "vm/nested_hw.h"
#include "vm/passed.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

#include "nested/seam.h"
#include "vmx/asm.h"

void translations_drop(void)
{
	vmx_flush_all();
}

void translations_arrive(const struct vcpu *vcpu)
{
	vmx_flush_all();
	ram_flush_window(vcpu->vm);
}

void vm_flush_others(struct vm *vm, const struct vcpu *self, bool wait)
{
	for (unsigned i = 0; i < vm->config.cpus; i++)
		if (vm->vcpus[i] != self)
			__atomic_fetch_or(&vm->vcpus[i]->events, EVENT_FLUSH, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; wait && i < vm->config.cpus; i++)
		if (vm->vcpus[i] != self)
			sched_wait_out(vm->vcpus[i], EVENT_FLUSH);
}

/* ---- the seam of nested/ ---- */

void seam_flush_ept_here(struct nested *n, uint64_t eptp)
{
	(void)n;
	invept(INVEPT_SINGLE, eptp);
}

void seam_flush_ept(struct nested *n, uint64_t eptp, bool wait)
{
	struct vcpu *vcpu = vcpu_of(n);

	if (wait) /* EPT01's, perhaps: a dirty flag went */
		ept_changed(&vcpu->vm->ept01);
	invept(INVEPT_SINGLE, eptp);
	if (vcpu->vm->config.cpus > 1)
		vm_flush_others(vcpu->vm, vcpu, wait);
}

void seam_flush_vpid(struct nested *n, uint16_t vpid02)
{
	(void)n;
	invvpid(INVVPID_SINGLE, vpid02, 0);
}

/* ---- devices of the machine ---- */

void vcpu_windows_changed(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	uint32_t pending = passed_take_pending(vm);
	bool registers;

	vm_lock(vm);
	for (unsigned i = 0; i < VM_VOIDS; i++) {
		if (vm->void_at[i] != 0)
			(void)ept_unmap(&vm->ept01, vm->void_at[i], PAGE_SIZE);
		vm->void_at[i] = 0;
	}
	/* EPT02s alone may have them: nobody has noted that */
	registers =
		passed_unmap_direct(vm) || (vm->devices->passed.count != 0 && vm->config.vmx);
	ept_flush(&vm->ept01);
	vm_flush_others(vm, vcpu, registers);
	vm_unlock(vm);
	if (vm->config.vmx)
		vept_forget(&vcpu->nested);
	if (pending == 0)
		return;
	vm_flush_others(vm, vcpu, true); /* EPT02, too */
	passed_do_pending(vm, pending);
}
