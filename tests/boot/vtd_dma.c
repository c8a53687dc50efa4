/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remapping unit of the emulated machine, bare: what tests/vtd/vtd_rules.c does not ask
 * every unit. What this one has, which mistakes it does not overlook, how many faults it
 * records, stale entries until they are invalidated, by registers and by the queue, which is
 * worked on later. Command line: `caching`: the unit is in caching mode.
 */
#include "apic.h"
#include "cmdline.h"
#include "rt.h"
#include "vtd/vtd_unit.h"

#define DOMAIN 7u
#define FROM   UINT64_C(0x40000000)
#define TO     UINT64_C(0x40001000)
#define EVENT  0x51u

static uint64_t *tables, *source, *target, *other;
static unsigned levels = 4;
static bool caching;

/*
 * Whether what was copied from @from to @to is there: 1 yes, 0 no. Blocked pieces: 2 more each.
 */
static uint64_t copy(uint64_t from, uint64_t to)
{
	static uint64_t number = 0x1000;
	uint32_t blocked;

	source[0] = ++number;
	target[0] = other[0] = 0;
	blocked = device_copy(from, to, 64);
	return 2 * blocked + (target[0] == number);
}

/* A device with pages for FROM and TO, nothing cached, no fault. */
static void fresh(void)
{
	tables = page_alloc();
	unit_map(tables, levels, FROM, address_of(source), 1, BOTH);
	unit_map(tables, levels, TO, address_of(target), 1, BOTH);
	unit_context(DOMAIN, levels, 0, address_of(tables));
	forget_all();
	(void)take_fault();
}

/* ---- faults ---- */

static void pass_through_three_levels(void)
{
	unit_context(DOMAIN, 3, 2, 0);
}

static void page_reserved(void)
{
	*unit_entry(tables, levels, FROM, 1) |= 1u << 11;
}

static void large_at_the_top(void)
{
	*unit_entry(tables, levels, FROM, 4) |= LARGE;
}

static const struct {
	const char *name;
	void (*prepare)(void);
	unsigned reason;
} faults[] = {
	{"pass-through with three levels", pass_through_three_levels, 0x03},
	{"paging entry with a reserved bit", page_reserved, 0x0c},
	{"large page at level 4", large_at_the_top, 0x0c},
};

static void one_fault(unsigned i, bool silent)
{
	struct fault f;

	fresh();
	faults[i].prepare();
	if (silent)
		contexts[2 * SOURCE] |= 2;
	forget_all();
	/* the read is blocked; what is written are ones */
	(void)copy(FROM, TO);
	f = take_fault();
	if (silent) {
		expect("the same, silenced", f.reason, 0);
	} else {
		expect(faults[i].name, f.reason, faults[i].reason);
		expect("its record", f.source == SOURCE && f.read && f.information == FROM, 1);
	}
}

static void overflow(void)
{
	fresh();
	*unit_entry(tables, levels, FROM, 1) = 0;
	interrupt_count[EVENT] = 0;
	set_unit32(FEDATA, EVENT);
	set_unit64(FEADDR, 0xfee00000u);
	set_unit32(FECTL, 0);
	for (unsigned i = 0; i < RECORDS; i++)
		(void)copy(FROM, TO);
	expect("as many faults as records", unit32(FSTS) & (PFO | PPF), PPF);
	(void)copy(FROM, TO);
	expect("one more", unit32(FSTS) & (PFO | PPF), PFO | PPF);
	wait_ticks(1000);
	expect("one event", interrupt_count[EVENT], 1);
	expect("records", take_fault().count, RECORDS);
	expect("all cleared", unit32(FSTS) & (PFO | PPF), 0);
	set_unit32(FECTL, 1u << 31);
	(void)copy(FROM, TO);
	expect("masked: pending", unit32(FECTL) >> 30, 3);
	set_unit32(FECTL, 0);
	wait_ticks(1000);
	expect("unmasked: it comes", interrupt_count[EVENT], 2);
	expect("the index is the first record's", take_fault().reason, 6);
}

static void all_faults(void)
{
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		one_fault(i, false);
		one_fault(i, true);
	}
	overflow();
}

/* ---- what is cached ---- */

/* FROM and TO are cached; FROM then leads elsewhere. Is it the old page that is read? */
static uint64_t old_page_is_read(void)
{
	source[0] = 0x01d;
	other[0] = 0x0e3;
	target[0] = 0;
	(void)device_copy(FROM, TO, 8);
	return target[0];
}

static void change_page(void)
{
	fresh();
	(void)copy(FROM, TO);
	*unit_entry(tables, levels, FROM, 1) = address_of(other) | BOTH;
}

static void stale_pages(void)
{
	change_page();
	expect("a page is cached", old_page_is_read(), 0x01d);
	forget_pages(OF_DOMAIN, DOMAIN + 1, 0, 0, false);
	expect("another domain is forgotten", old_page_is_read(), 0x01d);
	forget_contexts(ALL, 0, 0);
	expect("contexts are forgotten", old_page_is_read(), 0x01d);
	forget_pages(SELECTED, DOMAIN, TO, 0, false);
	expect("another page is forgotten", old_page_is_read(), 0x01d);
	forget_pages(SELECTED, DOMAIN, FROM, 0, true);
	expect("this page is forgotten", old_page_is_read(), 0x0e3);
	change_page();
	forget_pages(SELECTED, DOMAIN, TO & ~UINT64_C(0x1fff), 1, true);
	expect("two pages are forgotten", old_page_is_read(), 0x0e3);
	change_page();
	forget_pages(OF_DOMAIN, DOMAIN, 0, 0, false);
	expect("the domain is forgotten", old_page_is_read(), 0x0e3);
	change_page();
	forget_pages(ALL, 0, 0, 0, false);
	expect("all is forgotten", old_page_is_read(), 0x0e3);
}

