/* SPDX-License-Identifier: Apache-2.0 */
#include "apic.h"

#include "rt.h"
#include "smp.h"

#define PIC_MASTER_MASK 0x21
#define PIC_SLAVE_MASK  0xa1

PERCPU bool x2apic;

void x2apic_on(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	x2apic = true;
}

void ipi(uint32_t destination, uint32_t low)
{
	if (x2apic) {
		wrmsr(apic_msr(APIC_ICR), (uint64_t)destination << 32 | low);
		return;
	}
	*apic_memory(APIC_ICR_HIGH) = destination << 24;
	*apic_memory(APIC_ICR) = low;
	while (*apic_memory(APIC_ICR) & ICR_BUSY)
		pause();
}

bool count_and_eoi(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	interrupt_count[f->vector]++;
	apic_eoi();
	return true;
}

void apic_take_all(void)
{
	outb(PIC_MASTER_MASK, 0xff);
	outb(PIC_SLAVE_MASK, 0xff);
	apic_write(APIC_SVR, SVR_ON);
	trap_hook = count_and_eoi;
	__asm__ volatile("sti");
}

void apic_every(uint32_t ticks, uint8_t vector)
{
	apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | vector);
	apic_write(APIC_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_INITIAL_COUNT, ticks);
}
