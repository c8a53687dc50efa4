/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start of the other CPUs.
 */
#ifndef NESTOR_BOOT_SMP_H
#define NESTOR_BOOT_SMP_H

#include <stdbool.h>
#include <stdint.h>

/* CPUs by the ids of their local APICs; the boot CPU may be among them. */
struct smp_ids {
	const uint32_t *ids;
	unsigned count;
};

/*
 * Where firmware does not tell which CPUs there are: starts all others, each of which tells the
 * id of its local APIC and stops, with machine checks let in. How many there are in @ids, which
 * has room for @most, this one first; 1 if there is no free page below 1 MiB. After apic_init.
 */
unsigned smp_ask(uint32_t *ids, unsigned most);

/*
 * Starts other CPUs by INIT and start-up IPIs; those that answer run ap_main. Those in @used
 * are to be used, up to maxcpus= with this one; then those in @idle, which are not. Returns
 * when those that come have joined or are parked; cpu_count is how many are used. Needs a free
 * page below 1 MiB; where there is no memory for their data, all take machine checks only.
 */
void smp_start(const struct smp_ids *used, const struct smp_ids *idle);

/*
 * Any other CPU, once, when percpu_init and apic_init are done: it is to be used, and counts
 * as online. False: it is not, or comes too late; it parks (struct cpu_shared).
 */
bool smp_join(void);

#endif
