/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errata of processors' timers that L0 goes around; the table is errata.def.
 */
#ifndef NESTOR_SPEC_ERRATA_H
#define NESTOR_SPEC_ERRATA_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The numbers of the erratum by which the VMX-preemption timer of a processor, by its
 * CPUID.1:EAX, counts at another rate than it tells; NULL: it has none.
 */
const char *errata_timer_rate(uint32_t signature);

/* The first revision of the microcode with which the TSC deadline is met; 0: any. */
uint32_t errata_deadline_revision(uint32_t signature);

/* Whether a store to what MONITOR watches may not end MWAIT. */
bool errata_monitor_deaf(uint32_t signature);

/* Whether memory must not have two types at once, although CPUID tells of self-snooping. */
bool errata_two_types(uint32_t signature);

/*
 * Large values may end the VMX-preemption timer early (Intel, specification update of the 5th
 * generation of Xeon, EMR158, seen on servers from Skylake on): the greatest that may not, by
 * CPUID.15H:EAX and EBX, or 2^32 - 1 where those do not tell.
 */
uint32_t errata_timer_most(uint32_t denominator, uint32_t numerator);

#endif
