/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The UART of a serial card on PCI (class 07.00, behind BAR 0). Pure: configuration space is
 * read only.
 */
#ifndef NESTOR_SPEC_PCI_UART_H
#define NESTOR_SPEC_PCI_UART_H

#include "lib/uart.h"
#include "spec/pci_find.h"

/* NULL, or why it is none that can be used. */
const char *pci_uart(pci_reader *read, uint16_t bdf, struct uart *u);

#endif
