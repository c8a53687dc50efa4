/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt remapping by the remapping unit of the emulated machine, bare: messages of the test
 * device and of a pin of the IOAPIC through entries of every kind, each fault with its record,
 * stale entries until they are invalidated, posting.
 */
#include "apic.h"
#include "cpu.h"
#include "rt.h"
#include "vtd/vtd_unit.h"

#define VECTOR        0x60u
#define OTHER         0x61u
#define INDEX         5u
#define ENTRIES       256u
#define EXTENDED      0x800u
#define PRESENT       1u
#define SILENT        2u
#define POSTED        0x8000u
#define URGENT        0x4000u
#define BY_SOURCE     (UINT64_C(1) << 18)
#define BY_BUS        (UINT64_C(2) << 18)
#define QUALIFIER(n)  ((uint64_t)(n) << 16)
#define IOAPIC_SOURCE 0xf0f8u
#define SHV           8u

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
}

static void forget_entries(void)
{
	queue_put(4, 0);
	queue_wait();
}

/* How often the vector came after a message of the device. */
static uint32_t sent(uint32_t address, uint32_t data, unsigned vector)
{
	uint32_t before = interrupt_count[vector];

	device_message(address, data);
	return interrupt_count[vector] - before;
}

/* To processor 0. */
#define SIMPLE(vector) (PRESENT | (uint64_t)(vector) << 16)

/* ---- entries ---- */

static void formats(void)
{
	expect("remapping off", sent(0xfee00000u, VECTOR, VECTOR), 1);
	unit_on(SIRTP);
	unit_on(IRE);
	expect("compatibility format blocked", sent(0xfee00000u, VECTOR, VECTOR), 0);
	expect("its fault", take_fault().reason, 0x25);
	unit_on(CFI);
	expect("and allowed", sent(0xfee00000u, VECTOR, VECTOR), 1);
	unit_off(CFI);
	set_entry(INDEX, SIMPLE(VECTOR), BY_SOURCE | SOURCE);
	expect("remappable format", sent(handle(INDEX), 0x99, VECTOR), 1);
	set_entry(INDEX + 3, SIMPLE(OTHER), BY_SOURCE | SOURCE);
	expect("with a subhandle", sent(handle(INDEX) | SHV, 3, OTHER), 1);
	set_entry(INDEX + 4, PRESENT | VECTOR << 16 | 1 << 2 | UINT64_C(1) << 40, 0);
	apic_write(APIC_LDR, 1u << 24);
	expect("to a logical destination", sent(handle(INDEX + 4), 0, VECTOR), 1);
	expect("no fault", take_fault().reason, 0);
}

static const struct {
	const char *name;
	uint64_t high;
	bool passes;
} sources[] = {
	{"any source", 0, true},
	{"this source", BY_SOURCE | SOURCE, true},
	{"another source", BY_SOURCE | (SOURCE + 8), false},
	{"another function", BY_SOURCE | (SOURCE + 1), false},
	{"function bit 2 ignored", BY_SOURCE | QUALIFIER(1) | (SOURCE + 4), true},
	{"function bit 2 ignored, bit 1 not", BY_SOURCE | QUALIFIER(1) | (SOURCE + 2), false},
	{"function bits 2:1 ignored", BY_SOURCE | QUALIFIER(2) | (SOURCE + 6), true},
	{"all functions", BY_SOURCE | QUALIFIER(3) | (SOURCE + 7), true},
	{"all functions of another device", BY_SOURCE | QUALIFIER(3) | (SOURCE + 8), false},
	{"buses 0 to 3", BY_BUS | 0x0003, true},
	{"buses 1 to 3", BY_BUS | 0x0103, false},
	{"no such check", UINT64_C(3) << 18 | SOURCE, false},
};

static void source_ids(void)
{
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct fault f;

		set_entry(INDEX, SIMPLE(VECTOR), sources[i].high);
		forget_entries();
		expect(sources[i].name, sent(handle(INDEX), 0, VECTOR), sources[i].passes);
		f = take_fault();
		expect("its fault", f.reason, sources[i].passes ? 0 : 0x26);
		if (!sources[i].passes)
			expect("its record", f.source == SOURCE && f.information >> 48 == INDEX,
				1);
	}
}

