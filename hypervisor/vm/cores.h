/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of a core run one VM at a time: what one thread leaves in the core's caches, buffers
 * and predictors the other may find. A VM has a core for a slice at least, and as long as no
 * other one wants it (docs/decisions/0091-threads-of-a-core.md).
 *
 * A thread holds its core for the VM whose vCPU is loaded on it, L0's work for that VM
 * included. On machines whose cores have one thread, or with threads=any, none of this does
 * anything.
 */
#ifndef NESTOR_VM_CORES_H
#define NESTOR_VM_CORES_H

#include <stdbool.h>
#include <stdint.h>

struct sched_node;

/* How many bits of a local APIC's number tell threads of a core apart; 0: there are none.
 * Before CPUs schedule. Returns how many cores have several threads that run VMs. */
unsigned cores_init(unsigned shift);

/*
 * Whether this CPU may run vCPUs of the node's VM now: then it holds its core for it, and for
 * no other one. Else its core is asked for, and *again is when to try again at the latest (host
 * TSC); before, if the core becomes free: sched_notify.
 */
bool cores_take(const struct sched_node *n, uint64_t *again);
/* After that was false, for the node of another VM that has the core: this thread joins it, for
 * as long as what it has asked for must wait. */
bool cores_join(const struct sched_node *n);
/* What this CPU has asked for that VM's sake it asks no longer: the vCPU is another CPU's. */
void cores_withdraw(unsigned vm);
/* This CPU runs nothing for a while. */
void cores_release(void);

/* The VM that this CPU may run, while another one is asked for: that of the core. -1: none. */
int cores_owner(void);
/* Must what runs here give way, since another VM wants the core and a slice is over? */
bool cores_must_yield(void);
/* When that is at the earliest, if another VM wants it; UINT64_MAX: none does. */
uint64_t cores_yield_at(void);

/* Whether that CPU's core is free, or has this VM: a vCPU that moves there can run at once. */
bool cores_suits(unsigned cpu, unsigned vm);

#endif
