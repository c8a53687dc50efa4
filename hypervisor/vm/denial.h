/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest can do to the CPU itself, and so to others (docs/denial.md): what the machine
 * has against it, and what a VM had of it.
 */
#ifndef NESTOR_VM_DENIAL_H
#define NESTOR_VM_DENIAL_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vm;

/* Ticks for which a guest that met a split lock takes them, at most. */
#define DENIAL_WINDOW (1u << 14)

/* The current VMCS is new, and gets these secondary controls. */
void denial_vmcs_create(uint32_t proc2);

/*
 * Decides whether split locks raise #AC in guests, which is L0's: on processors without
 * bus-lock exits, where each core has one thread in use. Boot CPU, in VMX operation, before any
 * runs guests.
 */
void denial_init(bool threads_share_cores);
/* On each CPU that runs guests, afterwards. */
void denial_cpu(void);
/* Whether that is so on this machine. */
bool denial_split_locks(void);
/* This CPU runs the vCPU from now on; or how that takes split locks has changed. */
void denial_enter_cpu(const struct vcpu *vcpu);

/* The exit under way, for another reason, tells that the guest has locked the bus (SDM 27.2.1
 * "Basic VM-Exit Information": bit 26). */
void denial_bus_locked(struct vcpu *vcpu);
/* The exit under way is for that reason. */
void denial_exited(struct vcpu *vcpu);
/* Whether the vCPU, whose slow_until is not 0, has to wait on: then until that. */
bool denial_holds(struct vcpu *vcpu);

/*
 * Of events (enum vcpu_event) those that are handled now: interrupts and NMIs wait while the
 * vCPU goes to execute a split lock, until its next exit, in DENIAL_WINDOW at the latest.
 */
uint32_t denial_hold_back(struct vcpu *vcpu, uint32_t events);
/* EVENT_LOCKS: that exit has come. Events that have to be handled now. */
uint32_t denial_window_over(struct vcpu *vcpu);
/* The vCPU is reset, and what was deferred is gone: it does not execute that lock. */
void denial_reset(struct vcpu *vcpu);

/* The VM has ended: logs how often it has locked the bus, if it has. */
void denial_report(const struct vm *vm);

#endif
