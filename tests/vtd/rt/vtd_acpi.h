/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables, found as firmware leaves them to software that knows no firmware.
 */
#ifndef NESTOR_TESTS_VTD_ACPI_H
#define NESTOR_TESTS_VTD_ACPI_H

#include <stdint.h>

/* The table with this signature of four letters, or NULL. */
const uint8_t *acpi_table(const char *signature);

/* Of a table: all of it. */
static inline uint32_t acpi_size(const uint8_t *table)
{
	return (uint32_t)table[4] | (uint32_t)table[5] << 8 | (uint32_t)table[6] << 16 |
	       (uint32_t)table[7] << 24;
}

#endif
