/* SPDX-License-Identifier: Apache-2.0 */
#include "apic.h"

#include "rt.h"
#include "smp.h"

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
