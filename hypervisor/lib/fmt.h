/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formatting into a bounded buffer: the subset of printf that L0 uses. Pure.
 *
 * Conversions: %c %s %d %u %x %p %%, with l or ll or z, a width, 0 and - flags, and a precision
 * for %s (also .*).
 */
#ifndef NESTOR_LIB_FMT_H
#define NESTOR_LIB_FMT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Writes at most size bytes including the final NUL (size > 0). Returns the number of
 * characters written without the NUL: less than size; text that does not fit is cut.
 */
size_t fmt_v(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
size_t fmt(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
