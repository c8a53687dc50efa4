/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that owns the test device of the emulated machine (docs/machine-device.md) and makes
 * virtual functions of it: they come and go when it says so, and each has registers, memory
 * that it reaches, messages and a reset of its own. Under Nestor only.
 *
 * Command line: `unit`: each has tables of its own, in the VM's virtual VT-d; `reset`: it
 * resets at the end, while they are on and one has a transfer on its way.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "smp.h"
#include "spec/pcie.h"
#include "vtd/vtd_unit.h"

#define ECAM       0xe0000000u
#define PHYSICAL   0xa0u /* 00:14.0 */
#define FIRST      (PHYSICAL + 1)
#define CAPABILITY PCIE_EXTENDED
#define VFS        4u
#define APERTURE   0x10000u
#define PLACE      0xc0100000u
#define VF_PLACE   0xc0200000u
#define MASTER     (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
#define VECTOR     0x60u
#define EACH       50u
#define IOVA       UINT64_C(0x70000000)
#define MEMORY     0x3000u
#define RAISE      0x10u
#define LONG       UINT64_C(4000000000)
#define END        (UINT64_C(64) << 20) /* of the VM's memory */

static uint64_t *source, *targets[VFS];
static bool unit;

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
	return (volatile uint32_t *)(uintptr_t)(VF_PLACE + n * APERTURE);
}

static volatile uint32_t *physical(unsigned at)
{
	return (volatile uint32_t *)(uintptr_t)(PLACE + at);
}

static unsigned find(unsigned function, unsigned id)
{
	unsigned at = *config(function, PCI_CAPABILITIES) & 0xfc;

	while (at != 0 && at != 0xfc && (*config16(function, at) & 0xff) != id)
		at = *config16(function, at) >> 8 & 0xfc;
	return at;
}

static void set_control(unsigned bits)
{
	*config16(PHYSICAL, CAPABILITY + PCIE_SRIOV_CONTROL) = (uint16_t)bits;
}

static void make(unsigned count)
{
	*config16(PHYSICAL, CAPABILITY + PCIE_SRIOV_COUNT) = (uint16_t)count;
	set_control(PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY);
}

/* Whether it answers, in the end. */
static bool comes(unsigned function)
{
	for (uint64_t end = rdtsc_exact() + LONG; *config(function, PCI_COMMAND) == ~0u;)
		if (rdtsc_exact() > end)
			return false;
	return true;
}

static void capability(void)
{
	expect("the physical function", *config(PHYSICAL, 0), 0x4e541234);
	expect("the capability", *config(PHYSICAL, CAPABILITY), 0x10010);
	expect("functions", *config(PHYSICAL, CAPABILITY + PCIE_SRIOV_INITIAL),
		VFS << 16 | VFS);
	expect("their places", *config(PHYSICAL, CAPABILITY + PCIE_SRIOV_FIRST), 1u << 16 | 1);
	expect("who they are", *config16(PHYSICAL, CAPABILITY + PCIE_SRIOV_DEVICE), 0x4e55);
	*config(PHYSICAL, CAPABILITY + PCIE_SRIOV_BAR) = ~0u;
	expect("the size of one", *config(PHYSICAL, CAPABILITY + PCIE_SRIOV_BAR),
		~(APERTURE - 1) | 4);
	*config(PHYSICAL, CAPABILITY + PCIE_SRIOV_BAR) = VF_PLACE;
	*config(PHYSICAL, CAPABILITY + PCIE_SRIOV_BAR + 4) = 0;
	*config(PHYSICAL, PCI_BAR) = PLACE;
	*config(PHYSICAL, PCI_BAR + 4) = 0;
	*config16(PHYSICAL, PCI_COMMAND) = MASTER;
	expect("none is there", *config(FIRST, PCI_COMMAND), ~0u);
	*config16(PHYSICAL, CAPABILITY + PCIE_SRIOV_COUNT) = VFS + 1;
	expect("more than it may have", *config16(PHYSICAL, CAPABILITY + PCIE_SRIOV_COUNT), 0);
}

