/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug exceptions over what L0 completes: the processor takes those that are pending in the
 * VMCS right after the entry, as a trap behind the instruction.
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
