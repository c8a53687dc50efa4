/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC of this processor, in xAPIC mode as it starts or in x2APIC mode. Registers
 * are named by their offset in either mode; they and their bits are those of spec/apic.h.
 */
#ifndef NESTOR_GUESTS_RUNTIME_APIC_H
#define NESTOR_GUESTS_RUNTIME_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu.h"
#include "spec/apic.h"
#include "spec/msr.h"

/* Of SVR: enabled, ff as the spurious vector. */
#define SVR_ON (SVR_ENABLE | 0xff)

/* Whether this processor is in x2APIC mode: x2apic_on() was called on it. */
extern bool x2apic;
void x2apic_on(void);

/* Where a register is in xAPIC mode. */
static inline volatile uint32_t *apic_memory(uint32_t reg)
{
	return (volatile uint32_t *)(uintptr_t)(APIC_DEFAULT_BASE + reg);
}

/* Which MSR a register is in x2APIC mode. */
static inline uint32_t apic_msr(uint32_t reg)
{
	return MSR_X2APIC_FIRST + APIC_NUMBER(reg);
}

static inline uint32_t apic_read(uint32_t reg)
{
	return x2apic ? (uint32_t)rdmsr(apic_msr(reg)) : *apic_memory(reg);
}

static inline void apic_write(uint32_t reg, uint32_t v)
{
	if (x2apic)
		wrmsr(apic_msr(reg), v);
	else
		*apic_memory(reg) = v;
}

static inline void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

/* Sends `low` to a destination; in xAPIC mode waits until it was sent. */
void ipi(uint32_t destination, uint32_t low);

static inline void self_ipi(uint8_t vector)
{
	apic_write(APIC_ICR, ICR_SELF | ICR_ASSERT | vector);
}

/* A trap_hook that counts external interrupts in interrupt_count and ends them by EOI. */
struct trap_frame;
bool count_and_eoi(struct trap_frame *f);

/* Takes interrupts of this local APIC, counted; none of the PICs, which firmware may have left
 * at work. */
void apic_take_all(void);
/* An interrupt each so many ticks of its clock; 0: no more. */
void apic_every(uint32_t ticks, uint8_t vector);
/* With interrupts on: halts until one comes, unless done(context) is true. */
static inline void halt_unless(bool (*done)(void *context), void *context)
{
	__asm__ volatile("cli");
	if (done(context))
		__asm__ volatile("sti");
	else
		__asm__ volatile("sti; hlt");
}

#endif
