/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which UART firmware talks to people by, or lends to debuggers: the ACPI tables SPCR
 * (Microsoft's "Serial Port Console Redirection Table", revisions 1 to 4) and DBG2 ("Debug Port
 * Table 2").
 */
#ifndef NESTOR_LIB_SPCR_H
#define NESTOR_LIB_SPCR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/uart.h"

/*
 * A 16550 at I/O ports or in memory, and the divisor for its rate (0: the rate is to stay as
 * firmware has set it, or nobody knows of what clock it is made). False: it is another kind, or
 * has no possible address, or the table is too short.
 */
bool spcr_uart(const uint8_t *spcr, uint32_t length, struct uart *u, uint16_t *divisor);

/* The first 16550 among the debug ports; its rate is as it was set. False: there is none. */
bool dbg2_uart(const uint8_t *dbg2, uint32_t length, struct uart *u);

#endif
