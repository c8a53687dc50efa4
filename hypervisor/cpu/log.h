/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's log: one line a message, with level, on channel 0 of the output stream.
 */
#ifndef NESTOR_CPU_LOG_H
#define NESTOR_CPU_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#include "lib/log_level.h"

/* Dropped when the level is above the one configured. The format has no newline. */
void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void log_line_v(enum log_level level, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* Text without decoration, for dumps. */
void log_raw(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An invariant of ours is broken: reports and ends the machine. */
_Noreturn void panic_at(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)

#endif