/* A table is replaced: with the hint it is used still. */
static void stale_tables(void)
{
	uint64_t *new = page_alloc();

	fresh();
	(void)copy(FROM, TO);
	new[FROM >> 12 & 511] = address_of(other) | BOTH;
	new[TO >> 12 & 511] = address_of(target) | BOTH;
	*unit_entry(tables, levels, FROM, 2) = address_of(new) | BOTH;
	forget_pages(SELECTED, DOMAIN, FROM, 0, true);
	expect("with the hint, a table is used still", old_page_is_read(), 0x01d);
	forget_pages(SELECTED, DOMAIN, FROM, 0, false);
	expect("without it not", old_page_is_read(), 0x0e3);
}

static void stale_contexts(void)
{
	uint64_t *new = page_alloc();

	fresh();
	(void)copy(FROM, TO);
	unit_map(new, levels, FROM, address_of(other), 1, BOTH);
	unit_map(new, levels, TO, address_of(target), 1, BOTH);
	unit_context(DOMAIN + 1, levels, 0, address_of(new));
	forget_pages(ALL, 0, 0, 0, false);
	expect("a context is cached", old_page_is_read(), 0x01d);
	forget_contexts(SELECTED, DOMAIN, SOURCE + 1);
	expect("another device is forgotten", old_page_is_read(), 0x01d);
	forget_contexts(SELECTED, DOMAIN + 1, SOURCE);
	expect("the device with another domain", old_page_is_read(), 0x01d);
	forget_contexts(SELECTED, DOMAIN, SOURCE);
	expect("this device is forgotten", old_page_is_read(), 0x0e3);
}

/* What is absent is cached in caching mode only. */
static void absent_pages(void)
{
	fresh();
	*unit_entry(tables, levels, FROM, 1) = 0;
	(void)copy(FROM, TO);
	*unit_entry(tables, levels, FROM, 1) = address_of(source) | BOTH;
	expect("a page that was absent", copy(FROM, TO) & 1, !caching);
	forget_pages(SELECTED, DOMAIN, FROM, 0, true);
	expect("is forgotten", copy(FROM, TO), 1);
	contexts[2 * SOURCE] &= ~UINT64_C(1);
	forget_all();
	(void)copy(FROM, TO);
	contexts[2 * SOURCE] |= 1;
	expect("a context that was absent", copy(FROM, TO) & 1, !caching);
	forget_contexts(OF_DOMAIN, caching ? 0 : DOMAIN, 0);
	expect("is forgotten", copy(FROM, TO), 1);
	(void)take_fault();
}

/* ---- the queue ---- */

static void queue_is_asynchronous(void)
{
	change_page();
	queue_put(2 | OF_DOMAIN << 4 | DOMAIN << 16, 0);
	expect("nothing has happened before a wait", unit32(IQH) != unit32(IQT), 1);
	queue_wait();
	expect("and all behind it", old_page_is_read(), 0x0e3);
}

static const struct {
	const char *name;
	uint64_t low, high;
	unsigned error;
} bad[] = {
	{"of a device TLB, which there is not", 3, 0, 3},
	{"of type 16 and above", 5 | 1u << 9, 0, 3},
	{"a wait that writes to interrupts", 5 | 1u << 5, 0xfee00000u, 4},
};

static void queue_errors(void)
{
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t head = unit32(IQT);

		queue_put(bad[i].low, bad[i].high);
		for (unsigned n = 0; n < 1000 && !(unit32(FSTS) & IQE); n++)
			wait_ticks(100);
		expect(bad[i].name, unit32(IQERCD) & 15, bad[i].error);
		expect("the queue stops there", unit32(IQH), head);
		queue[head / 8] = 5; /* a wait that does nothing */
		queue[head / 8 + 1] = 0;
		set_unit32(FSTS, IQE);
		queue_wait();
		expect("and goes on", unit32(FSTS) & IQE, 0);
	}
	set_unit64(IQT, 0x1000);
	wait_ticks(10000);
	expect("a tail behind the end", unit32(FSTS) & IQE && (unit32(IQERCD) & 15) == 1, 1);
}

int payload_main(void)
{
	caching = cmdline_flag("caching");
	apic_take_all();
	device_start();
	expect("capabilities", unit64(CAP) & ~UINT64_C(0x80), UINT64_C(0x08d2078c202f0606));
	expect("caching mode", unit64(CAP) >> 7 & 1, caching);
	expect("extended capabilities", unit64(ECAP), 0xf0105b);
	source = page_alloc();
	target = page_alloc();
	other = page_alloc();
	unit_tables();
	unit_on(TRANSLATE);
	all_faults();
	for (unsigned i = 0; i < 2; i++) {
		print(i == 0 ? "by registers:\n" : "by the queue:\n");
		stale_pages();
		stale_tables();
		stale_contexts();
		absent_pages();
		if (i == 0)
			queue_start();
	}
	queue_is_asynchronous();
	queue_errors();
	print("vtd_dma: %s\n", failed == 0 ? "all as it should be" : "NOT as it should be");
	return failed != 0;
}
