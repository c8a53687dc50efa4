/* SPDX-License-Identifier: Apache-2.0 */
/* Failure reports; see status.h. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct error *e, enum exit_status status, const char *format, ...)
{
	va_list args;

	if (e->status != STATUS_OK)
		return e->status;
	e->status = (int)status;
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return e->status;
}
