/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC's MSRs: IA32_APIC_BASE, IA32_TSC_DEADLINE, and x2APIC mode (SDM vol. 3A 10.12
 * "Extended XAPIC (x2APIC)").
 */
#include "dev/platform.h"
#include "dev/vlapic_int.h"
#include "spec/msr.h"

#define MODE_BITS (APIC_BASE_ENABLE | APIC_BASE_X2APIC)

static enum denial base_denial(const struct vlapic *l, uint64_t value)
{
	uint64_t from = l->base & MODE_BITS, to = value & MODE_BITS;

	if (value & ~(0xffffff000ull | MODE_BITS | APIC_BASE_BSP))
		return DENIAL_MSR_APIC_BASE_RESERVED;
	/* 10.12.5: x2APIC is left only through "disabled", and entered only from xAPIC. */
	if (to == APIC_BASE_X2APIC || (from == MODE_BITS && to == APIC_BASE_ENABLE) ||
		(from == 0 && to == MODE_BITS))
		return DENIAL_MSR_APIC_BASE_MODE;
	/* The register page does not move: nobody needs it, and EPT01 would have to follow. */
	if ((value & 0xffffff000ull) != DEV_LAPIC_BASE)
		return DENIAL_MSR_APIC_BASE_MOVED;
	return DENIAL_NONE;
}

static bool write_base(struct platform *p, unsigned vcpu, uint64_t value)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint64_t from = l->base & MODE_BITS, to = value & MODE_BITS;

	if (base_denial(l, value) != DENIAL_NONE)
		return false;
	if (from && !to) {
		vlapic_reset(p, vcpu);
		l->base &= ~(uint64_t)MODE_BITS;
	}
	l->base = DEV_LAPIC_BASE | (value & APIC_BASE_BSP) | to;
	if (from != to)
		vlapic_mode_changed(l, vcpu);
	vpci_routes_changed(p);
	dev_kick(p, vcpu);
	return true;
}

/* Which registers x2APIC has as MSRs, and which of those can be read and written. */
static bool msr_exists(uint32_t reg, bool write)
{
	if (reg >= REG_ISR && reg < REG_ESR)
		return !write;
	if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR)
		return true;
	switch (reg) {
	case REG_ID:
	case REG_VERSION:
	case REG_PPR:
	case REG_LDR:
	case REG_CURRENT_COUNT:
		return !write;
	case REG_EOI:
	case REG_SELF_IPI:
		return write;
	case REG_TPR:
	case REG_SVR:
	case REG_ESR:
	case REG_ICR:
	case REG_INITIAL_COUNT:
	case REG_DIVIDE:
		return true;
	default:
		return false;
	}
}

bool platform_x2apic_readable(uint32_t msr)
{
	return msr_exists(msr - MSR_X2APIC_FIRST, false);
}

/* Reserved bits raise #GP in x2APIC mode (10.12.1.2). */
static bool msr_value_valid(uint32_t reg, uint64_t value)
{
	if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR)
		return !(value & ~(uint64_t)(vlapic_lvt_writable[reg - REG_LVT_TIMER] |
					     1u << 12 | 1u << 14));
	switch (reg) {
	case REG_ICR:
		return !(value & 0xfff33000);
	case REG_EOI:
	case REG_ESR:
		return value == 0;
	case REG_TPR:
	case REG_SELF_IPI:
		return value <= 0xff;
	case REG_SVR:
		return value <= 0x1ff;
	case REG_DIVIDE:
		return !(value & ~0xbull);
	default:
		return value >> 32 == 0;
	}
}

static enum denial x2apic_denial(
	const struct vlapic *l, uint32_t reg, bool write, uint64_t value)
{
	if (!vlapic_x2apic(l))
		return DENIAL_MSR_X2APIC_MODE;
	if (!msr_exists(reg, write))
		return DENIAL_MSR_X2APIC_REGISTER;
	if (write && !msr_value_valid(reg, value))
		return DENIAL_MSR_X2APIC_RESERVED;
	return DENIAL_NONE;
}

enum denial platform_msr_denial(
	const struct platform *p, unsigned vcpu, uint32_t msr, bool write, uint64_t value)
{
	const struct vlapic *l = &p->lapic[vcpu];

	if (msr == MSR_APIC_BASE)
		return write ? base_denial(l, value) : DENIAL_NONE;
	if (!msr_is_x2apic(msr))
		return DENIAL_NONE;
	return x2apic_denial(l, msr - MSR_X2APIC_FIRST, write, value);
}

bool vlapic_rdmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t *value)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (msr == MSR_APIC_BASE) {
		*value = l->base;
		return true;
	}
	if (msr == MSR_TSC_DEADLINE) {
		*value = l->tsc_deadline;
		return true;
	}
	if (x2apic_denial(l, msr - MSR_X2APIC_FIRST, false, 0) != DENIAL_NONE)
		return false;
	*value = vlapic_read_register(p, vcpu, msr - MSR_X2APIC_FIRST);
	if (msr - MSR_X2APIC_FIRST == REG_ICR)
		*value |= (uint64_t)l->regs[REG_ICR * 4 + 1] << 32;
	return true;
}

bool vlapic_wrmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t value)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint32_t reg = msr - MSR_X2APIC_FIRST;

	if (msr == MSR_TSC_DEADLINE) {
		vlapic_write_tsc_deadline(p, vcpu, value);
		return true;
	}
	if (msr == MSR_APIC_BASE)
		return write_base(p, vcpu, value);
	if (x2apic_denial(l, reg, true, value) != DENIAL_NONE)
		return false;
	if (reg == REG_ICR) {
		vlapic_set(l, REG_ICR, (uint32_t)value);
		l->regs[REG_ICR * 4 + 1] = (uint32_t)(value >> 32);
		vlapic_send_ipi(p, vcpu);
	} else if (reg == REG_SELF_IPI) {
		vlapic_accept(p, vcpu, (uint8_t)value, false);
	} else {
		vlapic_write_register(p, vcpu, reg, (uint32_t)value);
	}
	return true;
}
