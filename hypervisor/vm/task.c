/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task switches of L1 between VMCS01 and emul/task_switch.c. Those of L2 are always L1's
 * (nested/reflect.def).
 */
#include "emul/task_switch.h"
#include "vm/seam_emul.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "vmx/asm.h"

static void read_cpu(const struct emulation *e, struct task_cpu *cpu)
{
	for (unsigned i = 0; i < REG_COUNT_32; i++)
		cpu->r[i] = (uint32_t)e->vcpu->regs.r[i];
	cpu->r[REG_RSP] = vmread32(VMCS_GUEST_RSP);
	cpu->eip = vmread32(VMCS_GUEST_RIP);
	cpu->eflags = vmread32(VMCS_GUEST_RFLAGS);
	cpu->dr7 = vmread32(VMCS_GUEST_DR7);
	for (uint32_t i = 0; i < SEG_COUNT; i++)
		cpu->seg[i] = (struct task_segment){
			.selector = (uint16_t)vmread(VMCS_GUEST_ES_SELECTOR + 2 * i),
			.base = vmread32(VMCS_GUEST_ES_BASE + 2 * i),
			.limit = vmread32(VMCS_GUEST_ES_LIMIT + 2 * i),
			.ar = vmread32(VMCS_GUEST_ES_AR + 2 * i),
		};
	cpu->gdt_base = vmread32(VMCS_GUEST_GDTR_BASE);
	cpu->gdt_limit = vmread32(VMCS_GUEST_GDTR_LIMIT);
	cpu->cr0 = e->paging.cr0;
	cpu->cr3 = e->paging.cr3;
	cpu->cr4 = e->paging.cr4;
}

static void write_cpu(struct vcpu *vcpu, const struct task_cpu *cpu)
{
	for (unsigned i = 0; i < REG_COUNT_32; i++)
		vcpu->regs.r[i] = cpu->r[i];
	vmwrite(VMCS_GUEST_RSP, cpu->r[REG_RSP]);
	vmwrite(VMCS_GUEST_RIP, cpu->eip);
	vmwrite(VMCS_GUEST_RFLAGS, cpu->eflags);
	vmwrite(VMCS_GUEST_DR7, cpu->dr7);
	for (uint32_t i = 0; i < SEG_COUNT; i++) {
		vmwrite(VMCS_GUEST_ES_SELECTOR + 2 * i, cpu->seg[i].selector);
		vmwrite(VMCS_GUEST_ES_BASE + 2 * i, cpu->seg[i].base);
		vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, cpu->seg[i].limit);
		vmwrite(VMCS_GUEST_ES_AR + 2 * i, cpu->seg[i].ar);
	}
	vmwrite(VMCS_GUEST_CR0, cpu->cr0);
	if (cpu->cr3 != vmread(VMCS_GUEST_CR3)) {
		vmwrite(VMCS_GUEST_CR3, cpu->cr3);
		invvpid(INVVPID_SINGLE, vcpu_vpid01(vcpu), 0);
	}
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
		vmread32(VMCS_GUEST_INTERRUPTIBILITY) &
			~(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
	/* The single-step trap of the old task is gone. */
	vmwrite(VMCS_GUEST_PENDING_DBG, vmread(VMCS_GUEST_PENDING_DBG) & ~PENDING_DBG_BS);
}

/* By an instruction, INT n and its like included: the old task goes on after it. */
static bool by_instruction(enum task_source source, uint32_t vectoring)
{
	return source != TASK_GATE ||
	       (vectoring & INTR_INFO_VALID && INTR_INFO_TYPE(vectoring) >= INTR_SW_INTERRUPT);
}

static struct task_request request_of(uint64_t q, uint32_t vectoring)
{
	bool event = vectoring & INTR_INFO_VALID;
	uint32_t type = INTR_INFO_TYPE(vectoring);

	return (struct task_request){
		.selector = (uint16_t)TASK_SELECTOR(q),
		.source = (enum task_source)TASK_SOURCE(q),
		.external = event && type != INTR_SW_INTERRUPT && type != INTR_SW_EXCEPTION,
		.has_error = event && vectoring & INTR_INFO_ERROR_CODE,
		.error = vmread32(VMCS_IDT_VECTORING_ERROR_CODE),
	};
}

/* Whether or not the switch succeeds: IRET unblocks NMIs, the delivery of one blocks them (SDM
 * 6.7.1). */
static void block_nmis(enum task_source source, uint32_t vectoring)
{
	uint32_t blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

	if (source == TASK_IRET)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~INTERRUPTIBILITY_NMI);
	else if (source == TASK_GATE && vectoring & INTR_INFO_VALID &&
		 INTR_INFO_TYPE(vectoring) == INTR_NMI)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking | INTERRUPTIBILITY_NMI);
}

void handle_task_switch(struct vcpu *vcpu)
{
	struct emulation e;
	struct task_request request;
	struct task_cpu cpu;
	struct task_result r;
	uint32_t vectoring;

	emulation_begin(&e, vcpu);
	vectoring = vmread32(VMCS_IDT_VECTORING_INFO);
	request = request_of(vmread(VMCS_EXIT_QUALIFICATION), vectoring);
	read_cpu(&e, &cpu);
	if (by_instruction(request.source, vectoring))
		cpu.eip += vmread32(VMCS_EXIT_INSTRUCTION_LENGTH);
	if (request.source != TASK_GATE)
		cpu.eflags &= ~(uint32_t)RFLAGS_RF; /* the instruction is complete */
	block_nmis(request.source, vectoring);
	r = task_switch(&e.env, &cpu, &request);
	if (r.switched)
		write_cpu(vcpu, &cpu);
	if (r.fault && r.vector == VEC_PF)
		vcpu_inject_paging_fault(vcpu, &e.fault);
	else if (r.fault)
		vcpu_inject_exception(vcpu, r.vector, true, r.error);
	else if (r.debug)
		vcpu_inject_debug(vcpu, DR6_BT); /* SDM 17.3.1.5 */
}
