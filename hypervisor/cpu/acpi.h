/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 takes from the machine's ACPI tables: how many CPUs are enabled.
 */
#ifndef NESTOR_CPU_ACPI_H
#define NESTOR_CPU_ACPI_H

#include <stddef.h>
#include <stdint.h>

/*
 * Enabled processors of the MADT, or 0 when the tables cannot be read. Tables must lie below
 * 4 GiB; call while the boot page tables are in use.
 */
unsigned acpi_count_cpus(const uint8_t *rsdp, size_t size);

#endif
