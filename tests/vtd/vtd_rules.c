/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the specification decides about a remapping unit, as lines that are the same on every
 * machine: DMA of a device through tables of every kind, faults, invalidation, the queue. What
 * a unit may do or not (cache, merge faults) is not asked for. Interrupts: vtd_rules_irq.c;
 * descriptors: vtd_rules_queue.c.
 */
#include "apic.h"
#include "vtd/vtd_unit.h"
#include "rt.h"
#include "vtd_acpi.h"
#include "vtd_copier.h"
#include "vtd_rules.h"

#define DOMAIN  7u
#define FROM    UINT64_C(0x40000000)
#define TO      UINT64_C(0x40001000)
#define NOWHERE UINT64_C(0x7f00000000) /* no machine that this runs on has memory there */
#define EVENT   0x51u

static uint64_t *tables, *source, *target, *other;
static unsigned levels, most;
static uint64_t beyond; /* the first bit of addresses that the host does not have */

void expect_of(const char *of, const char *what, uint64_t got, uint64_t want)
{
	char name[96];

	format_text(name, sizeof(name), "%s, %s", of, what);
	expect(name, got, want);
}

/* Whether what was copied from @from to @to is there. */
static bool copy(uint64_t from, uint64_t to)
{
	static uint64_t number = 0x1000;

	source[0] = ++number;
	target[0] = other[0] = 0;
	copier_copy(from, to, 64);
	return target[0] == number;
}

/* Pages were mapped where none were: a unit in caching mode may know that (CAP.CM). */
static void mapped(void)
{
	if (unit64(CAP) & VTD_CAP_CM)
		forget_all();
}

/* A device with pages for FROM and TO, nothing cached, no fault. */
static void fresh(void)
{
	tables = page_alloc();
	unit_map(tables, levels, FROM, address_of(source), 1, BOTH);
	unit_map(tables, levels, TO, address_of(target), 1, BOTH);
	unit_context_of(copier, DOMAIN, levels, 0, address_of(tables));
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
	mapped();
	expect("a page of 2 MiB", copy((UINT64_C(3) << 30) + in, TO), 1);
	unit_map(tables, levels, UINT64_C(5) << 30, 0, 3, BOTH);
	mapped();
	expect("a page of 1 GiB", copy((UINT64_C(5) << 30) + address_of(source), TO), 1);
}

static void across_pages(void)
{
	fresh();
	unit_map(tables, levels, TO + 0x1000, address_of(other), 1, BOTH);
	mapped();
	source[0] = 0x1234;
	target[511] = other[0] = 0;
	copier_copy(FROM, TO + 0x1000 - 4, 8);
	expect("across pages", target[511] >> 32 << 32 | (uint32_t)other[0],
		UINT64_C(0x1234) << 32);
}

static void of_levels(void)
{
	uint64_t last = (UINT64_C(1) << (12 + 9 * levels)) - 0x1000;

	print("tables of %u levels:\n", levels);
	fresh();
	expect("pages of 4 KiB", copy(FROM, TO), 1);
	unit_map(tables, levels, last, address_of(source), 1, BOTH);
	mapped();
	expect("the last page", copy(last, TO), 1);
	large_pages();
	across_pages();
	expect("no fault so far", take_fault().reason, 0);
}

static void translation(void)
{
	expect("translation off", copy(address_of(source), address_of(target)), 1);
	unit_on(TRANSLATE);
	for (levels = 3; levels <= most; levels++)
		if (VTD_CAP_SAGAW(unit64(CAP)) >> (levels - 2) & 1)
			of_levels();
	levels = most;
	fresh();
	unit_context_of(copier, DOMAIN, most, VTD_TT_PASS, 0);
	forget_all();
	if (unit64(ECAP) & VTD_ECAP_PT)
		expect("passed through", copy(address_of(source), address_of(target)), 1);
}

/* ---- faults ---- */

static uint64_t at_fault; /* where the device reads */