static const struct {
	const char *name;
	uint64_t low, high;
	uint32_t address, data;
	unsigned reason;
	bool silenced;
} faults[] = {
	{"reserved bits of a request", SIMPLE(VECTOR), 0, SHV, 0x10000, 0x20, false},
	{"an index behind the end", SIMPLE(VECTOR), 0, (ENTRIES - INDEX) << 5, 0, 0x21, false},
	{"a subhandle behind the end", SIMPLE(VECTOR), 0, SHV, ENTRIES, 0x21, false},
	{"an entry that is absent", 0, 0, 0, 0, 0x22, true},
	{"an entry with reserved bits", SIMPLE(VECTOR) | 1 << 24, 0, 0, 0, 0x24, true},
	{"and in its upper half", SIMPLE(VECTOR), UINT64_C(1) << 20, 0, 0, 0x24, true},
	{"a destination of more than 8 bits", SIMPLE(VECTOR) | UINT64_C(1) << 48, 0, 0, 0, 0x24,
		true},
	{"a posted entry with reserved bits", PRESENT | POSTED | 1 << 2, 0, 0, 0, 0x24, true},
	{"a descriptor beyond the host's addresses", PRESENT | POSTED, UINT64_C(1) << 40, 0, 0,
		0x24, true},
	{"a descriptor where no memory is", PRESENT | POSTED, UINT64_C(0xff) << 32, 0, 0, 0x27,
		true},
};

static void all_faults(void)
{
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (unsigned silent = 0; silent < 2; silent++) {
			uint32_t address = handle(INDEX) + faults[i].address;

			set_entry(INDEX, faults[i].low | (silent ? SILENT : 0), faults[i].high);
			forget_entries();
			expect(faults[i].name, sent(address, faults[i].data, VECTOR), 0);
			expect(silent ? "silenced" : "its fault", take_fault().reason,
				silent && faults[i].silenced ? 0 : faults[i].reason);
		}
}

static void stale_entries(void)
{
	set_entry(INDEX, SIMPLE(VECTOR), 0);
	forget_entries();
	(void)sent(handle(INDEX), 0, VECTOR);
	set_entry(INDEX, SIMPLE(OTHER), 0);
	expect("an entry is cached", sent(handle(INDEX), 0, VECTOR), 1);
	queue_put(4 | 1u << 4 | (uint64_t)(INDEX + 1) << 32, 0);
	queue_wait();
	expect("another one is forgotten", sent(handle(INDEX), 0, VECTOR), 1);
	queue_put(4 | 1u << 4 | 2u << 27 | (uint64_t)(INDEX & ~3u) << 32, 0);
	queue_wait();
	expect("four with this one are forgotten", sent(handle(INDEX), 0, OTHER), 1);
	set_entry(INDEX, 0, 0);
	expect("an absent one", sent(handle(INDEX), 0, OTHER), 1);
	forget_entries();
	expect("is absent at last", sent(handle(INDEX), 0, OTHER), 0);
	(void)take_fault();
}

/* ---- the IOAPIC ---- */

#define IOAPIC   ((volatile uint32_t *)0xfec00000)
#define PIN      17u /* of INTA# of device 2 */
#define EVENTS   0x08u
#define ENABLE   0x0cu
#define RAISE    0x10u
#define MSIX     0x70u
#define IS_LEVEL 0x8000u

static void set_pin(uint32_t high, uint32_t low)
{
	IOAPIC[0] = 0x10 + 2 * PIN + 1;
	IOAPIC[4] = high;
	IOAPIC[0] = 0x10 + 2 * PIN;
	IOAPIC[4] = low;
}

static bool pin_interrupt(struct trap_frame *f)
{
	if (f->vector < 32)
		return false;
	interrupt_count[f->vector]++;
	*device(EVENTS) = ~0u;
	apic_eoi();
	return true;
}

