/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC's state, of both modes in one form: what registers and timer are once requests
 * that wait elsewhere are in IRR, as they are before L1 runs next.
 */
#include "dev/platform.h"
#include "dev/vlapic_int.h"

/* Written only, or computed when read; the CPU leaves in the page what it likes. */
static bool has_no_state(uint32_t reg)
{
	return reg == REG_PPR || reg == REG_EOI || reg == REG_SELF_IPI;
}

void vlapic_get_state(const struct vlapic *l, struct vlapic_state *s)
{
	s->base = l->base;
	s->deadline = l->deadline;
	s->timer_start = l->timer_start;
	s->tsc_deadline = l->tsc_deadline;
	for (uint32_t reg = 0; reg < VLAPIC_REGS; reg++)
		s->regs[reg] = has_no_state(reg) ? 0 : vlapic_reg(l, reg);
	for (uint32_t i = 0; i < 8; i++) {
		s->regs[REG_IRR + i] = vlapic_requests(l, i);
		if (l->hardware)
			s->regs[REG_TMR + i] = l->level[i];
	}
	s->icr_high = l->regs[REG_ICR * 4 + 1];
	s->esr_pending = l->esr_pending;
}

/* The bits of a register that are not always as after a change of the mode. */
static uint32_t settable(uint32_t reg, bool x2)
{
	if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR)
		return vlapic_lvt_writable[reg - REG_LVT_TIMER];
	if (reg >= REG_ISR && reg < REG_ESR)
		return reg % 8 ? UINT32_MAX : ~0xffffu; /* vectors below 16 are errors */
	switch (reg) {
	case REG_TPR:
		return TPR_WRITABLE;
	case REG_LDR:
		return x2 ? 0 : LDR_WRITABLE;
	case REG_DFR:
		return x2 ? 0 : DFR_WRITABLE;
	case REG_SVR:
		return SVR_WRITABLE;
	case REG_ESR:
		return ESR_POSSIBLE;
	case REG_ICR:
		return ICR_WRITABLE;
	case REG_ICR2:
		return x2 ? 0 : ICR2_WRITABLE;
	case REG_INITIAL_COUNT:
		return UINT32_MAX;
	case REG_DIVIDE:
		return DIVIDE_WRITABLE;
	default:
		return 0;
	}
}

static bool registers_valid(const struct vlapic_state *s, unsigned vcpu)
{
	bool x2 = s->base & APIC_BASE_X2APIC;

	for (uint32_t reg = 0; reg < VLAPIC_REGS; reg++)
		if ((s->regs[reg] ^ vlapic_mode_value(reg, vcpu, x2)) & ~settable(reg, x2))
			return false;
	return (x2 || s->icr_high == 0) && !(s->esr_pending & ~ESR_POSSIBLE);
}

/* 10.4.7.2: without SVR's enable bit all LVT entries are masked. */
static bool masks_valid(const struct vlapic_state *s)
{
	for (uint32_t i = 0; i < LVT_COUNT; i++)
		if (!(s->regs[REG_SVR] & SVR_ENABLE) &&
			!(s->regs[REG_LVT_TIMER + i] & LVT_MASKED))
			return false;
	return true;
}

static bool base_valid(uint64_t base)
{
	uint64_t modes = base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);

	return modes != APIC_BASE_X2APIC && (base & ~(modes | APIC_BASE_BSP)) == DEV_LAPIC_BASE;
}

/* A count that is not there cannot run. */
static bool timer_valid(const struct vlapic_state *s)
{
	uint32_t count = s->regs[REG_INITIAL_COUNT];

	if ((s->regs[REG_LVT_TIMER] & LVT_TIMER_MODE) == TIMER_DEADLINE)
		return count == 0 &&
		       s->deadline == (s->tsc_deadline ? s->tsc_deadline : DEV_NEVER);
	return s->tsc_deadline == 0 && (count || s->deadline == DEV_NEVER);
}

bool vlapic_valid_state(const struct vlapic *l, unsigned vcpu, const struct vlapic_state *s)
{
	(void)l;
	return base_valid(s->base) && registers_valid(s, vcpu) && masks_valid(s) &&
	       timer_valid(s);
}

bool vlapic_set_state(struct vlapic *l, unsigned vcpu, const struct vlapic_state *s)
{
	if (!vlapic_valid_state(l, vcpu, s))
		return false;
	l->base = s->base;
	l->deadline = s->deadline;
	l->timer_start = s->timer_start;
	l->tsc_deadline = s->tsc_deadline;
	for (uint32_t reg = 0; reg < VLAPIC_REGS; reg++)
		vlapic_set(l, reg, s->regs[reg]);
	l->regs[REG_ICR * 4 + 1] = s->icr_high;
	l->esr_pending = s->esr_pending;

	vlapic_posted_reset(l);
	for (uint32_t i = 0; i < 8; i++) {
		l->level[i] = s->regs[REG_TMR + i];
		l->late[i] = 0;
	}
	l->late_waits = false;
	l->changed = l->isr_changed = l->hardware;
	l->irr_top = (int16_t)vlapic_top(l, REG_IRR);
	l->isr_top = (int16_t)vlapic_top(l, REG_ISR);
	l->timer_mode = s->regs[REG_LVT_TIMER] & LVT_TIMER_MODE;
	l->initial_count = s->regs[REG_INITIAL_COUNT];
	l->divide = s->regs[REG_DIVIDE];
	return true;
}
