/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a 16550 is reached: registers at I/O ports, a byte each, or in memory.
 */
#ifndef NESTOR_LIB_UART_H
#define NESTOR_LIB_UART_H

#include <stdbool.h>
#include <stdint.h>

#define UART_REGISTERS 8u
#define UART_CLOCK     1843200u /* a PC's: 16 times 115200 */

struct uart {
	uint64_t base;  /* the first port, or a physical address; 0: there is none */
	bool memory;    /* then: */
	uint8_t width;  /* bytes of an access: 1, 2 or 4 */
	uint8_t stride; /* bytes from a register to the next, not less */
};

static inline uint64_t uart_size(const struct uart *u)
{
	return UART_REGISTERS * (uint64_t)(u->memory ? u->stride : 1);
}

/* Does it have something in this range of ports, or of memory? */
static inline bool uart_meets(const struct uart *u, bool memory, uint64_t first, uint64_t size)
{
	return u->base != 0 && u->memory == memory && first < u->base + uart_size(u) &&
	       (first >= u->base ? size != 0 : u->base - first < size);
}

/*
 * What the clock (0: a PC's) is to be divided by for the rate, beside the 16 of the chip. 0:
 * nothing gives it within 3 %, which receivers can do with.
 */
static inline uint16_t uart_divisor(uint32_t baud, uint32_t clock)
{
	uint64_t hz = clock != 0 ? clock : UART_CLOCK, divisor, is;

	if (baud == 0)
		return 0;
	divisor = (hz + 8ull * baud) / (16ull * baud);
	if (divisor == 0 || divisor > UINT16_MAX)
		return 0;
	is = hz / (16 * divisor);
	return is * 100 >= baud * 97ull && is * 100 <= baud * 103ull ? (uint16_t)divisor : 0;
}

#endif
