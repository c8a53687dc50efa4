/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables for firmware, which decides where they go: the tables and the RSDP with addresses
 * that count from the start of the tables, and a script of the places where firmware must add
 * its addresses and compute checksums (files of the configuration device).
 */
#ifndef NESTOR_DEV_ACPI_LOADER_H
#define NESTOR_DEV_ACPI_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/fwcfg.h"

#define ACPI_LOADER_TABLES  "etc/acpi/tables"
#define ACPI_LOADER_RSDP    "etc/acpi/rsdp"
#define ACPI_LOADER_SCRIPT  "etc/table-loader"
#define ACPI_LOADER_SIZE    32768u /* of the tables, zero behind their end */
#define ACPI_LOADER_ENTRIES 40u
#define ACPI_RSDP_SIZE      36u

struct platform_config;

struct acpi_loader {
	uint8_t tables[ACPI_LOADER_SIZE];
	uint8_t script[ACPI_LOADER_ENTRIES][LOADER_ENTRY]; /* unused entries are zero */
	uint8_t rsdp[ACPI_RSDP_SIZE];
};

/*
 * Writes all of it, for ECAM where the chipset has it or would have it by default. False: it is
 * too small, and empty then.
 */
bool acpi_loader_build(struct acpi_loader *l, const struct platform_config *c, uint64_t ecam);

#endif
