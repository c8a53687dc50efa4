/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that owns the test device of the emulated machine (docs/machine-device.md) behind the
 * machine's IOMMU: DMA at guest-physical addresses, and where it must not go: behind the VM's
 * memory, into the device's own registers, to where interrupts are sent. Under Nestor only.
 *
 * Command line: `reset`: it resets at the end, with a transfer on its way; `watch`: it owns
 * nothing, and its memory must stay as it is.
 */
#include "cmdline.h"
#include "cpu.h"
#include "pci.h"
#include "rt.h"
#include "smp.h"

#define DEVICE  PCI_FUNCTION(0, 20, 0)
#define COMMAND 0x04
#define BAR     0x10
#define ALL_ON  0x7
#define PLACE   0xc0100000u

/* The device's registers. */
#define SOURCE  0x20
#define TARGET  0x28
#define LENGTH  0x30
#define DMA     0x34
#define BUSY    0x14
#define FILL    0x38
#define SUM     0x3c
#define BLOCKED 0x58
#define MEMORY  0x3000u

#define DMA_COPY 1u
#define DMA_FILL 2u
#define DMA_SUM  3u

#define MIB    (UINT64_C(1) << 20)
#define BUFFER ((uint8_t *)(16 * MIB))
#define SIZE   0x3000u
#define END    (64 * MIB) /* of the VM's memory */
#define STRIDE 0x10000u

static volatile uint32_t *reg(unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(PLACE + offset);
}

static void transfer(uint32_t how, uint64_t from, uint64_t to, uint32_t size)
{
	*reg(SOURCE) = (uint32_t)from;
	*reg(SOURCE + 4) = (uint32_t)(from >> 32);
	*reg(TARGET) = (uint32_t)to;
	*reg(TARGET + 4) = (uint32_t)(to >> 32);
	*reg(LENGTH) = size;
	*reg(DMA) = how;
	while (*reg(BUSY) != 0)
		pause();
}

static uint64_t at(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void inside(const char *when)
{
	uint32_t before = *reg(BLOCKED), sum = 0;
	uint8_t *copy = BUFFER + 0x10045;

	for (unsigned i = 0; i < SIZE; i++) {
		BUFFER[123 + i] = (uint8_t)(i * 7);
		copy[i] = 0;
		sum += (uint8_t)(i * 7);
	}
	transfer(DMA_COPY, at(BUFFER) + 123, at(copy), SIZE);
	transfer(DMA_SUM, at(copy), 0, SIZE);
	print("%s: copy %s, sum %s, blocked %u\n", when,
		memcmp(BUFFER + 123, copy, SIZE) == 0 ? "the same" : "DIFFERENT",
		*reg(SUM) == sum ? "right" : "WRONG", *reg(BLOCKED) - before);
	*(volatile uint8_t *)(uintptr_t)(END - 1) = 0;
	*reg(FILL) = 0x5a;
	before = *reg(BLOCKED);
	transfer(DMA_FILL, 0, END - 0x1000, 0x2000);
	print("%s: the last byte of memory %s, blocked %u\n", when,
		*(volatile uint8_t *)(uintptr_t)(END - 1) == 0x5a ? "written" : "NOT written",
		*reg(BLOCKED) - before);
}

static void fill(const char *what, uint64_t to)
{
	uint32_t before = *reg(BLOCKED);

	transfer(DMA_FILL, 0, to, 16);
	print("a write %s: blocked %u\n", what, *reg(BLOCKED) - before);
}

static void outside(void)
{
	uint32_t before = *reg(BLOCKED), n = 0;

	*reg(FILL) = 0xee;
	for (uint64_t to = END; to < 192 * MIB; to += STRIDE, n++)
		transfer(DMA_FILL, 0, to, 0x1000);
	print("behind its memory: blocked %u of %u\n", *reg(BLOCKED) - before, n);
	before = *reg(BLOCKED);
	transfer(DMA_SUM, END, 0, 0x1000);
	print("a read there: blocked %u\n", *reg(BLOCKED) - before);
	*reg(MEMORY) = 0x12345678;
	fill("to the device's own registers", PLACE + MEMORY);
	print("they are %s\n", *reg(MEMORY) == 0x12345678 ? "unchanged" : "CHANGED");
	fill("of an interrupt to a CPU", 0xfee00000);
	fill("to the IOAPIC", 0xfec00000);
	fill("to the unit", 0xfed90000);
	fill("far away", UINT64_C(1) << 38);
}

static int watch(void)
{
	uint64_t *from = (uint64_t *)(4 * MIB), *end = (uint64_t *)(12 * MIB);

	for (uint64_t *p = from; p < end; p++)
		*p = at(p) * 3;
	print("neighbour: begins\n");
	for (uint64_t until = rdtsc_exact() + 60000000; rdtsc_exact() < until;)
		pause();
	for (uint64_t *p = from; p < end; p++)
		if (*p != at(p) * 3) {
			print("neighbour: CHANGED at %lx\n", at(p));
			return 1;
		}
	print("neighbour: unchanged\n");
	return 0;
}

int payload_main(void)
{
	if (cmdline_flag("watch"))
		return watch();
	pci_write(DEVICE, BAR, PLACE);
	pci_write(DEVICE, BAR + 4, 0);
	pci_write(DEVICE, COMMAND, ALL_ON);
	inside("dma");
	outside();
	inside("afterwards");
	if (!cmdline_flag("reset"))
		return 0;
	*reg(TARGET) = (uint32_t)at(BUFFER);
	*reg(LENGTH) = STRIDE;
	*reg(DMA) = DMA_FILL;
	outb(0xcf9, 6);
	return 1;
}
