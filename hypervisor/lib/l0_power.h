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

#endif
