/*
 * The time of day at which VMs start.
 */
#ifndef NESTOR_CPU_CLOCK_H
#define NESTOR_CPU_CLOCK_H

#include <stdint.h>

/* Seconds since 1970. */
extern uint64_t clock_epoch;

/* wanted: the epoch asked for, or 0: the machine's real-time clock, or 2026-01-01 without one. Once, boot CPU. */
void clock_init(uint64_t wanted);

#endif
