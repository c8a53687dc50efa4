/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/setting_int.h"

#include <stdarg.h>

#include "lib/fmt.h"
#include "lib/limits.h"
#include "policy/device_list.h"
#include "policy/net_config.h"
#include "policy/name_list.h"
#include "policy/serial_config.h"
#include "spec/net.h"
#include "spec/pci.h"

bool refusal_set(struct refusal *r, struct text where, const char *format, ...)
{
	va_list args;

	r->where = where;
	va_start(args, format);
	fmt_v(r->why, sizeof(r->why), format, args);
	va_end(args);
	return false;
}

static uint64_t get(const struct setting *s, const void *object)
{
	const void *at = (const char *)object + s->offset;

	switch (s->size) {
	case 1:
		return *(const uint8_t *)at;
	case 4:
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

static void set(const struct setting *s, void *object, uint64_t value)
{
	void *at = (char *)object + s->offset;

	switch (s->size) {
	case 1:
		*(uint8_t *)at = (uint8_t)value;
		break;
	case 4:
		*(uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(uint64_t *)at = value;
		break;
	}
}

static struct cpu_set *cpus_of(const struct setting *s, const void *object)
{
	return (struct cpu_set *)((uintptr_t)object + s->offset);
}

static uint64_t initial_value(const struct setting *s)
{
	return s->kind == SETTING_FEATURES ? features_default(s->family) : s->initial;
}

void settings_init(const struct setting *table, void *object)
{
	for (const struct setting *s = table; s->kind != SETTING_END; s++) {
		if (s->kind == SETTING_NAME || s->kind == SETTING_NETS ||
			s->kind == SETTING_NAMES || s->kind == SETTING_FUNCTIONS ||
			s->kind == SETTING_SERIAL)
			__builtin_memset((char *)object + s->offset, 0, s->size);
		else if (s->kind == SETTING_CPU_LIST)
			cpu_set_fill(cpus_of(s, object));
		else if (s->kind != SETTING_LINE && s->kind != SETTING_FILE)
			set(s, object, initial_value(s));
	}
}

static struct device_list *devices_of(const struct setting *s, const void *object)
{
	return (struct device_list *)((uintptr_t)object + s->offset);
}

static const struct net_list *nets_of(const struct setting *s, const void *object)
{
	return (const void *)((const char *)object + s->offset);
}

static struct l0_serial *serial_of(const struct setting *s, const void *object)
{
	return (struct l0_serial *)((uintptr_t)object + s->offset);
}

_Static_assert(LIMIT_PORTS <= LIMIT_NETWORKS &&
		       offsetof(struct port_list, name) == sizeof(uint32_t) &&
		       offsetof(struct network_list, name) == sizeof(uint32_t),
	"lists of names");

/* Of a structure as those of name_list.h: the count, and the names behind it. */
#define NAMES_AT sizeof(uint32_t)

static uint32_t names_most(const struct setting *s)
{
	return (uint32_t)((s->size - NAMES_AT) / LIMIT_NAME);
}

static uint32_t names_count(const struct setting *s, const void *object)
{
	uint32_t count;

	__builtin_memcpy(&count, (const char *)object + s->offset, sizeof(count));
	return count;
}

bool setting_is_default(const struct setting *s, const void *object)
{
	if (s->kind == SETTING_NAME)
		return ((const char *)object)[s->offset] == '\0';
	if (s->kind == SETTING_NETS)
		return nets_of(s, object)->count == 0;
	if (s->kind == SETTING_NAMES)
		return names_count(s, object) == 0;
	if (s->kind == SETTING_FUNCTIONS)
		return device_list_is_empty(devices_of(s, object));
	if (s->kind == SETTING_SERIAL)
		return serial_of(s, object)->kind == L0_SERIAL_AUTO;
	if (s->kind == SETTING_CPU_LIST)
		return cpu_set_is_full(cpus_of(s, object));
	return get(s, object) == initial_value(s);
}

static bool parse_choice(const struct setting *s, struct text v, uint64_t *out)
{
	for (uint64_t i = 0; s->words[i] != NULL; i++) {
		if (text_is(v, s->words[i])) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool parse_switch(struct text v, uint64_t *out)
{
	bool on;

	if (!text_bool(v, &on))
		return false;
	*out = on;
	return true;
}

static bool parse_number(const struct setting *s, struct text v, uint64_t *out)
{
	return text_number(v, out) && *out >= s->min && *out <= s->max &&
	       (s->unit == 0 || *out % s->unit == 0);
}

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

static bool parse_name(const struct setting *s, struct text v, void *object)
{
	for (size_t i = 0; i < v.len; i++)
		if (!name_char(v.s[i]))
			return false;
	if (v.len == 0 || v.len >= s->size)
		return false;
	return text_copy(v, (char *)object + s->offset, s->size);
}

static bool parse_order(const struct setting *s, struct text v, uint64_t *order)
{
	unsigned shift = 0;
	struct text item;
	uint64_t index;
	bool more;

	*order = 0;
	do {
		more = setting_cut(&v, ',', &item);
		if (!parse_choice(s, item, &index))
			return false;
		for (unsigned i = 0; i < shift; i += 8)
			if ((*order >> i & 0xff) == index + 1)
				return false;
		*order |= (index + 1) << shift;
		shift += 8;
	} while (more);
	return true;
}

static size_t put_choices(const struct setting *s, const char *intro, char *buf, size_t size)
{
	size_t n = fmt(buf, size, "%s", intro);

	for (size_t i = 0; s->words[i] != NULL; i++)
		n += fmt(buf + n, size - n, "%s %s", i == 0 ? "" : ",", s->words[i]);
	return n;
}

/* So many words stand for the sizes from 0 up, which are none. */
static uint64_t count_words(const struct setting *s)
{
	uint64_t n = 0;

	while (s->words != NULL && s->words[n] != NULL)
		n++;
	return n;
}

/* 64 bits: the largest unit that gives a whole number. */
static size_t put_size(uint64_t v, char *buf, size_t size)
{
	static const char *const units[] = {"", "K", "M", "G", "T"};
	size_t unit = 0;

	while (v != 0 && v % 1024 == 0 && unit < 4) {
		v /= 1024;
		unit++;
	}
	return fmt(buf, size, "%lu%s", v, units[unit]);
}

static void describe_size(const struct setting *s, char *buf, size_t size)
{
	char min[24], max[24], unit[24];
	size_t n;

	put_size(s->min, min, sizeof(min));
	put_size(s->max, max, sizeof(max));
	put_size(s->unit, unit, sizeof(unit));
	n = s->words != NULL ? put_choices(s, "one of", buf, size) : 0;
	fmt(buf + n, size - n, "%sa size such as 512M or 2G, from %s to %s, a multiple of %s",
		n != 0 ? ", or " : "", min, max, unit);
}

static void describe_number(const struct setting *s, char *buf, size_t size)
{
	if (s->max == UINT64_MAX && s->min == 0)
		fmt(buf, size, "a number");
	else
		fmt(buf, size, "a number from %lu to %lu", s->min, s->max);
}

void setting_describe(const struct setting *s, char *buf, size_t size)
{
	switch (s->kind) {
	case SETTING_SIZE:
		describe_size(s, buf, size);
		break;
	case SETTING_NUMBER:
		describe_number(s, buf, size);
		break;
	case SETTING_SWITCH:
		fmt(buf, size, "on or off");
		break;
	case SETTING_CHOICE:
		put_choices(s, "one of", buf, size);
		break;
	case SETTING_ORDER:
		put_choices(s, "an order, with commas between, of", buf, size);
		break;
	case SETTING_NAME:
		fmt(buf, size, "1 to %u letters, digits, '-', '_' and '.'", s->size - 1);
		break;
	case SETTING_CPU_LIST:
		fmt(buf, size,
			"CPU numbers from 0 to %d, each once, as in 0,2-3; %d pieces at most",
			LIMIT_CPU_NUMBERS - 1, LIMIT_CPU_PIECES);
		break;
	case SETTING_MAC:
		fmt(buf, size, "the address of a station, such as 52:54:00:12:34:56");
		break;
	case SETTING_NETS:
		fmt(buf, size, "NETWORK[,KEY=VALUE...], at most %d with '+' between them",
			LIMIT_NETS);
		break;
	case SETTING_NAMES:
		fmt(buf, size, "at most %u different names, as in agent,log", names_most(s));
		break;
	case SETTING_FUNCTIONS:
		fmt(buf, size,
			"none, all, or 1 to %u PCI functions, each once: pci:00:03.0, "
			"pci:00:03.0/vf0 (to %u), /vfs=1 (to 7), ,root-port=N,attached=off",
			DEVICE_LIST_MAX, DEVICE_VF_MAX);
		break;
	case SETTING_SERIAL:
		fmt(buf, size, SERIAL_TEXTS);
		break;
	case SETTING_FEATURES:
		fmt(buf, size, "a preset, or +NAME and -NAME with commas between");
		break;
	case SETTING_LINE:
		fmt(buf, size, "a line of at most %lu bytes", s->max);
		break;
	default:
		fmt(buf, size, "the name of a file");
		break;
	}
}

/* Also names the word that is none, and lists those that exist. */
static bool parse_features(
	const struct setting *s, struct text v, uint64_t *mask, char *must, size_t size)
{
	size_t bad, bad_len, n;

	if (features_parse(s->family, v.s, v.len, mask, &bad, &bad_len))
		return true;
	setting_describe(s, must, size);
	n = text_of(must, size).len;
	n += fmt(must + n, size - n, "; '%.*s' is not one of ",
		(int)(bad_len < 40 ? bad_len : 40), v.s + bad);
	features_list(s->family, must + n, size - n);
	return false;
}

static bool parse_value(const struct setting *s, struct text v, uint64_t *out)
{
	switch (s->kind) {
	case SETTING_SIZE:
		return (s->words != NULL && parse_choice(s, v, out)) || parse_number(s, v, out);
	case SETTING_NUMBER:
		return parse_number(s, v, out);
	case SETTING_SWITCH:
		return parse_switch(v, out);
	case SETTING_CHOICE:
		return parse_choice(s, v, out);
	case SETTING_MAC:
		return setting_parse_mac(v, out);
	case SETTING_ORDER:
		return parse_order(s, v, out);
	default:
		return false;
	}
}

/* Also names the part that is wrong. */
static bool parse_parts(const struct setting *s, struct text value, void *object, char *must)
{
	union {
		struct net_list nets;
		struct network_list names; /* the longest of them */
	} l;
	char why[SETTING_TEXT_SIZE];
	size_t n;

	if (s->kind == SETTING_NETS ? net_list_parse(value, &l.nets, why)
				    : name_list_parse(value, l.names.name[0], names_most(s),
					      &l.names.count, why)) {
		__builtin_memcpy((char *)object + s->offset, &l, s->size);
		return true;
	}
	setting_describe(s, must, SETTING_TEXT_SIZE);
	n = text_of(must, SETTING_TEXT_SIZE).len;
	fmt(must + n, SETTING_TEXT_SIZE - n, "; %s", why);
	return false;
}

/* With what is wrong, where something is known. */
static bool refuse_value(const struct setting *s, const char *why, char *must)
{
	size_t n;

	setting_describe(s, must, SETTING_TEXT_SIZE);
	n = text_of(must, SETTING_TEXT_SIZE).len;
	if (why != NULL)
		fmt(must + n, SETTING_TEXT_SIZE - n, "; %s", why);
	return false;
}

static bool parse_devices(const struct setting *s, struct text value, void *object, char *must)
{
	struct device_list l;
	const char *why;

	if (!device_list_parse(value, &l, &why))
		return refuse_value(s, why, must);
	*devices_of(s, object) = l;
	return true;
}

static bool parse_serial(const struct setting *s, struct text value, void *object, char *must)
{
	struct l0_serial serial;
	const char *why;

	if (!serial_parse(value, &serial, &why))
		return refuse_value(s, why, must);
	*serial_of(s, object) = serial;
	return true;
}

static bool parse_cpus(const struct setting *s, struct text value, void *object, char *must)
{
	struct cpu_set cpus;

	if (setting_parse_cpu_list(value, &cpus)) {
		*cpus_of(s, object) = cpus;
		return true;
	}
	setting_describe(s, must, SETTING_TEXT_SIZE);
	return false;
}

bool setting_parse(const struct setting *s, struct text value, void *object, char *must)
{
	uint64_t v;

	if (s->kind == SETTING_NETS || s->kind == SETTING_NAMES)
		return parse_parts(s, value, object, must);
	if (s->kind == SETTING_NAME && parse_name(s, value, object))
		return true;
	if (s->kind == SETTING_FUNCTIONS)
		return parse_devices(s, value, object, must);
	if (s->kind == SETTING_SERIAL)
		return parse_serial(s, value, object, must);
	if (s->kind == SETTING_CPU_LIST)
		return parse_cpus(s, value, object, must);
	if (s->kind == SETTING_FEATURES) {
		if (!parse_features(s, value, &v, must, SETTING_TEXT_SIZE))
			return false;
	} else if (!parse_value(s, value, &v)) {
		setting_describe(s, must, SETTING_TEXT_SIZE);
		return false;
	}
	set(s, object, v);
	return true;
}

static bool refuse_key(const struct setting *table, struct text word, struct refusal *r)
{
	size_t n;

	refusal_set(r, word, "unknown key: must be one of");
	n = text_of(r->why, sizeof(r->why)).len;
	for (const struct setting *s = table; s->kind != SETTING_END; s++)
		n += fmt(
			r->why + n, sizeof(r->why) - n, "%s %s", s == table ? "" : ",", s->key);
	return false;
}

bool settings_parse(
	const struct setting *table, struct text word, void *object, struct refusal *r)
{
	char must[SETTING_TEXT_SIZE];
	struct text key, value;

	text_key_value(word, &key, &value);
	for (const struct setting *s = table; s->kind != SETTING_END; s++) {
		if (!text_is(key, s->key))
			continue;
		return setting_parse(s, value, object, must) ||
		       refusal_set(r, word, "%s must be %s", s->key, must);
	}
	return refuse_key(table, word, r);
}

static size_t put_order(const struct setting *s, uint64_t order, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (; order != 0; order >>= 8)
		n += fmt(buf + n, size - n, "%s%s", n == 0 ? "" : ",",
			s->words[(order & 0xff) - 1]);
	return n;
}

size_t setting_format(const struct setting *s, const void *object, char *buf, size_t size)
{
	switch (s->kind) {
	case SETTING_SIZE:
		if (get(s, object) < count_words(s))
			return fmt(buf, size, "%s", s->words[get(s, object)]);
		return put_size(get(s, object), buf, size);
	case SETTING_NUMBER:
		return fmt(buf, size, "%lu", get(s, object));
	case SETTING_SWITCH:
		return fmt(buf, size, "%s", get(s, object) ? "on" : "off");
	case SETTING_CHOICE:
		return fmt(buf, size, "%s", s->words[get(s, object)]);
	case SETTING_NAME:
		return fmt(buf, size, "%s", (const char *)object + s->offset);
	case SETTING_CPU_LIST:
		return setting_put_cpu_list(cpus_of(s, object), buf, size);
	case SETTING_MAC:
		return setting_put_mac(get(s, object), buf, size);
	case SETTING_NETS:
		return net_list_format(nets_of(s, object), buf, size);
	case SETTING_NAMES:
		return name_list_format((const char *)object + s->offset + NAMES_AT,
			names_count(s, object), buf, size);
	case SETTING_FUNCTIONS:
		return device_list_format(devices_of(s, object), buf, size);
	case SETTING_SERIAL:
		return serial_format(serial_of(s, object), buf, size);
	case SETTING_ORDER:
		return put_order(s, get(s, object), buf, size);
	case SETTING_FEATURES:
		return features_format(s->family, get(s, object), buf, size);
	default:
		buf[0] = '\0';
		return 0;
	}
}

size_t settings_format(const struct setting *table, const void *object, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (const struct setting *s = table; s->kind != SETTING_END; s++) {
		if (setting_is_default(s, object))
			continue;
		n += fmt(buf + n, size - n, " %s=", s->key);
		n += setting_format(s, object, buf + n, size - n);
	}
	return n;
}
