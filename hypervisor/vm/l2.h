/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vm/ does while L2 runs: its exits, the events that arrive, the switches to and from it.
 */
#ifndef NESTOR_VM_L2_H
#define NESTOR_VM_L2_H

#include <stdbool.h>
#include <stdint.h>

struct nested_event;
struct vcpu;

/* An exit of L2; VMCS02 is current. Exits of L1 shall not pay for its stack frame. */
__attribute__((noinline)) void l2_exit(struct vcpu *vcpu, uint32_t reason);

/* An exit that neither L1 nor L2 knows of, for a debugger; `conditions` of a #DB are left. */
void l2_exit_of_debugger(struct vcpu *vcpu, uint64_t conditions);

/* The hardware refused VMCS02, which is current. */
void l2_entry_failed(struct vcpu *vcpu, uint32_t reason);
/* The same by a VMfail with this VM-instruction error. */
void l2_entry_vmfailed(struct vcpu *vcpu, uint32_t error);

/* L1's VM entry made L2 run next. */
void l2_entered(struct vcpu *vcpu);

/*
 * L2 rests (the vCPU is VCPU_HALTED): whether it still does. In the time that has passed since
 * the last question L1's preemption timer ran. nmi: one is pending.
 */
void l2_rest(struct vcpu *vcpu, bool nmi);
/* Only the time. */
void l2_account_rest(struct vcpu *vcpu);
/* When l2_rest has to be asked again, as host TSC; DEV_NEVER: when an event comes. */
uint64_t l2_rest_deadline(const struct vcpu *vcpu);

/*
 * An event arrives while L2 runs (in_l2 is set); `post` is the enum vcpu_event that stands for
 * it. True when it is settled: L1 is next, or L2 will exit at once (vcpu->deferred), or it
 * waits (nmi_waits). False: L2 itself has to take it.
 */
bool l2_event(struct vcpu *vcpu, const struct nested_event *e, uint32_t post);

#endif
