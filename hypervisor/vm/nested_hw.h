/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware side of the virtual VT-x: the hardware VMCSs for L2 of a vCPU, and what vm/
 * calls to have them made and moved.
 */
#ifndef NESTOR_VM_NESTED_HW_H
#define NESTOR_VM_NESTED_HW_H

#include <stddef.h>

#include "vm/vm.h"

struct nested_hw {
	struct hw_vmcs vmcs02[NVMCS_SLOTS];
	struct hw_vmcs shadow[NVMCS_SLOTS];
	void *spare[2 * NVMCS_SLOTS]; /* a page for each of them, until it is used */
	unsigned spares;
};

/*
 * Prepares vm->nested_vm, whose caps and shadowing are set. False: the VM's pool is too small.
 */
bool nested_hw_create(struct vm *vm);

/* What VMCS01 is set to; once, before the first entry. vm->msr_bitmap is filled. */
void nested_hw_controls(struct vm *vm, const struct nested_l0_controls *l0);

/* The vCPU's share; VMCS01 is current and has its controls. False: the pool is too small. */
bool nested_hw_vcpu_create(struct vcpu *vcpu);

/* Back to what nested_hw_vcpu_create left; VMCS01 is current before and after. */
void nested_hw_reset(struct vcpu *vcpu);

/* The vCPU's part in vcpu_leave_cpu and vcpu_enter_cpu. */
void nested_hw_leave_cpu(struct vcpu *vcpu);
void nested_hw_enter_cpu(struct vcpu *vcpu);

static inline struct hw_vmcs *nested_hw_vmcs02(const struct vcpu *vcpu, const struct nvmcs *v)
{
	return &vcpu->nested_hw->vmcs02[v->hw];
}

static inline struct vcpu *vcpu_of(struct nested *n)
{
	return (struct vcpu *)((uint8_t *)n - offsetof(struct vcpu, nested));
}

#endif
