/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC's vectors: requests, priorities, acceptance and end of interrupts.
 *
 * Two modes. In software everything is done here at once. With `hardware` the CPU delivers what
 * IRR holds and ends it; requests wait in the posted-interrupt descriptor, and the CPU (if it
 * does posted interrupts and L1 runs) or the vCPU's owner moves them into IRR.
 */
#include "dev/platform.h"
#include "dev/vlapic_int.h"

#define POSTED_OUTSTANDING 1ull

/*
 * A request that stays in the descriptor, or in IRR once the CPU has moved it: vector 0, which
 * is never above any priority. A notification may come when the owner has just taken what it
 * was about; Bochs takes an empty set of requests for vector 255.
 */
#define FLOOR 1u

/* ---- 256-bit registers ---- */

static uint32_t *word(struct vlapic *l, uint32_t reg, uint8_t vector)
{
	return &l->regs[(reg + (vector >> 5)) * 4];
}

int vlapic_top(const struct vlapic *l, uint32_t reg)
{
	for (uint32_t i = 8; i-- > 0;) {
		uint32_t v = vlapic_reg(l, reg + i);

		if (v)
			return (int)(i * 32 + 31) - __builtin_clz(v);
	}
	return -1;
}

static void set_bit(uint32_t *map, uint8_t vector, bool on)
{
	uint32_t bit = 1u << (vector & 31);

	*map = on ? *map | bit : *map & ~bit;
}

static bool test_bit(uint32_t map, uint8_t vector)
{
	return map >> (vector & 31) & 1;
}

static int irr_top(const struct vlapic *l)
{
	return l->hardware ? vlapic_top(l, REG_IRR) : l->irr_top;
}

static int isr_top(const struct vlapic *l)
{
	return l->hardware ? vlapic_top(l, REG_ISR) : l->isr_top;
}

/* ---- the owner's side ---- */

uint32_t vlapic_tpr(const struct vlapic *l)
{
	return vlapic_reg(l, REG_TPR);
}

void vlapic_set_tpr(struct vlapic *l, uint32_t value)
{
	vlapic_set(l, REG_TPR, value);
}

