/*
 * The virtual VT-x of L1 on real hardware: what the exit and entry paths of vm/ call for it.
 */
#ifndef NESTOR_VM_NESTED_GLUE_H
#define NESTOR_VM_NESTED_GLUE_H

#include <stdbool.h>
#include <stdint.h>

struct nested_l0_controls;
struct vm;
struct vcpu;

/* Bytes that a VM with VT-x needs in its pool for it; config must be set. */
uint64_t nested_glue_pool_need(const struct vm *vm);

/* Prepares vm->nested_vm, whose caps and shadowing are set. False: the VM's pool is too small. */
bool nested_glue_create(struct vm *vm);

/* What VMCS01 is set to; once, before the first entry. vm->msr_bitmap is filled. */
void nested_glue_controls(struct vm *vm, const struct nested_l0_controls *l0);

/* The vCPU's share; VMCS01 is current and has its controls. False: the pool is too small. */
bool nested_glue_vcpu_create(struct vcpu *vcpu);

/*
 * An exit of L2; VMCS02 is current. True when nothing is left to do (VMCS01 may be current now);
 * false when L0's ordinary handler has to run, on VMCS02. Exits of L1 shall not pay for its stack
 * frame. injected: the last entry injected an event.
 */
__attribute__((noinline)) bool nested_glue_exit(
	struct vcpu *vcpu, uint32_t reason, bool injected);

/* L2 ended: what it could not take yet, by VMCS02's primary controls proc02, is L1's now. */
void nested_glue_left(struct vcpu *vcpu, uint32_t proc02);

/* L1's VM entry made L2 run next. */
void nested_glue_entered(struct vcpu *vcpu);

/*
 * Before an entry into L2 while an interrupt or NMI waits for L1. True when that is settled (L1
 * is next, or L2 will exit at once: vcpu->deferred); false when L2 itself has to take the event.
 */
bool nested_glue_irq(struct vcpu *vcpu);
bool nested_glue_nmi(struct vcpu *vcpu);
/* The same for INIT; false leaves it to L1's own blocking. */
bool nested_glue_init(struct vcpu *vcpu);

#endif
