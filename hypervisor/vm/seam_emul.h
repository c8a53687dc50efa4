/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vCPU whose instruction emul/ completes, on the current VMCS.
 */
#ifndef NESTOR_VM_SEAM_EMUL_H
#define NESTOR_VM_SEAM_EMUL_H

#include "emul/emul.h"
#include "emul/task_switch.h"
#include "nested/paging.h"
#include "vm/vm.h"

/* A page that the instruction is known to reach, for reads or for writes. */
struct known_page {
	uint64_t linear; /* NO_PAGE: none */
	struct gpa_l1 at;
	uint8_t *host; /* NULL: not in RAM */
};
#define NO_PAGE 1ull

struct emulation {
	struct emul_env env; /* the first member: the seam finds the rest from it */
	struct vcpu *vcpu;
	struct emul_mode mode;
	struct paging_state paging; /* env has CR3 and the rights that count */
	struct paging_fault fault;  /* the last one of an access to memory */
	/* from emulation_cpu on */
	bool keep;                  /* translations */
	struct known_page known[2]; /* by whether it is a write */
	uint64_t rip, rsp, rflags;  /* as they were */
	uint64_t dr7;
	uint64_t hits; /* pending debug exceptions of its accesses to memory */
};

void emulation_begin(struct emulation *e, struct vcpu *vcpu);

/*
 * The registers that an instruction works on: those of the vCPU, not a copy. From here on
 * translations are kept: what an instruction could write it can write.
 */
void emulation_cpu(struct emulation *e, struct emul_cpu *cpu);

/* The exit says where this page of its operand is. */
void emulation_know(struct emulation *e, uint64_t linear, uint64_t gpa, bool write);

/*
 * RSP and RFLAGS go back; then RIP, with the debug exceptions that are due, or the fault to
 * whom it belongs: L1 may come to run. Once after emulation_cpu.
 */
void emulation_end(struct emulation *e, const struct emul_cpu *cpu, enum emul_end end);

#endif
