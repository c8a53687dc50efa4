/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of a UART of the machine (spec/uart.h names them). One in memory is mapped at its
 * place in the direct map.
 */
#ifndef NESTOR_CPU_UART_H
#define NESTOR_CPU_UART_H

#include "lib/uart.h"

uint8_t uart_read(const struct uart *u, unsigned reg);
void uart_write(const struct uart *u, unsigned reg, uint8_t value);

/* For output by polling: 8n1, FIFOs on and empty; divisor 0: the rate stays as it is. */
void uart_set_up(const struct uart *u, uint16_t divisor);

#endif
