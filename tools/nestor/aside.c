/* SPDX-License-Identifier: Apache-2.0 */
/* Nestor's log between lines of a console; see aside.h. */
#include "aside.h"

#include <string.h>

void aside_init(struct aside *a, FILE *console, FILE *log, bool watched)
{
	*a = (struct aside){
		.console = console, .log = log, .hold = watched ? ASIDE_HOLD : ASIDE_HOLD_FILE};
}

void aside_flush(struct aside *a)
{
	if (a->size == 0)
		return;
	fflush(a->console);
	fwrite(a->data, 1, a->size, a->log);
	fflush(a->log);
	a->size = 0;
}

void aside_console(struct aside *a, const void *data, size_t size, double now)
{
	const char *from = data, *end = memchr(from, '\n', size);
	size_t first = a->size != 0 && end != NULL ? (size_t)(end - from) + 1 : 0;

	if (size == 0)
		return;
	if (first != 0) {
		fwrite(from, 1, first, a->console);
		aside_flush(a);
	}
	fwrite(from + first, 1, size - first, a->console);
	a->amid = from[size - 1] != '\n';
	a->since = now;
}

void aside_log(struct aside *a, const void *data, size_t size, double now)
{
	if (!a->amid || size > sizeof(a->data) - a->size) {
		aside_flush(a);
		fflush(a->console); /* which has a buffer of its own, with lines before this */
		fwrite(data, 1, size, a->log);
		return;
	}
	if (a->size == 0)
		a->first = a->since = now;
	memcpy(a->data + a->size, data, size);
	a->size += size;
}

double aside_deadline(const struct aside *a)
{
	double quiet = a->since + a->hold, late = a->first + ASIDE_PATIENCE * a->hold;

	if (a->size == 0)
		return 0;
	return quiet < late ? quiet : late;
}

void aside_attend(struct aside *a, double now)
{
	if (a->size != 0 && now >= aside_deadline(a))
		aside_flush(a);
}
