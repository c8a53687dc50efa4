/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one byte stream out of L0: port 0xe9 where it answers, else a UART. Carries the log,
 * control records, consoles and ports of VMs, multiplexed when configured so; plain text
 * before.
 */
#ifndef NESTOR_CPU_MUX_H
#define NESTOR_CPU_MUX_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/l0_stream.h"
#include "lib/uart.h"

enum mux_channel {
	MUX_LOG = L0_CHANNEL_LOG,
	MUX_CONTROL = L0_CHANNEL_CONTROL,
	MUX_VM = L0_CHANNEL_VM,               /* plus the line: the VM's number, or a port's */
	MUX_SCREEN = L0_CHANNEL_SCREEN,       /* plus the VM's number */
	MUX_VARIABLES = L0_CHANNEL_VARIABLES, /* likewise */
	MUX_CHANNELS = L0_CHANNELS
};

/* Finds the port. Boot CPU, before anything else. */
void mux_init(void);
/*
 * From now on by this UART, which is mapped, and whose divisor latch gets `divisor` (0: stays
 * as it is); base 0: by none. For machines without port E9H; before other CPUs start.
 */
void mux_use_uart(const struct uart *u, uint16_t divisor);
/* Is a register of it in this range of ports, or of memory? */
bool mux_uart_meets(bool memory, uint64_t first, uint64_t size);

/* So many VMs share what may wait; before any of them writes. */
void mux_share(unsigned vms);

/* Bytes of one channel; other CPUs' output does not come between. */
void mux_write(unsigned channel, const char *s, size_t len);

/* One control record; the format has no newline. */
void mux_record(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mux_record_v(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/*
 * A UART is slow: bytes wait in memory, and go out a FIFO's worth each time that one of these
 * is called. Does something wait? Then mux_poll is due, about once a millisecond. One that
 * stands still gets nothing until it sends again: what is for it then is lost.
 */
bool mux_pending(void);
void mux_poll(void);
/* It is called so from now on: what is for the screen waits for it, too, so that no line of the
 * log takes longer than others. */
void mux_is_polled(void);
/* The screen is somebody else's: it gets what it has been told, and nothing more. */
void mux_leave_screen(void);
/* Does so much of this channel wait that a guest has to, too? */
bool mux_congested(unsigned channel);
/* How many bytes may be written until it is so. */
uint32_t mux_room(unsigned channel);
/* Is the stream as slow as a serial port, so that what is said waits? */
bool mux_is_slow(void);
/* Do so much log and so many records wait that more might make a CPU wait for the port, and all
 * others for that CPU? Who can leave out what it has to say does. */
bool mux_crowded(void);
/* Returns when nothing waits: the machine ends. */
void mux_flush(void);

/* Lets go of the lock if this CPU holds it or waits for it, for the fault path. */
void mux_break_lock(void);
/* The same for a CPU that was interrupted to stand still, and has no fault itself. */
void mux_stop(void);

#endif
