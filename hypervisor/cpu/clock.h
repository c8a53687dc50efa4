/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time of day, for VMs that start.
 */
#ifndef NESTOR_CPU_CLOCK_H
#define NESTOR_CPU_CLOCK_H

#include <stdint.h>

/*
 * The time of day now, from the configuration, else the machine's real-time clock, else
 * 2026-01-01. Once, boot CPU, after tsc_init.
 */
void clock_init(void);

/* Seconds since 1970, now, and how many TSC ticks ago that second began. Any CPU. */
uint64_t clock_now(uint64_t *ticks);

#endif