static void come(unsigned count)
{
	make(count);
	expect("not at once", *config(FIRST, PCI_COMMAND), ~0u);
	expect("nor their registers", vf(0)[0], ~0u);
	for (unsigned n = 0; n < count; n++)
		expect("they come", comes(FIRST + n), true);
	expect("no more than these", *config(FIRST + count, PCI_COMMAND), ~0u);
	expect("without an identifier", *config(FIRST, 0), ~0u);
	for (unsigned n = 0; n < count; n++)
		expect("with registers of before", vf(n)[MEMORY / 4], 0);
	for (unsigned n = 0; n < count; n++)
		vf(n)[MEMORY / 4] = n + 1;
	for (unsigned n = 0; n < count; n++)
		expect("registers of its own", vf(n)[MEMORY / 4], n + 1);
	expect("those of the physical one", physical(0)[0], vf(count - 1)[0]);
	expect("behind them", vf(count)[0], ~0u);
}

static uint64_t copied(unsigned n)
{
	uint64_t from = unit ? IOVA : (uint64_t)(uintptr_t)source;
	uint64_t to = unit ? IOVA + 0x1000 : (uint64_t)(uintptr_t)targets[n];
	uint32_t blocked;

	source[0] = 0x1000 + n;
	targets[n][0] = 0;
	blocked = function_copy(vf(n), from, to, 8);
	return 0x100 * blocked + (targets[n][0] == source[0]);
}

static void tables(void)
{
	unit_tables();
	for (unsigned n = 0; n < VFS; n++) {
		uint64_t *t = page_alloc();

		unit_map(t, 4, IOVA, (uint64_t)(uintptr_t)source, 1, READ_OK);
		unit_map(t, 4, IOVA + 0x1000, (uint64_t)(uintptr_t)targets[n], 1, BOTH);
		unit_context_of(FIRST + n, n + 1, 4, 0, (uint64_t)(uintptr_t)t);
	}
	unit_on(TRANSLATE);
}

static void memory(unsigned count)
{
	targets[0][0] = 0;
	(void)function_copy(
		vf(0), (uint64_t)(uintptr_t)source, (uint64_t)(uintptr_t)targets[0], 8);
	expect("not a bus master: no DMA", targets[0][0], 0);
	for (unsigned n = 0; n < count; n++) {
		*config16(FIRST + n, PCI_COMMAND) = PCI_COMMAND_MASTER;
		expect("each reaches its memory", copied(n), 1);
	}
	expect("and none behind the VM's", function_copy(vf(1), END, END + 0x1000, 8) != 0, 1);
	if (unit) {
		expect("nor what its tables do not have",
			function_copy(vf(1), (uint64_t)(uintptr_t)source, IOVA + 0x1000, 8), 1);
		expect("its fault", take_fault().source, FIRST + 1);
	}
}

/* All vectors that it has, again and again. */
static void messages(unsigned n)
{
	unsigned at = find(FIRST + n, PCI_CAP_MSIX);
	unsigned vectors = PCI_MSIX_ENTRIES(*config16(FIRST + n, at + PCI_MSIX_CONTROL));
	uint32_t came = 0, before;

	for (unsigned i = 0; i < vectors; i++) {
		vf(n)[0x1000 / 4 + 4 * i] = 0xfee00000;
		vf(n)[0x1000 / 4 + 4 * i + 1] = 0;
		vf(n)[0x1000 / 4 + 4 * i + 2] = VECTOR + 16 * n + i;
		vf(n)[0x1000 / 4 + 4 * i + 3] = 0;
	}
	*config16(FIRST + n, at + PCI_MSIX_CONTROL) = PCI_MSIX_ENABLE;
	interrupts_on();
	for (unsigned i = 0; i < EACH * vectors; i++) {
		unsigned vector = VECTOR + 16 * n + i % vectors;

		before = interrupt_count[vector];
		vf(n)[RAISE / 4] = i % vectors;
		for (uint64_t end = rdtsc_exact() + 10000000;
			interrupt_count[vector] == before && rdtsc_exact() < end;)
			pause();
		came += interrupt_count[vector] - before;
	}
	interrupts_off();
	expect("its messages", came, EACH * vectors);
}

