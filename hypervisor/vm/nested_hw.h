/*
 * The hardware VMCSs for L2 of a vCPU. For nested_hw.c and nested_glue.c only.
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

/* The vCPU's part in vcpu_leave_cpu and vcpu_enter_cpu. */
void nested_hw_leave_cpu(struct vcpu *vcpu);
void nested_hw_enter_cpu(struct vcpu *vcpu);

static inline struct vcpu *vcpu_of(struct nested *n)
{
	return (struct vcpu *)((uint8_t *)n - offsetof(struct vcpu, nested));
}

#endif
