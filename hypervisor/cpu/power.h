/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The speed of this machine's processors, as performance= says, and their heat.
 */
#ifndef NESTOR_CPU_POWER_H
#define NESTOR_CPU_POWER_H

/* Each CPU, before it runs VMs. The boot CPU logs what there is. */
void power_cpu_init(void);

/* At the end of a run: how many SMIs this CPU had since it came up, if the processor counts
 * them. */
void power_report(void);

/* Tells of heat and limits that slowed this CPU down, if it is time. Each CPU, now and then. */
void power_poll(void);

#endif
