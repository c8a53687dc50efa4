/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start of the other CPUs.
 */
#ifndef NESTOR_BOOT_SMP_H
#define NESTOR_BOOT_SMP_H

#include <stdint.h>

/*
 * Starts other CPUs by INIT and start-up IPIs; those that answer run ap_main. They are those
 * with these local APICs, or, if it is not known which there are (@count is 0), all. Needs a
 * free page below 1 MiB.
 */
void smp_start(const uint32_t *ids, unsigned count);

#endif