/* Registers of one that is reset read ones. */
static bool answers(unsigned n)
{
	for (uint64_t end = rdtsc_exact() + LONG; vf(n)[MEMORY / 4] == ~0u;)
		if (rdtsc_exact() > end)
			return false;
	return true;
}

static void reset_one(void)
{
	unsigned at = find(FIRST + 1, PCI_CAP_EXPRESS);

	expect("a reset of its own", *config(FIRST + 1, at + PCI_EXPRESS_CAPABLE) >> 28 & 1, 1);
	*config16(FIRST + 1, at + PCI_EXPRESS_CONTROL) = PCI_EXPRESS_FLR;
	expect("takes time", vf(1)[MEMORY / 4], ~0u);
	expect("it comes back", answers(1), true);
	expect("and has forgotten", vf(1)[MEMORY / 4], 0);
	expect("and is no bus master", *config16(FIRST + 1, PCI_COMMAND), 0);
	expect("its neighbour has not", vf(2)[MEMORY / 4], 3);
	expect("nor stopped", copied(2), 1);
}

static void go(void)
{
	set_control(PCIE_SRIOV_MEMORY);
	expect("they go", *config(FIRST, PCI_COMMAND), ~0u);
	expect("with their registers", vf(2)[MEMORY / 4], ~0u);
}

static void reset_all(void)
{
	unsigned at = find(PHYSICAL, PCI_CAP_EXPRESS);

	*config16(PHYSICAL, at + PCI_EXPRESS_CONTROL) = PCI_EXPRESS_FLR;
	expect("a reset of the physical one", comes(PHYSICAL), true);
	expect("takes them away", *config(FIRST, PCI_COMMAND), ~0u);
	expect("and says so", *config16(PHYSICAL, CAPABILITY + PCIE_SRIOV_CONTROL), 0);
	expect("and moves no registers for good", *config(PHYSICAL, PCI_BAR), 4);
}

static void sleep(void)
{
	unsigned at = find(PHYSICAL, PCI_CAP_POWER);

	*config16(PHYSICAL, at + PCI_POWER_CONTROL) = PCI_POWER_D3HOT;
	expect("it falls asleep", comes(PHYSICAL), true);
	expect("its registers do not answer", physical(0)[0], ~0u);
	expect("nor those of virtual ones", vf(0)[0], ~0u);
	*config16(PHYSICAL, at + PCI_POWER_CONTROL) = PCI_POWER_D0;
	expect("it wakes", comes(PHYSICAL), true);
	expect("and has none any more", *config16(PHYSICAL, CAPABILITY + PCIE_SRIOV_CONTROL),
		0);
}

int payload_main(void)
{
	unit = cmdline_flag("unit");
	apic_take_all();
	source = page_alloc();
	for (unsigned n = 0; n < VFS; n++)
		targets[n] = page_alloc();
	capability();
	if (unit)
		tables();
	come(3);
	memory(3);
	for (unsigned n = 0; n < 3; n++)
		messages(n);
	reset_one();
	go();
	come(VFS);
	sleep();
	capability();
	come(2);
	reset_all();
	capability();
	come(VFS);
	memory(VFS);
	messages(VFS - 1);
	print("made: %s\n", failed == 0 ? "all as it should be" : "NOT as it should be");
	if (!cmdline_flag("reset"))
		return failed != 0;
	vf(3)[0x28 / 4] = (uint32_t)(uintptr_t)targets[3];
	vf(3)[0x30 / 4] = APERTURE;
	vf(3)[0x34 / 4] = 2;
	outb(0xcf9, 6);
	return 1;
}
