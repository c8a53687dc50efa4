/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dev/vpass needs of the machine: configuration spaces, ports and registers of devices.
 */
#include "cpu/asm.h"
#include "cpu/tsc.h"
#include "dev/vpass.h"
#include "mm/layout.h"
#include "vm/ecam.h"
#include "vm/iommu.h"
#include "vtd/topology.h"

uint32_t dev_pass_config_read(uint16_t bdf, unsigned offset, unsigned size)
{
	return ecam_read(bdf, offset, size);
}

void dev_pass_config_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	ecam_write(bdf, offset, size, value);
}

void dev_pass_separate(const struct vpass_function *f)
{
	if (iommu_is_on())
		topology_separate_function(f->id.bdf);
}

uint64_t dev_pass_now(void)
{
	return rdtsc();
}

uint64_t dev_pass_ticks(unsigned ms)
{
	return (uint64_t)tsc_khz * ms;
}

static uint64_t read_memory(const volatile void *at, unsigned size)
{
	switch (size) {
	case 1:
		return *(const volatile uint8_t *)at;
	case 2:
		return *(const volatile uint16_t *)at;
	case 4:
		return *(const volatile uint32_t *)at;
	default:
		return *(const volatile uint64_t *)at;
	}
}

static void write_memory(volatile void *at, unsigned size, uint64_t value)
{
	switch (size) {
	case 1:
		*(volatile uint8_t *)at = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)at = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)at = value;
		break;
	}
}

uint64_t dev_pass_read(bool io, uint64_t address, unsigned size)
{
	uint16_t port = (uint16_t)address;

	if (!io)
		return read_memory(direct_va((struct hpa){address}), size);
	return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

void dev_pass_write(bool io, uint64_t address, unsigned size, uint64_t value)
{
	uint16_t port = (uint16_t)address;

	if (!io)
		write_memory(direct_va((struct hpa){address}), size, value);
	else if (size == 1)
		outb(port, (uint8_t)value);
	else if (size == 2)
		outw(port, (uint16_t)value);
	else
		outl(port, (uint32_t)value);
}
