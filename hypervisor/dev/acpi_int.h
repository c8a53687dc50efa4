/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the ACPI table builder: a bounded output buffer, and AML.
 */
#ifndef NESTOR_DEV_ACPI_INT_H
#define NESTOR_DEV_ACPI_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dev/dev.h"

/* Everything beyond size is dropped and remembered in full. */
struct acpi_out {
	uint8_t *buf;
	size_t size;
	size_t used;
	bool full;
};

void acpi_put(struct acpi_out *o, uint64_t value, unsigned bytes);        /* little-endian */
void acpi_put_text(struct acpi_out *o, const char *text, unsigned bytes); /* zero-padded */
void acpi_put_zeros(struct acpi_out *o, size_t bytes);
/* Replaces bytes written before. */
void acpi_patch(struct acpi_out *o, size_t at, uint64_t value, unsigned bytes);

/* The definition block of the DSDT, behind its header. */
void acpi_put_dsdt_body(struct acpi_out *o, const struct platform_config *c);

#endif
