/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the specification decides about interrupt remapping: messages of a device and a pin of
 * the IOAPIC through entries of every kind.
 */
#include "apic.h"
#include "vtd/vtd_unit.h"
#include "rt.h"
#include "spec/posted.h"
#include "vtd/dmar.h"
#include "vtd_acpi.h"
#include "vtd_copier.h"
#include "vtd_rules.h"

#define VECTOR       0x60u
#define OTHER        0x61u
#define INDEX        5u
#define ENTRIES      256u
#define SIZE_256     7u
#define BY_SOURCE    ((uint64_t)VTD_SVT_SOURCE << VTD_IRTE_SVT_SHIFT)
#define BY_BUS       ((uint64_t)VTD_SVT_BUSES << VTD_IRTE_SVT_SHIFT)
#define QUALIFIER(n) ((uint64_t)(n) << VTD_IRTE_SQ_SHIFT)
#define OLD_FORMAT   0xfee00000u

static uint64_t *table;

/* A message in remappable format with this handle. */
static uint32_t handle(unsigned index)
{
	return 0xfee00010u | (index & 0x7fff) << 5 | (index >> 15) << 2;
}

static void set_entry(unsigned index, uint64_t low, uint64_t high)
{
	table[2 * index + 1] = high;
	table[2 * index] = low;
	queue_put(VTD_INV_IRTE | VTD_INV_INDEX | (uint64_t)index << VTD_INV_IIDX_SHIFT, 0);
	queue_wait();
}

/* How often the vector came after a message of the device. */
static uint32_t sent(uint32_t address, uint32_t data, unsigned vector)
{
	uint32_t before = interrupt_count[vector];

	copier_message(address, data);
	return interrupt_count[vector] - before;
}

/* To processor 0. */
#define SIMPLE(vector) (VTD_PRESENT | (uint64_t)(vector) << VTD_IRTE_VECTOR_SHIFT)

static void formats(void)
{
	expect("remapping off", sent(OLD_FORMAT, VECTOR, VECTOR), 1);
	unit_on(SIRTP);
	unit_on(IRE);
	expect("compatibility format blocked", sent(OLD_FORMAT, VECTOR, VECTOR), 0);
	expect("compatibility format, its fault", take_fault().reason, 0x25);
	unit_on(CFI);
	expect("and allowed", sent(OLD_FORMAT, VECTOR, VECTOR), 1);
	unit_off(CFI);
	set_entry(INDEX, SIMPLE(VECTOR), BY_SOURCE | copier);
	expect("remappable format", sent(handle(INDEX), 0, VECTOR), 1);
	set_entry(INDEX + 3, SIMPLE(OTHER), BY_SOURCE | copier);
	expect("with a subhandle", sent(handle(INDEX) | VTD_MSI_SHV, 3, OTHER), 1);
	apic_write(APIC_LDR, 1u << 24);
	set_entry(INDEX + 4, SIMPLE(VECTOR) | VTD_IRTE_DM | UINT64_C(1) << 40, 0);
	expect("to a logical destination", sent(handle(INDEX + 4), 0, VECTOR), 1);
	set_entry(INDEX + 4, SIMPLE(VECTOR) | UINT64_C(9) << 40, 0);
	expect("to a processor that there is not", sent(handle(INDEX + 4), 0, VECTOR), 0);
	expect("no fault", take_fault().reason, 0);
}

static const struct {
	const char *name;
	uint64_t check;
	int other; /* than the device's own source-id; -1: the check has it all */
	bool passes;
} sources[] = {
	{"any source", 0, 0, true},
	{"this source", BY_SOURCE, 0, true},
	{"another source", BY_SOURCE, 8, false},
	{"another function", BY_SOURCE, 1, false},
	{"function bit 2 ignored", BY_SOURCE | QUALIFIER(1), 4, true},
	{"function bit 2 ignored, bit 1 not", BY_SOURCE | QUALIFIER(1), 2, false},
	{"function bits 2:1 ignored", BY_SOURCE | QUALIFIER(2), 6, true},
	{"function bits 2:1 ignored, bit 0 not", BY_SOURCE | QUALIFIER(2), 1, false},
	{"all functions", BY_SOURCE | QUALIFIER(3), 7, true},
	{"all functions of another device", BY_SOURCE | QUALIFIER(3), 8, false},
	{"buses 0 to 3", BY_BUS | 0x0003, -1, true},
	{"buses 1 to 3", BY_BUS | 0x0103, -1, false},
};

static void source_ids(void)
{
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		uint64_t sid = sources[i].other >= 0 ? copier ^ (unsigned)sources[i].other : 0;
		struct fault f;

		set_entry(INDEX, SIMPLE(VECTOR), sources[i].check | sid);
		expect(sources[i].name, sent(handle(INDEX), 0, VECTOR), sources[i].passes);
		f = take_fault();
		expect_of(sources[i].name, "its fault", f.reason, sources[i].passes ? 0 : 0x26);
		if (f.reason != 0)
			expect_of(sources[i].name, "its record",
				f.source == copier && f.information >> 48 == INDEX, 1);
	}
}

