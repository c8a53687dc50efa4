/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remapping unit of the emulated machine, bare: translation of the test device's DMA with
 * tables of every kind, each fault with its record, stale entries until they are invalidated,
 * by registers and by the queue. Command line: `caching`: the unit is in caching mode.
 */
#include "apic.h"
#include "cmdline.h"
#include "rt.h"
#include "vtd/vtd_unit.h"

#define DOMAIN  7u
#define FROM    UINT64_C(0x40000000)
#define TO      UINT64_C(0x40001000)
#define EVENT   0x51u
#define MESSAGE 0x52u
#define BEYOND  (UINT64_C(1) << 41)

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

/* ---- translation ---- */

static void large_pages(void)
{
	uint64_t mib2 = address_of(source) & ~UINT64_C(0x1fffff);
	uint64_t in = address_of(source) - mib2;

	fresh();
	unit_map(tables, levels, UINT64_C(3) << 30, mib2, 2, BOTH);
	expect("a page of 2 MiB", copy((UINT64_C(3) << 30) + in, TO), 1);
	unit_map(tables, levels, UINT64_C(5) << 30, 0, 3, BOTH);
	expect("a page of 1 GiB", copy((UINT64_C(5) << 30) + address_of(source), TO), 1);
}

static void across_pages(void)
{
	fresh();
	unit_map(tables, levels, TO + 0x1000, address_of(other), 1, BOTH);
	source[0] = 0x1234;
	target[511] = 0;
	(void)device_copy(FROM, TO + 0x1000 - 4, 8);
	expect("across pages", target[511] >> 32 << 32 | (uint32_t)other[0],
		UINT64_C(0x1234) << 32);
}

static void translation(void)
{
	unit_off(TRANSLATE);
	expect("translation off", copy(address_of(source), address_of(target)), 1);
	unit_on(TRANSLATE);
	for (levels = 3; levels <= 4; levels++) {
		fresh();
		expect(levels == 3 ? "three levels" : "four levels", copy(FROM, TO), 1);
	}
	levels = 4;
	unit_map(tables, levels, UINT64_C(0x7ffffffff000), address_of(source), 1, BOTH);
	expect("the last page of 48 bits", copy(UINT64_C(0x7ffffffff000), TO), 1);
	large_pages();
	across_pages();
	fresh();
	unit_context(DOMAIN, 4, 2, 0);
	forget_all();
	expect("passed through", copy(address_of(source), address_of(target)), 1);
	expect("no fault so far", take_fault().reason, 0);
}

/* ---- faults ---- */

static uint64_t at_fault; /* where the device reads */

static void root_beyond(void)
{
	set_unit64(RTADDR, BEYOND);
	set_unit32(GCMD, TRANSLATE | SRTP | (unit32(GSTS) & QIE));
}

static void root_absent(void)
{
	root[0] = 0;
}

static void root_reserved(void)
{
	root[0] |= 2;
}

/* Within 2^40, but no memory is there. */
static void contexts_nowhere(void)
{
	root[0] = UINT64_C(0xff00000000) | 1;
}

static void context_absent(void)
{
	contexts[2 * SOURCE] = 0;
}

static void context_reserved(void)
{
	contexts[2 * SOURCE + 1] |= 1u << 7;
}

static void context_of_two_levels(void)
{
	unit_context(DOMAIN, 2, 0, address_of(tables));
}

static void context_of_no_type(void)
{
	unit_context(DOMAIN, 4, 1, address_of(tables));
}

static void pass_through_three_levels(void)
{
	unit_context(DOMAIN, 3, 2, 0);
}

static void table_nowhere(void)
{
	*unit_entry(tables, levels, FROM, 2) = UINT64_C(0xff00000000) | BOTH;
}

static void tables_nowhere(void)
{
	unit_context(DOMAIN, 4, 0, UINT64_C(0xff00000000));
}

static void page_reserved(void)
{
	*unit_entry(tables, levels, FROM, 1) |= 1u << 11;
}

static void page_beyond(void)
{
	*unit_entry(tables, levels, FROM, 1) |= BEYOND;
}

static void large_at_the_top(void)
{
	*unit_entry(tables, levels, FROM, 4) |= LARGE;
}

static void large_without_its_zeros(void)
{
	*unit_entry(tables, levels, FROM, 2) |= LARGE;
}

static void address_of_49_bits(void)
{
	at_fault = FROM | UINT64_C(1) << 48;
}

static void address_of_40_bits(void)
{
	levels = 3;
	fresh();
	at_fault = FROM | UINT64_C(1) << 39;
}

static void write_only(void)
{
	*unit_entry(tables, levels, FROM, 1) = address_of(source) | WRITE_OK;
}

static void page_absent(void)
{
	*unit_entry(tables, levels, FROM, 1) = 0;
}

