/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations, piece by piece: words with values in them, and sections of the SDM.
 */
#include "nested/explain_int.h"

#include <stdarg.h>

#include "lib/fmt.h"
#include "spec/sdm.h"

void explain_put(struct out *o, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	o->used += fmt_v(o->buf + o->used, o->size - o->used, format, args);
	va_end(args);
}

void explain_put_words(struct out *o, const char *text, unsigned width, uint64_t value)
{
	for (; *text != '\0'; text++) {
		if (*text == '#')
			explain_put(o, "0x%lx", value);
		else if (*text == '$' && width != 0)
			explain_put(o, "%u", width);
		else if (*text == '$')
			explain_put(o, "N");
		else
			explain_put(o, "%c", *text);
	}
}

static void put_number(struct out *o, const char *beginning, const char *rest)
{
	explain_put(o, "%s", beginning);
	while (*rest != '\0' && *rest != ' ')
		explain_put(o, "%c", *rest++);
}

static void put_editions(struct out *o, const char *sdm)
{
	const char *rest;
	const struct sdm_row *row = sdm_row_of(sdm, &rest);

	if (!row || row->pinned[0] >= 'A' /* appendices have one letter in all of them */)
		return;
	explain_put(o, " (");
	put_number(o, row->since_2023, rest);
	explain_put(o, " since 2023, ");
	put_number(o, row->in_2026, rest);
	explain_put(o, " in 2026)");
}

void explain_put_section(struct out *o, const char *sdm)
{
	const char *at = sdm;

	if (*sdm == '\0')
		return;
	explain_put(o, ". SDM ");
	while (*at != '\0' && *at != ' ')
		explain_put(o, "%c", *at++);
	explain_put(o, " \"%s\"", *at == ' ' ? at + 1 : at);
	put_editions(o, sdm);
}

size_t explain_editions(char *buf, size_t size, const char *sdm)
{
	struct out o = {buf, size, 0};

	buf[0] = '\0';
	put_editions(&o, sdm);
	return o.used;
}
