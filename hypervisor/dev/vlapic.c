/*
 * The local APIC's vectors, messages and registers. Not its timer and its MSRs.
 */
#include "dev/platform.h"
#include "dev/vlapic_int.h"

#define APIC_VERSION (0x14u | (LVT_COUNT - 1) << 16)

#define SVR_ENABLE                 (1u << 8)
#define ESR_SEND_ILLEGAL_VECTOR    (1u << 5)
#define ESR_RECEIVE_ILLEGAL_VECTOR (1u << 6)
#define ESR_ILLEGAL_REGISTER       (1u << 7)

#define ICR_LOGICAL   (1u << 11)
#define ICR_ASSERT    (1u << 14)
#define ICR_LEVEL     (1u << 15)
#define ICR_SHORTHAND 18

/* Bits of each LVT register that are not reserved, and software may set (10.5.1). */
const uint32_t vlapic_lvt_writable[LVT_COUNT] = {
	[LVT_TIMER] = 0x700ff,
	[LVT_THERMAL] = 0x107ff,
	[LVT_PMC] = 0x107ff,
	[LVT_LINT0] = 0x1a7ff,
	[LVT_LINT1] = 0x1a7ff,
	[LVT_ERROR] = 0x100ff,
};

/* ---- vectors ---- */

static int top_bit(const uint32_t *map)
{
	for (int i = 7; i >= 0; i--)
		if (map[i])
			return i * 32 + 31 - __builtin_clz(map[i]);
	return -1;
}

static void set_bit(uint32_t *map, uint8_t vector, bool on)
{
	uint32_t bit = 1u << (vector & 31);

	map[vector >> 5] = on ? map[vector >> 5] | bit : map[vector >> 5] & ~bit;
}

static bool test_bit(const uint32_t *map, uint8_t vector)
{
	return map[vector >> 5] >> (vector & 31) & 1;
}

static bool enabled(const struct vlapic *l)
{
	return (l->base & APIC_BASE_ENABLE) && (l->svr & SVR_ENABLE);
}

/* 10.8.3.1 "Task and Processor Priorities" */
static uint32_t ppr(const struct vlapic *l)
{
	uint32_t in_service = l->isr_top < 0 ? 0 : (uint32_t)l->isr_top & 0xf0;

	return (l->tpr & 0xf0) >= in_service ? l->tpr : in_service;
}

int vlapic_pending(const struct vlapic *l)
{
	if (l->irr_top < 0 || ((uint32_t)l->irr_top & 0xf0) <= (ppr(l) & 0xf0) || !enabled(l))
		return -1;
	return l->irr_top;
}

int vlapic_take(struct vlapic *l)
{
	int vector = vlapic_pending(l);

	if (vector < 0)
		return -1;
	set_bit(l->irr, (uint8_t)vector, false);
	set_bit(l->isr, (uint8_t)vector, true);
	l->isr_top = (int16_t)vector;
	l->irr_top = (int16_t)top_bit(l->irr);
	return vector;
}

static void error(struct platform *p, unsigned vcpu, uint32_t bit);

void vlapic_accept(struct platform *p, unsigned vcpu, uint8_t vector, bool level)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (!enabled(l))
		return;
	if (vector < 16) {
		error(p, vcpu, ESR_RECEIVE_ILLEGAL_VECTOR);
		return;
	}
	set_bit(l->irr, vector, true);
	set_bit(l->tmr, vector, level);
	if (vector > l->irr_top)
		l->irr_top = vector;
	dev_kick(p, vcpu);
}

/* 10.5.3 "Error Handling" */
static void error(struct platform *p, unsigned vcpu, uint32_t bit)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint32_t lvt = l->lvt[LVT_ERROR];

	l->esr_pending |= bit;
	if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16)
		vlapic_accept(p, vcpu, (uint8_t)lvt, false);
}

static void eoi(struct platform *p, unsigned vcpu)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint8_t vector;

	if (l->isr_top < 0)
		return;
	vector = (uint8_t)l->isr_top;
	set_bit(l->isr, vector, false);
	l->isr_top = (int16_t)top_bit(l->isr);
	if (test_bit(l->tmr, vector))
		vioapic_eoi(p, vector);
	if (l->irr_top >= 0)
		dev_kick(p, vcpu);
}

/* ---- messages ---- */

/* 10.6.2 "Determining IPI Destination" */
static bool matches(const struct vlapic *l, unsigned vcpu, uint32_t destination, bool logical)
{
	bool broadcast =
		destination == UINT32_MAX || (destination == 0xff && !vlapic_x2apic(l));

	if (!(l->base & APIC_BASE_ENABLE))
		return false;
	if (broadcast || !logical)
		return broadcast || destination == vcpu;
	if (vlapic_x2apic(l))
		return destination >> 16 == vcpu >> 4 && (destination >> (vcpu & 15) & 1);
	if (l->dfr >> 28 == 0) /* cluster model */
		return (destination & 0xf0) == (l->ldr >> 24 & 0xf0) &&
		       (destination & l->ldr >> 24 & 0xf);
	return destination & l->ldr >> 24;
}

