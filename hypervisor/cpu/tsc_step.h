/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TSCs in step: vCPUs move, and L0 compares times of different CPUs, so all CPUs that run VMs
 * go by one clock, the boot CPU's.
 */
#ifndef NESTOR_CPU_TSC_STEP_H
#define NESTOR_CPU_TSC_STEP_H

#include <stdbool.h>
#include <stdint.h>

/* Boot CPU, before others join. */
void tsc_step_init(void);
/* Boot CPU: answers others for so many microseconds. */
void tsc_step_answer(uint64_t us);

/*
 * Any other CPU, while the boot CPU answers: puts its TSC in step, if it is not. False, with a
 * line in the log: it cannot be.
 */
bool tsc_step_join(void);

/*
 * Each CPU, now and then while VMs run: if its TSC tells less than another one's did before, it
 * is set forward, with a line in the log. Logic: lib/tsc_step.h.
 */
void tsc_step_look(void);
/* selftest=drift: CPU 1 loses a second of a processor of 50 MHz, once. */
void tsc_step_disturb(void);

#endif
