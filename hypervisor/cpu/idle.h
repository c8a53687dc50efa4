/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CPU that has nothing to run sleeps, as lib/idle.h says, and how others wake it up.
 *
 * A CPU says by a word that it sleeps, looks for work, and sleeps with that word monitored: who
 * has work for it makes the work known first and changes the word then. So either the CPU sees
 * the work, or the word is changed before it sleeps or while it does, which ends the sleep
 * without an interrupt.
 */
#ifndef NESTOR_CPU_IDLE_H
#define NESTOR_CPU_IDLE_H

#include <stdbool.h>
#include <stdint.h>

/* Finds out how CPUs sleep, and logs it. Boot CPU, once. */
void idle_init(void);

/* This CPU is about to sleep: it looks for work after this. */
void idle_begin(void);
/* Sleeps until an interrupt, an NMI or idle_wake, which may have been; as cpu_sleep() does.
 * until: the host TSC of its timer; UINT64_MAX: none. */
void idle_sleep(uint64_t until);
/* It does not sleep, or no more. */
void idle_end(void);

/*
 * Sleeps once, as deep as idle= allows for so long: a CPU that never looks for work. Until an
 * interrupt, an NMI or a machine check; kicks that have come count no more.
 */
void idle_rest(uint64_t until);

/* True: that CPU sleeps, or is about to, and will look for work; else it takes an interrupt. */
bool idle_wake(unsigned cpu);

#endif
