/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 with the emulated machine's test device (docs/machine-device.md), or a virtual function
 * of it, behind its first root port, where that comes and goes: asked for by the button, or
 * taken away. Each time it is as after a reset, works, and afterwards reaches nothing: neither
 * memory nor interrupts, whatever another processor writes to its registers. Under Nestor only.
 *
 * Command line: `tag=N`: what it leaves in its device; `cpus=N`; `deaf`: it does not hear the
 * button; `wild`, `seed=N`: it does nothing but to write to its port and device at random.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "pci.h"
#include "random.h"
#include "rt.h"
#include "smp.h"
#include "spec/pcie.h"

#define PORT       PCI_FUNCTION(0, 1, 0)
#define DEVICE     PCI_FUNCTION(1, 0, 0)
#define ALL_ON     (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
#define OUR_DEVICE 0x0154534eu

/* The device's registers. */
#define ID     0x00
#define EVENTS 0x08
#define RAISE  0x10
#define BUSY   0x14
#define SOURCE 0x20
#define TARGET 0x28
#define LENGTH 0x30
#define DMA    0x34
#define FILL   0x38
#define PERIOD 0x40
#define STORM  0x44
#define BURST  0x48
#define COUNTS 0x80
#define TABLE  0x1000u
#define MEMORY 0x3000u

#define DMA_COPY 1u
#define DMA_FILL 2u

#define VECTOR  0x60u
#define VECTORS 16u
#define EACH    20u

#define BUFFER ((uint8_t *)(16u << 20))
#define COPY   ((uint8_t *)(17u << 20))
#define SIZE   0x3000u
#define A_BIT  3000000u /* ticks in which what was on its way has arrived */

static uint32_t tag, express, place;
static unsigned cpus;
static volatile uint32_t stop;

static volatile uint32_t *reg(unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(place + offset);
}

static unsigned capability(uint32_t function, uint8_t id)
{
	unsigned at = pci_read(function, PCI_CAPABILITIES) & 0xfc;

	while (at != 0 && (pci_read(function, at) & 0xff) != id)
		at = pci_read(function, at + 1u) & 0xfc;
	return at;
}

static uint32_t slot_status(void)
{
	return pci_read(PORT, express + PCIE_SLOT_STATUS) & 0xffff;
}

static void slot_control(uint32_t v)
{
	pci_write16(PORT, express + PCIE_SLOT_CONTROL, (uint16_t)v);
}

static void wait(uint64_t ticks)
{
	for (uint64_t end = rdtsc_exact() + ticks; rdtsc_exact() < end;)
		pause();
}

static uint32_t total(void)
{
	uint32_t sum = 0;

	for (unsigned v = 0x20; v < 256; v++)
		sum += interrupt_count[v];
	return sum;
}

/* ---- it comes ---- */

static void set_up(void)
{
	place = (pci_read(PORT, PCI_BRIDGE_MEMORY_BASE) & 0xfff0) << 16;
	while (!(slot_status() & PCIE_SLOT_PRESENT))
		pause();
	pci_write16(PORT, express + PCIE_SLOT_STATUS, 0xffff);
	slot_control(PCIE_SLOT_ATTENTION_OFF | PCIE_SLOT_LED_ON);
	pci_write(DEVICE, PCI_BAR, place);
	pci_write(DEVICE, PCI_BAR + 4, 0);
	pci_write16(DEVICE, PCI_COMMAND, ALL_ON);
}

/* It may come out of a reset. False: it went again. */
static bool answers(void)
{
	while (*reg(ID) != OUR_DEVICE)
		if (!(slot_status() & PCIE_SLOT_PRESENT))
			return false;
	return true;
}

static bool is_new(void)
{
	uint32_t used = *reg(EVENTS) | *reg(TARGET) | *reg(FILL) | *reg(STORM) | *reg(BURST);

	for (unsigned n = 0; n < VECTORS; n++)
		used |= *reg(COUNTS + 4 * n);
	for (unsigned at = 0; at < 0x1000; at += 4)
		used |= *reg(MEMORY + at);
	return used == 0;
}