static void root_nowhere(void)
{
	set_unit64(RTADDR, NOWHERE);
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

static void root_beyond(void)
{
	root[0] |= beyond;
}

static void root_reserved_high(void)
{
	root[1] = 1;
}

static void contexts_nowhere(void)
{
	root[0] = NOWHERE | 1;
}

static void context_absent(void)
{
	contexts[2 * copier] = 0;
}

static void context_reserved(void)
{
	contexts[2 * copier + 1] |= 1u << 7;
}

static void context_reserved_low(void)
{
	contexts[2 * copier] |= 1u << 4;
}

static void context_beyond(void)
{
	contexts[2 * copier] |= beyond;
}

static void context_of_two_levels(void)
{
	unit_context_of(copier, DOMAIN, 2, 0, address_of(tables));
}

static void context_of_a_device_tlb(void)
{
	unit_context_of(copier, DOMAIN, most, VTD_TT_DEVICE_TLB, address_of(tables));
}

static void context_of_no_type(void)
{
	unit_context_of(copier, DOMAIN, most, 3, address_of(tables));
}

static void table_nowhere(void)
{
	*unit_entry(tables, levels, FROM, 2) = NOWHERE | BOTH;
}

static void tables_nowhere(void)
{
	unit_context_of(copier, DOMAIN, most, 0, NOWHERE);
}

static void page_snoops(void)
{
	*unit_entry(tables, levels, FROM, 1) |= VTD_SL_SNOOP;
}

static void page_beyond(void)
{
	*unit_entry(tables, levels, FROM, 1) |= beyond;
}

static void table_beyond(void)
{
	*unit_entry(tables, levels, FROM, 2) |= beyond;
}

static void large_without_its_zeros(void)
{
	*unit_entry(tables, levels, FROM, 2) |= LARGE;
}

static void ignored_bits(void)
{
	*unit_entry(tables, levels, FROM, 1) |= UINT64_C(0x7ff) << 52 & ~VTD_SL_TRANSIENT;
	*unit_entry(tables, levels, FROM, 2) |= UINT64_C(0x300);
	*unit_entry(tables, levels, FROM, 1) &= ~UINT64_C(2);
}

static void address_too_large(void)
{
	at_fault = FROM | UINT64_C(1) << (12 + 9 * most);
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

static void page_absent_with_reserved_bits(void)
{
	*unit_entry(tables, levels, FROM, 1) = beyond | VTD_SL_SNOOP;
}

static void table_write_only(void)
{
	*unit_entry(tables, levels, FROM, 2) &= ~UINT64_C(1);
}

static void leads_to_interrupts(void)
{
	*unit_entry(tables, levels, FROM, 1) = 0xfee00000u | BOTH;
}

/* The page has interrupt requests in it, but what is read lies behind them. */
static void beside_interrupts(void)
{
	at_fault = FROM + 0x300000;
	*unit_entry(tables, levels, at_fault, 2) = 0xfee00000u | LARGE | BOTH;
}

static const struct {
	const char *name;
	void (*prepare)(void);
	unsigned reason;
	bool silenced; /* by FPD */
} faults[] = {
	{"root table where no memory is", root_nowhere, 0x08, false},
	{"root entry absent", root_absent, 0x01, false},
	{"root entry with reserved bits", root_reserved, 0x0a, false},
	{"root entry beyond the host's addresses", root_beyond, 0x0a, false},
	{"root entry with reserved bits above", root_reserved_high, 0x0a, false},
	{"context table where no memory is", contexts_nowhere, 0x09, false},
	{"context entry absent", context_absent, 0x02, true},
	{"context entry with reserved bits", context_reserved, 0x0b, true},
	{"context entry with reserved bits below", context_reserved_low, 0x0b, true},
	{"context entry beyond the host's addresses", context_beyond, 0x0b, true},
	{"context entry of two levels", context_of_two_levels, 0x03, true},
	{"context entry for a device TLB", context_of_a_device_tlb, 0x03, true},
	{"context entry of no type", context_of_no_type, 0x03, true},
	{"topmost table where no memory is", tables_nowhere, 0x03, true},
	{"lower table where no memory is", table_nowhere, 0x07, true},
	{"page that snoops, which the unit cannot", page_snoops, 0x0c, true},
	{"page beyond the host's addresses", page_beyond, 0x0c, true},
	{"table beyond the host's addresses", table_beyond, 0x0c, true},
	{"large page with address bits", large_without_its_zeros, 0x0c, true},
	{"bits that software may use", ignored_bits, 0, true},
	{"address beyond the tables", address_too_large, 0x04, true},
	{"address of 40 bits with three levels", address_of_40_bits, 0x04, true},
	{"page that cannot be read", write_only, 0x06, true},
	{"page absent", page_absent, 0x06, true},
	{"page absent with reserved bits", page_absent_with_reserved_bits, 0x06, true},
	{"table that cannot be read", table_write_only, 0x06, true},
	{"page that leads to interrupts", leads_to_interrupts, 0x0e, true},
	{"large page, beside interrupts", beside_interrupts, 0, true},
};

/* As after unit_tables(). */
static void repair_root(void)
{
	root[0] = address_of(contexts) | 1;
	root[1] = 0;
	set_unit64(RTADDR, address_of(root));
	set_unit32(GCMD, TRANSLATE | SRTP | (unit32(GSTS) & QIE));
	levels = most;
	at_fault = FROM;
}

static void one_fault(unsigned i, bool silent)
{
	struct fault f;

	fresh();
	faults[i].prepare();
	if (silent)
		contexts[2 * copier] |= VTD_CONTEXT_FPD;
	forget_all();
	(void)copy(at_fault, TO);
	f = take_fault();
	if (silent) {
		expect_of(faults[i].name, "silenced", f.reason,
			faults[i].silenced ? 0 : faults[i].reason);
	} else {
		expect(faults[i].name, f.reason, faults[i].reason);
		if (f.reason != 0)
			expect_of(faults[i].name, "its record",
				f.source == copier && f.read && f.information == at_fault, 1);
	}
	repair_root();
}

static void write_faults(void)
{
	struct fault f;

	fresh();
	*unit_entry(tables, levels, TO, 1) = address_of(target) | READ_OK;
	forget_all();
	expect("a write is blocked", copy(FROM, TO + 8), 0);
	f = take_fault();
	expect("page that cannot be written", f.reason, 0x05);
	expect("the write's record", f.source == copier && !f.read && f.information == TO, 1);
	*unit_entry(tables, levels, TO, 2) &= ~UINT64_C(2);
	forget_all();
	(void)copy(FROM, TO + 8);
	expect("table that cannot be written", take_fault().reason, 0x05);
	fresh();
	*unit_entry(tables, levels, FROM, 1) = address_of(source) | READ_OK;
	forget_all();
	(void)copy(FROM, TO);
	(void)copy(TO, FROM);
	expect("page that was read, and cannot be written", take_fault().reason, 0x05);
}

static void events(void)
{
	fresh();
	*unit_entry(tables, levels, FROM, 1) = 0;
	forget_all();
	set_unit32(FEDATA, EVENT);
	set_unit32(FEADDR, 0xfee00000u); /* of 32 bits, as its upper half is */
	set_unit32(VTD_FEUADDR, 0);
	set_unit32(FECTL, VTD_EVENT_IM);
	(void)copy(FROM, TO);
	expect("masked: pending", unit32(FECTL) >> 30, 3);
	for (unsigned i = 0; i < RECORDS; i++)
		set_unit32(FRCD + VTD_FRCD_SIZE * i + 12, VTD_FRCD_F >> 32);
	expect("the record is cleared: no fault is pending", unit32(FSTS) & (PFO | PPF), 0);
	expect("the record is cleared: no event is pending", unit32(FECTL) >> 30, 2);
	(void)take_fault();
	(void)copy(FROM, TO);
	expect("a fault is pending", unit32(FSTS) & (PFO | PPF), PPF);
	expect("masked: its event is pending", unit32(FECTL) >> 30, 3);
	expect("none has come", interrupt_count[EVENT], 0);
	set_unit32(FECTL, 0);
	rest(4);
	expect("unmasked: it comes", interrupt_count[EVENT], 1);
	expect("and is pending no more", unit32(FECTL) >> 30, 0);
	expect("the fault is", take_fault().reason, 6);
	expect("all cleared", unit32(FSTS) & (PFO | PPF), 0);
	(void)copy(FROM, TO);
	rest(4);
	expect("the next one comes at once", interrupt_count[EVENT], 2);
	(void)take_fault();
	set_unit32(FECTL, VTD_EVENT_IM);
}

static void all_faults(void)
{
	at_fault = FROM;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (faults[i].prepare == page_snoops && unit64(ECAP) & VTD_ECAP_SC)
			continue;
		one_fault(i, false);
		one_fault(i, true);
	}
	write_faults();
	events();
}

/* ---- invalidation: what is forgotten is not used any more ---- */

/* FROM and TO were used; FROM then leads elsewhere. */
static void change_page(void)
{
	fresh();
	(void)copy(FROM, TO);
	*unit_entry(tables, levels, FROM, 1) = address_of(other) | BOTH;
}

static uint64_t what_is_read(void)
{
	source[0] = 0x01d;
	other[0] = 0x0e3;
	target[0] = 0;
	copier_copy(FROM, TO, 8);
	return target[0];
}

static void forgotten_pages(void)
{
	change_page();
	forget_pages(SELECTED, DOMAIN, FROM, 0, true);
	expect("a page is forgotten", what_is_read(), 0x0e3);
	change_page();
	forget_pages(SELECTED, DOMAIN, FROM & ~UINT64_C(0x1fff), 1, true);
	expect("two pages are forgotten", what_is_read(), 0x0e3);
	change_page();
	forget_pages(SELECTED, DOMAIN, FROM, VTD_CAP_MAMV(unit64(CAP)), true);
	expect("as many as it can are forgotten", what_is_read(), 0x0e3);
	change_page();
	forget_pages(OF_DOMAIN, DOMAIN, 0, 0, false);
	expect("the domain is forgotten", what_is_read(), 0x0e3);
	change_page();
	forget_pages(ALL, 0, 0, 0, false);
	expect("all is forgotten", what_is_read(), 0x0e3);
}

/* A page of 2 MiB becomes one of 4 KiB; a selective invalidation of that is enough. */
static void forgotten_tables(void)
{
	uint64_t *new = page_alloc();

	fresh();
	(void)copy(FROM, TO);
	new[FROM >> 12 & 511] = address_of(other) | BOTH;
	new[TO >> 12 & 511] = address_of(target) | BOTH;
	*unit_entry(tables, levels, FROM, 2) = address_of(new) | BOTH;
	forget_pages(SELECTED, DOMAIN, FROM, 0, false);
	expect("a table is forgotten", what_is_read(), 0x0e3);
	fresh();
	*unit_entry(tables, levels, FROM, 2) =
		(address_of(source) & ~UINT64_C(0x1fffff)) | LARGE | BOTH;
	forget_all();
	copier_copy(FROM + (address_of(source) & 0x1fffff), FROM, 8);
	*unit_entry(tables, levels, FROM, 2) = address_of(new) | BOTH;
	forget_pages(SELECTED, DOMAIN, FROM, 9, false);
	expect("a large page is forgotten", what_is_read(), 0x0e3);
}

static void forgotten_contexts(void)
{
	static const struct {
		const char *name;
		unsigned granularity, domain;
	} ways[] = {
		{"a function's context is forgotten", SELECTED, DOMAIN},
		{"a domain's contexts are forgotten", OF_DOMAIN, DOMAIN},
		{"all contexts are forgotten", ALL, 0},
	};

	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		uint64_t *new = page_alloc();

		fresh();
		(void)copy(FROM, TO);
		unit_map(new, levels, FROM, address_of(other), 1, BOTH);
		unit_map(new, levels, TO, address_of(target), 1, BOTH);
		unit_context_of(copier, DOMAIN + 1, levels, 0, address_of(new));
		forget_contexts(ways[i].granularity, ways[i].domain, copier);
		forget_pages(OF_DOMAIN, DOMAIN, 0, 0, false);
		expect(ways[i].name, what_is_read(), 0x0e3);
	}
}

