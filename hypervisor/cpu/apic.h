/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LAPIC of this physical CPU: end of interrupt, timer, IPIs.
 */
#ifndef NESTOR_CPU_APIC_H
#define NESTOR_CPU_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/madt.h"
#include "spec/apic.h"

/*
 * Every address space maps the registers at APIC_DEFAULT_BASE, for a CPU without x2APIC mode.
 */

/*
 * Firmware asks for xAPIC mode, for which it has a reason that it does not tell (VT-d 8.1
 * "DMA Remapping Reporting Structure", X2APIC_OPT_OUT). It stays on if firmware has left it so,
 * and all of these local APICs can be reached in it; the log says what is. Boot CPU, before
 * apic_init.
 */
void apic_prefer_legacy(const uint32_t *ids, unsigned count);

/*
 * Enables the LAPIC (x2APIC where the CPU has it), whatever firmware left it in, masks its
 * local sources, ends what is in service, and notes its id in struct percpu. Every CPU. False,
 * with a line in the log: it cannot be used.
 */
bool apic_init(void);

/* The boot CPU's id, as CPUID tells it: before apic_init. */
uint32_t apic_initial_id(void);

/*
 * Which input of which CPU has the machine's NMI; NULL: firmware does not tell, and LINT1 of
 * the boot CPU is taken for it. Before apic_init of the boot CPU.
 */
void apic_take_nmi(const struct madt_nmi *nmi);

/*
 * Corrected machine-check errors interrupt this CPU by VECTOR_CMCI (SDM 10.5.1). False: its
 * local APIC has no such source, or firmware takes it as an SMI. After apic_init.
 */
bool apic_take_cmci(void);

/* In x2APIC mode, whose identifiers have 32 bits? */
bool apic_is_extended(void);

void apic_eoi(void);

/* VECTOR_TIMER at that host TSC, once, perhaps a little early; a time in the past means at
 * once. */
void apic_timer_arm(uint64_t tsc, uint64_t now);
void apic_timer_stop(void);
/* VECTOR_TIMER has come. */
void apic_timer_fired(void);

/* To one CPU (its APIC id) or to all others. */
void apic_send(uint32_t id, uint8_t vector);
void apic_send_nmi(uint32_t id);
/* The first two of start-up; @page: of memory below 1 MiB that the CPU begins at. */
void apic_send_init(uint32_t id);
void apic_send_startup(uint32_t id, uint8_t page);
void apic_send_init_all_others(void);
void apic_send_startup_all_others(uint8_t page);

#endif