static void deliver(struct platform *p, unsigned vcpu, const struct vlapic_message *m)
{
	if (!(p->lapic[vcpu].base & APIC_BASE_ENABLE))
		return;
	switch (m->mode) {
	case DELIVER_FIXED:
	case DELIVER_LOWEST:
		vlapic_accept(p, vcpu, m->vector, m->level);
		break;
	case DELIVER_NMI:
		dev_nmi(p, vcpu);
		break;
	case DELIVER_INIT:
		dev_init_ipi(p, vcpu);
		break;
	case DELIVER_STARTUP:
		dev_startup_ipi(p, vcpu, m->vector);
		break;
	default: /* SMI: there is no SMM; ExtINT: only through LINT0 */
		break;
	}
}

/* Lowest priority: the least busy of those addressed, the first one of several. */
static bool send_lowest(struct platform *p, const struct vlapic_message *m)
{
	unsigned best = DEV_MAX_VCPUS;

	for (unsigned i = 0; i < p->config.vcpus; i++) {
		const struct vlapic *l = &p->lapic[i];

		if (matches(l, i, m->destination, m->logical) && enabled(l) &&
			(best == DEV_MAX_VCPUS || ppr(l) < ppr(&p->lapic[best])))
			best = i;
	}
	if (best == DEV_MAX_VCPUS)
		return false;
	deliver(p, best, m);
	return true;
}

bool vlapic_send(struct platform *p, const struct vlapic_message *m)
{
	bool accepted = false;

	if (m->mode == DELIVER_LOWEST)
		return send_lowest(p, m);
	for (unsigned i = 0; i < p->config.vcpus; i++) {
		if (!matches(&p->lapic[i], i, m->destination, m->logical))
			continue;
		accepted |= m->mode != DELIVER_FIXED || enabled(&p->lapic[i]);
		deliver(p, i, m);
	}
	return accepted;
}

/* 10.6.1 "Interrupt Command Register (ICR)" */
void vlapic_send_ipi(struct platform *p, unsigned self)
{
	struct vlapic *l = &p->lapic[self];
	uint32_t low = (uint32_t)l->icr;
	struct vlapic_message m = {
		.vector = (uint8_t)low,
		.mode = (enum vlapic_mode)(low >> 8 & 7),
		.logical = low & ICR_LOGICAL,
		.destination = (uint32_t)(vlapic_x2apic(l) ? l->icr >> 32 : l->icr >> 56),
	};
	unsigned shorthand = low >> ICR_SHORTHAND & 3;

	if (m.mode == DELIVER_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT))
		return; /* INIT level de-assert */
	if (m.mode <= DELIVER_LOWEST && m.vector < 16) {
		error(p, self, ESR_SEND_ILLEGAL_VECTOR);
		return;
	}
	if (shorthand == 0) {
		vlapic_send(p, &m);
		return;
	}
	if (shorthand != 3 && m.mode != DELIVER_FIXED)
		return; /* table 10-4: "self" and "all including self" are for fixed mode only */
	for (unsigned i = 0; i < p->config.vcpus; i++)
		if (i == self ? shorthand != 3 : shorthand != 1)
			deliver(p, i, &m);
}

/* ---- registers ---- */

/* 10.4.7.1 "Local APIC State After Power-Up or Reset" */
void vlapic_reset(struct platform *p, unsigned vcpu)
{
	struct vlapic *l = &p->lapic[vcpu];

	*l = (struct vlapic){
		.base = DEV_LAPIC_BASE | APIC_BASE_ENABLE | (vcpu == 0 ? APIC_BASE_BSP : 0),
		.deadline = DEV_NEVER,
		.svr = 0xff,
		.dfr = UINT32_MAX,
		.irr_top = -1,
		.isr_top = -1,
	};
	for (unsigned i = 0; i < LVT_COUNT; i++)
		l->lvt[i] = LVT_MASKED;
}

/* 10.4.7.3 "Local APIC State After an INIT Reset": IA32_APIC_BASE stays. */
void vlapic_init_reset(struct platform *p, unsigned vcpu)
{
	uint64_t base = p->lapic[vcpu].base;

	vlapic_reset(p, vcpu);
	p->lapic[vcpu].base = base;
}

/* As firmware hands over (MP specification 3.6.2.2 "Virtual Wire Mode"). */
void vlapic_virtual_wire(struct platform *p, unsigned vcpu)
{
	struct vlapic *l = &p->lapic[vcpu];

	l->svr |= SVR_ENABLE;
	l->lvt[LVT_LINT0] = DELIVER_EXTINT << 8;
	l->lvt[LVT_LINT1] = DELIVER_NMI << 8;
}

