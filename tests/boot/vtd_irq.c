/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt remapping by the remapping unit of the emulated machine, bare: what
 * tests/vtd/rt/vtd_rules_irq.c does not ask every unit: stale entries until they are
 * invalidated, posting, and mistakes that this one does not overlook.
 */
#include "apic.h"
#include "cpu.h"
#include "rt.h"
#include "vtd/vtd_unit.h"

#define VECTOR    0x60u
#define OTHER     0x61u
#define INDEX     5u
#define PRESENT   1u
#define SILENT    2u
#define POSTED    0x8000u
#define URGENT    0x4000u
#define BY_SOURCE (UINT64_C(1) << 18)
#define SHV       8u

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

static const struct {
	const char *name;
	uint64_t low, high;
	uint32_t address, data;
	unsigned reason;
	bool silenced;
} faults[] = {
	{"no such check of sources", SIMPLE(VECTOR), UINT64_C(3) << 18 | SOURCE, 0, 0, 0x26,
		true},
	{"reserved bits of a request", SIMPLE(VECTOR), 0, SHV, 0x10000, 0x20, false},
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

int payload_main(void)
{
	apic_take_all();
	device_start();
	queue_start();
	table = page_alloc();
	set_unit64(IRTA, address_of(table) | 7);
	unit_on(SIRTP);
	unit_on(IRE);
	all_faults();
	stale_entries();
	posting();
	print("vtd_irq: %s\n", failed == 0 ? "all as it should be" : "NOT as it should be");
	return failed != 0;
}
