/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug exceptions over what L0 completes: the processor takes those that are pending in the
 * VMCS right after the entry, as a trap behind the instruction. And the guest's own access to
 * debug registers while a debugger needs some (vm/debugger.h).
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "emul/breakpoint.h"
#include "vmx/asm.h"

uint64_t vcpu_breakpoints(uint64_t dr7, uint64_t at, unsigned size, unsigned how)
{
	uint64_t dr[5];

	read_debug_registers(dr); /* the guest's are in the CPU */
	return emul_breakpoints(dr7, dr, at, size, (enum emul_watch)how);
}

void vcpu_pend_debug(uint64_t pending)
{
	vmwrite(VMCS_GUEST_PENDING_DBG, vmread(VMCS_GUEST_PENDING_DBG) | pending);
}

bool vcpu_debug_pending(void)
{
	return vmread(VMCS_GUEST_PENDING_DBG) & (PENDING_DBG_ENABLED | PENDING_DBG_BS);
}

uint64_t vcpu_io_breakpoints(uint16_t port, unsigned size)
{
	uint64_t dr7 = vmread(VMCS_GUEST_DR7);

	if (!emul_breakpoints_on(dr7) || !(vmread(VMCS_GUEST_CR4) & CR4_DE))
		return 0;
	return vcpu_breakpoints(dr7, port, size, WATCH_IO);
}

/* What the machine makes of a value, which then does nothing in L0. */
static uint64_t machine_dr7(uint64_t value)
{
	uint64_t own = read_dr7(), active = DR7_ENABLED | DR7_GD, made;

	write_dr7(value & ~active);
	made = read_dr7();
	write_dr7(own);
	return made | (value & active);
}

static void write_dr(unsigned number, uint64_t value)
{
	uint64_t dr[5];

	if (number == 7) {
		vmwrite(VMCS_GUEST_DR7, machine_dr7(value));
		return;
	}
	read_debug_registers(dr);
	dr[number < 4 ? number : 4] = value;
	write_debug_registers(dr);
}

static uint64_t read_dr(unsigned number)
{
	uint64_t dr[5];

	if (number == 7)
		return vmread(VMCS_GUEST_DR7);
	read_debug_registers(dr);
	return dr[number < 4 ? number : 4];
}

/*
 * MOV to or from DR. The exit comes before all faults but #UD in virtual-8086 mode and the like
 * (SDM 25.1.3), so that they are raised here. The guest's registers are in the CPU.
 */
void handle_mov_dr(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION), value;
	unsigned number = DR_NUMBER(q), reg = DR_REGISTER(q);
	bool alias = number == 4 || number == 5;

	if (alias && vmread(VMCS_GUEST_CR4) & CR4_DE) {
		vcpu_inject_ud(vcpu);
		return;
	}
	if (SEG_AR_DPL(vmread32(VMCS_GUEST_SS_AR)) != 0) {
		vcpu_inject_gp(vcpu);
		return;
	}
	if (vmread(VMCS_GUEST_DR7) & DR7_GD) {
		vcpu_inject_debug(vcpu, DR6_BD);
		return;
	}
	number += alias ? 2 : 0;
	value = vcpu_read_gpr(vcpu, reg);
	if (!(q & DR_FROM) && number >= 6 && value >> 32 != 0) {
		vcpu_inject_gp(vcpu);
		return;
	}
	if (q & DR_FROM)
		vcpu_write_gpr(vcpu, reg, read_dr(number));
	else
		write_dr(number, value);
	nested_skip();
}
