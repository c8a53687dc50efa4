/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that owns a virtual function of the emulated machine's test device
 * (docs/machine-device.md), while another VM may own the next one: who it is, registers, DMA
 * inside and outside of the VM's memory, every message. Under Nestor only.
 *
 * Command line: `tag=N`: what it leaves in its function's memory, and looks for to the end;
 * `rounds=N`; `reset`: it resets at the end, with a transfer on its way.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "pci.h"
#include "rt.h"
#include "smp.h"
#include "spec/pci.h"

#define DEVICE PCI_FUNCTION(0, 20, 0)
#define ALL_ON (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
#define PLACE  0xc0100000u
#define SPAN   0x10000u    /* of one function's registers */
#define FIRST  0xf0000000u /* where L0 has given the machine's functions addresses */

/* The device's registers. */
#define ID      0x00
#define RAISE   0x10
#define BUSY    0x14
#define SOURCE  0x20
#define TARGET  0x28
#define LENGTH  0x30
#define DMA     0x34
#define FILL    0x38
#define BLOCKED 0x58
#define TABLE   0x1000u
#define MEMORY  0x3000u

#define DMA_COPY 1u
#define DMA_FILL 2u

#define VECTOR  0x60u
#define VECTORS 16u
#define EACH    20u

#define MIB    (UINT64_C(1) << 20)
#define BUFFER ((uint8_t *)(16 * MIB))
#define COPY   ((uint8_t *)(17 * MIB))
#define SIZE   0x3000u
#define END    (64 * MIB) /* of the VM's memory */

static uint32_t tag;

static volatile uint32_t *reg(unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(PLACE + offset);
}

static uint64_t at(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* How many pieces were blocked. */
static uint32_t transfer(uint32_t how, uint64_t from, uint64_t to, uint32_t size)
{
	uint32_t before = *reg(BLOCKED);

	*reg(SOURCE) = (uint32_t)from;
	*reg(SOURCE + 4) = (uint32_t)(from >> 32);
	*reg(TARGET) = (uint32_t)to;
	*reg(TARGET + 4) = (uint32_t)(to >> 32);
	*reg(LENGTH) = size;
	*reg(DMA) = how;
	while (*reg(BUSY) != 0)
		pause();
	return *reg(BLOCKED) - before;
}

static unsigned identify(void)
{
	unsigned msix = 0, others = 0;

	for (uint32_t next = pci_read(DEVICE, PCI_CAPABILITIES) & 0xfc; next != 0;
		next = pci_read(DEVICE, next) >> 8 & 0xfc)
		if ((pci_read(DEVICE, next) & 0xff) == PCI_CAP_MSIX)
			msix = next;
		else
			others++;
	pci_write(DEVICE, PCI_BAR, ~0u);
	print("vm %u: id %x, class %x, pin %u, bar %x, vectors %u, other capabilities %u\n",
		tag, pci_read(DEVICE, PCI_VENDOR), pci_read(DEVICE, PCI_REVISION) >> 8,
		pci_read(DEVICE, PCI_INTERRUPT_LINE) >> 8 & 0xff, pci_read(DEVICE, PCI_BAR),
		PCI_MSIX_ENTRIES(pci_read(DEVICE, msix) >> 16), others);
	pci_write(DEVICE, PCI_BAR, PLACE);
	pci_write(DEVICE, PCI_BAR + 4, 0);
	pci_write(DEVICE, PCI_COMMAND, ALL_ON);
	return msix;
}

static void inside(void)
{
	uint32_t blocked;

	for (unsigned i = 0; i < SIZE; i++) {
		BUFFER[i] = (uint8_t)(i * 7 + tag);
		COPY[i] = 0;
	}
	blocked = transfer(DMA_COPY, at(BUFFER), at(COPY), SIZE);
	print("vm %u: copy %s, blocked %u\n", tag,
		memcmp(BUFFER, COPY, SIZE) == 0 ? "the same" : "DIFFERENT", blocked);
}

/* Behind its memory, into registers of all functions of the device, to where CPUs are told. */
static void outside(void)
{
	uint32_t blocked = 0, n = 0;

	*reg(FILL) = 0xee;
	for (uint64_t to = END; to < 192 * MIB; to += MIB / 16, n++)
		blocked += transfer(DMA_FILL, 0, to, 16);
	print("vm %u: behind its memory: blocked %u of %u\n", tag, blocked, n);
	blocked = n = 0;
	for (uint64_t to = FIRST; to < FIRST + 8 * SPAN; to += SPAN / 16, n++)
		blocked += transfer(DMA_FILL, 0, to, 16);
	print("vm %u: registers of the device: blocked %u of %u\n", tag, blocked, n);
	print("vm %u: an interrupt: blocked %u\n", tag,
		transfer(DMA_FILL, 0, 0xfee00000, 16) != 0);
	print("vm %u: behind its registers: %x\n", tag, *reg(SPAN + ID));
}

static void set_vectors(unsigned msix)
{
	for (unsigned n = 0; n < VECTORS; n++) {
		*reg(TABLE + 16 * n) = 0xfee00000;
		*reg(TABLE + 16 * n + 4) = 0;
		*reg(TABLE + 16 * n + 8) = VECTOR + n;
		*reg(TABLE + 16 * n + 12) = 0;
	}
	pci_write(DEVICE, msix, pci_read(DEVICE, msix) | PCI_MSIX_ENABLE << 16);
}

static void messages(unsigned rounds)
{
	uint32_t came = 0, wrong = 0;

	interrupts_on();
	for (unsigned i = 0; i < rounds * EACH; i++)
		for (unsigned n = 0; n < VECTORS; n++) {
			uint32_t before = interrupt_count[VECTOR + n];

			*reg(RAISE) = n;
			for (uint64_t end = rdtsc_exact() + 10000000;
				interrupt_count[VECTOR + n] == before && rdtsc_exact() < end;)
				pause();
			came += interrupt_count[VECTOR + n] - before;
			wrong += *reg(MEMORY) != tag;
		}
	interrupts_off();
	for (unsigned v = 0x20; v < 256; v++)
		if (v - VECTOR >= VECTORS)
			wrong += interrupt_count[v];
	print("vm %u: %u messages of %u, wrong %u\n", tag, came, rounds * EACH * VECTORS,
		wrong);
}

int payload_main(void)
{
	unsigned msix;

	tag = (uint32_t)cmdline_number("tag", 1);
	apic_take_all();
	msix = identify();
	print("vm %u: registers %x, memory %x\n", tag, *reg(ID), *reg(MEMORY));
	*reg(MEMORY) = tag;
	inside();
	outside();
	set_vectors(msix);
	messages((unsigned)cmdline_number("rounds", 1));
	inside();
	print("vm %u: memory %x\n", tag, *reg(MEMORY));
	if (!cmdline_flag("reset"))
		return 0;
	*reg(TARGET) = (uint32_t)at(BUFFER);
	*reg(LENGTH) = SPAN;
	*reg(DMA) = DMA_FILL;
	outb(0xcf9, 6);
	return 1;
}
