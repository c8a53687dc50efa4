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

#define ACPI_MAX_FIXUPS 32

/* A pointer of some bytes that counts from the start of the tables, or (size 0) a checksum. */
struct acpi_fixup {
	uint32_t at;
	uint32_t start, length; /* what the checksum covers */
	uint8_t size;
};

struct acpi_fixups {
	unsigned count;
	bool full;
	struct acpi_fixup at[ACPI_MAX_FIXUPS];
};

/* Everything beyond size is dropped and remembered in full. */
struct acpi_out {
	uint8_t *buf;
	size_t size;
	size_t used;
	bool full;
	uint64_t base; /* guest-physical address of buf[0] */
	/* Not NULL: somebody else moves the tables; pointers and checksums are noted here, the
	 * latter left zero. */
	struct acpi_fixups *fixups;
};

/* Where a table went, guest-physical. */
struct acpi_places {
	uint64_t facs, dsdt, fadt, madt, mcfg, spcr, rsdt, xsdt;
	uint64_t dmar, srat, slit, hpet; /* 0: there is none */
};

void acpi_put(struct acpi_out *o, uint64_t value, unsigned bytes);        /* little-endian */
void acpi_put_text(struct acpi_out *o, const char *text, unsigned bytes); /* zero-padded */
void acpi_put_zeros(struct acpi_out *o, size_t bytes);
/* Replaces bytes written before. */
void acpi_patch(struct acpi_out *o, size_t at, uint64_t value, unsigned bytes);

/* Of something in the tables. */
void acpi_put_pointer(struct acpi_out *o, uint64_t value, unsigned bytes);

/* The definition block of the DSDT, behind its header. */
void acpi_put_dsdt_body(struct acpi_out *o, const struct platform_config *c, uint64_t ecam);

/* All tables but the RSDP; and that. */
void acpi_put_tables(struct acpi_out *o, struct acpi_places *at,
	const struct platform_config *c, uint64_t ecam);
void acpi_put_rsdp(struct acpi_out *o, const struct acpi_places *at);

#endif
