/*
 * The time of day, for VMs that start.
 */
#ifndef NESTOR_CPU_CLOCK_H
#define NESTOR_CPU_CLOCK_H

#include <stdint.h>

/*
 * wanted: the epoch asked for, or 0: the machine's real-time clock, or 2026-01-01 without one. Once, boot
 * CPU, after tsc_init.
 */
void clock_init(uint64_t wanted);

/* Seconds since 1970, now. Any CPU. */
uint64_t clock_now(void);

#endif
