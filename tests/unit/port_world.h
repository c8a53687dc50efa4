/* SPDX-License-Identifier: Apache-2.0 */
/* A platform with three root ports, and a device behind the second one. */
#ifndef NESTOR_TESTS_PORT_WORLD_H
#define NESTOR_TESTS_PORT_WORLD_H

#include "fake_platform.h"

#include "dev/state_check.h"

#define PORT     2u /* at 00:01.1 */
#define BUS      7u
#define EXPRESS  0x40u
#define MSI      0x7cu
#define WINDOW   0xc0100000ull
#define BAR_AT   0xc0108000ull
#define BAR_SIZE 0x4000u
#define IO_AT    0x2000u
#define VECTOR   0x51u

#define SLOT_CONTROL (EXPRESS + PCIE_SLOT_CONTROL)
#define SLOT_STATUS  (EXPRESS + PCIE_SLOT_STATUS)
#define HIDDEN       0xffffffffu
#define ALL_EVENTS   (PCIE_SLOT_EVENTS | PCIE_SLOT_INTERRUPT | PCIE_SLOT_LINK_ENABLE)

static struct {
	unsigned reads, resets, configs;
} device;

static struct vpci_function *f;

static uint64_t device_read(void *d, unsigned bar, uint64_t offset, unsigned size)
{
	assert_ptr_equal(d, &device);
	(void)bar;
	(void)offset;
	(void)size;
	device.reads++;
	return 0x55;
}

static inline void device_reset(void *d)
{
	assert_ptr_equal(d, &device);
	device.resets++;
}

static inline void device_written(void *d, unsigned offset, unsigned size)
{
	assert_ptr_equal(d, &device);
	device.configs += offset == PCI_COMMAND && size == 0;
}

static enum vpci_work device_work(void *d)
{
	assert_ptr_equal(d, &device);
	return VPCI_WORK_DONE;
}

static const struct vpci_ops ops = {.read = device_read,
	.reset = device_reset,
	.config_written = device_written,
	.work = device_work};

static inline uint32_t config(
	unsigned bus, unsigned slot, unsigned function, unsigned at, unsigned n)
{
	uint64_t v = 0, ecam = DEV_ECAM_BASE + ((uint64_t)PCI_BDF(bus, slot, function) << 12);

	assert_true(vpci_mmio(&machine, 0, ecam + at, false, n, &v));
	return (uint32_t)v;
}

static inline void set_config(
	unsigned bus, unsigned slot, unsigned function, unsigned at, unsigned n, uint64_t v)
{
	uint64_t ecam = DEV_ECAM_BASE + ((uint64_t)PCI_BDF(bus, slot, function) << 12);

	assert_true(vpci_mmio(&machine, 0, ecam + at, true, n, &v));
}

static inline uint32_t port(unsigned at, unsigned n)
{
	return config(0, 1, PORT - 1, at, n);
}

static inline void set_port(unsigned at, unsigned n, uint32_t v)
{
	set_config(0, 1, PORT - 1, at, n, v);
}

static inline uint32_t behind(unsigned at, unsigned n)
{
	return config(BUS, 0, 0, at, n);
}

static inline void set_behind(unsigned at, unsigned n, uint32_t v)
{
	set_config(BUS, 0, 0, at, n, v);
}

static inline bool reaches(uint64_t gpa)
{
	unsigned before = device.reads;
	uint64_t v = 0;

	vpci_mmio(&machine, 0, gpa, false, 4, &v);
	return device.reads != before;
}

static inline bool reaches_io(uint16_t at)
{
	unsigned before = device.reads;
	uint32_t v = 0;

	vpci_io(&machine, at, false, 1, &v);
	return device.reads != before;
}

static inline void add_device(void)
{
	static const struct vpci_id id = {.bdf = PCI_BDF(PORT, 0, 0),
		.vendor = 0x1af4,
		.device = 0x1042,
		.class = 0x010000,
		.pin = 1};

	f = vpci_add(&machine, &id, &ops, &device);
	assert_non_null(f);
	vpci_add_bar(f, 0, VPCI_BAR_64, BAR_SIZE);
	vpci_add_bar(f, 2, VPCI_BAR_IO, 32);
	assert_true(vpci_add_msix(f, 0, 0x1000, 0x1800, 2));
}

/* As firmware does it. */
static inline void set_up_bridge(void)
{
	set_port(PCI_BRIDGE_PRIMARY, 4, BUS << 16 | BUS << 8);
	set_port(PCI_BRIDGE_MEMORY_BASE, 4, 0xc010c010);
	set_port(PCI_BRIDGE_PREFETCH_BASE, 4, 0x0000fff0);
	set_port(PCI_BRIDGE_IO_BASE, 2, 0x2020);
	set_port(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline void set_up_device(void)
{
	set_behind(PCI_BAR, 4, BAR_AT);
	set_behind(PCI_BAR + 4, 4, 0);
	set_behind(PCI_BAR + 8, 4, IO_AT);
	set_behind(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline void turn_on_msi(void)
{
	set_port(MSI + PCI_MSI_ADDRESS, 4, MSI_ADDRESS_BASE);
	set_port(MSI + PCI_MSI_DATA, 2, VECTOR);
	set_port(MSI + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
}

static inline int setup_empty(void **state)
{
	(void)state;
	fake_start();
	memset(&device, 0, sizeof(device));
	fake.slots_off = 0;
	vpci_reset(&machine);
	for (unsigned i = 1; i <= 3; i++)
		assert_true(vport_add(&machine, i, PCI_BDF(0, 1, i - 1)));
	return 0;
}

static inline int setup(void **state)
{
	setup_empty(state);
	add_device();
	vport_fill(&machine, PORT);
	set_up_bridge();
	set_up_device();
	return 0;
}

#endif
