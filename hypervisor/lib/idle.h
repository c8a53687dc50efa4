/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a CPU that has nothing to run waits: HLT, or MWAIT and the state that it asks for (SDM
 * vol. 2B "MWAIT", table 4-11; vol. 2A "CPUID", leaf 05H). Who executes it is not here.
 */
#ifndef NESTOR_LIB_IDLE_H
#define NESTOR_LIB_IDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/l0_power.h"

/* What the processor tells. */
struct idle_facts {
	bool mwait;          /* CPUID.1:ECX.MONITOR, and CPUID.5 tells of its states */
	bool always_running; /* timers and the TSC go on in every state: ARAT, invariant TSC */
	bool deaf;           /* a store does not end MWAIT, by an erratum */
	uint32_t states;     /* CPUID.5:EDX: how many of each class there are, 4 bits a class */
};

/* CPUID.1:ECX, .5:ECX and EDX, .6:EAX, .80000007H:EDX; zero: no such leaf. */
struct idle_facts idle_facts_of(uint32_t features, uint32_t monitor, uint32_t states,
	uint32_t power, uint32_t extended);

#define IDLE_STATES 7u /* classes C1 to C7 of MWAIT */

/* The states that are used, in order: the last one counts whose sleep is expected to last. */
struct idle_plan {
	bool mwait; /* else HLT */
	bool wakes; /* a store to the word that is monitored ends the sleep */
	uint8_t count;
	struct idle_step {
		uint8_t hint;      /* EAX of MWAIT */
		uint32_t least_us; /* for sleeps that are expected to last so long */
	} steps[IDLE_STATES + 1];
};

void idle_plan_make(struct idle_plan *p, const struct idle_facts *f, enum l0_idle mode);

/* The hint for a sleep of so many microseconds. */
uint8_t idle_hint(const struct idle_plan *p, uint64_t us);

/*
 * How long the next sleep will last, in any unit: no longer than until the timer, and no more
 * than four times what the last one did, since most sleeps are ended by something else.
 */
uint64_t idle_expect(uint64_t until, uint64_t last);

/* "MWAIT, by hints 0x00 0x01 0x20", for the log. */
void idle_describe(char *to, size_t size, const struct idle_plan *p);

#endif
