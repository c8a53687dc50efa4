/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16550A UART at 0x3f8, IRQ4: the VM's console.
 *
 * Sending takes no time: a byte goes to the console when it is written. The line speed means
 * nothing. Does not own the console's input queue: a byte that does not fit is refused.
 */
#ifndef NESTOR_DEV_VUART_H
#define NESTOR_DEV_VUART_H

#include <stdbool.h>
#include <stdint.h>

#define VUART_PORT 0x3f8
#define VUART_IRQ  4
#define VUART_FIFO 16

struct platform;

struct vuart_state {
	uint8_t ier;
	uint8_t fcr; /* FIFO enable and trigger level */
	uint8_t lcr;
	uint8_t mcr;
	uint8_t msr_delta; /* low half of the modem status register */
	uint8_t scratch;
	uint8_t divisor[2];
	bool overrun;
	bool thr_event; /* "transmitter empty" not yet seen by a read of IIR */
	uint8_t fifo[VUART_FIFO];
	uint8_t head;  /* next byte to read, < VUART_FIFO */
	uint8_t count; /* bytes in the FIFO; at most 1 while FIFOs are off */
};

struct vuart {
	struct vuart_state s;
};

void vuart_reset(struct platform *p);

/* One access to 0x3f8..0x3ff. Only byte accesses are claimed. */
bool vuart_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/* A byte from the console's user. False when there is no room, or the UART is looped back. */
bool vuart_input(struct platform *p, uint8_t byte);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vuart_get_state(const struct vuart *uart, struct vuart_state *s);
bool vuart_valid_state(const struct vuart *uart, const struct vuart_state *s);
bool vuart_set_state(struct vuart *uart, const struct vuart_state *s);

#endif
