/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables of the emulated machine that has a remapping unit and no firmware
 * (docs/machine-vtd.md): processors, IOAPIC, PCI with its interrupts, configuration space in
 * memory, the unit.
 */
#ifndef NESTOR_MACHINE_ACPI_H
#define NESTOR_MACHINE_ACPI_H

#include "arena.h"
#include "bytes.h"

/* Where they are; software finds the RSDP, which is the first, by the BIOS's pointer. */
#define MACHINE_ACPI_PLACE 0x9f000
#define MACHINE_ACPI_EBDA  0x40e
#define MACHINE_RSDP_SIZE  36

/* Configuration space, as tools/machine/bochs_vtd.h has it. */
#define MACHINE_ECAM_PLACE 0xe8000000
#define MACHINE_ECAM_SIZE  0x100000

/* The tables, for MACHINE_ACPI_PLACE, and the pointer, for MACHINE_ACPI_EBDA. */
struct bytes machine_acpi(struct arena *a, uint64_t cpus);
struct bytes machine_acpi_ebda(struct arena *a);

#endif
