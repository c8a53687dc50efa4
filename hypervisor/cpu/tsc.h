/*
 * How fast the TSC counts.
 */
#ifndef NESTOR_CPU_TSC_H
#define NESTOR_CPU_TSC_H

#include <stdint.h>

/* Ticks in a millisecond; valid after tsc_init. */
extern uint32_t tsc_khz;

/* `given` in kHz, or 0: then from CPUID 0x15 or 0x16, else measured with the PIT. */
void tsc_init(uint32_t given);

/* Busy wait. */
void tsc_delay_us(uint64_t us);

#endif
