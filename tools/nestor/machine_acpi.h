/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables of the emulated machine that starts without firmware: processors, IOAPIC, HPET,
 * PCI with its interrupts, registers for power and reset; with a remapping unit
 * (docs/machine-vtd.md) it and configuration space in memory; nodes (docs/numa.md), each with
 * as much memory and as many processors as the others.
 */
#ifndef NESTOR_MACHINE_ACPI_H
#define NESTOR_MACHINE_ACPI_H

#include <stdbool.h>

#include "arena.h"
#include "bytes.h"

/* Where they are; software finds the RSDP, which is the first, by the BIOS's pointer. */
#define MACHINE_ACPI_PLACE 0x9f000
#define MACHINE_ACPI_EBDA  0x40e
#define MACHINE_RSDP_SIZE  36

/* Configuration space, as tools/machine/bochs_vtd.h has it. */
#define MACHINE_ECAM_PLACE 0xe8000000
#define MACHINE_ECAM_SIZE  0x100000

/*
 * Memory that firmware wants the test device to reach, which the memory map has as reserved;
 * and a page of RAM that it wants the network card to, which no firmware may.
 */
#define MACHINE_REGION_PLACE 0x9e000
#define MACHINE_REGION_WRONG 0x100000
#define MACHINE_REGION_SIZE  0x1000

/* Ports of ACPI's registers, which firmware chooses, and what of PCI a pin is at an IOAPIC. */
#define MACHINE_PM_PORTS 0xb000
#define MACHINE_PINS     4

/* Processors that the tables have room for; of more they do not tell. */
#define MACHINE_ACPI_CPUS 64

/* The distance between two of its nodes. */
#define MACHINE_DISTANCE 21

struct machine_tables {
	uint64_t cpus, memory; /* memory: with several nodes */
	uint64_t nodes;
	bool unit;
	bool regions;        /* firmware wants memory for a device, and xAPIC mode */
	bool segments;       /* the test device is in segment 1, with a unit of its own */
	const uint8_t *pins; /* MACHINE_PINS: the IOAPIC's of each pin of PCI */
};

/* The tables, for MACHINE_ACPI_PLACE, and the pointer, for MACHINE_ACPI_EBDA. */
struct bytes machine_acpi(struct arena *a, const struct machine_tables *t);
struct bytes machine_acpi_ebda(struct arena *a);

#endif
