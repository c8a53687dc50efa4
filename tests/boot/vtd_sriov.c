/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SR-IOV of the test device, bare: virtual functions come and go, and each has registers, a
 * domain, messages and a reset of its own.
 */
#include "apic.h"
#include "cpu.h"
#include "pci.h"
#include "rt.h"
#include "spec/pci.h"
#include "vtd/vtd_unit.h"

#define ECAM       0xe8000000u
#define CAPABILITY 0x100u
#define VFS        4u
#define APERTURE   0x10000u
#define PLACE      0xd0100000u
#define FIRST      0x80u /* 00:10.0 */
#define MSIX       0x70u
#define EXPRESS    0x90u
#define MASTER     4u
#define ENABLE     1u
#define MEMORY_ON  8u
#define VECTOR     0x60u
#define IOVA       UINT64_C(0x70000000)
#define MEMORY     0x3000u
#define BY_SOURCE  (UINT64_C(1) << 18)

static uint64_t *source, *targets[VFS], *table;

/* Configuration space in memory. */
static volatile uint32_t *config(unsigned function, unsigned at)
{
	return (volatile uint32_t *)(uintptr_t)(ECAM + (function << 12) + at);
}

static volatile uint16_t *config16(unsigned function, unsigned at)
{
	return (volatile uint16_t *)(uintptr_t)(ECAM + (function << 12) + at);
}

static volatile uint32_t *vf(unsigned n)
{
	return (volatile uint32_t *)(uintptr_t)(PLACE + n * APERTURE);
}

static void set_control(unsigned bits)
{
	*config16(SOURCE, CAPABILITY + 8) = (uint16_t)bits;
}

static void capability(void)
{
	expect("configuration space by ports and memory", *config(SOURCE, 0), device_config(0));
	expect("the capability", *config(SOURCE, CAPABILITY), 0x10010);
	expect("functions", *config(SOURCE, CAPABILITY + 0xc), VFS << 16 | VFS);
	expect("their places", *config(SOURCE, CAPABILITY + 0x14), 1u << 16 | (FIRST - SOURCE));
	*config(SOURCE, CAPABILITY + 0x24) = ~0u;
	expect("the size of one", *config(SOURCE, CAPABILITY + 0x24), ~(APERTURE - 1) | 4);
	expect("none is there", *config(FIRST, 0), ~0u);
	*config16(SOURCE, CAPABILITY + 0x10) = VFS + 1;
	expect("more than there are", *config16(SOURCE, CAPABILITY + 0x10), 0);
	*config16(SOURCE, CAPABILITY + 0x10) = 3;
	*config(SOURCE, CAPABILITY + 0x24) = PLACE;
	*config(SOURCE, CAPABILITY + 0x28) = 0;
	set_control(ENABLE);
	expect("two ids of one function", *config(FIRST, 0), ~0u);
	expect("that is there", *config(FIRST + 2, PCI_CAPABILITIES) & 0xff, MSIX);
	expect("and by ports", pci_read(FIRST + 2, MSIX) & 0xff, 0x11);
	expect("the fourth is not", *config(FIRST + 3, PCI_CAPABILITIES), ~0u);
	*config16(SOURCE, CAPABILITY + 0x10) = 1;
	expect("their number stays", *config16(SOURCE, CAPABILITY + 0x10), 3);
	set_control(0);
	*config16(SOURCE, CAPABILITY + 0x10) = VFS;
	set_control(ENABLE);
	expect("without registers", vf(0)[0], ~0u);
	set_control(ENABLE | MEMORY_ON);
	for (unsigned n = 0; n < VFS; n++)
		vf(n)[MEMORY / 4] = n + 1;
	for (unsigned n = 0; n < VFS; n++)
		expect("registers of its own", vf(n)[MEMORY / 4], n + 1);
	expect("the identifier", vf(VFS - 1)[0], device(0)[0]);
}

static uint64_t copied(unsigned n)
{
	uint32_t blocked;

	source[0] = 0x1000 + n;
	targets[n][0] = 0;
	blocked = function_copy(vf(n), IOVA, IOVA + 0x1000, 8);
	return 0x100 * blocked + (targets[n][0] == source[0]);
}

static void domains(void)
{
	struct fault f;

	for (unsigned n = 0; n < VFS; n++) {
		uint64_t *tables = page_alloc();

		targets[n] = page_alloc();
		unit_map(tables, 4, IOVA, address_of(source), 1, READ_OK);
		unit_map(tables, 4, IOVA + 0x1000, address_of(targets[n]), 1, BOTH);
		unit_context_of(FIRST + n, n + 1, 4, 0, address_of(tables));
	}
	unit_on(TRANSLATE);
	targets[0][0] = 0;
	(void)function_copy(vf(0), IOVA, IOVA + 0x1000, 8);
	expect("not a bus master: no DMA", targets[0][0], 0);
	for (unsigned n = 0; n < VFS; n++) {
		*config16(FIRST + n, PCI_COMMAND) = MASTER;
		expect("each to its own domain", copied(n), 1);
	}
	contexts[2 * (FIRST + 1)] = 0;
	forget_all();
	expect("one without a context", copied(1), 0x200);
	f = take_fault();
	expect("its fault", f.reason, 2);
	expect("its source", f.source, FIRST + 1);
	expect("the next one's goes on", copied(2), 1);
}

static uint32_t sent(unsigned n, unsigned index, unsigned vector)
{
	uint32_t before = interrupt_count[vector];

	function_message(vf(n), 0xfee00010u | index << 5, 0);
	return interrupt_count[vector] - before;
}

static void messages(void)
{
	table = page_alloc();
	set_unit64(0xb8, address_of(table) | 7);
	unit_on(SIRTP);
	unit_on(IRE);
	for (unsigned n = 0; n < VFS; n++) {
		table[2 * n + 1] = BY_SOURCE | (FIRST + n);
		table[2 * n] = 1 | (VECTOR + n) << 16;
		*config(FIRST + n, MSIX) = 0x80000000u;
		expect("its message", sent(n, n, VECTOR + n), 1);
	}
	expect("another one's", sent(0, 1, VECTOR + 1), 0);
	expect("its fault", take_fault().reason, 0x26);
}

static void resets(void)
{
	*config16(FIRST + 1, EXPRESS + 8) = 0x8000;
	expect("a reset one has forgotten", vf(1)[MEMORY / 4], 0);
	expect("and is no bus master", *config16(FIRST + 1, PCI_COMMAND), 0);
	expect("its neighbour has not", vf(2)[MEMORY / 4], 3);
	expect("nor stopped", copied(2), 1);
	set_control(0);
	expect("all are gone", *config(FIRST + 2, PCI_CAPABILITIES), ~0u);
	expect("with their registers", vf(2)[MEMORY / 4], ~0u);
	set_control(ENABLE | MEMORY_ON);
	expect("they come anew", vf(2)[MEMORY / 4], 0);
	device_set_config(0x84, 1);
	expect("a reset of the physical one", *config(FIRST, PCI_CAPABILITIES), ~0u);
	expect("takes them away", *config16(SOURCE, CAPABILITY + 8), 0);
}

int payload_main(void)
{
	apic_take_all();
	device_start();
	source = page_alloc();
	unit_tables();
	capability();
	domains();
	messages();
	resets();
	print("vtd_sriov: %s\n", failed == 0 ? "all as it should be" : "NOT as it should be");
	return failed != 0;
}