static void set_vectors(void)
{
	unsigned msix = capability(DEVICE, PCI_CAP_MSIX);

	for (unsigned n = 0; n < VECTORS; n++) {
		*reg(TABLE + 16 * n) = 0xfee00000;
		*reg(TABLE + 16 * n + 4) = 0;
		*reg(TABLE + 16 * n + 8) = VECTOR + n;
		*reg(TABLE + 16 * n + 12) = 0;
	}
	pci_write16(DEVICE, msix + PCI_MSIX_CONTROL, PCI_MSIX_ENABLE);
}

/* One by one: none is lost, and none made up. */
static uint32_t messages(void)
{
	uint32_t came = 0;

	for (unsigned i = 0; i < EACH * VECTORS; i++) {
		uint32_t before = interrupt_count[VECTOR + i % VECTORS];

		*reg(RAISE) = i % VECTORS;
		for (uint64_t end = rdtsc_exact() + 10000000;
			interrupt_count[VECTOR + i % VECTORS] == before && rdtsc_exact() < end;)
			pause();
		came += interrupt_count[VECTOR + i % VECTORS] - before;
	}
	return came;
}

static void transfer(uint32_t how, const void *from, const void *to, uint32_t size)
{
	*reg(SOURCE) = (uint32_t)(uintptr_t)from;
	*reg(SOURCE + 4) = 0;
	*reg(TARGET) = (uint32_t)(uintptr_t)to;
	*reg(TARGET + 4) = 0;
	*reg(LENGTH) = size;
	*reg(DMA) = how;
}

static void work(unsigned round)
{
	uint32_t before = total(), came;

	for (unsigned i = 0; i < SIZE; i++) {
		BUFFER[i] = (uint8_t)(i * 7 + tag);
		COPY[i] = 0;
	}
	transfer(DMA_COPY, BUFFER, COPY, SIZE);
	while (*reg(BUSY) == 1)
		pause();
	set_vectors();
	interrupts_on();
	came = messages();
	interrupts_off();
	for (unsigned at = 0; at < 0x1000; at += 4)
		*reg(MEMORY + at) = tag;
	print("vm %u: works %u: copy %s, %u messages of %u, others %u\n", tag, round,
		memcmp(BUFFER, COPY, SIZE) == 0 ? "the same" : "DIFFERENT", came,
		EACH * VECTORS, total() - before - came);
}

/* ---- it goes ---- */

/* Writes to its registers whatever happens, so that DMA never ends. */
static void hammer(void *arg)
{
	(void)arg;
	while (load(&stop) == 0) {
		transfer(DMA_FILL, NULL, BUFFER, 0x10000);
		*reg(PERIOD) = 20000;
		*reg(STORM) = 0xffff;
		for (unsigned i = 0; i < 100 && load(&stop) == 0; i++)
			*reg(RAISE) = i % VECTORS;
	}
}

static void until_it_goes(void)
{
	bool deaf = cmdline_flag("deaf");

	interrupts_on();
	*reg(PERIOD) = 20000;
	*reg(STORM) = 0xffff;
	while (slot_status() & PCIE_SLOT_PRESENT &&
		(deaf || !(slot_status() & PCIE_SLOT_BUTTON)))
		transfer(DMA_FILL, NULL, BUFFER, 0x10000);
	interrupts_off();
}

/* As a driver gives it: the device is stopped, and then the slot. */
static bool give(void)
{
	if (!(slot_status() & PCIE_SLOT_PRESENT))
		return false;
	*reg(STORM) = 0;
	pci_write16(DEVICE, PCI_COMMAND, PCI_COMMAND_MEMORY);
	slot_control(PCIE_SLOT_ATTENTION_OFF | PCIE_SLOT_LED | PCIE_SLOT_POWER_OFF);
	while (slot_status() & PCIE_SLOT_PRESENT)
		pause();
	return true;
}

