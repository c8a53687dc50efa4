/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IA32_SPEC_CTRL of an L2 whose L1 virtualizes it (the control's title, newer than the pinned
 * edition): L2 changes bits that the mask leaves to it, and reads what it has written. Each
 * access of L2 exits anyway, since L0 decides what is loaded at an entry and what at an exit
 * (vm/mitigate.c): so L0 completes it here, and VMCS02 does not have the control.
 */
#include "nested/nested_int.h"

bool spec_ctrl_owns(const struct nested *n, const struct nvmcs *v)
{
	return (uint32_t)n->gpr[REG_RCX] == MSR_SPEC_CTRL &&
	       proc3_of(v) & PROC3_VIRTUALIZE_SPEC_CTRL;
}

void spec_ctrl_read(struct nested *n, const struct nvmcs *v)
{
	n->gpr[REG_RAX] = (uint32_t)v->f[FID_SPEC_CTRL_SHADOW];
	n->gpr[REG_RDX] = v->f[FID_SPEC_CTRL_SHADOW] >> 32;
	nested_skip();
}

/* What would be a fault of the composed value is one: bits that L1 keeps are as they are. */
bool spec_ctrl_write(struct nested *n, struct nvmcs *v)
{
	uint64_t mask = v->f[FID_SPEC_CTRL_MASK], old = 0;
	uint64_t source = n->gpr[REG_RDX] << 32 | (uint32_t)n->gpr[REG_RAX];

	if (!seam_rdmsr(n, MSR_SPEC_CTRL, &old) ||
		!seam_wrmsr(n, MSR_SPEC_CTRL, (old & mask) | (source & ~mask))) {
		(void)insn_fault(n, INSN_GP, DENIAL_MSR_SPECULATION, source);
		insn_raise(n, VEC_GP);
		return false;
	}
	v->f[FID_SPEC_CTRL_SHADOW] = source;
	nested_skip();
	return true;
}
