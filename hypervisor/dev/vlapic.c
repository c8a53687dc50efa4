/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC's registers. Not its vectors, messages, timer and MSRs.
 */
#include <stddef.h>

#include "dev/platform.h"
#include "dev/vlapic_int.h"

#define VERSION (0x14u | (LVT_COUNT - 1) << 16)

/* Bits of each LVT register that are not reserved, and software may set (10.5.1). */
const uint32_t vlapic_lvt_writable[LVT_COUNT] = {
	[LVT_TIMER] = 0x700ff,
	[LVT_THERMAL] = 0x107ff,
	[LVT_PMC] = 0x107ff,
	[LVT_LINT0] = 0x1a7ff,
	[LVT_LINT1] = 0x1a7ff,
	[LVT_ERROR] = 0x100ff,
};

/* 10.12.10 "State Changes From xAPIC Mode to x2APIC Mode" */
uint32_t vlapic_mode_value(uint32_t reg, unsigned vcpu, bool x2apic)
{
	switch (reg) {
	case REG_ID:
		return x2apic ? vcpu : vcpu << 24; /* bits 7:0 of an id that has more */
	case REG_VERSION:
		return VERSION;
	case REG_LDR:
		return x2apic ? (vcpu >> 4) << 16 | 1u << (vcpu & 15) : 0;
	case REG_DFR:
		return x2apic ? 0 : UINT32_MAX;
	default:
		return 0;
	}
}

void vlapic_mode_changed(struct vlapic *l, unsigned vcpu)
{
	static const uint8_t regs[] = {REG_ID, REG_LDR, REG_DFR, REG_ICR2};

	for (unsigned i = 0; i < sizeof(regs); i++)
		vlapic_set(l, regs[i], vlapic_mode_value(regs[i], vcpu, vlapic_x2apic(l)));
	l->regs[REG_ICR * 4 + 1] = 0;
}

/* 10.4.7.1 "Local APIC State After Power-Up or Reset" */
void vlapic_reset(struct platform *p, unsigned vcpu)
{
	struct vlapic *l = &p->lapic[vcpu];
	size_t rest = offsetof(struct vlapic, hardware);

	__builtin_memset(l->regs, 0, sizeof(l->regs));
	__builtin_memset((uint8_t *)l + rest, 0, sizeof(*l) - rest);
	l->hardware = p->config.apicv;
	l->changed = l->isr_changed = l->hardware;
	l->base = DEV_LAPIC_BASE | APIC_BASE_ENABLE | (vcpu == 0 ? APIC_BASE_BSP : 0);
	l->deadline = DEV_NEVER;
	l->irr_top = -1;
	l->isr_top = -1;
	vlapic_set(l, REG_VERSION, VERSION);
	vlapic_set(l, REG_SVR, 0xff);
	for (uint32_t i = 0; i < LVT_COUNT; i++)
		vlapic_set(l, REG_LVT_TIMER + i, LVT_MASKED);
	vlapic_mode_changed(l, vcpu);
	vpci_routes_changed(p);
	vlapic_posted_reset(l); /* nothing comes any more: it is disabled */
}

/* 10.4.7.3 "Local APIC State After an INIT Reset": IA32_APIC_BASE stays. */
void vlapic_init_reset(struct platform *p, unsigned vcpu)
{
	uint64_t base = p->lapic[vcpu].base;

	vlapic_reset(p, vcpu);
	p->lapic[vcpu].base = base;
	vlapic_mode_changed(&p->lapic[vcpu], vcpu);
	dev_kick(p, vcpu);
}

/* As firmware hands over (MP specification 3.6.2.2 "Virtual Wire Mode"). */
void vlapic_virtual_wire(struct platform *p, unsigned vcpu)
{
	struct vlapic *l = &p->lapic[vcpu];

	vlapic_set(l, REG_SVR, vlapic_reg(l, REG_SVR) | SVR_ENABLE);
	vlapic_set(l, REG_LVT_TIMER + LVT_LINT0, DELIVER_EXTINT << 8);
	vlapic_set(l, REG_LVT_TIMER + LVT_LINT1, DELIVER_NMI << 8);
}

/* 10.12.7 "Initialization by System Software" */
void vlapic_hand_over_x2apic(struct platform *p, unsigned vcpu)
{
	struct vlapic *l = &p->lapic[vcpu];

	l->base |= APIC_BASE_X2APIC;
	vlapic_mode_changed(l, vcpu);
}