/* What was on its way has arrived; from then on nothing comes. */
static void look_at_what_is_left(const char *how, unsigned round)
{
	uint32_t changed = 0, late;

	interrupts_on();
	wait(A_BIT);
	late = total();
	memset(BUFFER, 0xa5, 0x10000);
	wait(A_BIT);
	late = total() - late;
	interrupts_off();
	for (unsigned i = 0; i < 0x10000; i++)
		changed += BUFFER[i] != 0xa5;
	print("vm %u: %s %u: bytes changed %u, late messages %u, registers %x, function %x\n",
		tag, how, round, changed, late, *reg(ID), pci_read(DEVICE, PCI_VENDOR));
}

static void live(unsigned round)
{
	bool given;

	set_up();
	if (!answers())
		return;
	print("vm %u: here %u: id %x, new %s\n", tag, round, pci_read(DEVICE, PCI_VENDOR),
		is_new() ? "yes" : "NO");
	work(round);
	store(&stop, 0);
	for (unsigned i = 1; i < cpus; i++)
		start_on(i, hammer, NULL);
	until_it_goes();
	given = give();
	look_at_what_is_left(given ? "given" : "taken", round);
	store(&stop, 1);
	for (unsigned i = 1; i < cpus; i++)
		wait_for(i);
}

/* ---- at random ---- */

static uint64_t state = 1;

static uint32_t any(uint32_t below)
{
	return (uint32_t)(random_next(&state) % below);
}

/* Mostly registers that do something. */
static void wild_write(void)
{
	static const uint8_t of_port[] = {PCI_COMMAND, PCI_BRIDGE_PRIMARY,
		PCI_BRIDGE_MEMORY_BASE, PCI_BRIDGE_CONTROL & 0xfc};
	uint32_t v = (uint32_t)random_next(&state);

	switch (any(8)) {
	case 0:
		slot_control(v);
		break;
	case 1:
		pci_write16(PORT, express + (any(2) ? PCIE_SLOT_STATUS : PCIE_LINK_CONTROL),
			(uint16_t)v);
		break;
	case 2:
		pci_write(PORT, of_port[any(sizeof(of_port))], v);
		break;
	case 3:
		pci_write(PORT, PCI_BRIDGE_PRIMARY, 1 << 16 | 1 << 8);
		pci_write(PORT, PCI_BRIDGE_MEMORY_BASE, (place + 0x100000) | place >> 16);
		pci_write16(PORT, PCI_COMMAND, ALL_ON);
		pci_write16(PORT, express + PCIE_LINK_CONTROL, 0);
		pci_write16(PORT, PCI_BRIDGE_CONTROL, 0);
		slot_control(PCIE_SLOT_LED_ON);
		break;
	case 4:
		pci_write(DEVICE, any(64) * 4, v);
		break;
	case 5:
		pci_write(DEVICE, PCI_BAR, place);
		pci_write(DEVICE, PCI_BAR + 4, 0);
		pci_write16(DEVICE, PCI_COMMAND, ALL_ON);
		break;
	case 6:
		pci_write16(DEVICE, capability(DEVICE, PCI_CAP_EXPRESS) + PCI_EXPRESS_CONTROL,
			PCI_EXPRESS_FLR);
		break;
	default:
		transfer(DMA_FILL, NULL, BUFFER, any(0x10000));
		*reg(TABLE + any(VECTORS) * 16 + 12) = v;
		*reg(RAISE) = v;
		*reg(STORM) = v;
		*reg(PERIOD) = any(100000);
		break;
	}
}

/* No words and no end: who looks at the run judges it. */
static void wild(void)
{
	state = cmdline_number("seed", 1);
	place = (pci_read(PORT, PCI_BRIDGE_MEMORY_BASE) & 0xfff0) << 16;
	print("vm %u: wild\n", tag);
	interrupts_on();
	for (;;)
		wild_write();
}

int payload_main(void)
{
	tag = (uint32_t)cmdline_number("tag", 1);
	cpus = (unsigned)cmdline_number("cpus", 1);
	apic_take_all();
	smp_start(cpus);
	express = capability(PORT, PCI_CAP_EXPRESS);
	if (cmdline_flag("wild"))
		wild();
	print("vm %u: ready\n", tag);
	for (unsigned round = 1;; round++)
		live(round);
}
