/*
 * The one byte stream out of L0: port 0xe9 where it answers, else COM1. Carries the log, control
 * records and the consoles of VMs, multiplexed when configured so; plain text before.
 */
#ifndef NESTOR_CPU_MUX_H
#define NESTOR_CPU_MUX_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum mux_channel {
	MUX_LOG = 0,
	MUX_CONTROL = 1,
	MUX_VM = 2 /* plus the VM's number */
};

/* Finds the port. Boot CPU, before anything else. */
void mux_init(void);

/* Bytes of one channel; other CPUs' output does not come between. */
void mux_write(uint8_t channel, const char *s, size_t len);

/* One control record; the format has no newline. */
void mux_record(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mux_record_v(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* Breaks the lock, for the fault path. */
void mux_break_lock(void);

#endif
