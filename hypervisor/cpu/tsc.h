/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the TSC counts.
 */
#ifndef NESTOR_CPU_TSC_H
#define NESTOR_CPU_TSC_H

#include <stdint.h>

/* Ticks in a millisecond; valid after tsc_init. */
extern uint32_t tsc_khz;

/*
 * From the configuration, else what a hypervisor tells, else CPUID 0x15, with the rate of
 * the crystal or without, or 0x16, else measured with the PIT; what is not plausible is passed
 * over. Once, boot CPU; logs where it is from.
 */
void tsc_init(void);

/* Busy wait. */
void tsc_delay_us(uint64_t us);

#endif
