/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NMIs: those by which CPUs of L0 wake each other up (kicks), told from those of the hardware.
 * Every NMI does what a kick does; one that is none is counted besides, and told of by whoever
 * looks at a kick (vm/nmi.c).
 */
#ifndef NESTOR_CPU_NMI_H
#define NESTOR_CPU_NMI_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/apic.h"
#include "cpu/percpu.h"

/* Sends one to a CPU, which may be this one. */
static inline void nmi_kick(unsigned cpu)
{
	__atomic_fetch_add(&percpus[cpu]->shared.kicks, 1, __ATOMIC_SEQ_CST);
	apic_send_nmi(percpus[cpu]->apic_id);
}

/* To all CPUs from this one on that are there. */
static inline void nmi_kick_all(unsigned from)
{
	for (unsigned i = from; i < cpu_slots; i++)
		if (__atomic_load_n(&percpus[i]->shared.online, __ATOMIC_ACQUIRE))
			nmi_kick(i);
}

/* One has arrived: in its handler, or after an exit for it while others are blocked. Does not
 * return if this CPU shall stand still. */
void nmi_arrived(void);

/* How many of the hardware came to this CPU since it was asked last. */
uint32_t nmi_take(void);

/*
 * Why, as the chipset says at port 61H; it forgets that, or what comes next would raise none.
 * Each time that one is handled, whether it is told of or not.
 */
const char *nmi_take_reason(void);

#endif
