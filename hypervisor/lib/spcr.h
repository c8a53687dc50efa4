/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI table SPCR: which UART the firmware talks to people by (Microsoft's "Serial Port
 * Console Redirection Table", revisions 1 to 4).
 */
#ifndef NESTOR_LIB_SPCR_H
#define NESTOR_LIB_SPCR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A 16550 at I/O ports: the first of them, and what 115200 is to be divided by for its rate (0:
 * the rate is to stay as firmware has set it). False: it is another kind, or in memory, or the
 * table is too short.
 */
bool spcr_uart(const uint8_t *spcr, uint32_t length, uint16_t *port, uint8_t *divisor);

#endif
