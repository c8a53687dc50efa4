/* SPDX-License-Identifier: Apache-2.0 */
#include "cmdline.h"

#include <stddef.h>

#include "rt.h"

/* What stands behind `word` where one of the line's words begins with it, or NULL. */
static const char *behind(const char *word, char end, char other_end)
{
	for (const char *p = payload_cmdline(); *p; p++) {
		const char *w = word;

		while (*w && *p == *w) {
			p++;
			w++;
		}
		if (!*w && (*p == end || *p == other_end))
			return p;
		while (*p && *p != ' ')
			p++;
		if (!*p)
			break;
	}
	return NULL;
}

bool cmdline_flag(const char *word)
{
	return behind(word, ' ', '\0') != NULL;
}

uint64_t cmdline_number(const char *name, uint64_t otherwise)
{
	const char *p = behind(name, '=', '=');
	uint64_t v = 0;

	if (!p)
		return otherwise;
	for (p++; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}