bool vlapic_is_mapped(const struct vlapic *l)
{
	return (l->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE;
}

/* 10.5.1: as a virtual wire, or while the APIC is disabled globally. */
bool vlapic_accepts_extint(const struct vlapic *l)
{
	uint32_t lvt = l->lvt[LVT_LINT0];

	if (!(l->base & APIC_BASE_ENABLE))
		return true;
	return !(lvt & LVT_MASKED) && (lvt >> 8 & 7) == DELIVER_EXTINT;
}

uint32_t vlapic_read_register(struct platform *p, unsigned vcpu, uint32_t reg)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR)
		return l->lvt[reg - REG_LVT_TIMER];
	if (reg >= REG_ISR && reg < REG_ESR) {
		const uint32_t *map = reg < REG_TMR ? l->isr : reg < REG_IRR ? l->tmr : l->irr;

		return map[reg & 7];
	}
	switch (reg) {
	case REG_ID:
		return vlapic_x2apic(l) ? vcpu : vcpu << 24;
	case REG_VERSION:
		return APIC_VERSION;
	case REG_TPR:
		return l->tpr;
	case REG_PPR:
		return ppr(l);
	case REG_LDR:
		return vlapic_x2apic(l) ? (vcpu >> 4) << 16 | 1u << (vcpu & 15) : l->ldr;
	case REG_DFR:
		return l->dfr;
	case REG_SVR:
		return l->svr;
	case REG_ESR:
		return l->esr;
	case REG_ICR:
		return (uint32_t)l->icr;
	case REG_ICR2:
		return (uint32_t)(l->icr >> 32);
	case REG_INITIAL_COUNT:
		return l->initial_count;
	case REG_CURRENT_COUNT:
		return vlapic_current_count(p, l);
	case REG_DIVIDE:
		return l->divide;
	default:
		return 0;
	}
}

static void write_lvt(struct platform *p, unsigned vcpu, unsigned i, uint32_t value)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint32_t old_mode = vlapic_timer_mode(l);

	if (!(l->svr & SVR_ENABLE))
		value |= LVT_MASKED;
	l->lvt[i] = value & vlapic_lvt_writable[i];
	if (i == LVT_TIMER && vlapic_timer_mode(l) != old_mode) {
		/* 10.5.4.1: going to or from TSC-deadline mode disarms the timer. */
		if (vlapic_timer_mode(l) == TIMER_DEADLINE || old_mode == TIMER_DEADLINE) {
			l->initial_count = 0;
			l->tsc_deadline = 0;
			l->deadline = DEV_NEVER;
		}
	}
	if (i == LVT_LINT0 && vcpu == 0)
		dev_kick(p, vcpu);
}

static void write_svr(struct platform *p, unsigned vcpu, uint32_t value)
{
	struct vlapic *l = &p->lapic[vcpu];

	l->svr = value & 0x1ff;
	for (unsigned i = 0; !(value & SVR_ENABLE) && i < LVT_COUNT; i++)
		l->lvt[i] |= LVT_MASKED; /* 10.4.7.2 */
	if (l->irr_top >= 0)
		dev_kick(p, vcpu);
}

/* Registers of table 10-1 whose writes do nothing; others that are not there are an error. */
static bool is_read_only(uint32_t reg)
{
	return reg == REG_ID || reg == REG_VERSION || (reg >= REG_APR && reg <= REG_PPR) ||
	       reg == REG_REMOTE_READ || (reg >= REG_ISR && reg < REG_ESR) ||
	       reg == REG_CURRENT_COUNT;
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
		platform_write_tpr(p, vcpu, value & 0xff);
		break;
	case REG_EOI:
		eoi(p, vcpu);
		break;
	case REG_LDR:
		l->ldr = value & 0xff000000;
		break;
	case REG_DFR:
		l->dfr = value | 0x0fffffff;
		break;
	case REG_SVR:
		write_svr(p, vcpu, value);
		break;
	case REG_ESR:
		l->esr = l->esr_pending;
		l->esr_pending = 0;
		break;
	case REG_ICR:
		l->icr = (l->icr & ~0xffffffffull) | (value & 0xccfff);
		vlapic_send_ipi(p, vcpu);
		break;
	case REG_ICR2:
		l->icr = (uint64_t)(value & 0xff000000) << 32 | (uint32_t)l->icr;
		break;
	case REG_INITIAL_COUNT:
		vlapic_write_initial_count(p, l, value);
		break;
	case REG_DIVIDE:
		vlapic_write_divide(p, l, value);
		break;
	default:
		if (!is_read_only(reg))
			error(p, vcpu, ESR_ILLEGAL_REGISTER);
		break;
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