static const struct {
	const char *name;
	uint64_t low, high;
	uint32_t address, data;
	unsigned reason;
	bool silenced;
} faults[] = {
	{"an index behind the end", SIMPLE(VECTOR), 0, (ENTRIES - INDEX) << 5, 0, 0x21, false},
	{"a subhandle behind the end", SIMPLE(VECTOR), 0, VTD_MSI_SHV, ENTRIES, 0x21, false},
	{"an entry that is absent", 0, 0, 0, 0, 0x22, true},
	{"an entry with reserved bits", SIMPLE(VECTOR) | 1 << 24, 0, 0, 0, 0x24, true},
	{"and in its upper half", SIMPLE(VECTOR), UINT64_C(1) << 20, 0, 0, 0x24, true},
	{"a destination of more than 8 bits", SIMPLE(VECTOR) | UINT64_C(1) << 48, 0, 0, 0, 0x24,
		true},
};

static void all_faults(void)
{
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (unsigned silent = 0; silent < 2; silent++) {
			set_entry(INDEX, faults[i].low | (silent ? VTD_IRTE_FPD : 0),
				faults[i].high);
			expect(faults[i].name,
				sent(handle(INDEX) + faults[i].address, faults[i].data, VECTOR),
				0);
			expect_of(faults[i].name, silent ? "silenced" : "its fault",
				take_fault().reason,
				silent && faults[i].silenced ? 0 : faults[i].reason);
		}
}

/* An entry changes; what is forgotten is not used any more. */
static void forgotten_entries(void)
{
	static const struct {
		const char *name;
		uint64_t descriptor;
	} ways[] = {
		{"an entry is forgotten",
			VTD_INV_IRTE | VTD_INV_INDEX | (uint64_t)INDEX << VTD_INV_IIDX_SHIFT},
		{"four with it are forgotten",
			VTD_INV_IRTE | VTD_INV_INDEX | 2u << VTD_INV_IM_SHIFT |
				(uint64_t)(INDEX & ~3u) << VTD_INV_IIDX_SHIFT},
		{"all entries are forgotten", VTD_INV_IRTE},
	};

	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		set_entry(INDEX, SIMPLE(VECTOR), 0);
		(void)sent(handle(INDEX), 0, VECTOR);
		table[2 * INDEX] = SIMPLE(OTHER);
		queue_put(ways[i].descriptor, 0);
		queue_wait();
		expect(ways[i].name, sent(handle(INDEX), 0, OTHER), 1);
	}
}

/* ---- the IOAPIC ---- */

#define IOAPIC   ((volatile uint32_t *)(uintptr_t)0xfec00000)
#define IS_LEVEL 0x8000u
#define MASKED   0x10000u

static void set_pin(uint32_t high, uint32_t low)
{
	IOAPIC[0] = 0x10 + 2u * copier_pin + 1;
	IOAPIC[4] = high;
	IOAPIC[0] = 0x10 + 2u * copier_pin;
	IOAPIC[4] = low;
}

static bool pin_interrupt(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	interrupt_count[f->vector]++;
	if (f->vector == VECTOR)
		copier_lower();
	apic_eoi();
	return true;
}

static uint32_t pin_raised(unsigned times)
{
	uint32_t before = interrupt_count[VECTOR];

	for (unsigned i = 0; i < times; i++)
		copier_raise();
	return interrupt_count[VECTOR] - before;
}

static uint16_t ioapic_source(void)
{
	static struct dmar d;
	const uint8_t *t = acpi_table("DMAR");
	uint16_t source = 0;

	dmar_read(t, acpi_size(t), &d);
	dmar_follow(&d);
	IOAPIC[0] = 0;
	expect("the table DMAR has the IOAPIC",
		dmar_ioapic(&d, (uint8_t)(IOAPIC[4] >> 24), &source) != DMAR_NONE, 1);
	return source;
}

static void pin(void)
{
	uint16_t ioapic = ioapic_source();

	trap_hook = pin_interrupt;
	set_entry(INDEX, SIMPLE(VECTOR) | VTD_IRTE_TM, BY_SOURCE | ioapic);
	set_pin(1u << 16 | INDEX << 17, VECTOR | IS_LEVEL);
	expect("a pin by an entry", pin_raised(3), 3);
	set_pin(0, MASKED);
	set_entry(INDEX, SIMPLE(VECTOR) | VTD_IRTE_TM, BY_SOURCE | copier);
	set_pin(1u << 16 | INDEX << 17, VECTOR | IS_LEVEL);
	expect("a pin of another source", pin_raised(1), 0);
	expect("a pin of another source, its fault", take_fault().reason, 0x26);
	copier_lower();
	set_pin(0, MASKED);
	set_pin(0, VECTOR | IS_LEVEL);
	expect("a pin without an entry", pin_raised(1), 0);
	expect("a pin without an entry, its fault", take_fault().reason, 0x25);
	copier_lower();
	set_pin(0, MASKED);
	(void)take_fault(); /* an owned line may stay up for longer, without an EOI */
	trap_hook = count_and_eoi;
}

