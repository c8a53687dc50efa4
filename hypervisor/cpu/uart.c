/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/uart.h"

#include "cpu/asm.h"
#include "mm/layout.h"
#include "spec/uart.h"

static volatile void *register_at(const struct uart *u, unsigned reg)
{
	return direct_va((struct hpa){u->base + (uint64_t)reg * u->stride});
}

uint8_t uart_read(const struct uart *u, unsigned reg)
{
	if (!u->memory)
		return inb((uint16_t)(u->base + reg));
	if (u->width == 4)
		return (uint8_t) * (volatile uint32_t *)register_at(u, reg);
	if (u->width == 2)
		return (uint8_t) * (volatile uint16_t *)register_at(u, reg);
	return *(volatile uint8_t *)register_at(u, reg);
}

void uart_write(const struct uart *u, unsigned reg, uint8_t value)
{
	if (!u->memory)
		outb((uint16_t)(u->base + reg), value);
	else if (u->width == 4)
		*(volatile uint32_t *)register_at(u, reg) = value;
	else if (u->width == 2)
		*(volatile uint16_t *)register_at(u, reg) = value;
	else
		*(volatile uint8_t *)register_at(u, reg) = value;
}

void uart_set_up(const struct uart *u, uint16_t divisor)
{
	uart_write(u, UART_IER, 0); /* no interrupts */
	if (divisor != 0) {
		uart_write(u, UART_LCR, LCR_DLAB);
		uart_write(u, UART_DATA, (uint8_t)divisor);
		uart_write(u, UART_IER, (uint8_t)(divisor >> 8));
	}
	uart_write(u, UART_LCR, LCR_8N1); /* firmware may leave 5-bit mode */
	uart_write(u, UART_FCR, 0x07);
	uart_write(u, UART_MCR, MCR_DTR | MCR_RTS);
}
