/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16550A UART at 0x3f8, IRQ4: the VM's console.
 *
 * Sending takes no time: a byte goes to the console when it is written. The line speed means
 * nothing. Does not own what was typed (dev_console_waiting): a byte stays there until the
 * guest reads it, so that none is lost to a full or cleared FIFO.
 */
#ifndef NESTOR_DEV_VUART_H
#define NESTOR_DEV_VUART_H

#include <stdbool.h>
#include <stdint.h>

#define VUART_PORT 0x3f8
#define VUART_IRQ  4
#define VUART_FIFO 16

/* So many looks in a row are of somebody who waits for a byte. */
#define VUART_POLLS 16

struct platform;

struct vuart_state {
	uint64_t arrived; /* guest TSC when the last batch of what was typed came */
	uint64_t next;    /* and when the next one may */
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
	uint8_t head;   /* next byte to read, < VUART_FIFO */
	uint8_t count;  /* bytes in the FIFO, of loopback; at most 1 while FIFOs are off */
	uint8_t batch;  /* bytes typed that have arrived and were not read */
	bool held;      /* the guest's driver took RTS back: it has no room */
	uint16_t polls; /* reads of LSR, and no other use, up to VUART_POLLS, where it stays */
};

struct vuart {
	struct vuart_state s;
};

void vuart_reset(struct platform *p);

/* One access to 0x3f8..0x3ff. Only byte accesses are claimed. */
bool vuart_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/* More was typed, or it is time for the next batch. */
void vuart_look(struct platform *p);
/* When it is, if something waits for it; DEV_NEVER. */
uint64_t vuart_deadline(struct platform *p);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vuart_get_state(const struct vuart *uart, struct vuart_state *s);
bool vuart_valid_state(const struct vuart *uart, const struct vuart_state *s);
bool vuart_set_state(struct vuart *uart, const struct vuart_state *s);

#endif
