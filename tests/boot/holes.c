/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that owns the test device of the emulated machine (docs/machine-device.md) without an
 * IOMMU, and lets it look at memory of the machine that L0 must not use, `count=` pieces of
 * `size=` bytes, `step=` bytes from each other, from `first=` on: nobody has written there
 * since the machine was switched on.
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

#define SOURCE  0x20
#define LENGTH  0x30
#define DMA     0x34
#define BUSY    0x14
#define SUM     0x3c
#define DMA_SUM 3u

static volatile uint32_t *reg(unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(PLACE + offset);
}

static uint32_t sum_of(uint64_t at, uint32_t size)
{
	*reg(SOURCE) = (uint32_t)at;
	*reg(SOURCE + 4) = (uint32_t)(at >> 32);
	*reg(LENGTH) = size;
	*reg(DMA) = DMA_SUM;
	while (*reg(BUSY) != 0)
		pause();
	return *reg(SUM);
}

int payload_main(void)
{
	uint64_t first = cmdline_number("first", 0), step = cmdline_number("step", 0);
	uint64_t count = cmdline_number("count", 0), touched = 0;

	pci_write(DEVICE, BAR, PLACE);
	pci_write(DEVICE, BAR + 4, 0);
	pci_write(DEVICE, COMMAND, ALL_ON);
	for (uint64_t i = 0; i < count; i++)
		touched += sum_of(first + i * step, (uint32_t)cmdline_number("size", 0)) != 0;
	print("holes: %lu of %lu touched\n", touched, count);
	return 0;
}