static uint32_t pin_raised(unsigned times)
{
	uint32_t before = interrupt_count[VECTOR];

	for (unsigned i = 0; i < times; i++) {
		*device(RAISE) = i;
		wait_ticks(2000);
	}
	return interrupt_count[VECTOR] - before;
}

static void pin(void)
{
	device_set_config(MSIX, 0);
	*device(ENABLE) = ~0u;
	trap_hook = pin_interrupt;
	set_entry(INDEX, SIMPLE(VECTOR) | 1 << 4, BY_SOURCE | IOAPIC_SOURCE);
	forget_entries();
	set_pin(1u << 16 | INDEX << 17, VECTOR | IS_LEVEL);
	expect("a pin by an entry", pin_raised(3), 3);
	set_entry(INDEX, SIMPLE(VECTOR) | 1 << 4, BY_SOURCE | SOURCE);
	forget_entries();
	expect("of another source", pin_raised(1), 0);
	expect("its fault", take_fault().reason, 0x26);
	*device(EVENTS) = ~0u;
	set_pin(0, 1u << 16);
	set_pin(0, VECTOR | IS_LEVEL);
	expect("a pin without an entry", pin_raised(1), 0);
	expect("its fault", take_fault().reason, 0x25);
	*device(EVENTS) = ~0u;
	set_pin(0, 1u << 16);
	*device(ENABLE) = 0;
	device_set_config(MSIX, 0x80000000u);
	trap_hook = count_and_eoi;
}

/* ---- posting ---- */

static void posting(void)
{
	volatile uint32_t *d = page_alloc();
	uint64_t low = PRESENT | POSTED | 0x45u << 16 |
		       address_of((const uint32_t *)(uintptr_t)d) >> 6 << 38;

	d[8] = OTHER << 16;
	d[9] = 0;
	set_entry(INDEX, low, BY_SOURCE | SOURCE);
	forget_entries();
	expect("a posted one notifies", sent(handle(INDEX), 0, OTHER), 1);
	expect("its bit", d[2], 1u << 5);
	expect("and says so", d[8] & 3, 1);
	set_entry(INDEX, low + (1 << 16), BY_SOURCE | SOURCE);
	forget_entries();
	expect("another one does not notify", sent(handle(INDEX), 0, OTHER), 0);
	expect("both bits", d[2], 3u << 5);
	d[8] = OTHER << 16 | 2;
	expect("suppressed", sent(handle(INDEX), 0, OTHER), 0);
	expect("says nothing", d[8] & 3, 2);
	set_entry(INDEX, low | URGENT, BY_SOURCE | SOURCE);
	forget_entries();
	expect("but an urgent one", sent(handle(INDEX), 0, OTHER), 1);
	d[8] = OTHER << 16 | 4;
	expect("a descriptor with reserved bits", sent(handle(INDEX), 0, OTHER), 0);
	expect("its fault", take_fault().reason, 0x28);
	set_entry(INDEX, low, BY_SOURCE | (SOURCE + 1));
	forget_entries();
	expect("a posted one of another source", sent(handle(INDEX), 0, OTHER), 0);
	expect("its fault", take_fault().reason, 0x26);
}

/* Destinations of 32 bits; messages in compatibility format are blocked whatever CFI says. */
static void extended(void)
{
	set_unit64(IRTA, address_of(table) | EXTENDED | 7);
	unit_on(SIRTP);
	forget_entries();
	set_entry(INDEX, SIMPLE(VECTOR), 0);
	expect("extended mode", sent(handle(INDEX), 0, VECTOR), 1);
	unit_on(CFI);
	expect("compatibility format", sent(0xfee00000u, VECTOR, VECTOR), 0);
	expect("its fault", take_fault().reason, 0x25);
	unit_off(CFI);
}

int payload_main(void)
{
	apic_take_all();
	device_start();
	queue_start();
	table = page_alloc();
	set_unit64(IRTA, address_of(table) | 7);
	formats();
	source_ids();
	all_faults();
	stale_entries();
	pin();
	posting();
	extended();
	print("vtd_irq: %s\n", failed == 0 ? "all as it should be" : "NOT as it should be");
	return failed != 0;
}
