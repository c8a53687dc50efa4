/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the specification decides about queued invalidation: events, the way round, errors.
 */
#include "rt.h"
#include "vtd/vtd_unit.h"
#include "vtd_copier.h"
#include "vtd_rules.h"

#define DOMAIN  7u
#define MESSAGE 0x52u

static void queue_events(void)
{
	set_unit32(IEDATA, MESSAGE);
	set_unit32(IEADDR, 0xfee00000u);
	set_unit32(VTD_IEUADDR, 0);
	set_unit32(IECTL, VTD_EVENT_IM);
	queue_put(VTD_INV_WAIT | VTD_WAIT_IF, 0);
	queue_wait();
	rest(4);
	expect("a wait descriptor says that it is done", unit32(ICS), 1);
	expect("masked: its event is pending", unit32(IECTL) >> 30, 3);
	set_unit32(IECTL, 0);
	rest(4);
	expect("unmasked: it comes", interrupt_count[MESSAGE], 1);
	expect("and is not pending", unit32(IECTL) >> 30, 0);
	queue_put(VTD_INV_WAIT | VTD_WAIT_IF, 0);
	queue_wait();
	rest(4);
	expect("not again before that is cleared", interrupt_count[MESSAGE], 1);
	set_unit32(ICS, VTD_IWC);
	expect("cleared", unit32(ICS), 0);
	queue_put(VTD_INV_WAIT | VTD_WAIT_IF, 0);
	queue_wait();
	rest(4);
	expect("and then it comes", interrupt_count[MESSAGE], 2);
	set_unit32(ICS, VTD_IWC);
}

/* A wait that neither writes nor interrupts makes others wait, no more. */
static void queue_fence(void)
{
	uint32_t head = unit32(IQT);

	queue_put(VTD_INV_WAIT | VTD_WAIT_FN, 0);
	for (unsigned n = 0; n < 100 && unit32(IQH) == head && !(unit32(FSTS) & IQE); n++)
		rest(4);
	expect("a wait that is a fence only", unit32(FSTS) & IQE, 0);
	queue[head / 8] = VTD_INV_IRTE;
	set_unit32(FSTS, IQE);
	queue_wait();
}

static void queue_wraps(void)
{
	unsigned before = failed;

	for (unsigned i = 0; i < 300; i++)
		queue_wait();
	expect("the queue goes round", failed, before);
	expect("and its head is its tail", unit32(IQH), unit32(IQT));
}

static const struct {
	const char *name;
	uint64_t low, high;
} bad[] = {
	{"a descriptor of no type", 0, 0},
	{"a descriptor of type 15", 15, 0},
	{"contexts without granularity", 1, 0},
	{"pages without granularity", 2, 0},
	{"pages with too large a mask", 2 | SELECTED << 4 | DOMAIN << 16, 19},
	{"pages with reserved bits", 2 | SELECTED << 4 | DOMAIN << 16, 1u << 8},
	{"contexts with reserved bits", 1 | ALL << 4, 1},
	{"interrupt entries with reserved bits", 4 | UINT64_C(1) << 63, 0},
	{"a wait with reserved bits", 5 | 1u << 8, 0},
	{"a wait with reserved address bits", 5 | 1u << 5, 2},
};

static void queue_errors(void)
{
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t head = unit32(IQT);

		queue_put(bad[i].low, bad[i].high);
		for (unsigned n = 0; n < 100 && !(unit32(FSTS) & IQE); n++)
			rest(4);
		expect(bad[i].name, unit32(FSTS) & IQE, IQE);
		if (!(unit32(FSTS) & IQE))
			continue;
		expect_of(bad[i].name, "the queue stops there", unit32(IQH), head);
		queue[head / 8] = VTD_INV_IRTE; /* which does no harm */
		queue[head / 8 + 1] = 0;
		set_unit32(FSTS, IQE);
		queue_wait();
		expect_of(bad[i].name, "it goes on", unit32(FSTS) & IQE, 0);
	}
}

void rules_of_the_queue(void)
{
	queue_events();
	queue_fence();
	queue_wraps();
	queue_errors();
}
