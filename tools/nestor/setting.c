/* SPDX-License-Identifier: Apache-2.0 */
/* Settings; see setting.h. */
#include "setting.h"

#include <string.h>

const struct setting *setting_find(setting_tables tables, const char *name)
{
	for (; *tables; tables++)
		for (const struct setting *s = *tables; s->kind != SETTING_END; s++)
			if (s->name && strcmp(s->name, name) == 0)
				return s;
	return NULL;
}

const char *setting_names(setting_tables tables, struct arena *a)
{
	const char *all = "";

	for (; *tables; tables++)
		for (const struct setting *s = *tables; s->kind != SETTING_END; s++)
			if (s->name)
				all = arena_format(a, "%s%s%s", all, *all ? ", " : "", s->name);
	return all;
}

static const char *describe(const struct setting *s, struct arena *a)
{
	char *text = arena_alloc(a, SETTING_TEXT_SIZE);

	setting_describe(s, text, SETTING_TEXT_SIZE);
	return text;
}

static const char *apply_line(
	const struct setting *s, const char **out, const char *text, struct arena *a)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return "a single line of printable text";
	if (length > s->max)
		return describe(s, a);
	*out = arena_copy(a, text);
	return NULL;
}

static const char *apply_file(const struct setting *s, struct place *out, const char *text,
	const char *where, const char *base, struct arena *a)
{
	if (!*text)
		return describe(s, a);
	out->where = arena_copy(a, where);
	for (size_t i = 0; s->words && s->words[i]; i++)
		if (strcmp(text, s->words[i]) == 0) {
			out->path = s->words[i];
			return NULL;
		}
	out->path = *text == '/' || !base ? arena_copy(a, text)
					  : arena_format(a, "%s/%s", base, text);
	return NULL;
}

static const char *apply_value(
	const struct setting *s, void *object, const char *text, struct arena *a)
{
	char *must = arena_alloc(a, SETTING_TEXT_SIZE);

	return setting_parse(s, text_of(text, strlen(text)), object, must) ? NULL : must;
}

int setting_apply(const struct setting *s, void *object, const char *text, const char *where,
	const char *base, struct arena *a, struct error *e)
{
	void *out = (char *)object + s->offset;
	const char *must;

	if (s->kind == SETTING_LINE)
		must = apply_line(s, out, text, a);
	else if (s->kind == SETTING_FILE)
		must = apply_file(s, out, text, where, base, a);
	else
		must = apply_value(s, object, text, a);
	if (!must)
		return 0;
	return fail(e, STATUS_BAD_INPUT, "%s: '%.60s' is not allowed: must be %s", where, text,
		must);
}