/* 10.8.3.1 "Task and Processor Priorities" */
uint32_t vlapic_ppr(const struct vlapic *l)
{
	uint32_t tpr = vlapic_reg(l, REG_TPR);
	int top = isr_top(l);
	uint32_t in_service = top < 0 ? 0 : (uint32_t)top & 0xf0;

	return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

static void collect_posted(struct vlapic *l)
{
	__atomic_fetch_and(&l->posted.control, ~POSTED_OUTSTANDING, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t rest = i == 0 ? FLOOR : 0, requests;

		if (__atomic_load_n(&l->posted.requests[i], __ATOMIC_RELAXED) == rest)
			continue;
		requests = __atomic_exchange_n(&l->posted.requests[i], rest, __ATOMIC_SEQ_CST);
		l->regs[(REG_IRR + 2 * i) * 4] |= (uint32_t)requests;
		l->regs[(REG_IRR + 2 * i + 1) * 4] |= (uint32_t)(requests >> 32);
	}
	vlapic_set(l, REG_IRR, vlapic_reg(l, REG_IRR) & ~FLOOR);
	l->changed = true;
}

void vlapic_posted_reset(struct vlapic *l)
{
	for (uint32_t i = 0; i < 4; i++)
		__atomic_store_n(&l->posted.requests[i], i == 0 ? FLOOR : 0, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&l->posted.control, ~POSTED_OUTSTANDING, __ATOMIC_SEQ_CST);
}

bool vlapic_takes_posted(const struct vlapic *l, uint8_t vector)
{
	return l->hardware && vlapic_enabled(l) && !test_bit(l->level[vector >> 5], vector) &&
	       !test_bit(l->late[vector >> 5], vector);
}

bool vlapic_has_posted(const struct vlapic *l)
{
	return __atomic_load_n(&l->posted.control, __ATOMIC_RELAXED) & POSTED_OUTSTANDING;
}

static uint32_t posted_word(const struct vlapic *l, uint32_t i)
{
	uint64_t posted = __atomic_load_n(&l->posted.requests[i / 2], __ATOMIC_RELAXED);
	uint32_t requests = (uint32_t)(posted >> i % 2 * 32);

	return i == 0 ? requests & ~FLOOR : requests;
}

uint32_t vlapic_requests(const struct vlapic *l, uint32_t i)
{
	uint32_t requests = vlapic_reg(l, REG_IRR + i) | posted_word(l, i) | l->late[i];

	return i == 0 ? requests & ~FLOOR : requests;
}

static void collect_late(struct vlapic *l)
{
	for (uint32_t i = 0; i < 8; i++) {
		l->regs[(REG_TMR + i) * 4] = l->level[i];
		l->regs[(REG_IRR + i) * 4] |= l->late[i];
		l->late[i] = 0;
	}
	__atomic_store_n(&l->late_waits, false, __ATOMIC_RELAXED);
	l->changed = true;
}

void vlapic_collect(struct vlapic *l)
{
	if (vlapic_has_posted(l))
		collect_posted(l);
	if (l->late_waits)
		collect_late(l);
}

static bool above_ppr(const struct vlapic *l, int vector)
{
	return vector >= 0 && ((uint32_t)vector & 0xf0) > (vlapic_ppr(l) & 0xf0);
}

/* 10.4.7.2: a LAPIC that software disabled keeps what is pending. */
int vlapic_pending(struct vlapic *l)
{
	int top;

	if (l->hardware)
		vlapic_collect(l);
	top = irr_top(l);
	return above_ppr(l, top) ? top : -1;
}

bool vlapic_owned(const struct vlapic *l)
{
	return l->hardware && !__atomic_load_n(&l->late_waits, __ATOMIC_RELAXED);
}

/* The highest request, those in the descriptor included. */
static int requests_top(const struct vlapic *l)
{
	for (uint32_t i = 8; i-- > 0;) {
		uint32_t v = vlapic_reg(l, REG_IRR + i) | posted_word(l, i);

		if (v)
			return (int)(i * 32 + 31) - __builtin_clz(v);
	}
	return -1;
}

bool vlapic_waits(const struct vlapic *l)
{
	return above_ppr(l, vlapic_has_posted(l) ? requests_top(l) : irr_top(l));
}

int vlapic_take(struct vlapic *l)
{
	int vector = vlapic_pending(l);

	if (vector < 0)
		return -1;
	set_bit(word(l, REG_IRR, (uint8_t)vector), (uint8_t)vector, false);
	set_bit(word(l, REG_ISR, (uint8_t)vector), (uint8_t)vector, true);
	l->changed = l->isr_changed = l->hardware;
	if (l->hardware)
		return vector;
	l->isr_top = (int16_t)vector;
	l->irr_top = (int16_t)vlapic_top(l, REG_IRR);
	return vector;
}

void vlapic_eoi(struct platform *p, unsigned vcpu)
{
	struct vlapic *l = &p->lapic[vcpu];
	int top = isr_top(l);
	uint8_t vector = (uint8_t)top;

	if (top < 0)
		return;
	set_bit(word(l, REG_ISR, vector), vector, false);
	l->changed = l->isr_changed = l->hardware;
	if (!l->hardware)
		l->isr_top = (int16_t)vlapic_top(l, REG_ISR);
	if (test_bit(*word(l, REG_TMR, vector), vector))
		vioapic_eoi(p, vector);
	if (l->hardware || l->irr_top >= 0)
		dev_kick(p, vcpu);
}

/* ---- requests ---- */

/*
 * The CPU must know before it delivers a level-triggered vector that its EOI is to exit: a
 * request whose trigger mode is new waits for the owner.
 */
static void post(struct platform *p, unsigned vcpu, uint8_t vector, bool level)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint64_t bit = 1ull << (vector & 63);
	uint32_t i = vector >> 5;

	if (test_bit(l->level[i], vector) != level || test_bit(l->late[i], vector)) {
		set_bit(&l->level[i], vector, level);
		set_bit(&l->late[i], vector, true);
		__atomic_store_n(&l->late_waits, true, __ATOMIC_RELAXED);
		vpci_routes_changed(p);
		dev_kick(p, vcpu);
		return;
	}
	__atomic_fetch_or(&l->posted.requests[vector >> 6], bit, __ATOMIC_SEQ_CST);
	if (!(__atomic_fetch_or(&l->posted.control, POSTED_OUTSTANDING, __ATOMIC_SEQ_CST) &
		    POSTED_OUTSTANDING))
		dev_posted(p, vcpu);
}

void vlapic_accept(struct platform *p, unsigned vcpu, uint8_t vector, bool level)
{
	struct vlapic *l = &p->lapic[vcpu];

	if (!vlapic_enabled(l))
		return;
	if (vector < 16) {
		vlapic_error(p, vcpu, ESR_RECEIVE_ILLEGAL_VECTOR);
		return;
	}
	if (l->hardware) {
		post(p, vcpu, vector, level);
		return;
	}
	set_bit(word(l, REG_IRR, vector), vector, true);
	set_bit(word(l, REG_TMR, vector), vector, level);
	if (vector > l->irr_top)
		l->irr_top = vector;
	dev_kick(p, vcpu);
}

/* 10.5.3 "Error Handling" */
void vlapic_error(struct platform *p, unsigned vcpu, uint32_t esr_bit)
{
	struct vlapic *l = &p->lapic[vcpu];
	uint32_t lvt = vlapic_reg(l, REG_LVT_ERROR);

	l->esr_pending |= esr_bit;
	if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16)
		vlapic_accept(p, vcpu, (uint8_t)lvt, false);
}
