#include "cpu/apic.h"

#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "spec/vmx.h"

#define APIC_BASE_ENABLE BIT64(11)
#define APIC_BASE_X2     BIT64(10)

#define REG_ID        0x20
#define REG_TPR       0x80
#define REG_EOI       0xb0
#define REG_SVR       0xf0
#define REG_ICR       0x300
#define REG_ICR_HIGH  0x310
#define REG_LVT_TIMER 0x320
#define REG_LVT_LINT0 0x350
#define REG_LVT_LINT1 0x360
#define REG_LVT_ERROR 0x370
#define REG_INITIAL   0x380
#define REG_DIVIDE    0x3e0

#define LVT_MASKED       BIT(16)
#define LVT_TSC_DEADLINE BIT(18)
#define MODE_NMI         (4u << 8)
#define ICR_INIT         (5u << 8)
#define ICR_STARTUP      (6u << 8)
#define ICR_ASSERT       BIT(14)
#define ICR_BUSY         BIT(12)
#define ICR_ALL_OTHERS   (3u << 18)
#define DIVIDE_BY_1      0xb

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
	return apic.x2 ? (uint32_t)rdmsr(MSR_X2APIC_FIRST + reg / 16) : *reg_address(reg);
}

static void apic_write(uint32_t reg, uint32_t v)
{
	if (apic.x2)
		wrmsr(MSR_X2APIC_FIRST + reg / 16, v);
	else
		*reg_address(reg) = v;
}

static uint32_t read_id(void)
{
	uint32_t v = apic_read(REG_ID);

	return apic.x2 ? v : v >> 24;
}

void apic_init(void)
{
	uint32_t features = cpuid(1, 0).ecx;

	apic.x2 = features & BIT(21);
	apic.deadline = features & BIT(24);
	wrmsr(MSR_APIC_BASE,
		(rdmsr(MSR_APIC_BASE) & BIT64(8)) | APIC_DEFAULT_BASE | APIC_BASE_ENABLE);
	if (apic.x2)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2);
	apic_write(REG_SVR, 0x100 | VECTOR_SPURIOUS);
	apic_write(REG_TPR, 0);
	apic_write(REG_LVT_LINT0, LVT_MASKED);
	apic_write(REG_LVT_LINT1, MODE_NMI);
	apic_write(REG_LVT_ERROR, LVT_MASKED);
	apic_write(REG_DIVIDE, DIVIDE_BY_1);
	apic_timer_stop();
	this_cpu()->apic_id = read_id();
}

void apic_eoi(void)
{
	apic_write(REG_EOI, 0);
}

void apic_timer_arm(uint64_t tsc, uint64_t now)
{
	uint64_t delta = tsc > now ? tsc - now : 1;

	if (apic.deadline) {
		apic_write(REG_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		__asm__ volatile("mfence" : : : "memory");
		wrmsr(MSR_TSC_DEADLINE, now + delta);
		return;
	}
	/* Without deadline mode the rate is not known: assume the TSC's. An early interrupt only
	 * makes the sleeper look at the clock and arm again. */
	apic_write(REG_LVT_TIMER, VECTOR_TIMER);
	apic_write(REG_INITIAL, delta > UINT32_MAX ? UINT32_MAX : (uint32_t)delta);
}

void apic_timer_stop(void)
{
	apic_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	if (!apic.deadline)
		apic_write(REG_INITIAL, 0);
}

static void send_icr(uint32_t destination, uint32_t low)
{
	if (apic.x2) {
		wrmsr(MSR_X2APIC_FIRST + REG_ICR / 16, (uint64_t)destination << 32 | low);
		return;
	}
	*reg_address(REG_ICR_HIGH) = destination << 24;
	*reg_address(REG_ICR) = low;
	for (unsigned i = 0; i < 100000 && (*reg_address(REG_ICR) & ICR_BUSY); i++)
		cpu_pause();
}

void apic_send(uint32_t id, uint8_t vector)
{
	send_icr(id, ICR_ASSERT | vector);
}

void apic_send_nmi(uint32_t id)
{
	send_icr(id, ICR_ASSERT | MODE_NMI);
}

void apic_send_init_all_others(void)
{
	send_icr(0, ICR_ALL_OTHERS | ICR_ASSERT | ICR_INIT);
}

void apic_send_startup_all_others(uint8_t page)
{
	send_icr(0, ICR_ALL_OTHERS | ICR_ASSERT | ICR_STARTUP | page);
}
