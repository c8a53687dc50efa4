/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry to and exit from guests: vmx/stub.S and the C functions it calls.
 */
#ifndef NESTOR_VMX_STUB_H
#define NESTOR_VMX_STUB_H

#include <stdint.h>

struct vcpu;

/*
 * Loads the registers of the vCPU (which starts with struct guest_regs and the pointer to its
 * struct hw_vmcs) and enters the current VMCS. this_cpu()->current is that vCPU.
 */
_Noreturn void vmx_enter(struct vcpu *vcpu);

/* Drops all that is on this CPU's stack and enters what vm_first picks. */
_Noreturn void vmx_restart(void);
/* Provided by vm/: picks a vCPU and makes it ready for entry. */
struct vcpu *vm_first(void);

/* HOST_RIP: plain, or where the processor needs more (vmx_guard_exits). Not to be called. */
void vmx_exit_stub(void);
void vmx_exit_guarded(void);
void vmx_exit_history(void);

/*
 * Provided by vm/: a VM exit; the registers are in the vCPU. Returns the vCPU to enter next.
 * The stub calls what the vCPU has in its place.
 */
struct vcpu *vcpu_exit(struct vcpu *vcpu);
/* Provided by vm/: an NMI came before the entry. Returns the vCPU to enter. */
struct vcpu *vcpu_kicked(void);
/* Provided by vm/: DETOUR_FLUSH or DETOUR_BARRIER is set; does that. Returns the same vCPU. */
struct vcpu *vcpu_guard(struct vcpu *vcpu);
/* Provided by vm/: VMLAUNCH or VMRESUME failed (VMfail). Returns the vCPU to enter next. */
struct vcpu *vcpu_entry_failed(struct vcpu *vcpu);

#endif