/* Destinations of 32 bits; messages in compatibility format are blocked whatever CFI says. */
static void extended(void)
{
	if (!(unit64(ECAP) & VTD_ECAP_EIM))
		return;
	print("destinations of 32 bits:\n");
	set_unit64(IRTA, address_of(table) | VTD_IRTA_EIME | SIZE_256);
	unit_on(SIRTP);
	queue_put(VTD_INV_IRTE, 0);
	queue_wait();
	set_entry(INDEX, SIMPLE(VECTOR), 0);
	expect("to processor 0", sent(handle(INDEX), 0, VECTOR), 1);
	set_entry(INDEX, SIMPLE(VECTOR) | UINT64_C(1) << 40, 0);
	expect("to processor 256, which there is not", sent(handle(INDEX), 0, VECTOR), 0);
	(void)take_fault();
	unit_on(CFI);
	expect("then, compatibility format", sent(OLD_FORMAT, VECTOR, VECTOR), 0);
	expect("then, its fault", take_fault().reason, 0x25);
	unit_off(CFI);
}

/* ---- posted ---- */

static uint64_t *pid;

static uint64_t posted(uint64_t at, unsigned vector)
{
	return SIMPLE(vector) | VTD_IRTE_IM |
	       (at & VTD_BITS(6, 31)) << (VTD_IRTE_PDA_LOW_SHIFT - 6);
}

/* A message for VECTOR: how often the notification came. */
static uint32_t notified(uint64_t control)
{
	pid[VECTOR / 64] = 0;
	pid[PID_CONTROL] = control;
	return sent(handle(INDEX), 0, OTHER);
}

static void expect_posted(const char *name, uint64_t control, uint32_t times, bool on)
{
	expect(name, notified(control), times);
	expect_of(name, "requests", pid[VECTOR / 64], UINT64_C(1) << VECTOR % 64);
	expect_of(name, "ON", pid[PID_CONTROL] & PID_ON, on);
	expect_of(name, "all else", pid[PID_CONTROL] & ~PID_ON, control & ~PID_ON);
}

static void blocked_posts(void)
{
	static const struct {
		const char *name;
		uint64_t low, high, control;
		unsigned reason;
	} bad[] = {
		{"posted, reserved bits", UINT64_C(1) << 12, 0, 0, 0x24},
		{"posted, reserved bits of a destination", UINT64_C(1) << 32, 0, 0, 0x24},
		{"posted, reserved bits of the upper half", 0, UINT64_C(1) << 20, 0, 0x24},
		{"posted, a descriptor that is not there", 0, UINT64_C(1) << 37, 0, 0x27},
		{"posted, a descriptor with reserved bits", 0, 0, 4, 0x28},
		{"posted, above the vector, too", 0, 0, UINT64_C(1) << 24, 0x28},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_entry(INDEX, posted(address_of(pid), VECTOR) | bad[i].low, bad[i].high);
		expect(bad[i].name, notified(bad[i].control), 0);
		expect_of(bad[i].name, "its fault", take_fault().reason, bad[i].reason);
		expect_of(bad[i].name, "requests", pid[VECTOR / 64], 0);
	}
}

static void posts(void)
{
	const uint64_t nv = (uint64_t)OTHER << 16;

	if (!(unit64(CAP) & VTD_CAP_PI))
		return;
	print("posted:\n");
	pid = page_alloc();
	set_entry(INDEX, posted(address_of(pid), VECTOR), BY_SOURCE | copier);
	expect_posted("posted", nv, 1, true);
	expect_posted("posted, notified before", nv | PID_ON, 0, true);
	expect_posted("posted, suppressed", nv | PID_SN, 0, false);
	expect_posted(
		"posted, to a processor that there is not", nv | UINT64_C(9) << 40, 0, true);
	pid[0] = 5;
	expect_posted("posted, beside other requests", nv, 1, true);
	expect("posted, the other requests", pid[0], 5);
	set_entry(INDEX, posted(address_of(pid), VECTOR) | VTD_IRTE_URGENT, 0);
	expect_posted("posted, urgent", nv | PID_SN, 1, true);
	expect_posted("posted, urgent, notified before", nv | PID_SN | PID_ON, 0, true);
	set_entry(INDEX, posted(address_of(pid), VECTOR), BY_SOURCE | (copier ^ 8u));
	expect("posted, another source", notified(nv), 0);
	expect("posted, another source, its fault", take_fault().reason, 0x26);
	blocked_posts();
}

void rules_of_interrupts(void)
{
	print("interrupts:\n");
	table = page_alloc();
	set_unit64(IRTA, address_of(table) | SIZE_256);
	formats();
	source_ids();
	all_faults();
	forgotten_entries();
	pin();
	posts();
	extended();
}
