/* SPDX-License-Identifier: Apache-2.0 */
/* Control records; see record.h. */
#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "status.h"

bool record_is(const char *line, const char *word)
{
	size_t length = strlen(word);

	return strncmp(line, word, length) == 0 && (line[length] == ' ' || !line[length]);
}

bool record_text(const char *line, const char *key, char *out, size_t size)
{
	size_t key_length = strlen(key);
	const char *p = line;

	*out = 0;
	while ((p = strchr(p, ' '))) {
		size_t length;

		p++;
		if (strncmp(p, key, key_length) != 0 || p[key_length] != '=')
			continue;
		p += key_length + 1;
		length = strcspn(p, " ");
		length = length < size ? length : size - 1;
		memcpy(out, p, length);
		out[length] = 0;
		return true;
	}
	return false;
}

const char *record_rest(const char *line, const char *key)
{
	size_t length = strlen(key);
	const char *p = line;

	while ((p = strchr(p, ' '))) {
		p++;
		if (strncmp(p, key, length) == 0 && p[length] == '=')
			return p + length + 1;
	}
	return NULL;
}

uint64_t record_number(const char *line, const char *key)
{
	char text[32];

	return record_text(line, key, text, sizeof(text)) ? strtoull(text, NULL, 0) : 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t record_bytes(const char *line, const char *key, uint8_t *out, size_t size)
{
	const char *hex = record_rest(line, key);
	size_t n = 0;

	for (; hex && n < size && digit(hex[0]) >= 0 && digit(hex[1]) >= 0; hex += 2)
		out[n++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
	return n;
}

int record_end_status(const char *line)
{
	static const struct {
		const char *kind;
		enum exit_status status;
	} table[] = {
		{"poweroff", STATUS_OK},
		{"reset", STATUS_RESET},
		{"triple-fault", STATUS_TRIPLE_FAULT},
		{"stopped", STATUS_INTERRUPTED},
		{"l0-fault", STATUS_L0_FAULT},
		{"no-vtx", STATUS_NO_VTX},
		{"bad-input", STATUS_BAD_INPUT},
		{"vm-error", STATUS_VM_ERROR},
	};
	char kind[32];

	record_text(line, "kind", kind, sizeof(kind));
	if (strcmp(kind, "debug-exit") == 0)
		return (int)((record_number(line, "value") << 1 | 1) & 0xff);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(kind, table[i].kind) == 0)
			return (int)table[i].status;
	return STATUS_VM_ERROR;
}
