/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 takes from the machine's ACPI tables: which CPUs are enabled, which IOAPIC it has,
 * and tables by name.
 */
#ifndef NESTOR_CPU_ACPI_H
#define NESTOR_CPU_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/fadt.h"
#include "lib/madt.h"
#include "lib/power_off.h"
#include "lib/uart.h"

/*
 * Local APICs of the enabled processors of the MADT, @most at most; 0 when the tables cannot be
 * read. While the boot page tables are in use, for which see cpu/reach.h.
 */
unsigned acpi_cpus(const uint8_t *rsdp, size_t size, uint32_t *ids, unsigned most);

/* The processor that shall get the machine's NMI, as lib/madt.h says it. Likewise. */
bool acpi_nmi_input(const uint8_t *rsdp, size_t size, uint32_t boot_id, struct madt_nmi *nmi);

/* The register that resets the machine, as lib/fadt.h says it. Likewise. */
bool acpi_reset_register(const uint8_t *rsdp, size_t size, struct fadt_reset *r);

/* How the machine is switched off, as lib/power_off.h says it: NULL, or why not. Likewise. */
const char *acpi_power_off(const uint8_t *rsdp, size_t size, struct power_off *p);

/*
 * A table with this signature, a right length and a right checksum, or NULL; the log names one
 * that is damaged. By the XSDT, or the RSDT where that is damaged or missing. Likewise.
 */
const uint8_t *acpi_find(
	const uint8_t *rsdp, size_t size, const char *signature, uint32_t *length);

/*
 * The UART that the table SPCR, or else DBG2 names, as lib/spcr.h says it; returns which table.
 * NULL: none does. Likewise.
 */
const char *acpi_uart(const uint8_t *rsdp, size_t size, struct uart *u, uint16_t *divisor);

/* Where IOAPICs of the MADT are, @most at most. Likewise. */
unsigned acpi_ioapics(const uint8_t *rsdp, size_t size, uint32_t *addresses, unsigned most);

/* The identifier of the IOAPIC at this address. False: none is told of. Likewise. */
bool acpi_ioapic_id(const uint8_t *rsdp, size_t size, uint32_t address, uint8_t *id);

#endif
