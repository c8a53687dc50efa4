/*
 * The vCPU whose instruction emul/ completes, on the current VMCS.
 */
#ifndef NESTOR_VM_SEAM_EMUL_H
#define NESTOR_VM_SEAM_EMUL_H

#include "emul/emul.h"
#include "emul/task_switch.h"
#include "nested/paging.h"
#include "vm/vm.h"

struct emulation {
	struct emul_env env; /* the first member: the seam finds the rest from it */
	struct vcpu *vcpu;
	struct emul_mode mode;
	struct paging_state paging; /* env has CR3 and the rights that count */
	struct paging_fault fault;  /* the last one of an access to memory */
	uint64_t rsp, rflags;       /* as they were, from emulation_cpu on */
};

void emulation_begin(struct emulation *e, struct vcpu *vcpu);

/* The registers that an instruction works on: those of the vCPU, not a copy. */
void emulation_cpu(struct emulation *e, struct emul_cpu *cpu);

/*
 * RSP and RFLAGS go back; then RIP behind the instruction of this length, or the fault to whom it belongs:
 * L1 may come to run. Once after emulation_cpu.
 */
void emulation_end(
	struct emulation *e, const struct emul_cpu *cpu, enum emul_end end, uint64_t length);

#endif