bool vlapic_is_mapped(const struct vlapic *l)
{
	return (l->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE;
}

/* 10.5.1: as a virtual wire, or while the APIC is disabled globally. */
bool vlapic_accepts_extint(const struct vlapic *l)
{
	uint32_t lvt = vlapic_reg(l, REG_LVT_TIMER + LVT_LINT0);

	if (!(l->base & APIC_BASE_ENABLE))
		return true;
	return !(lvt & LVT_MASKED) && (lvt >> 8 & 7) == DELIVER_EXTINT;
}

uint32_t vlapic_read_register(struct platform *p, unsigned vcpu, uint32_t reg)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (l->hardware && reg >= REG_TMR && reg < REG_ESR) {
		vlapic_collect(l);
		dev_kick(p, vcpu);
	}
	switch (reg) {
	case REG_PPR:
		return vlapic_ppr(l);
	case REG_CURRENT_COUNT:
		return vlapic_current_count(p, l);
	default: /* those that do not exist are 0 */
		return vlapic_reg(l, reg);
	}
}

static void write_lvt(struct platform *p, unsigned vcpu, uint32_t i, uint32_t value)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (!(vlapic_reg(l, REG_SVR) & SVR_ENABLE))
		value |= LVT_MASKED;
	value &= vlapic_lvt_writable[i];
	vlapic_set(l, REG_LVT_TIMER + i, value);
	if (i == LVT_TIMER)
		vlapic_write_timer_mode(l, value & LVT_TIMER_MODE);
	if (i == LVT_LINT0 && vcpu == 0)
		dev_kick(p, vcpu);
}

static void write_svr(struct vlapic *l, uint32_t value)
{
	vlapic_set(l, REG_SVR, value & SVR_WRITABLE);
	for (uint32_t i = 0; !(value & SVR_ENABLE) && i < LVT_COUNT; i++) /* 10.4.7.2 */
		vlapic_set(l, REG_LVT_TIMER + i, vlapic_reg(l, REG_LVT_TIMER + i) | LVT_MASKED);
}

/* Registers of table 10-1 whose writes do nothing; others that are not there are an error. */
static bool is_read_only(uint32_t reg)
{
	return reg == REG_ID || reg == REG_VERSION || (reg >= REG_APR && reg <= REG_PPR) ||
	       reg == REG_REMOTE_READ || (reg >= REG_ISR && reg < REG_ESR) ||
	       reg == REG_CURRENT_COUNT;
}

static void write_esr(struct vlapic *l)
{
	vlapic_set(l, REG_ESR, l->esr_pending);
	l->esr_pending = 0;
}

void vlapic_write_register(struct platform *p, unsigned vcpu, uint32_t reg, uint32_t value)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR) {
		write_lvt(p, vcpu, reg - REG_LVT_TIMER, value);
		return;
	}
	switch (reg) {
	case REG_TPR:
		platform_write_tpr(p, vcpu, value & TPR_WRITABLE);
		break;
	case REG_EOI:
		vlapic_eoi(p, vcpu);
		break;
	case REG_LDR:
		vlapic_set(l, REG_LDR, value & LDR_WRITABLE);
		vpci_routes_changed(p);
		break;
	case REG_DFR:
		vlapic_set(l, REG_DFR, value | ~DFR_WRITABLE);
		vpci_routes_changed(p);
		break;
	case REG_SVR:
		write_svr(l, value);
		vpci_routes_changed(p);
		break;
	case REG_ESR:
		write_esr(l);
		break;
	case REG_ICR:
		vlapic_set(l, REG_ICR, value & ICR_WRITABLE);
		vlapic_send_ipi(p, vcpu);
		break;
	case REG_ICR2:
		vlapic_set(l, REG_ICR2, value & ICR2_WRITABLE);
		break;
	case REG_INITIAL_COUNT:
		vlapic_write_initial_count(p, l, value);
		break;
	case REG_DIVIDE:
		vlapic_write_divide(p, l, value);
		break;
	default:
		if (!is_read_only(reg))
			vlapic_error(p, vcpu, ESR_ILLEGAL_REGISTER);
		break;
	}
}

/* The CPU stored the value as it is, even that of a register that cannot be written or read. */
void vlapic_hardware_wrote(struct platform *p, unsigned vcpu, uint32_t offset)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint32_t reg = offset >> 4 & 0xff, value = vlapic_reg(l, reg);

	if (reg == REG_ID) {
		vlapic_set(l, REG_ID, vlapic_mode_value(REG_ID, vcpu, vlapic_x2apic(l)));
	} else if (reg == REG_SELF_IPI) {
		vlapic_set(l, REG_SELF_IPI, 0);
		vlapic_accept(p, vcpu, (uint8_t)value, false);
	} else {
		vlapic_write_register(p, vcpu, reg, value);
	}
}

uint32_t vlapic_read(struct platform *p, unsigned vcpu, uint32_t offset)
{
	return vlapic_read_register(p, vcpu, offset >> 4);
}

void vlapic_write(struct platform *p, unsigned vcpu, uint32_t offset, uint32_t value)
{
	vlapic_write_register(p, vcpu, offset >> 4, value);
}
