/* Settings; see setting.h. */
#include "setting.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "spec/vmx_features.h"

const struct setting *setting_find(const struct setting *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

const char *setting_names(const struct setting *table, struct arena *a)
{
	const char *all = "";

	for (; table->name; table++)
		all = arena_format(a, "%s%s%s", all, *all ? ", " : "", table->name);
	return all;
}

/* Parses decimal digits up to @end; false if there are none, or too many. */
static bool parse_digits(const char *text, uint64_t *value, const char **end)
{
	const char *p = text;

	*value = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (*value > (UINT64_MAX - 9) / 10)
			return false;
		*value = *value * 10 + (uint64_t)(*p - '0');
	}
	*end = p;
	return p > text;
}

uint64_t setting_parse_size(const char *text)
{
	static const char units[] = "KMGT";
	const char *end;
	const char *unit;
	uint64_t value;
	unsigned shift;

	if (!parse_digits(text, &value, &end) || !*end)
		return 0;
	unit = strchr(units, toupper((unsigned char)*end));
	if (!unit || end[1])
		return 0;
	shift = 10 * (unsigned)(unit - units + 1);
	return value <= UINT64_MAX >> shift ? value << shift : 0;
}

static const char *size_text(struct arena *a, uint64_t size)
{
	static const char units[] = "BKMGT";
	unsigned unit = 0;

	for (; size && size % 1024 == 0 && unit < 4; unit++)
		size /= 1024;
	return arena_format(a, "%llu%c", (unsigned long long)size, units[unit]);
}

static const char *apply_size(
	const struct setting *s, uint64_t *out, const char *text, struct arena *a)
{
	uint64_t size = setting_parse_size(text);

	if (size == 0 || size % s->min || size > s->max)
		return arena_format(a, "a size such as 512M or 2G, a multiple of %s up to %s",
			size_text(a, s->min), size_text(a, s->max));
	*out = size;
	return NULL;
}

static const char *apply_number(
	const struct setting *s, uint64_t *out, const char *text, struct arena *a)
{
	const char *end;
	uint64_t value;

	if (!parse_digits(text, &value, &end) || *end || value < s->min || value > s->max)
		return arena_format(a, "a number from %llu to %llu", (unsigned long long)s->min,
			(unsigned long long)s->max);
	*out = value;
	return NULL;
}

static const char *apply_choice(
	const char *const *choices, uint64_t *out, const char *text, struct arena *a)
{
	const char *all = "one of ";

	for (uint64_t i = 0; choices[i]; i++) {
		if (strcmp(choices[i], text) == 0) {
			*out = i;
			return NULL;
		}
		all = arena_format(a, "%s%s%s", all, i ? ", " : "", choices[i]);
	}
	return all;
}

static const char *apply_name(const char **out, const char *text, struct arena *a)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
			length = 0;
	if (length == 0 || length > 31)
		return "1 to 31 letters, digits, '-', '_' and '.'";
	*out = arena_copy(a, text);
	return NULL;
}

static const char *apply_line(
	const struct setting *s, const char **out, const char *text, struct arena *a)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return "a single line of printable text";
	if (length > s->max)
		return arena_format(
			a, "a line of at most %llu bytes", (unsigned long long)s->max);
	*out = arena_copy(a, text);
	return NULL;
}

/* The same form as L0's: hypervisor/policy/scenario.c. */
static const char *apply_cpu_list(const char **out, const char *text, struct arena *a)
{
	static const char allowed[] = "CPU numbers from 0 to 63, as in 0,2-3";
	const char *p = text;

	for (;;) {
		uint64_t from, to;

		if (!parse_digits(p, &from, &p))
			return allowed;
		to = from;
		if (*p == '-' && !parse_digits(p + 1, &to, &p))
			return allowed;
		if (from > to || to > 63 || (*p && *p != ','))
			return allowed;
		if (!*p++)
			break;
	}
	*out = arena_copy(a, text);
	return NULL;
}

static const char *apply_features(const char **out, const char *text, struct arena *a)
{
	char *all = arena_alloc(a, 1024);
	size_t bad = 0, length = 0;
	uint64_t mask;

	if (caps_features_parse(text, strlen(text), &mask, &bad, &length)) {
		*out = arena_copy(a, text);
		return NULL;
	}
	caps_features_list(all, 1024);
	return arena_format(a,
		"a preset, or +NAME and -NAME with commas between; '%.*s' is not one of %s",
		(int)length, text + bad, all);
}

static const char *apply_file(struct place *out, const char *text, const char *where,
	const char *base, struct arena *a)
{
	if (!*text)
		return "the name of a file";
	out->where = arena_copy(a, where);
	out->path = *text == '/' || !base ? arena_copy(a, text)
					  : arena_format(a, "%s/%s", base, text);
	return NULL;
}

int setting_apply(const struct setting *s, void *object, const char *text, const char *where,
	const char *base, struct arena *a, struct error *e)
{
	static const char *const switches[] = {"off", "on", NULL};
	void *out = (char *)object + s->offset;
	const char *allowed = NULL;

	switch (s->kind) {
	case SETTING_SIZE:
		allowed = apply_size(s, out, text, a);
		break;
	case SETTING_NUMBER:
		allowed = apply_number(s, out, text, a);
		break;
	case SETTING_SWITCH:
		allowed = apply_choice(switches, out, text, a);
		break;
	case SETTING_CHOICE:
		allowed = apply_choice(s->choices, out, text, a);
		break;
	case SETTING_NAME:
		allowed = apply_name(out, text, a);
		break;
	case SETTING_LINE:
		allowed = apply_line(s, out, text, a);
		break;
	case SETTING_VMX_FEATURES:
		allowed = apply_features(out, text, a);
		break;
	case SETTING_CPU_LIST:
		allowed = apply_cpu_list(out, text, a);
		break;
	case SETTING_FILE:
		allowed = apply_file(out, text, where, base, a);
		break;
	}
	if (!allowed)
		return 0;
	return fail(e, STATUS_BAD_INPUT, "%s: '%.60s' is not allowed: must be %s", where, text,
		allowed);
}
