/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/log.h"

#include <stdarg.h>

#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/mux.h"
#include "lib/fmt.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_line_v(enum log_level level, const char *format, va_list args)
{
	char line[720];
	size_t n;

	if (level > l0_config()->log)
		return;
	n = fmt(line, sizeof(line), "nestor: %s: ", level_names[level]);
	n += fmt_v(line + n, sizeof(line) - 1 - n, format, args);
	line[n++] = '\n';
	mux_write(MUX_LOG, line, n);
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line_v(level, format, args);
	va_end(args);
}

void log_raw(const char *format, ...)
{
	char line[400];
	va_list args;
	size_t n;

	va_start(args, format);
	n = fmt_v(line, sizeof(line), format, args);
	va_end(args);
	mux_write(MUX_LOG, line, n);
}

void panic_at(const char *file, int line, const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	fmt_v(text, sizeof(text), format, args);
	va_end(args);
	mux_break_lock();
	log_error("panic at %s:%d: %s", file, line, text);
	fault_backtrace((uint64_t)(uintptr_t)__builtin_frame_address(0));
	fault_end();
}
