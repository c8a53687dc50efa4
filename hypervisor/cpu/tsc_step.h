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

#endif
