/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start of the other CPUs.
 */
#ifndef NESTOR_BOOT_SMP_H
#define NESTOR_BOOT_SMP_H

/*
 * Starts all other CPUs by INIT and start-up IPIs to "all excluding self"; those that answer
 * run ap_main. `expected` is how many CPUs the MADT names (0: unknown; then it waits until none
 * answers any more). Needs a free page below 1 MiB.
 */
void smp_start(unsigned expected);

#endif
