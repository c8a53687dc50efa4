#include "dev/platform.h"

#define APIC_BASE_BSP    (1ull << 8)
#define APIC_BASE_X2APIC (1ull << 10)
#define APIC_BASE_ENABLE (1ull << 11)
#define APIC_VERSION     (0x14u | (LVT_COUNT - 1) << 16)

#define SVR_ENABLE                 (1u << 8)
#define LVT_MASKED                 (1u << 16)
#define LVT_TIMER_MODE             (3u << 17)
#define TIMER_ONESHOT              (0u << 17)
#define TIMER_PERIODIC             (1u << 17)
#define TIMER_DEADLINE             (2u << 17)
#define ESR_SEND_ILLEGAL_VECTOR    (1u << 5)
#define ESR_RECEIVE_ILLEGAL_VECTOR (1u << 6)
#define ESR_ILLEGAL_REGISTER       (1u << 7)

#define ICR_LOGICAL   (1u << 11)
#define ICR_ASSERT    (1u << 14)
#define ICR_LEVEL     (1u << 15)
#define ICR_SHORTHAND 18

#define MSR_APIC_BASE    0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC       0x800u

/* A guest timer that fires more often than this is slowed down: L0 must stay in control. */
#define MIN_PERIOD 500u

/* Register numbers: offset / 16, the same as the x2APIC MSR's. */
enum apic_register {
	REG_ID = 0x02,
	REG_VERSION = 0x03,
	REG_TPR = 0x08,
	REG_APR = 0x09,
	REG_PPR = 0x0a,
	REG_EOI = 0x0b,
	REG_LDR = 0x0d,
	REG_DFR = 0x0e,
	REG_SVR = 0x0f,
	REG_ISR = 0x10,
	REG_TMR = 0x18,
	REG_IRR = 0x20,
	REG_ESR = 0x28,
	REG_ICR = 0x30,
	REG_ICR2 = 0x31,
	REG_LVT_TIMER = 0x32,
	REG_LVT_ERROR = 0x37,
	REG_INITIAL_COUNT = 0x38,
	REG_CURRENT_COUNT = 0x39,
	REG_DIVIDE = 0x3e,
	REG_SELF_IPI = 0x3f
};

