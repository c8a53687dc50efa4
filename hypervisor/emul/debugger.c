/* SPDX-License-Identifier: Apache-2.0 */
#include "emul/debugger.h"

#include "emul/breakpoint.h"
#include "spec/regs.h"

bool debugger_valid(const struct debugger_point *p)
{
	if (p->size != 1 && p->size != 2 && p->size != 4 && p->size != 8)
		return false;
	return p->at % p->size == 0 && (p->on != DEBUGGER_EXECUTE || p->size == 1);
}

bool debugger_counts(const struct debugger_point *p, const struct debugger_place *place)
{
	if (p->size == 0 || (p->level != 0 && p->level != place->level))
		return false;
	if (p->l2 != 0 && (place->level != 2 || p->l2 != place->l2))
		return false;
	return p->on != DEBUGGER_EXECUTE || !place->skips || p->at != place->skip;
}

static bool guest_has(uint64_t dr7, unsigned reg)
{
	return dr7 & DR7_ENABLE(reg);
}

/* The LEN field of DR7. */
static uint64_t length(unsigned size)
{
	return size == 8 ? 2 : size - 1u;
}

static void give(struct debugger_plan *plan, unsigned reg, const struct debugger_point *p)
{
	plan->dr[reg] = p->at;
	plan->dr7 &= ~(DR7_ENABLE(reg) | DR7_KIND(reg, 15));
	plan->dr7 |= DR7_GLOBAL(reg) | DR7_KIND(reg, p->on | length(p->size) << 2);
	plan->taken++;
}

/*
 * GD goes: the processor asks "MOV-DR exiting" first (SDM 25.1.3), and then L0 does what GD
 * asks for.
 */
struct debugger_plan debugger_make(const struct debugger_points *points,
	const struct debugger_place *place, const uint64_t dr[4], uint64_t dr7)
{
	struct debugger_plan plan = {.dr7 = dr7 & ~DR7_GD};
	unsigned reg = 0;

	for (unsigned i = 0; i < 4; i++)
		plan.dr[i] = dr[i];
	for (unsigned i = 0; i < DEBUGGER_POINTS; i++) {
		if (!debugger_counts(&points->p[i], place))
			continue;
		while (reg < 4 && guest_has(dr7, reg))
			reg++;
		if (reg == 4) {
			plan.missing |= (uint8_t)(1u << i);
			continue;
		}
		give(&plan, reg, &points->p[i]);
		plan.owner[reg++] = (uint8_t)(i + 1);
	}
	return plan;
}

struct debugger_split debugger_divide(
	const struct debugger_plan *plan, uint64_t dr7, uint64_t conditions)
{
	struct debugger_split s = {.guest = conditions};
	bool enabled = false;

	for (unsigned reg = 0; reg < 4; reg++) {
		if (!(conditions >> reg & 1))
			continue;
		if (plan->owner[reg] == 0) {
			enabled |= guest_has(dr7, reg);
			continue;
		}
		s.hits |= (uint8_t)(1u << (plan->owner[reg] - 1));
		s.guest &= ~BIT64(reg);
	}
	if (s.hits == 0 || enabled)
		return s;
	/* What is met of the guest's, but not enabled, alone is no exception. */
	s.guest &= ~PENDING_DBG_ENABLED;
	if (!(s.guest & (DR6_BD | DR6_BS | DR6_BT)))
		s.guest = 0;
	return s;
}

uint8_t debugger_meets(const struct debugger_points *points, const struct debugger_place *place,
	uint64_t at, unsigned size, unsigned how)
{
	static const uint64_t none[4];
	struct debugger_plan plan = debugger_make(points, place, none, 0);

	return debugger_divide(
		&plan, 0, emul_breakpoints(plan.dr7, plan.dr, at, size, (enum emul_watch)how))
		.hits;
}
