/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/apic.h"

#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "spec/vmx.h"

#define OTHERS ((uint32_t)SHORTHAND_OTHERS << ICR_SHORTHAND_SHIFT)

static struct {
	bool x2;
	bool deadline;
} apic;

static volatile uint32_t *reg_address(uint32_t reg)
{
	return (volatile uint32_t *)((uintptr_t)direct_va((struct hpa){APIC_DEFAULT_BASE}) +
				     reg);
}

static uint32_t apic_read(uint32_t reg)
{
	return apic.x2 ? (uint32_t)rdmsr(MSR_X2APIC_FIRST + APIC_NUMBER(reg))
		       : *reg_address(reg);
}

static void apic_write(uint32_t reg, uint32_t v)
{
	if (apic.x2)
		wrmsr(MSR_X2APIC_FIRST + APIC_NUMBER(reg), v);
	else
		*reg_address(reg) = v;
}

static uint32_t read_id(void)
{
	uint32_t v = apic_read(APIC_ID);

	return apic.x2 ? v : v >> 24;
}

void apic_init(void)
{
	uint32_t features = cpuid(1, 0).ecx;

	apic.x2 = features & BIT(21);
	apic.deadline = features & BIT(24);
	wrmsr(MSR_APIC_BASE,
		(rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP) | APIC_DEFAULT_BASE | APIC_BASE_ENABLE);
	if (apic.x2)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, DELIVER_NMI << DELIVER_SHIFT);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_DIVIDE, DIVIDE_BY_1);
	apic_timer_stop();
	this_cpu()->apic_id = read_id();
}

bool apic_is_extended(void)
{
	return apic.x2;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_timer_arm(uint64_t tsc, uint64_t now)
{
	uint64_t delta = tsc > now ? tsc - now : 1;

	if (apic.deadline) {
		apic_write(APIC_LVT_TIMER, TIMER_DEADLINE | VECTOR_TIMER);
		__asm__ volatile("mfence" : : : "memory");
		wrmsr(MSR_TSC_DEADLINE, now + delta);
		return;
	}
	/* Without deadline mode the rate is not known: assume the TSC's. An early interrupt
	 * only makes the sleeper look at the clock and arm again. */
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
	apic_write(APIC_INITIAL_COUNT, delta > UINT32_MAX ? UINT32_MAX : (uint32_t)delta);
}

void apic_timer_stop(void)
{
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	if (!apic.deadline)
		apic_write(APIC_INITIAL_COUNT, 0);
}

static void send_icr(uint32_t destination, uint32_t low)
{
	if (apic.x2) {
		wrmsr(MSR_X2APIC_FIRST + APIC_NUMBER(APIC_ICR),
			(uint64_t)destination << 32 | low);
		return;
	}
	*reg_address(APIC_ICR_HIGH) = destination << 24;
	*reg_address(APIC_ICR) = low;
	for (unsigned i = 0; i < 100000 && (*reg_address(APIC_ICR) & ICR_BUSY); i++)
		cpu_pause();
}

void apic_send(uint32_t id, uint8_t vector)
{
	send_icr(id, ICR_ASSERT | vector);
}

void apic_send_nmi(uint32_t id)
{
	send_icr(id, ICR_ASSERT | DELIVER_NMI << DELIVER_SHIFT);
}

void apic_send_init_all_others(void)
{
	send_icr(0, OTHERS | ICR_ASSERT | DELIVER_INIT << DELIVER_SHIFT);
}

void apic_send_startup_all_others(uint8_t page)
{
	send_icr(0, OTHERS | ICR_ASSERT | DELIVER_STARTUP << DELIVER_SHIFT | page);
}