/* Bits of each LVT register that are not reserved, and software may set (10.5.1). */
static const uint32_t lvt_writable[LVT_COUNT] = {
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

static bool x2apic(const struct vlapic *l)
{
	return l->base & APIC_BASE_X2APIC;
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

static void accept(struct platform *p, unsigned vcpu, uint8_t vector, bool level)
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
		accept(p, vcpu, (uint8_t)lvt, false);
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
	bool broadcast = destination == (x2apic(l) ? UINT32_MAX : 0xffu);

	if (!(l->base & APIC_BASE_ENABLE))
		return false;
	if (broadcast || !logical)
		return broadcast || destination == vcpu;
	if (x2apic(l))
		return destination >> 16 == vcpu >> 4 && (destination >> (vcpu & 15) & 1);
	if (l->dfr >> 28 == 0) /* cluster model */
		return (destination & 0xf0) == (l->ldr >> 24 & 0xf0) &&
		       (destination & l->ldr >> 24 & 0xf);
	return destination & l->ldr >> 24;
}

static void deliver(struct platform *p, unsigned vcpu, const struct vlapic_message *m)
{
	switch (m->mode) {
	case DELIVER_FIXED:
	case DELIVER_LOWEST:
		accept(p, vcpu, m->vector, m->level);
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
static void send_lowest(struct platform *p, const struct vlapic_message *m)
{
	unsigned best = DEV_MAX_VCPUS;

	for (unsigned i = 0; i < p->config.vcpus; i++) {
		const struct vlapic *l = &p->lapic[i];

		if (matches(l, i, m->destination, m->logical) && enabled(l) &&
			(best == DEV_MAX_VCPUS || ppr(l) < ppr(&p->lapic[best])))
			best = i;
	}
	if (best < DEV_MAX_VCPUS)
		deliver(p, best, m);
}

void vlapic_send(struct platform *p, const struct vlapic_message *m)
{
	if (m->mode == DELIVER_LOWEST) {
		send_lowest(p, m);
		return;
	}
	for (unsigned i = 0; i < p->config.vcpus; i++)
		if (matches(&p->lapic[i], i, m->destination, m->logical))
			deliver(p, i, m);
}

/* 10.6.1 "Interrupt Command Register (ICR)" */
static void send_ipi(struct platform *p, unsigned self)
{
	struct vlapic *l = &p->lapic[self];
	uint32_t low = (uint32_t)l->icr;
	struct vlapic_message m = {
		.vector = (uint8_t)low,
		.mode = (enum vlapic_mode)(low >> 8 & 7),
		.logical = low & ICR_LOGICAL,
		.destination = (uint32_t)(x2apic(l) ? l->icr >> 32 : l->icr >> 56),
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
	for (unsigned i = 0; i < p->config.vcpus; i++)
		if (i == self ? shorthand != 3 : shorthand != 1)
			deliver(p, i, &m);
}

/* ---- timer, 10.5.4 "APIC Timer" ---- */

static uint64_t tick_of(const struct vlapic *l)
{
	uint32_t code = (l->divide & 3) | (l->divide >> 1 & 4);

	return code == 7 ? 1 : 2ull << code;
}

static uint32_t timer_mode(const struct vlapic *l)
{
	return l->lvt[LVT_TIMER] & LVT_TIMER_MODE;
}

static void timer_schedule(struct vlapic *l)
{
	uint64_t period = l->initial_count * tick_of(l);

	l->deadline = DEV_NEVER;
	if (timer_mode(l) == TIMER_DEADLINE) {
		if (l->tsc_deadline)
			l->deadline = l->tsc_deadline;
	} else if (l->initial_count) {
		l->deadline = l->timer_start + period;
	}
}

static uint32_t current_count(struct platform *p, const struct vlapic *l)
{
	uint64_t ticks;

	if (timer_mode(l) == TIMER_DEADLINE || l->initial_count == 0)
		return 0;
	ticks = (dev_now(p) - l->timer_start) / tick_of(l);
	if (timer_mode(l) == TIMER_PERIODIC)
		return l->initial_count - (uint32_t)(ticks % l->initial_count);
	return ticks >= l->initial_count ? 0 : l->initial_count - (uint32_t)ticks;
}

void vlapic_run_timer(struct platform *p, unsigned vcpu, uint64_t now)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint64_t period = l->initial_count * tick_of(l);

	if (now < l->deadline)
		return;
	l->deadline = DEV_NEVER;
	if (timer_mode(l) == TIMER_DEADLINE) {
		l->tsc_deadline = 0;
	} else if (timer_mode(l) == TIMER_PERIODIC && period) {
		/* Ticks that were missed make one interrupt. */
		l->timer_start += (now - l->timer_start) / period * period;
		l->deadline = l->timer_start + period;
		if (l->deadline < now + MIN_PERIOD)
			l->deadline = now + MIN_PERIOD;
	} else {
		l->initial_count = 0;
	}
	if (!(l->lvt[LVT_TIMER] & LVT_MASKED))
		accept(p, vcpu, (uint8_t)l->lvt[LVT_TIMER], false);
}

static void write_initial_count(struct platform *p, struct vlapic *l, uint32_t value)
{
	if (timer_mode(l) == TIMER_DEADLINE)
		return;
	l->initial_count = value;
	l->timer_start = dev_now(p);
	timer_schedule(l);
}

static void write_tsc_deadline(struct platform *p, unsigned vcpu, uint64_t value)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (timer_mode(l) != TIMER_DEADLINE)
		return;
	l->tsc_deadline = value;
	timer_schedule(l);
	if (l->deadline <= dev_now(p))
		vlapic_run_timer(p, vcpu, l->deadline);
}

/* ---- registers ---- */

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

static uint32_t read_register(struct platform *p, unsigned vcpu, uint32_t reg)
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
		return x2apic(l) ? vcpu : vcpu << 24;
	case REG_VERSION:
		return APIC_VERSION;
	case REG_TPR:
		return l->tpr;
	case REG_PPR:
		return ppr(l);
	case REG_LDR:
		return x2apic(l) ? (vcpu >> 4) << 16 | 1u << (vcpu & 15) : l->ldr;
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
		return current_count(p, l);
	case REG_DIVIDE:
		return l->divide;
	default:
		return 0;
	}
}

