/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine checks of this machine: banks of error registers are read, logged and cleared; an
 * exception is judged once for all CPUs that it met.
 */
#ifndef NESTOR_CPU_MCE_H
#define NESTOR_CPU_MCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mce.h"

/*
 * Tells of what firmware left in the banks of this CPU, turns them all on, and CR4.MCE. Each
 * CPU, before it makes a VMCS. percpu_init comes first.
 */
void mce_cpu_init(void);
/*
 * The same for a CPU that runs nothing from now on: it takes exceptions, which would shut the
 * machine down if CR4.MCE were clear on one of those that get them, and no interrupts yet.
 */
void mce_cpu_park(void);
/*
 * Its banks that no other CPU has interrupt it from now on. After those that run VMs have
 * claimed theirs, which may then sleep less; after apic_init.
 */
void mce_cpu_claim(void);

/* The processor can tell one CPU alone of an error that is its own only (LMCE). */
bool mce_has_local(void);

/* ... and does, if IA32_FEATURE_CONTROL lets it. Each CPU, once that is locked (vmx_unlock). */
void mce_local_on(void);

/* Looks for errors that made no exception, if it is time. Each CPU, now and then. */
void mce_poll(void);
/* When a CPU that does nothing else has to look again: host TSC; UINT64_MAX: it has not to. */
uint64_t mce_poll_due(void);

/* A bank of this CPU interrupts at a corrected error: VECTOR_CMCI. */
void mce_interrupt(void);

/*
 * A machine-check exception: while L0 ran, or a guest (a VM exit). Waits a bounded time for
 * other CPUs that got it, too. MCE_GO_ON or, for a guest, MCE_END_VM; it does not return if the
 * machine cannot go on. After one that met a guest the CPU takes the next.
 */
enum mce_verdict mce_exception(bool in_guest);

/* After one that met L0 it does from here on: cpu/trap.S, where that does no harm. */
void mce_end(void);

/* selftest=machine-check: in place of the registers of a bank, from now on, until it is cleared
 * like those. Then the status of the exception. */
void mce_simulate(unsigned bank, const struct mce_bank *b, uint64_t mcg_status);

#endif
