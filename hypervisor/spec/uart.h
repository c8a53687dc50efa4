/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16550 UART, as far as more than one place names it: L0's output, the host tool's
 * requests, and the UART of VMs.
 */
#ifndef NESTOR_SPEC_UART_H
#define NESTOR_SPEC_UART_H

#include <stdint.h>

#define COM1     0x3f8 /* ports of the first one */
#define COM2     0x2f8
#define COM3     0x3e8
#define COM4     0x2e8
#define COM1_IRQ 4

/* Registers, from the first port on. With LCR_DLAB 0 and 1 are the divisor of 115200. */
#define UART_DATA 0
#define UART_IER  1
#define UART_FCR  2
#define UART_LCR  3
#define UART_MCR  4
#define UART_LSR  5

#define IER_RECEIVE 0x01

#define FCR_ENABLE     0x01
#define FCR_TRIGGER_14 0xc0

#define LCR_8N1  0x03
#define LCR_DLAB 0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08 /* gates the interrupt line on a PC */

#define LSR_DATA    0x01
#define LSR_OVERRUN 0x02
#define LSR_THRE    0x20

#endif