static void write_lvt(struct platform *p, unsigned vcpu, unsigned i, uint32_t value)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint32_t old_mode = timer_mode(l);

	if (!(l->svr & SVR_ENABLE))
		value |= LVT_MASKED;
	l->lvt[i] = value & lvt_writable[i];
	if (i == LVT_TIMER && timer_mode(l) != old_mode) {
		/* 10.5.4.1: going to or from TSC-deadline mode disarms the timer. */
		if (timer_mode(l) == TIMER_DEADLINE || old_mode == TIMER_DEADLINE) {
			l->initial_count = 0;
			l->tsc_deadline = 0;
		}
		timer_schedule(l);
	}
	if (i == LVT_LINT0 && vcpu == 0)
		dev_kick(p, vcpu);
}

static void write_svr(struct vlapic *l, uint32_t value)
{
	l->svr = value & 0x1ff;
	for (unsigned i = 0; !(value & SVR_ENABLE) && i < LVT_COUNT; i++)
		l->lvt[i] |= LVT_MASKED; /* 10.4.7.2 */
}

static void write_register(struct platform *p, unsigned vcpu, uint32_t reg, uint32_t value)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR) {
		write_lvt(p, vcpu, reg - REG_LVT_TIMER, value);
		return;
	}
	switch (reg) {
	case REG_TPR:
		platform_set_cr8(p, vcpu, value >> 4 & 0xf);
		l->tpr = value & 0xff;
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
		write_svr(l, value);
		break;
	case REG_ESR:
		l->esr = l->esr_pending;
		l->esr_pending = 0;
		break;
	case REG_ICR:
		l->icr = (l->icr & ~0xffffffffull) | (value & 0xccfff);
		send_ipi(p, vcpu);
		break;
	case REG_ICR2:
		l->icr = (uint64_t)(value & 0xff000000) << 32 | (uint32_t)l->icr;
		break;
	case REG_INITIAL_COUNT:
		write_initial_count(p, l, value);
		break;
	case REG_DIVIDE:
		l->divide = value & 0xb;
		timer_schedule(l);
		break;
	default:
		error(p, vcpu, ESR_ILLEGAL_REGISTER);
		break;
	}
}

uint32_t vlapic_read(struct platform *p, unsigned vcpu, uint32_t offset)
{
	return read_register(p, vcpu, offset >> 4);
}

void vlapic_write(struct platform *p, unsigned vcpu, uint32_t offset, uint32_t value)
{
	if (offset >> 4 != REG_SELF_IPI)
		write_register(p, vcpu, offset >> 4, value);
}

/* ---- MSRs, 10.12 "Extended XAPIC (x2APIC)" ---- */

static bool write_base(struct platform *p, unsigned vcpu, uint64_t value)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint64_t modes = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
	uint64_t from = l->base & modes, to = value & modes;

	if (value & ~(0xffffff000ull | modes | APIC_BASE_BSP))
		return false;
	/* 10.12.5: x2APIC is left only through "disabled", and entered only from xAPIC. */
	if (to == APIC_BASE_X2APIC || (from == modes && to == APIC_BASE_ENABLE) ||
		(from == 0 && to == modes))
		return false;
	/* The register page does not move: nobody needs it, and EPT01 would have to follow. */
	if ((value & 0xffffff000ull) != DEV_LAPIC_BASE)
		return false;
	if (from && !to) {
		vlapic_reset(p, vcpu);
		l->base &= ~modes;
	}
	l->base = (l->base & ~modes) | to;
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

/* Reserved bits raise #GP in x2APIC mode (10.12.1.2). */
static bool msr_value_valid(uint32_t reg, uint64_t value)
{
	if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR)
		return !(value &
			 ~(uint64_t)(lvt_writable[reg - REG_LVT_TIMER] | 1u << 12 | 1u << 14));
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
	if (!x2apic(l) || !msr_exists(msr - MSR_X2APIC, false))
		return false;
	*value =
		msr - MSR_X2APIC == REG_ICR ? l->icr : read_register(p, vcpu, msr - MSR_X2APIC);
	return true;
}

bool vlapic_wrmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t value)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint32_t reg = msr - MSR_X2APIC;

	if (msr == MSR_TSC_DEADLINE) {
		write_tsc_deadline(p, vcpu, value);
		return true;
	}
	if (msr == MSR_APIC_BASE)
		return write_base(p, vcpu, value);
	if (!x2apic(l) || !msr_exists(reg, true) || !msr_value_valid(reg, value))
		return false;
	if (reg == REG_ICR) {
		l->icr = value;
		send_ipi(p, vcpu);
	} else if (reg == REG_SELF_IPI) {
		accept(p, vcpu, (uint8_t)value, false);
	} else {
		write_register(p, vcpu, reg, (uint32_t)value);
	}
	return true;
}