static void table_write_only(void)
{
	*unit_entry(tables, levels, FROM, 2) &= ~UINT64_C(1);
}

static void leads_to_interrupts(void)
{
	*unit_entry(tables, levels, FROM, 1) = 0xfee00000u | BOTH;
}

static const struct {
	const char *name;
	void (*prepare)(void);
	unsigned reason;
	bool silenced; /* by FPD */
} faults[] = {
	{"root table beyond the host's addresses", root_beyond, 0x08, false},
	{"root entry absent", root_absent, 0x01, false},
	{"root entry with reserved bits", root_reserved, 0x0a, false},
	{"context table where no memory is", contexts_nowhere, 0x09, false},
	{"context entry absent", context_absent, 0x02, true},
	{"context entry with reserved bits", context_reserved, 0x0b, true},
	{"context entry of two levels", context_of_two_levels, 0x03, true},
	{"context entry for a device TLB", context_of_no_type, 0x03, true},
	{"pass-through with three levels", pass_through_three_levels, 0x03, true},
	{"topmost table where no memory is", tables_nowhere, 0x03, true},
	{"lower table where no memory is", table_nowhere, 0x07, true},
	{"paging entry with a reserved bit", page_reserved, 0x0c, true},
	{"page beyond the host's addresses", page_beyond, 0x0c, true},
	{"large page at level 4", large_at_the_top, 0x0c, true},
	{"large page with address bits", large_without_its_zeros, 0x0c, true},
	{"address of 49 bits", address_of_49_bits, 0x04, true},
	{"address of 40 bits with three levels", address_of_40_bits, 0x04, true},
	{"page that cannot be read", write_only, 0x06, true},
	{"page absent", page_absent, 0x06, true},
	{"table that cannot be read", table_write_only, 0x06, true},
	{"page that leads to interrupts", leads_to_interrupts, 0x0e, true},
};

/* As after unit_tables(). */
static void repair_root(void)
{
	root[0] = address_of(contexts) | 1;
	set_unit64(RTADDR, address_of(root));
	set_unit32(GCMD, TRANSLATE | SRTP | (unit32(GSTS) & QIE));
	levels = 4;
	at_fault = FROM;
}

static void one_fault(unsigned i, bool silent)
{
	struct fault f;

	fresh();
	faults[i].prepare();
	if (silent)
		contexts[2 * SOURCE] |= 2;
	forget_all();
	/* the read is blocked; what is written are ones */
	(void)copy(at_fault, TO);
	f = take_fault();
	if (silent) {
		expect("the same, silenced", f.reason,
			faults[i].silenced ? 0 : faults[i].reason);
	} else {
		expect(faults[i].name, f.reason, faults[i].reason);
		expect("its record", f.source == SOURCE && f.read && f.information == at_fault,
			1);
	}
	repair_root();
}

static void write_faults(void)
{
	struct fault f;

	fresh();
	*unit_entry(tables, levels, TO, 1) = address_of(target) | READ_OK;
	expect("a write is blocked", copy(FROM, TO + 8), 2);
	f = take_fault();
	expect("page that cannot be written", f.reason, 0x05);
	expect("its record", f.source == SOURCE && !f.read && f.information == TO, 1);
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
	at_fault = FROM;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		one_fault(i, false);
		one_fault(i, true);
	}
	write_faults();
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

static void queue_events(void)
{
	set_unit32(IEDATA, MESSAGE);
	set_unit64(IEADDR, 0xfee00000u);
	set_unit32(IECTL, 0);
	queue_put(5 | 1u << 4, 0);
	queue_wait();
	wait_ticks(1000);
	expect("a wait descriptor interrupts", interrupt_count[MESSAGE], 1);
	expect("and says so", unit32(ICS), 1);
	queue_put(5 | 1u << 4, 0);
	queue_wait();
	wait_ticks(1000);
	expect("not again before that is cleared", interrupt_count[MESSAGE], 1);
	set_unit32(ICS, 1);
	expect("cleared", unit32(ICS), 0);
}

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
	{"a descriptor of no type", 0, 0, 3},
	{"of a device TLB, which there is not", 3, 0, 3},
	{"of type 16 and above", 5 | 1u << 9, 0, 3},
	{"contexts without granularity", 1, 0, 4},
	{"contexts with reserved bits", 1 | ALL << 4, 1, 4},
	{"pages without granularity", 2, 0, 4},
	{"pages with too large a mask", 2 | SELECTED << 4, 19, 4},
	{"interrupt entries with reserved bits", 4 | UINT64_C(1) << 63, 0, 4},
	{"a wait with reserved bits", 5 | 1u << 8, 0, 4},
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
	translation();
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
	queue_events();
	queue_is_asynchronous();
	queue_errors();
	print("vtd_dma: %s\n", failed == 0 ? "all as it should be" : "NOT as it should be");
	return failed != 0;
}
