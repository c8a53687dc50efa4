/* SPDX-License-Identifier: Apache-2.0 */
/* How answers of a run look; see client_show.h. */
#include "client_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "record.h"

#define COLUMN 10
#define A_LINE 16u /* bytes of memory */

void client_show_begin(struct client_show *s, enum client_shape shape, bool json)
{
	*s = (struct client_show){.shape = shape, .items = json ? json_array() : NULL};
}

/* The next KEY=VALUE of *rest; a value `text` goes up to the end. */
static bool next_pair(struct text *rest, struct text *key, struct text *value)
{
	struct text word = text_word(rest);

	if (!word.len || !text_key_value(word, key, value))
		return false;
	if (text_is(*key, "text")) {
		value->len += rest->len;
		rest->len = 0;
	}
	return true;
}

/* What is decimal is a number; addresses and bits, in hexadecimal, are text: JSON's numbers
 * have 53 bits. Names and data are text whatever they look like. */
static json_t *json_value(struct text key, struct text value)
{
	static const char *const texts[] = {
		"data", "vm", "text", "disk", "medium", "image", "network"};
	bool digits = value.len != 0 && value.len < 16;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		digits = digits && !text_is(key, texts[i]);

	for (size_t i = 0; i < value.len; i++)
		digits = digits && value.s[i] >= '0' && value.s[i] <= '9';
	if (digits)
		return json_integer(strtoll(value.s, NULL, 10));
	return json_stringn_nocheck(value.s, value.len);
}

static json_t *json_pairs(struct text rest)
{
	json_t *object = json_object();
	struct text key, value;
	char name[64];

	while (next_pair(&rest, &key, &value))
		if (!text_is(key, "id") && text_copy(key, name, sizeof(name)))
			json_object_set_new_nocheck(object, name, json_value(key, value));
	return object;
}

json_t *client_show_object(const char *line)
{
	struct text rest = text_of(line, strlen(line));

	text_word(&rest);
	return json_pairs(rest);
}

/* ---- for people ---- */

static void show_row(struct text rest, bool head)
{
	struct text key, value;

	while (next_pair(&rest, &key, &value)) {
		struct text cell = head ? key : value;
		bool mib = !head && text_is(key, "memory");

		if (text_is(key, "id"))
			continue;
		if (mib)
			printf("%*s%lluM  ", COLUMN - 5, "", strtoull(value.s, NULL, 10) >> 20);
		else
			printf("%-*.*s  ", COLUMN, (int)cell.len, cell.s);
	}
	putchar('\n');
}

/* name=N value=V: the two; else the pairs as they are. */
static void show_line(struct text rest)
{
	struct text key, value;
	bool first = true;

	while (next_pair(&rest, &key, &value)) {
		bool plain = text_is(key, "figure") || text_is(key, "register") ||
			     text_is(key, "segment") || text_is(key, "field") ||
			     text_is(key, "value") || text_is(key, "reason");

		if (text_is(key, "id"))
			continue;
		if (text_is(key, "text")) {
			printf("\n    %.*s", (int)value.len, value.s);
			continue;
		}
		if (plain && first)
			printf("%-24.*s", (int)value.len, value.s);
		else if (plain)
			printf(" %.*s", (int)value.len, value.s);
		else
			printf("%s%.*s=%.*s", first ? "" : " ", (int)key.len, key.s,
				(int)value.len, value.s);
		first = false;
	}
	putchar('\n');
}

static void show_bytes(struct client_show *s, const char *hex)
{
	size_t count = strlen(hex) / 2;

	for (size_t i = 0; i < count; i += A_LINE) {
		size_t n = count - i < A_LINE ? count - i : A_LINE;

		printf("%016" PRIx64 " ", s->at + i);
		for (size_t k = 0; k < n; k++)
			printf(" %.2s", hex + 2 * (i + k));
		putchar('\n');
	}
	s->at += count;
}

void client_show_item(struct client_show *s, const char *line)
{
	struct text rest = text_of(line, strlen(line));
	const char *data;

	text_word(&rest);
	if (s->items) {
		json_array_append_new(s->items, client_show_object(line));
		return;
	}
	switch (s->shape) {
	case SHAPE_TABLE:
		if (!s->headed)
			show_row(rest, true);
		s->headed = true;
		show_row(rest, false);
		return;
	case SHAPE_MEMORY:
		data = record_rest(line, "data");
		show_bytes(s, data ? data : "");
		return;
	default:
		show_line(rest);
	}
}

void client_show_event(struct client_show *s, const char *record)
{
	struct text rest = text_of(record, strlen(record)), word = text_word(&rest);
	json_t *object;

	if (!s->items) {
		puts(record);
		return;
	}
	object = json_pairs(rest);
	json_object_set_new_nocheck(object, "event", json_stringn_nocheck(word.s, word.len));
	json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(object);
}

void client_show_end(struct client_show *s, bool ok)
{
	if (!s->items)
		return;
	if (ok && s->shape != SHAPE_EVENTS) {
		json_dumpf(s->items, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	}
	json_decref(s->items);
	s->items = NULL;
}
