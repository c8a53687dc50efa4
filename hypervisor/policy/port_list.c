/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/port_list.h"

#include "lib/fmt.h"
#include "policy/setting.h"

static const struct setting name_row = {.kind = SETTING_NAME, .size = LIMIT_NAME};

unsigned port_list_find(const struct port_list *l, struct text name)
{
	unsigned i = 0;

	while (i < l->count && !text_is(name, l->name[i]))
		i++;
	return i;
}

/* The text up to the next comma, which *rest begins behind. False: there is none. */
static bool next_name(struct text *rest, struct text *name)
{
	*name = (struct text){rest->s, 0};
	while (name->len < rest->len && rest->s[name->len] != ',')
		name->len++;
	if (name->len == rest->len)
		return false;
	*rest = (struct text){rest->s + name->len + 1, rest->len - name->len - 1};
	return true;
}

static bool add(struct port_list *l, struct text name, char *must)
{
	if (port_list_find(l, name) < l->count) {
		fmt(must, SETTING_TEXT_SIZE, "%s is given twice",
			l->name[port_list_find(l, name)]);
		return false;
	}
	if (l->count == LIMIT_PORTS) {
		fmt(must, SETTING_TEXT_SIZE, "not so many ports");
		return false;
	}
	if (!setting_parse(&name_row, name, l->name[l->count], must))
		return false;
	l->count++;
	return true;
}

bool port_list_parse(struct text value, struct port_list *l, char *must)
{
	struct text name;
	bool more;

	__builtin_memset(l, 0, sizeof(*l));
	do {
		more = next_name(&value, &name);
		if (!add(l, name, must))
			return false;
	} while (more);
	return true;
}

size_t port_list_format(const struct port_list *l, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < l->count; i++)
		n += fmt(buf + n, size - n, "%s%s", i == 0 ? "" : ",", l->name[i]);
	return n;
}