/* What was absent is there, once forgotten; without caching mode at once. */
static void absent_ones(void)
{
	bool caching = unit64(CAP) & VTD_CAP_CM;

	fresh();
	*unit_entry(tables, levels, FROM, 1) = 0;
	forget_all();
	(void)copy(FROM, TO);
	*unit_entry(tables, levels, FROM, 1) = address_of(source) | BOTH;
	if (caching)
		forget_pages(SELECTED, DOMAIN, FROM, 0, true);
	expect("a page that was absent", copy(FROM, TO), 1);
	contexts[2 * copier] &= ~VTD_PRESENT;
	forget_all();
	(void)copy(FROM, TO);
	contexts[2 * copier] |= VTD_PRESENT;
	if (caching)
		forget_contexts(OF_DOMAIN, 0, 0);
	expect("a context that was absent", copy(FROM, TO), 1);
	(void)take_fault();
}

static void start(void)
{
	const uint8_t *dmar;

	apic_take_all();
	if (!copier_start()) {
		print("there is no device that copies\n");
		payload_exit(1);
	}
	dmar = acpi_table("DMAR");
	if (dmar == NULL || (unit32(0) & 0xf0) != 0x10) {
		print("no table DMAR, or no unit: version %x\n", unit32(0));
		payload_exit(1);
	}
	beyond = UINT64_C(1) << (dmar[DMAR_HOST_WIDTH] + 1);
	for (most = 5; !(VTD_CAP_SAGAW(unit64(CAP)) >> (most - 2) & 1) && most > 3;)
		most--;
	levels = most;
	print("# cap %lx ecap %lx host %u bits\n", unit64(CAP), unit64(ECAP),
		dmar[DMAR_HOST_WIDTH] + 1u);
}

static void invalidation(void)
{
	for (unsigned i = 0; i < 2; i++) {
		print(i == 0 ? "by registers:\n" : "by the queue:\n");
		forgotten_pages();
		forgotten_tables();
		forgotten_contexts();
		absent_ones();
		if (i == 0)
			queue_start();
	}
}

int payload_main(void)
{
	start();
	source = page_alloc();
	target = page_alloc();
	other = page_alloc();
	unit_tables();
	translation();
	all_faults();
	invalidation();
	rules_of_the_queue();
	unit_off(TRANSLATE);
	rules_of_interrupts();
	print("vtd_rules: %u lines differ\n", failed);
	return failed != 0;
}
