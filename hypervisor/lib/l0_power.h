/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 does with timers, idle CPUs and the processor's speed: the options preemption_timer=,
 * idle=, performance= and watchdog=.
 */
#ifndef NESTOR_LIB_L0_POWER_H
#define NESTOR_LIB_L0_POWER_H

/* By what a running vCPU's deadline ends its time. */
enum l0_preemption_timer {
	L0_PREEMPTION_TIMER_AUTO, /* the VMX-preemption timer, where it is as the SDM says */
	L0_PREEMPTION_TIMER_OFF   /* the local APIC's timer */
};

/* How CPUs wait that have nothing to run. */
enum l0_idle {
	L0_IDLE_AUTO, /* MWAIT where there is one; states behind C1 for long sleeps */
	L0_IDLE_HLT,
	L0_IDLE_C1,  /* MWAIT, no state behind C1 */
	L0_IDLE_DEEP /* states behind C1 for shorter sleeps, too */
};

/* What L0 asks of the processor's speed and voltage. */
enum l0_performance {
	L0_PERFORMANCE_FIRMWARE, /* nothing: as firmware has set it */
	L0_PERFORMANCE_BALANCED,
	L0_PERFORMANCE_MOST
};

#endif
